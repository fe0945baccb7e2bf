"""The classifiers of [SB]: MLP and CNN with BatchNorm and Dropout, as plain nn.Modules."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from loadpath.checks import check_count


class MLP(nn.Module):
    r"""Fully-connected net of [SB]: input BatchNorm, then layers of one width, then logits.

    $h_0 = BN(x)$, $h_l = \mathrm{Dropout}(\phi(BN(W_l h_{l-1} + b_l)))$ for l = 1..depth - 1 with
    $\phi$ a LeakyReLU, and $f(x) = W h_{depth-1} + b$. Without `batch_norm` every BN is left out.

    Parameters
    ----------
    inputs, classes: sizes of x and of the logits.
    width: size of every h_l with l > 0.
    depth: Linear layers, the logits' included; at least 2.
    slope: of the LeakyReLU below 0; 0 is a ReLU, 1 a linear net.
    dropout: share of the features set to 0 after every activation, in [0, 1).
    seed: of the weights, which are PyTorch's default ones: those of a net that is built right
        after `torch.manual_seed(seed)`. Torch's own random state is left alone.

    Raises: ValueError that names the argument and its value.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353.
    """

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
        seed: int = 0,
    ) -> None:
        """Check the arguments, then draw the weights from `seed`."""
        super().__init__()
        check_count("inputs", inputs, 1)
        check_count("classes", classes, 2)
        check_count("width", width, 1)
        check_count("depth", depth, 2)
        check_slope(slope)
        check_dropout(dropout)
        check_count("seed", seed, 0)
        self.inputs, self.classes, self.width, self.depth = inputs, classes, width, depth
        self.slope, self.dropout, self.batch_norm = float(slope), float(dropout), batch_norm
        self.input_norm = nn.BatchNorm1d(inputs) if batch_norm else nn.Identity()
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
        generator = torch.Generator().manual_seed(seed)
        for linear in (*self.layers, self.logits):
            draw_default(linear, generator)

    def settings(self) -> dict[str, int | float | str | bool]:
        """What results about this net say of it."""
        return {
            "network": "MLP",
            "width": self.width,
            "depth": self.depth,
            "slope": self.slope,
            "batch_norm": self.batch_norm,
        }

    def _layers(self, h: Tensor) -> list[Tensor]:
        """Features h_0, ..., h_{depth-1}, as training or evaluation has them."""
        path = [self.input_norm(h)]
        for linear, norm in zip(self.layers, self.norms, strict=True):
            path.append(self.drop(self.activation(norm(linear(path[-1])))))
        return path

    def path(self, x: Float[Tensor, "sample inputs"]) -> list[Tensor]:
        """Features of x, h_0 (sample, inputs) and h_1, ..., h_{depth-1} (sample, width).

        Raises: ValueError if x is not of shape (sample, inputs).
        """
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ValueError(f"x must be (sample, {self.inputs}), got {tuple(x.shape)}.")
        return self._layers(x)

    def forward(self, x: Float[Tensor, "sample inputs"]) -> Float[Tensor, "sample classes"]:
        """Logits of x."""
        h: Tensor = self.logits(self._layers(x)[-1])
        return h


class CNN(nn.Module):
    r"""Convolutional net of [SB]: every layer pools to half the size and is blown up again.

    $h_0 = BN(x)$; then `depth - 1` times conv 3x3 (zero padding), BN, LeakyReLU, max-pool by 2:
    that is $h_l$, (channels, size/2, size/2), which nearest upsampling by 2 and Dropout bring to
    the next layer; then logits from the last blown-up map.

    Parameters
    ----------
    inputs: channels times size squared; x is (sample, inputs), one plane after the other.
    classes: number of logits.
    image_channels: of the images; their size, which must be even, follows.
    channels: of every layer.
    depth, slope, dropout, batch_norm, seed: as for `MLP`.

    Raises: ValueError that names the argument and its value.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353.
    """

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
        check_count("inputs", inputs, 1)
        check_count("classes", classes, 2)
        check_count("image_channels", image_channels, 1)
        check_count("channels", channels, 1)
        check_count("depth", depth, 2)
        check_slope(slope)
        check_dropout(dropout)
        check_count("seed", seed, 0)
        size = math.isqrt(inputs // image_channels)
        if image_channels * size**2 != inputs or size % 2:
            raise ValueError(
                f"inputs must be {image_channels} square planes of even size, got {inputs}."
            )
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
        generator = torch.Generator().manual_seed(seed)
        for layer in (*self.layers, self.logits):
            draw_default(layer, generator)
        # Maps follow the weights' layout, in which a step on a CPU takes 0.6 of the time.
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def settings(self) -> dict[str, int | float | str | bool]:
        """What results about this net say of it."""
        return {
            "network": "CNN",
            "channels": self.channels,
            "depth": self.depth,
            "slope": self.slope,
            "batch_norm": self.batch_norm,
        }

    def _maps(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Pooled maps of every layer, h_0 first, and the last one blown up."""
        h = self.input_norm(x.reshape(len(x), self.image_channels, self.size, self.size))
        maps = [h]
        for conv, norm in zip(self.layers, self.norms, strict=True):
            maps.append(self.pool(self.activation(norm(conv(h)))))
            h = self.drop(self.upsample(maps[-1]))
        return maps, h

    def path(self, x: Float[Tensor, "sample inputs"]) -> list[Tensor]:
        """Features of x: h_0 (sample, inputs), then pooled maps (sample, channels * size^2 / 4).

        Raises: ValueError if x is not of shape (sample, inputs).
        """
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ValueError(f"x must be (sample, {self.inputs}), got {tuple(x.shape)}.")
        return [h.flatten(1) for h in self._maps(x)[0]]

    def forward(self, x: Float[Tensor, "sample inputs"]) -> Float[Tensor, "sample classes"]:
        """Logits of x."""
        h: Tensor = self.logits(self._maps(x)[1].flatten(1))
        return h


@torch.no_grad()
def draw_default(layer: nn.Linear | nn.Conv2d, generator: torch.Generator) -> None:
    """Give a layer PyTorch's default weights, as its `reset_parameters` does, from `generator`."""
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(layer.weight[0].numel())
    if layer.bias is not None:
        layer.bias.uniform_(-bound, bound, generator=generator)


def check_slope(slope: float) -> None:
    """Refuse a slope that is not between that of a ReLU and that of a linear net."""
    if not 0 <= slope <= 1:
        raise ValueError(f"slope must lie in [0, 1], got {slope}.")


def check_dropout(p: float) -> None:
    """Refuse a share that is not in [0, 1)."""
    if not 0 <= p < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {p}.")


Classifier = MLP | CNN
"""What `loadpath.networks.train` trains."""
