"""The state of a training run, and the steps that change it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from loadpath.data import Data
from loadpath.leaky_resnet.adjoint import Adjoint
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import AnyLoss
from loadpath.leaky_resnet.own_loss import OwnLoss
from loadpath.leaky_resnet.training.curvature import Coordinates
from loadpath.leaky_resnet.training.history import History, is_trivial, trivial_loss
from loadpath.leaky_resnet.training.saved_state import check_parts, check_state
from loadpath.leaky_resnet.training.stages import LBFGS, Stage, TorchOptimizer, name_of
from loadpath.record import Activation, digest_of
from loadpath.results import Status

KIND = (
    "in_features",
    "out_features",
    "width",
    "depth",
    "effective_depth",
    "step",
    "activation",
    "bias",
)
"""What two nets must share for a checkpoint of one to fit the other."""


class Trainer:
    """A training run: all that a checkpoint holds, and the iterations that change it."""

    def __init__(
        self,
        model: LeakyResNet,
        data: Data,
        *,
        loss: AnyLoss,
        weight_decay: float,
        stages: tuple[Stage, ...],
        batch_size: int | None,
        mesh: Adaptive | None,
        seed: int,
        threads: int | None,
    ) -> None:
        """Get ready for the first iteration."""
        self.model, self.loss, self.weight_decay, self.stages = model, loss, weight_decay, stages
        self.mesh, self.seed = mesh, seed
        n = len(data.x_train)
        self.full = Adjoint(model, n, loss=loss, threads=threads)
        self.history = History(model, data, loss, weight_decay, self.full)
        self.x, self.y = self.history.x, self.history.y
        self.full.load(self.x, self.y)
        self.batch_size = min(batch_size or n, n)
        self.batches = {n: self.full}
        self.identity = {
            **{name: getattr(model, name) for name in KIND},
            "activation": _named(model),
            "learned": [name for name, _ in model.named_parameters()],
            "dtype": str(model.weights.dtype),
            "data": _digest(self.x) + _digest(self.y),
            "loss": f"{loss}, digest {loss.digest()}" if isinstance(loss, OwnLoss) else loss,
            "weight_decay": weight_decay,
            "stages": repr(stages),
            "batch_size": self.batch_size,
            "mesh": repr(mesh and (mesh.every, mesh.smoothing, mesh.guard)),
            "seed": seed,
        }
        self.stage_index = self.stage_iteration = self.iteration = 0
        self.optimizer = self._optimizer(self.stages[self.stage_index])
        self.seconds = 0.0
        self.status = Status.RUNNING
        self.last_finite = model.state_dict()

    def run(self, record_every: int, tolerance: float) -> Iterator[int]:
        """Train; yield the number of iterations done, after each one or each chunk of L-BFGS."""
        if self.status is Status.OUT_OF_TIME:
            self.status = Status.RUNNING
        if self.status is Status.RUNNING and not self.history.rows:
            self._record(tolerance)
        while self.status is Status.RUNNING:
            started = time.monotonic()
            stage = self.stages[self.stage_index]
            moved = False
            if isinstance(stage, LBFGS):
                moved = self._move_mesh(stage)
                done = self._chunk(stage)
            else:
                done = self._first_order(stage)
            self.stage_iteration += done
            self.iteration += done
            self.seconds += time.monotonic() - started
            started = time.monotonic()
            ended = self.stage_iteration >= stage.steps
            stalled = False
            if isinstance(stage, LBFGS) or ended or self.stage_iteration % record_every == 0:
                before = self.history.rows[-1]["objective"]
                gain = before - self._record(tolerance)
                # Where the mesh has moved, the objective is another function than before.
                no_gain = gain <= self._precision() * abs(before) and not moved
                stalled = isinstance(stage, LBFGS) and no_gain
            if self.status is Status.RUNNING and (ended or stalled):
                self._next_stage(Status.STALLED if stalled else Status.FINISHED)
            self.seconds += time.monotonic() - started
            yield done

    def finish(self) -> None:
        """Put a diverged net back to its last finite weights, and recognize a trivial minimum."""
        if self.status is Status.DIVERGED:
            self.model.load_state_dict(self.last_finite)
            return
        row = self.history.rows[-1]
        trivial = trivial_loss(self.model, self.x, self.y, self.loss)
        if is_trivial(row["data_term"], self.weight_decay * row["regularizer"], trivial):
            self.status = Status.TRIVIAL_MINIMUM

    def state(self) -> dict[str, Any]:
        """Return everything that an exact resume needs."""
        return {
            "identity": self.identity,
            "model": dict(self.model.state_dict()),
            "last_finite": dict(self.last_finite),
            "optimizer": self.optimizer and self.optimizer.state_dict(),
            "mesh": self.mesh.state_dict() if self.mesh else None,
            "history": self.history.rows,
            "place": [self.stage_index, self.stage_iteration, self.iteration],
            "seconds": self.seconds,
            "status": self.status.value,
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Take up a run where `state`, read from `path`, left it; refuse that of another run.

        Nothing is changed before all of it is known to fit.
        """
        fresh = self.state()
        try:
            check_parts(state, fresh)
            for name, value in self.identity.items():
                if state["identity"].get(name) != value:
                    raise ValueError(
                        f"is of a run with {name}={state['identity'].get(name)!r}, not {value!r}"
                    )
            check_state(state, fresh, self.stages, [*map(self._stepped, self.stages)])
        except ValueError as error:
            raise ValueError(f"{str(path)!r} does not fit: the checkpoint {error}.") from None
        self.model.load_state_dict(state["model"])
        self.last_finite = state["last_finite"]
        self.stage_index, self.stage_iteration, self.iteration = state["place"]
        self.optimizer = self._optimizer(self.stages[self.stage_index])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])
            _keep_types(self.optimizer, state["optimizer"]["state"])
        if self.mesh is not None:
            self.mesh.load_state_dict(state["mesh"])
        self.history.rows = state["history"]
        self.seconds, self.status = state["seconds"], Status(state["status"])
        self.full.load(self.x, self.y)

    def _first_order(self, stage: Stage) -> int:
        """Take one step of Adam or SGD."""
        assert not isinstance(stage, LBFGS) and self.optimizer is not None
        done = self.stage_iteration / stage.steps
        self._batch().evaluate(stage.weight_decay(done, self.weight_decay))
        for group in self.optimizer.param_groups:
            group["lr"] = stage.rate(done, self.model.effective_depth)
        self.optimizer.step()
        if self.mesh is not None:
            self.mesh.step(self.x)
        return 1

    def _batch(self) -> Adjoint:
        """Return the adjoint with the samples of this iteration loaded."""
        n = len(self.x)
        if self.batch_size == n:
            return self.full
        epoch, place = divmod(self.iteration, math.ceil(n / self.batch_size))
        # The order depends on seed and epoch alone, so a resumed run sees the same batches.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(n, generator=generator).to(self.x.device)
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        size = len(chosen)
        if size not in self.batches:
            self.batches[size] = Adjoint(
                self.model, size, loss=self.loss, threads=self.full.threads
            )
        self.batches[size].load(self.x[chosen], self.y[chosen])
        return self.batches[size]

    def _move_mesh(self, stage: LBFGS) -> bool:
        """Move the mesh before every chunk of L-BFGS but the last, so that it ends at rest."""
        if self.mesh is None or stage.steps - self.stage_iteration <= stage.chunk:
            return False
        return self.mesh.step(self.x, calls=stage.chunk)

    def _chunk(self, stage: LBFGS) -> int:
        """Take the iterations of L-BFGS that share one set of coordinates."""
        coordinates = Coordinates(
            self.model,
            self.x,
            weight_decay=self.weight_decay,
            loss=self.loss,
            generator=torch.Generator().manual_seed(self.iteration),
            y=self.y,
        )

        def closure() -> float:
            coordinates.write_weights()
            value, regularizer = self.full.evaluate(self.weight_decay)
            coordinates.read_gradient()
            return value + self.weight_decay * regularizer

        iterations = min(stage.chunk, stage.steps - self.stage_iteration)
        # Torch's annotation asks for a tensor, but its code takes float(closure()).
        stage.optimizer(coordinates.parameters(), iterations).step(closure)
        coordinates.write_weights()
        # Iterations that torch gave up on count as done; the next record tells whether it stalled.
        return iterations

    def _next_stage(self, status: Status) -> None:
        """Begin the next stage, or end the run with a status if there is none."""
        if self.stage_index + 1 == len(self.stages):
            self.status = status
            return
        self.stage_index += 1
        self.stage_iteration = 0
        self.optimizer = self._optimizer(self.stages[self.stage_index])

    def _optimizer(self, stage: Stage) -> torch.optim.Optimizer | None:
        """Return a fresh optimizer of a stage, or None for L-BFGS, which has one a chunk."""
        return None if isinstance(stage, LBFGS) else stage.optimizer(self.model.parameters())

    def _stepped(self, stage: Stage) -> torch.optim.Optimizer | None:
        """Return an optimizer that shows what a checkpoint holds of this stage's."""
        if isinstance(stage, TorchOptimizer):
            return stage.stepped(self.model.parameters())
        return self._optimizer(stage)

    def _record(self, tolerance: float) -> float:
        """Add a row to the history, note what it means for the run, and return the objective."""
        stage = self.stages[self.stage_index]
        done = self.stage_iteration / stage.steps
        row = self.history.add(
            iteration=self.iteration,
            stage=name_of(stage),
            weight_decay=stage.weight_decay(done, self.weight_decay),
            learning_rate=stage.rate(done, self.model.effective_depth),
            seconds=self.seconds,
        )
        if not math.isfinite(row["objective"]):
            self.status = Status.DIVERGED
        else:
            self.last_finite = {k: v.clone() for k, v in self.model.state_dict().items()}
            if row["stationarity_worst"] <= tolerance:
                self.status = Status.CONVERGED
        return float(row["objective"])

    def _precision(self) -> float:
        """Return the relative rounding error of the net's dtype."""
        return torch.finfo(self.model.weights.dtype).eps


def _named(model: LeakyResNet) -> str:
    """Return the name of the activation, with a digest of what it does if it is a function."""
    if isinstance(model.activation, Activation):
        return f"{model.activation}, digest {digest_of(model.activation.forward)}"
    return str(model.activation)


def _keep_types(optimizer: torch.optim.Optimizer, saved: dict[int, dict[str, Any]]) -> None:
    """Give counters and running products the precision that they had.

    Torch gives all of a loaded state but its steps the type of the weights, and NAdam, which keeps
    a product in float32, would go on with other last bits.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for index, values in saved.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.ndim == 0:
                optimizer.state[weights[index]][name] = value.clone()


def _digest(tensor: torch.Tensor) -> str:
    """Return a short hash of all numbers of a tensor."""
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
