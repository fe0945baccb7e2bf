"""The classifiers of [SB]: MLP and CNN with BatchNorm and Dropout, as plain nn.Modules."""

from __future__ import annotations

import math
from dataclasses import asdict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from loadpath.checks import check_seed, check_type
from loadpath.spring_block.networks.shapes import CNNShape, MLPShape, Shape


class MLP(nn.Module):
    r"""Fully-connected net of [SB]: input BatchNorm, then layers of one width, then logits.

    Parameters
    ----------
    inputs : int
        Number of features of a sample.
    classes : int
        Number of logits, at least 2.
    width : int
        Number of features of every layer between the inputs and the logits.
    depth : int
        Number of Linear layers, the logits' included; at least 2.
    slope : float
        Slope of the LeakyReLU below 0, in [0, 1]: 0 is a ReLU, 1 makes the net linear.
    dropout : float
        Share of the features that is set to 0 after every activation in training, in [0, 1).
    batch_norm : bool
        Whether there is a BatchNorm on the inputs and before every activation.
    input_batch_norm : bool
        Whether there is one on the inputs, where there is any: False leaves it out, as He and Su
        do, and the inputs are layer 0 as they are.
    seed : int
        Seed of the weights. They are PyTorch's default ones, those of a net that is built right
        after `torch.manual_seed(int(seed))`; torch's own random state is left alone.

    Raises
    ------
    ValueError
        If an argument is out of its range; the sentence names it and its value.

    Notes
    -----
    $h_0 = BN(x)$, $h_l = \mathrm{Dropout}(\phi(BN(W_l h_{l-1} + b_l)))$ for l = 1..depth - 1 with
    $\phi$ a LeakyReLU, and $f(x) = W h_{depth-1} + b$.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> net = MLP(64, 10, slope=0.2, depth=4)
    >>> [tuple(h.shape) for h in net.path(torch.zeros(5, 64))]
    [(5, 64), (5, 100), (5, 100), (5, 100)]
    """

    shape: MLPShape
    """Sizes and settings, all but the weights."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        width: int = 100,
        depth: int = 8,
        slope: float,
        dropout: float = 0.0,
        batch_norm: bool = True,
        input_batch_norm: bool = True,
        seed: int = 0,
    ) -> None:
        """Check the arguments, then draw the weights from `seed`."""
        super().__init__()
        self.shape = MLPShape(
            inputs, classes, slope, width, depth, dropout, batch_norm, input_batch_norm
        )
        check_seed("seed", seed)
        self.inputs, self.classes, self.width, self.depth = inputs, classes, width, depth
        self.slope, self.dropout, self.batch_norm = float(slope), float(dropout), batch_norm
        self.input_batch_norm = input_batch_norm
        whitened = batch_norm and input_batch_norm
        self.input_norm = nn.BatchNorm1d(inputs) if whitened else nn.Identity()
        # nn.Linear would draw from torch's global state; these are drawn below.
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, inputs if l == 0 else width, width)
            for l in range(depth - 1)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width) if batch_norm else nn.Identity() for _ in range(depth - 1)
        )
        self.activation = nn.LeakyReLU(self.slope)
        self.drop = nn.Dropout(self.dropout)
        self.logits = nn.utils.skip_init(nn.Linear, width, classes)
        generator = torch.Generator().manual_seed(int(seed))
        for linear in (*self.layers, self.logits):
            draw_default(linear, generator)

    def _layers(self, h: Tensor) -> list[Tensor]:
        """Features h_0, ..., h_{depth-1}, as training or evaluation has them."""
        path = [self.input_norm(h)]
        for linear, norm in zip(self.layers, self.norms, strict=True):
            path.append(self.drop(self.activation(norm(linear(path[-1])))))
        return path

    def path(self, x: Float[Tensor, "sample inputs"]) -> list[Tensor]:
        """Return the features of every layer.

        Parameters
        ----------
        x : Tensor
            Samples, (sample, inputs).

        Returns
        -------
        list of Tensor
            $h_0$ (sample, inputs), then $h_1, ..., h_{depth-1}$, each (sample, width).

        Raises
        ------
        ValueError
            If `x` is not of shape (sample, inputs).
        """
        check_samples(x, self.inputs)
        return self._layers(x)

    def forward(self, x: Float[Tensor, "sample inputs"]) -> Float[Tensor, "sample classes"]:
        """Return the logits of samples.

        Parameters
        ----------
        x : Tensor
            Samples, (sample, inputs).

        Returns
        -------
        Tensor
            Logits, (sample, classes).
        """
        h: Tensor = self.logits(self._layers(x)[-1])
        return h


class CNN(nn.Module):
    r"""Convolutional net of [SB]: every layer pools to half the size and is blown up again.

    Parameters
    ----------
    inputs : int
        Number of pixels of a sample, channels times size squared, one plane after the other.
    classes : int
        Number of logits, at least 2.
    image_channels : int
        Planes of an image. The size of the planes, which must be even, follows.
    channels : int
        Channels of every layer.
    depth : int
        Number of layers with weights, the logits' included; at least 2.
    slope, dropout : float
        Slope below 0 and share of dropped features, as for `MLP`.
    batch_norm : bool
        Whether the net has BatchNorm, as for `MLP`.
    seed : int
        Seed of the weights, as for `MLP`.

    Raises
    ------
    ValueError
        If an argument is out of its range; the sentence names it and its value.

    Notes
    -----
    $h_0 = BN(x)$; then `depth - 1` times conv 3x3 (zero padding), BN, LeakyReLU, max-pool by 2:
    that is $h_l$, (channels, size/2, size/2), which nearest upsampling by 2 and Dropout bring to
    the next layer; then logits from the last blown-up map.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> net = CNN(64, 10, image_channels=1, depth=3)
    >>> [tuple(h.shape) for h in net.path(torch.zeros(5, 64))]
    [(5, 64), (5, 320), (5, 320)]
    """

    shape: CNNShape
    """Sizes and settings, all but the weights."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        image_channels: int = 3,
        channels: int = 20,
        depth: int = 8,
        slope: float = 0.0,
        dropout: float = 0.0,
        batch_norm: bool = True,
        seed: int = 0,
    ) -> None:
        """Check the arguments, then draw the weights from `seed`."""
        super().__init__()
        self.shape = CNNShape(
            inputs, classes, slope, image_channels, channels, depth, dropout, batch_norm
        )
        check_seed("seed", seed)
        size = self.shape.size
        self.inputs, self.classes, self.depth = inputs, classes, depth
        self.image_channels, self.channels, self.size = image_channels, channels, size
        self.slope, self.dropout, self.batch_norm = float(slope), float(dropout), batch_norm
        self.input_norm = nn.BatchNorm2d(image_channels) if batch_norm else nn.Identity()
        self.layers = nn.ModuleList(
            nn.utils.skip_init(
                nn.Conv2d, image_channels if l == 0 else channels, channels, 3, padding=1
            )
            for l in range(depth - 1)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(channels) if batch_norm else nn.Identity() for _ in range(depth - 1)
        )
        self.activation = nn.LeakyReLU(self.slope)
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.drop = nn.Dropout(self.dropout)
        self.logits = nn.utils.skip_init(nn.Linear, channels * size**2, classes)
        generator = torch.Generator().manual_seed(int(seed))
        for layer in (*self.layers, self.logits):
            draw_default(layer, generator)
        # Maps follow the weights' layout, in which a step on a CPU takes 0.6 of the time.
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def _maps(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Pooled maps of every layer, h_0 first, and the last one blown up."""
        h = self.input_norm(x.reshape(len(x), self.image_channels, self.size, self.size))
        maps = [h]
        for conv, norm in zip(self.layers, self.norms, strict=True):
            maps.append(self.pool(self.activation(norm(conv(h)))))
            h = self.drop(self.upsample(maps[-1]))
        return maps, h

    def path(self, x: Float[Tensor, "sample inputs"]) -> list[Tensor]:
        """Return the features of every layer, flattened.

        Parameters
        ----------
        x : Tensor
            Samples, (sample, inputs).

        Returns
        -------
        list of Tensor
            $h_0$ (sample, inputs), then pooled maps, each (sample, channels * size^2 / 4).

        Raises
        ------
        ValueError
            If `x` is not of shape (sample, inputs).
        """
        check_samples(x, self.inputs)
        return [h.flatten(1) for h in self._maps(x)[0]]

    def forward(self, x: Float[Tensor, "sample inputs"]) -> Float[Tensor, "sample classes"]:
        """Return the logits of samples.

        Parameters
        ----------
        x : Tensor
            Samples, (sample, inputs).

        Returns
        -------
        Tensor
            Logits, (sample, classes).
        """
        h: Tensor = self.logits(self._maps(x)[1].flatten(1))
        return h


Classifier = MLP | CNN
"""Any net that `train` trains."""


def build_classifier(shape: Shape, *, seed: int) -> Classifier:
    """Build the net of a shape, untrained.

    Parameters
    ----------
    shape : MLPShape or CNNShape
        Sizes and settings.
    seed : int
        Seed of the weights.

    Returns
    -------
    MLP or CNN
        The net in training mode.

    Raises
    ------
    ValueError
        If `seed` is not a whole number of at least 0.
    """
    check_type("shape", shape, MLPShape | CNNShape, "an MLPShape or a CNNShape")
    check_seed("seed", seed)
    if isinstance(shape, MLPShape):
        return MLP(**asdict(shape), seed=seed)
    return CNN(**asdict(shape), seed=seed)


@torch.no_grad()
def draw_default(layer: nn.Linear | nn.Conv2d, generator: torch.Generator) -> None:
    """Give a layer PyTorch's default weights, as its `reset_parameters` does, from `generator`."""
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(layer.weight[0].numel())
    if layer.bias is not None:
        layer.bias.uniform_(-bound, bound, generator=generator)


def check_samples(x: Tensor, inputs: int) -> None:
    """Refuse samples that are not of shape (sample, inputs)."""
    if x.ndim != 2 or x.shape[1] != inputs:
        raise ValueError(f"x must be (sample, {inputs}), got {tuple(x.shape)}.")
