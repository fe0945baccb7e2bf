"""Layer steps: how the layers of a Leaky ResNet divide the path p in [0, 1] among themselves.

Rules for them, a mesh that adapts while a net trains, and surgery on the layers of a trained net.
"""

from loadpath.leaky_resnet.layer_steps.adaptive import Adaptive, Meshed
from loadpath.leaky_resnet.layer_steps.equidistribution import equal_arclength, equal_cost
from loadpath.leaky_resnet.layer_steps.kinds import coefficients as coefficients
from loadpath.leaky_resnet.layer_steps.kinds import gain_ratios as gain_ratios
from loadpath.leaky_resnet.layer_steps.kinds import lags as lags
from loadpath.leaky_resnet.layer_steps.overshooting import overshoots
from loadpath.leaky_resnet.layer_steps.rules import (
    Steps,
    adapted,
    equidistant,
    irregular,
)
from loadpath.leaky_resnet.layer_steps.rules import check as check
from loadpath.leaky_resnet.layer_steps.surgery import (
    Layered,
    merged,
    overlaps,
    refined,
    remesh,
    split,
    without,
)

__all__ = [
    "Adaptive",
    "Layered",
    "Meshed",
    "Steps",
    "adapted",
    "equal_arclength",
    "equal_cost",
    "equidistant",
    "irregular",
    "merged",
    "overlaps",
    "overshoots",
    "refined",
    "remesh",
    "split",
    "without",
]
