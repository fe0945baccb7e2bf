"""Options of `loadpath geodesic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadpath.checks import check_above_zero
from loadpath.cli.options.net import NetOptions


@dataclass(frozen=True)
class GeodesicOptions(NetOptions):
    """Solve for a geodesic of representations, and certify how near to one it came."""

    data: str = "teacher"
    """what to learn: teacher, a random function of known bottleneck rank; digits; mnist,
    fashion-mnist or cifar10 from --folder; or a file of yours, .npz, .csv or .parquet"""
    normalize: bool | None = None
    """whether columns of a file are demeaned and scaled; if not given yes, but for a fixed end"""
    file: str | None = None
    """for --data arrays: a NumPy archive (.npz) whose x and y are taken as they are"""
    n_test: int | None = None
    """test samples left out of the data; geodesics do not use them"""
    tolerance: float = 0.01
    """residual of the worst layer that counts as converged"""
    max_seconds: float | None = None
    """stop solving after this much time, with the best point so far"""
    seed: int = 0
    """seed of the data, the initial weights and the maps"""
    out: str = "geodesic"
    """folder for config.yaml, history.nc, geodesic.nc, model.safetensors, report.html"""
    endpoint: Literal["fit", "fixed"] = "fit"
    """pay the data term at a free end, or end at y itself; fixed wants x and y of width columns"""
    kink_width: float = 0.001
    """activations this near to a kink count as on it, in units of their layer's size"""
    refinements: int = 0
    """how often to double the layers and solve again, for the value at infinitely many"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is read or written."""
        super().__post_init__()
        check_above_zero("kink_width", self.kink_width)
        if (self.file is not None) != (self.data == "arrays"):
            said = "nothing" if self.file is None else repr(self.file)
            raise ValueError(f"file must be set for arrays and nothing else, got {said}.")
        if self.file is not None:
            for name in ("folder", "image_size", "n_train", "n_test"):
                if getattr(self, name) is not None:
                    value = getattr(self, name)
                    raise ValueError(f"{name} must not be set for arrays, got {value!r}.")

    def sources(self) -> tuple[str, ...]:
        """Return the names that `data` may have, beside files."""
        return (*super().sources(), "arrays")
