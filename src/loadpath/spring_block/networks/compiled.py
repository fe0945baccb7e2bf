"""The compiled way to train an MLP: the numbers of the plain way to rounding, in less time."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from loadpath.spring_block.networks import kernel, memory
from loadpath.spring_block.networks.classifiers import MLP
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.recipe import Recipe


class Compiled:
    """Stepper on flat arrays, in memory of its own until `finish`.

    Parameters
    ----------
    network : MLP
        The net; its weights are copied.
    draws : Draws
        What every epoch trains on.
    recipe : Recipe
        How it is trained; only the learning rate and the weight decay are read here.

    Notes
    -----
    Shifts that the next BatchNorm subtracts again, such as the bias before it, are not trained:
    their gradient is 0, of which autograd leaves rounding that Adam takes for a direction. Weight
    decay does shrink them, as it does everything.
    """

    def __init__(self, network: MLP, draws: Draws, recipe: Recipe) -> None:
        """Copy the weights, and reserve 4 (depth + 1) bytes a feature of a batch."""
        self._network, self._draws, self._recipe, self._epochs = network, draws, recipe, 0
        self._bounds, self._steps = np.array(draws.bounds), 0
        self._net = memory.Net(
            network.inputs,
            network.width,
            network.depth,
            network.classes,
            network.batch_norm,
            np.float32(network.slope),
            min(round(kernel.LEVELS * network.dropout), kernel.LEVELS - 1),
        )
        theta = nn.utils.parameters_to_vector(network.parameters()).detach().float()
        self._weights, self._norms = memory.new_weights(theta), memory.new_norms(self._net)
        chunk = min(draws.batch_size, kernel.CHUNK)
        self._room = memory.new_room(self._net, draws.batch_size, chunk, draws.dropout_seed)
        for norm, running in self._statistics():
            running[0] = norm.running_mean
            running[1] = norm.running_var

    def epoch(self) -> float:
        """Train on one more epoch.

        Returns
        -------
        float
            Loss of the epoch, as a mean over its samples; nats.
        """
        x, labels = self._draws.epoch()
        total = kernel.train_epoch(
            x.contiguous().numpy(),
            labels.contiguous().numpy(),
            self._bounds,
            self._net,
            self._weights,
            self._norms,
            self._room,
            self._recipe.rate_at(self._epochs),
            self._recipe.weight_decay,
            self._steps,
        )
        self._epochs += 1
        self._steps += len(self._bounds) - 1
        return float(total) / len(x)

    @torch.no_grad()
    def finish(self) -> None:
        """Bring the net up to date, running statistics included."""
        theta, at = torch.from_numpy(self._weights.theta), 0
        for parameter in self._network.parameters():
            parameter.copy_(theta[at : at + parameter.numel()].view_as(parameter))
            at += parameter.numel()
        for norm, running in self._statistics():
            norm.get_buffer("running_mean").copy_(torch.from_numpy(running[0]))
            norm.get_buffer("running_var").copy_(torch.from_numpy(running[1]))
            norm.get_buffer("num_batches_tracked").fill_(self._steps)

    def _statistics(self) -> list[tuple[nn.BatchNorm1d, memory.Floats]]:
        """Return every BatchNorm with its running statistics here, (2, feature)."""
        norms = (self._network.input_norm, *self._network.norms)
        return [
            (norm, self._norms.running[l, :, : norm.num_features])
            for l, norm in enumerate(norms)
            if isinstance(norm, nn.BatchNorm1d)
        ]
