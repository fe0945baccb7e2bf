"""What a law is held against: an untrained net, another order in depth, other labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loadpath.laws.definitions import Definition, NullName
from loadpath.laws.representations import Array, Representations
from loadpath.leaky_resnet import LeakyResNet

Untrained = Callable[[int], nn.Module]
"""A function from a seed to an untrained net of the same kind."""


def in_other_orders(path: Representations, n: int, seed: int) -> Iterator[Representations]:
    r"""Yield the path with its increments in random orders, from the same first layer.

    Parameters
    ----------
    path : Representations
        With layers of one width.
    n : int
        How many.
    seed : int
        Seed of the orders.

    Yields
    ------
    Representations
        $A_0, A_0 + d_{\pi(1)}, A_0 + d_{\pi(1)} + d_{\pi(2)}, \dots$ with $d_l$ the increments:
        the first and the last layer stay.
    """
    rng = np.random.default_rng([seed, 1])
    for _ in range(n):
        order = torch.from_numpy(rng.permutation(len(path.increments)))
        sums = torch.cumsum(path.increments[order], 0)
        yield path.with_rows([path.rows[0], *(path.rows[0] + each for each in sums)])


def curves_in_other_orders(curve: Array, n: int, seed: int) -> Iterator[Array]:
    """Yield a curve over layers with its increments in random orders.

    Parameters
    ----------
    curve : Array
        (layer,) numbers.
    n : int
        How many.
    seed : int
        Seed of the orders.

    Yields
    ------
    Array
        (layer,) numbers with the same ends.
    """
    rng, parts = np.random.default_rng([seed, 1]), np.diff(curve)
    for _ in range(n):
        yield np.concatenate([curve[:1], curve[0] + np.cumsum(rng.permutation(parts))])


def with_other_labels(path: Representations, n: int, seed: int) -> Iterator[Representations]:
    """Yield the path with answers in random orders, those of one sample together.

    Parameters
    ----------
    path : Representations
        With answers.
    n : int
        How many.
    seed : int
        Seed of the orders.

    Yields
    ------
    Representations
        With the same rows.

    Notes
    -----
    Rows that share a sample are not exchangeable with others, and their labels need not be alike.
    So where there are such rows, labels are shifted along the rows by a random number of places,
    which keeps what neighbours share.
    """
    rng = np.random.default_rng([seed, 2])
    assert path.answers is not None
    alone = len(path.samples.unique()) == path.count
    for _ in range(n):
        if alone:
            order = torch.from_numpy(rng.permutation(path.count))
        else:
            order = torch.arange(path.count).roll(int(rng.integers(1, path.count)))
        yield path.with_answers(path.answers[order])


def values_under(
    null: NullName, definitions: Sequence[Definition], path: Representations, n: int, seed: int
) -> dict[str, Array]:
    """Return the statistics of laws under one of the two nulls that need no other net.

    Parameters
    ----------
    null : {"depth", "labels"}
        Which.
    definitions : sequence of Definition
        The laws, which all have that null.
    path : Representations
        The net.
    n : int
        How many draws.
    seed : int
        Seed of the draws, which are the same for all laws.

    Returns
    -------
    dict of str to Array
        (draw,) values of each law that are finite.
    """
    found: dict[str, list[float]] = {each.name: [] for each in definitions}
    curves: dict[str, Array] = {}
    for part in dict.fromkeys(each.part(path) for each in definitions):
        held = [each for each in definitions if each.part(path) is part]
        if null == "depth" and not part.adds_to_a_stream:
            curves |= {each.name: _of_curves(each, part, n, seed) for each in held}
            continue
        draw = with_other_labels if null == "labels" else in_other_orders
        for drawn in draw(part, n, seed):
            for each in held:
                found[each.name].append(each.statistic_of(drawn))
    return {name: _finite(values) for name, values in found.items()} | curves


def _of_curves(definition: Definition, path: Representations, n: int, seed: int) -> Array:
    """Return the statistic of a law with the parts of its own curve in random orders."""
    curve, score = path.curve(definition.curve), definition.score
    assert score is not None  # only laws that see no order have none
    if len(curve) < len(path.rows):  # over steps: they change places themselves
        rng = np.random.default_rng([seed, 1])
        return _finite([score(rng.permutation(curve)) for _ in range(n)])
    return _finite([score(each) for each in curves_in_other_orders(curve, n, seed)])


def _finite(values: Sequence[float]) -> Array:
    found = np.array(values, dtype=float)
    return found[np.isfinite(found)]


def fresh(model: nn.Module) -> Untrained:
    """Return what makes untrained nets of a model's kind.

    Parameters
    ----------
    model : nn.Module
        The model: a `LeakyResNet`, or one whose modules with parameters or running statistics all
        have `reset_parameters`, as those of torch have.

    Returns
    -------
    callable
        From a seed to an untrained net, in the type and place of the model.

    Raises
    ------
    ValueError
        If a module has parameters of its own and no `reset_parameters`.
    """
    if isinstance(model, LeakyResNet):
        return _fresh_leaky_resnets(model)
    for name, module in model.named_modules():
        held = [*module._parameters.values()]
        if any(each is not None for each in held) and not hasattr(module, "reset_parameters"):
            raise ValueError(
                f"untrained must be a function from a seed to a net for this model, because "
                f"{name or 'the model itself'!r} ({type(module).__name__}) has parameters and no "
                "reset_parameters, got None."
            )

    def make(seed: int) -> nn.Module:
        net = copy.deepcopy(model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for module in net.modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
        return net

    return make


def settle(net: nn.Module, run: Callable[[], object]) -> None:
    """Give batch normalizations that have seen no data the statistics of some.

    One that has seen none leaves its input as it is, and a net with it is not what training starts
    from. Each takes the mean over batches of the batches' own statistics, as those of torch do
    without a momentum. `torch.optim.swa_utils.update_bn` would turn dropout on, and knows only
    loaders of tensors.

    Parameters
    ----------
    net : nn.Module
        An untrained net in evaluation mode, which is changed where its normalizations have run
        over no batch.
    run : callable
        Runs the net on data.
    """
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    new = [each for each in net.modules() if isinstance(each, kinds) and _has_seen_nothing(each)]
    if not new:
        return
    learned: dict[nn.Module, Any] = {each: copy.deepcopy(each).train() for each in new}
    for each in learned.values():
        each.momentum = None  # the mean over batches

    def normalize(norm: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> Tensor | None:
        x = given[0]
        if x.numel() < 2 * x.shape[1]:  # one value has no variance
            return None
        with torch.no_grad():
            out: Tensor = learned[norm](x)
        return out

    hooks = [each.register_forward_hook(normalize) for each in new]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for norm, each in learned.items():  # what runs the net may leave it as it was
        norm.load_state_dict(each.state_dict())


def _has_seen_nothing(norm: nn.modules.batchnorm._BatchNorm) -> bool:
    return norm.num_batches_tracked is not None and int(norm.num_batches_tracked) == 0


def _fresh_leaky_resnets(model: LeakyResNet) -> Untrained:
    """Return what draws the weights of a LeakyResNet anew; its maps stay."""

    def make(seed: int) -> nn.Module:
        drawn = LeakyResNet(
            model.in_features,
            model.out_features,
            width=model.width,
            depth=model.depth,
            effective_depth=model.effective_depth,
            layer_steps=model.layer_steps.cpu(),
            step=model.step,
            largest_leak=model.largest_leak,
            activation=model.activation,
            bias=model.bias,
            seed=seed,
            dtype=torch.float64,
            device="cpu",
        )
        net = copy.deepcopy(model)
        with torch.no_grad():
            net.weights.copy_(drawn.weights)
        return net

    return make


def same_samples(path: Representations, other: Representations) -> Representations:
    """Return the representations of another net with the answers of the first.

    Parameters
    ----------
    path : Representations
        Of the net.
    other : Representations
        Of an untrained net of its kind, on the same data.

    Returns
    -------
    Representations
        With positions, activation and answer kind of the net.

    Raises
    ------
    ValueError
        If the two have other layers.
    """
    widths = [H.shape[1] for H in path.rows]
    if other.names != path.names or [H.shape[1] for H in other.rows] != widths:
        raise ValueError(
            f"untrained must make nets with the layers of the model, {list(path.names)}, got "
            f"{list(other.names)}."
        )
    return replace(other, p=path.p, activation=path.activation, bias=path.bias)
