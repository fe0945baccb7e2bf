"""`loadpath geodesic`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from loadpath import data as sources
from loadpath import results
from loadpath.checks import check_above_zero
from loadpath.cli.problem import Problem
from loadpath.cli.run_folder import earlier_results, remove, save_config, save_model, write_report
from loadpath.leaky_resnet import Loss, geodesic

MEANINGS = {
    "not converged": "more time, another seed or more layers may help",
    "end not reached": "no path of this net was found that ends at y: fewer samples, more layers "
    "or more width may help",
    "trivial minimum": "next to no weights are worth their price: a smaller weight_decay is needed",
    "out of time": "what follows is of the best point so far",
    "diverged": "what follows is of the best point so far",
}
"""What a status asks of the user, for those that ask something."""


@dataclass(frozen=True)
class Geodesic(Problem):
    """Solve for a geodesic of representations, and certify how near to one it came."""

    data: Literal["teacher", "digits", "mnist", "fashion-mnist", "cifar10", "arrays"] = "teacher"
    """what to learn; teacher is a random function of known bottleneck rank, arrays are your own"""
    file: str | None = None
    """NumPy archive (.npz) of arrays, with x and y taken as they are; y of integers are classes"""
    n_test: int | None = None
    """test samples left out of the data; geodesics do not use them"""
    tolerance: float = 0.01
    """residual of the worst layer that counts as converged"""
    max_seconds: float | None = None
    """stop solving after this much time, with the best point so far"""
    seed: int = 0
    """of the data, the initial weights and the maps"""
    out: str = "geodesic"
    """folder for config.yaml, history.nc, geodesic.nc, model.safetensors, report.html"""
    endpoint: Literal["fit", "fixed"] = "fit"
    """pay the data term at a free end, or end at y itself; fixed wants x and y of width columns"""
    kink_width: float = 0.001
    """activations this near to a kink count as on it, in units of their layer's size"""
    refinements: int = 0
    """how often to double the layers and solve again, for the value at infinitely many"""

    def run(self) -> None:
        """Do it; an earlier run in the folder is an error unless it may be replaced."""
        self.check()
        out = Path(self.out)
        present = earlier_results(out)
        if present and not self.overwrite:
            raise FileExistsError(
                f"{self.out!r} holds an earlier run ({', '.join(present)}); pass --overwrite to "
                "replace it."
            )
        x, y, loss = self.load_pair()
        steps: Any = "adaptive" if self.layer_steps == "adaptive" else self.fixed_steps()
        solved = geodesic.solve(
            x,
            y,
            effective_depth=self.effective_depth,
            weight_decay=self.weight_decay,
            width=self.width,
            depth=self.depth,
            endpoint=self.endpoint,
            activation=self.activation,
            bias=self.bias,
            layer_steps=steps,
            step=self.step,
            loss=loss,
            scale=self.scale,
            tolerance=self.tolerance,
            kink_width=self.kink_width,
            refinements=self.refinements,
            max_seconds=self.max_seconds,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
        )
        remove(out, present)
        save_config(self.settings(), out)
        results.save(solved.history, out / "history.nc", overwrite=True)
        save_model(solved.model, out)
        print(summary(solved))
        ds = solved.dataset(gamma0=self.gamma0)
        results.save(ds, out / "geodesic.nc", overwrite=True)
        print(f"report: {write_report(out)}")

    def check(self) -> None:
        """Say in one sentence what is out of range, before anything is read or written."""
        super().check()
        check_above_zero("kink_width", self.kink_width)
        if (self.file is not None) != (self.data == "arrays"):
            said = "nothing" if self.file is None else repr(self.file)
            raise ValueError(f"file must be set for arrays and nothing else, got {said}.")

    def load_pair(self) -> tuple[Tensor, Tensor, Loss]:
        """Inputs, outputs or class numbers, and the loss that suits these."""
        if self.file is not None:
            for name in ("folder", "image_size", "n_train", "n_test"):
                if getattr(self, name) is not None:
                    value = getattr(self, name)
                    raise ValueError(f"{name} must not be set for arrays, got {value!r}.")
            x, y = sources.from_npz(self.file)
        else:
            data = self.load_data()
            x, y = data.x_train, data.y_train
        return x, y, "mse" if y.is_floating_point() else "cross-entropy"


def summary(solved: geodesic.Geodesic) -> str:
    """Say how it ended and what is certain of it, in a few lines."""
    meaning = MEANINGS.get(solved.status)
    status = solved.status if meaning is None else f"{solved.status}: {meaning}"
    if solved.endpoint == "fixed":
        reached = f"action: {solved.action:.6g}; distance from the end: {solved.end_error:.2g}"
    else:
        reached = f"objective: {solved.objective:.6g}; action: {solved.action:.6g}"
    done = int(solved.history["iteration"][-1])
    return "\n".join(
        [
            f"status: {status}",
            f"{reached}; {done} iterations, {solved.seconds:.0f} s",
            *(f"- {sentence}" for sentence in solved.words()),
        ]
    )
