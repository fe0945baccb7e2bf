"""What a classifier is, without its weights: frozen values that are checked when they are made.

A diagram has hundreds of nets. Whether each can be trained is known from its shape, and no weight
is drawn to find out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadpath.checks import check_count, check_flag, check_number


@dataclass(frozen=True)
class MLPShape:
    """Sizes and settings of an `MLP`.

    Raises
    ------
    ValueError
        If a field is out of its range; the sentence names the field and its value.

    Examples
    --------
    >>> MLPShape(100, 10, slope=0.2).settings()["width"]
    100
    """

    inputs: int
    """Number of features of a sample."""
    classes: int
    """Number of logits."""
    slope: float
    """Slope of the LeakyReLU below 0: 0 is a ReLU, 1 makes the net linear."""
    width: int = 100
    """Features of every layer between the inputs and the logits."""
    depth: int = 8
    """Layers with weights, the logits' included."""
    dropout: float = 0.0
    """Share of the features that is set to 0 after every activation."""
    batch_norm: bool = True
    """Whether the net has BatchNorm."""
    input_batch_norm: bool = True
    """Whether its inputs have BatchNorm too, where there is any."""

    def __post_init__(self) -> None:
        """Check the fields."""
        check_count("inputs", self.inputs, 1)
        check_count("classes", self.classes, 2)
        check_count("width", self.width, 1)
        check_count("depth", self.depth, 2)
        check_slope(self.slope)
        check_dropout(self.dropout)
        check_flag("batch_norm", self.batch_norm)
        check_flag("input_batch_norm", self.input_batch_norm)

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what results about this net say of it.

        Returns
        -------
        dict
            Names and plain values, the kind of net first.
        """
        return {
            "network": "MLP",
            "width": self.width,
            "depth": self.depth,
            "slope": float(self.slope),
            "batch_norm": self.batch_norm,
            "input_batch_norm": self.batch_norm and self.input_batch_norm,
        }


@dataclass(frozen=True)
class CNNShape:
    """Sizes and settings of a `CNN`.

    Raises
    ------
    ValueError
        If a field is out of its range, or the inputs are not square planes of even size.

    Examples
    --------
    >>> CNNShape(300, 10).size
    10
    """

    inputs: int
    """Number of pixels of a sample, all its planes together."""
    classes: int
    """Number of logits."""
    slope: float = 0.0
    """Slope of the LeakyReLU below 0."""
    image_channels: int = 3
    """Planes of an image."""
    channels: int = 20
    """Channels of every layer."""
    depth: int = 8
    """Layers with weights, the logits' included."""
    dropout: float = 0.0
    """Share of the features that is set to 0 after every upsampling."""
    batch_norm: bool = True
    """Whether the net has BatchNorm."""

    def __post_init__(self) -> None:
        """Check the fields."""
        check_count("inputs", self.inputs, 1)
        check_count("classes", self.classes, 2)
        check_count("image_channels", self.image_channels, 1)
        check_count("channels", self.channels, 1)
        check_count("depth", self.depth, 2)
        check_slope(self.slope)
        check_dropout(self.dropout)
        check_flag("batch_norm", self.batch_norm)
        # Every layer halves the maps and doubles them again.
        if self.image_channels * self.size**2 != self.inputs or self.size % 2:
            raise ValueError(
                f"inputs must be {self.image_channels} square planes of even size, "
                f"got {self.inputs}."
            )

    @property
    def size(self) -> int:
        """Pixels a side of an image."""
        return math.isqrt(self.inputs // self.image_channels)

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what results about this net say of it.

        Returns
        -------
        dict
            Names and plain values, the kind of net first.
        """
        return {
            "network": "CNN",
            "channels": self.channels,
            "depth": self.depth,
            "slope": float(self.slope),
            "batch_norm": self.batch_norm,
        }


Shape = MLPShape | CNNShape
"""The shape of any net that `train` trains."""


def check_slope(slope: float) -> None:
    """Refuse a slope that is not between that of a ReLU and that of a linear net."""
    check_number("slope", slope, least=0, most=1)


def check_dropout(p: float) -> None:
    """Refuse a share of dropped features that is not in [0, 1)."""
    check_number("dropout", p, least=0, below=1)
