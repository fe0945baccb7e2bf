"""The experiments that a diagram can repeat by name: that of [SB], and that of He and Su [HS]."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from loadpath.measures.separation import ClassWeights
from loadpath.spring_block.networks import PANELS, SLOPES, Recipe
from loadpath.spring_block.phase_diagram.levels import Panel

ProtocolName = Literal["SB", "HS"]
"""Whose experiment: that of the spring-block theory, or that of the law of data separation."""
PROTOCOL_NAMES: tuple[ProtocolName, ...] = get_args(ProtocolName)
"""The names as values."""
Network = Literal["MLP", "CNN"]
WIDTHS: dict[Network, int] = {"MLP": 100, "CNN": 20}
"""Features of an MLP's layer and channels of a CNN's in [SB]; [HS] has the first too."""
CNN_DROPOUTS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Rates of dropout at which [SB] trains the CNN."""


@dataclass(frozen=True)
class Protocol:
    """What one paper's experiment fixes, but for what a panel varies."""

    n_train: int
    """Training images."""
    networks: tuple[Network, ...]
    """Nets that it has."""
    recipe: Recipe | None = None
    """How every panel trains; None for each as `PANELS` has it."""
    cnn_recipe: Recipe | None = None
    """How the CNN is trained."""
    slopes: tuple[float, ...] = SLOPES
    """Slopes of the activation below 0."""
    noises: dict[Panel, tuple[float, ...]] = field(default_factory=dict)
    """Levels of panels that differ from those of `PANELS`."""
    balanced: bool = False
    """Whether as many training images are drawn of each class."""
    input_batch_norm: bool = True
    """Whether the inputs have BatchNorm, where there is any."""
    class_weights: ClassWeights = "samples"
    """What a class counts in the separation."""
    image_size: int = 10
    """Pixels a side."""
    n_test: int = 5000
    """Test images: as many as half of mnist10k leaves."""

    def base_recipe(self, panel: Panel, network: Network) -> Recipe:
        """Return how nets of a panel are trained without its noise."""
        if network == "CNN" and self.cnn_recipe is not None:
            return self.cnn_recipe
        return PANELS[panel].recipe if self.recipe is None else self.recipe

    def levels(self, panel: Panel, network: Network) -> list[float]:
        """Return the noises of a panel, from calm to noisy."""
        if network == "CNN" and panel == "dropout":
            return list(CNN_DROPOUTS)
        if panel in self.noises:
            return list(self.noises[panel])
        return [value for noise in PANELS[panel].noises for value in vars(noise).values()]


PROTOCOLS: dict[ProtocolName, Protocol] = {
    "SB": Protocol(
        n_train=2560,
        networks=("MLP", "CNN"),
        cnn_recipe=replace(PANELS["dropout"].recipe, epochs=2000, rate=1e-4),
    ),
    # 100 images of each class in batches of 128, 600 epochs of Adam with weight decay, the rate
    # divided by ten after each third; ReLU nets with BatchNorm, but none on the inputs.
    "HS": Protocol(
        n_train=1000,
        networks=("MLP",),
        recipe=Recipe(
            epochs=600,
            rate=1e-3,
            batch_size=128,
            weight_decay=5e-4,
            rate_drops=2,
            stop_below=0.0,
            stop_change=0.0,
        ),
        slopes=(0.0,),
        noises={"learning rate": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)},
        balanced=True,
        input_batch_norm=False,
        class_weights="equal",
    ),
}
"""The experiments by their names."""
