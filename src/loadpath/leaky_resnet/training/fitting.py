"""`fit`: train a LeakyResNet, and keep a record of how near to a stationary point it comes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadpath.checks import (
    as_list,
    as_path,
    check_above_zero,
    check_count,
    check_flag,
    check_number,
    check_seed,
    check_type,
)
from loadpath.data import Data, as_data
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import (
    AnyLoss,
    Loss,
    LossLike,
    as_loss,
    check_loss,
    of_outputs,
    task_of_loss,
)
from loadpath.leaky_resnet.own_loss import OwnLoss
from loadpath.leaky_resnet.training import checkpoint as checkpoints
from loadpath.leaky_resnet.training.run import Run
from loadpath.leaky_resnet.training.stages import Stage, default_stages
from loadpath.leaky_resnet.training.trainer import Trainer
from loadpath.results import Status, progress_bar
from loadpath.storage import check_ending
from loadpath.threads import torch_threads

LEAST_DECAY = 1e-30
"""Momenta are gradients divided by the weight decay, and overflow in float32 below that."""


def default_weight_decay(model: LeakyResNet, loss: Loss) -> float:
    """Return the weight decay that `fit` takes where none is given.

    Parameters
    ----------
    model : LeakyResNet
        The net.
    loss : {"mse", "cross-entropy"}
        The data term.

    Returns
    -------
    float
        0.01 for each output for "mse" (outputs of unit variance), 0.01 in all for "cross-entropy";
        docs/training.md says what it rests on.

    Raises
    ------
    ValueError
        If `model` is no LeakyResNet, or `loss` is unknown.
    """
    check_type("model", model, LeakyResNet, "a LeakyResNet")
    check_loss(loss)
    return 0.01 * (model.out_features if loss == "mse" else 1)


def fit(
    model: LeakyResNet,
    data: Any,
    *,
    weight_decay: float | None = None,
    loss: LossLike | None = None,
    stages: Sequence[Stage] | None = None,
    batch_size: int | None = None,
    mesh: Adaptive | None = None,
    tolerance: float = 0.01,
    max_seconds: float | None = None,
    record_every: int = 100,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 30.0,
    resume: bool = False,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | None = None,
) -> Run:
    r"""Train a LeakyResNet to a stationary point of its objective, in place.

    The objective is the data term plus `weight_decay` times `model.regularizer()`. The data term is
    $\frac1N\sum_i\|y_i - f(x_i)\|^2$, a sum over outputs, for regression, and the mean
    cross-entropy for classification.

    Parameters
    ----------
    model : LeakyResNet
        The net, which is trained in its own dtype and on its own device; the data are moved there.
    data : Data, pair, Bunch or mapping
        Samples for training and for testing, as `lp.data` gives them; or a pair (x, y), a Bunch, a
        DataFrame with its target's name, or what else `loadpath.data.as_data` takes. Such data are
        taken as they are, without scaling, so that the net can be called on x itself; one sample in
        five, drawn by `seed`, is held back for testing.
    weight_decay : float, optional
        The $\lambda$ of the objective, above 0; `default_weight_decay` if left out.
    loss : {"mse", "cross-entropy"} or callable, optional
        The data term; what the task of `data` asks for if left out. A function of your own takes
        outputs (sample, out) and targets, as tensors, and returns the mean loss of these samples;
        it needs a `weight_decay`. Errors in the history are then this loss.
    stages : sequence of Stage, optional
        Run one after another: `Adam`, `SGD`, `LBFGS` and `TorchOptimizer` of
        `loadpath.training`. Annealed Adam, then L-BFGS, if left out.
    batch_size : int, optional
        Size of mini-batches in the first-order stages, reshuffled every epoch from `seed`; the
        full batch if left out. L-BFGS always sees the full batch.
    mesh : Adaptive, optional
        An adaptive mesh of this net. During L-BFGS it moves between chunks, and not before the
        last one.
    tolerance : float
        The run is "converged" once the residual $\|W - c B^\top S\| / \|W\|$ of every layer is no
        more than this.
    max_seconds : float, optional
        The run is "out of time" after this much training in this sitting.
    record_every : int
        Iterations between two records of the history in the first-order stages.
    checkpoint : str or Path, optional
        A file that holds everything an exact resume needs. It is replaced atomically every
        `checkpoint_seconds` and at the end.
    checkpoint_seconds : float
        Seconds between two checkpoints.
    resume : bool
        Whether to go on from `checkpoint` if it is there; a run that was out of time goes on too.
        Without it an existing file is an error, because it would be lost.
    seed : int
        Seed of the mini-batches.
    threads : int, optional
        CPU threads; torch's own number if left out. The last bits of a run depend on it.
    progress : bool, optional
        Whether a bar shows; if left out it does on a terminal and in a notebook.

    Returns
    -------
    Run
        The net, its history, and how the run ended. A run whose objective becomes infinite or NaN
        ends as "diverged", at the weights of the last finite record.

    Raises
    ------
    ValueError
        If a value is out of range, the data do not fit the net, or the checkpoint is of another
        run; the message names the argument.
    FileExistsError
        If a checkpoint would be lost.

    Examples
    --------
    >>> import loadpath as lp
    >>> data = lp.data.teacher(dims=(4, 1, 4), n_train=50, n_test=20, seed=0)
    >>> net = lp.LeakyResNet(4, 4, width=8, depth=4, effective_depth=2.0)
    >>> stages = [lp.training.Adam(50), lp.training.LBFGS(20)]
    >>> run = lp.fit(net, data, stages=stages, threads=1, progress=False)
    >>> print(run.status)
    finished all steps
    >>> objective = run.history["objective"]
    >>> bool(objective[-1] < objective[0])
    True
    """
    check_type("model", model, LeakyResNet, "a LeakyResNet")
    task = task_of_loss(loss)
    check_seed("seed", seed)
    data = as_data(data, task=task, normalize=False, seed=seed)
    loss = as_loss(loss, data.y_train, model.out_features)
    if weight_decay is None:
        if isinstance(loss, OwnLoss):
            raise ValueError("weight_decay must be given with a loss of your own, got nothing.")
        weight_decay = default_weight_decay(model, loss)
    stages = default_stages() if stages is None else tuple(as_list("stages", stages, "stages"))
    for stage in stages:
        check_type("stages", stage, Stage, "stages of loadpath.training")
    check_number("weight_decay", weight_decay, above=0)
    if weight_decay < LEAST_DECAY:
        raise ValueError(f"weight_decay must be at least {LEAST_DECAY:g}, got {weight_decay:g}.")
    check_number("tolerance", tolerance, above=0)
    check_above_zero("max_seconds", max_seconds)
    check_count("record_every", record_every, 1)
    check_flag("resume", resume)
    if progress is not None:
        check_flag("progress", progress)
    if mesh is not None:
        check_type("mesh", mesh, Adaptive, "an Adaptive of loadpath.layer_steps")
    for name, count in dict(batch_size=batch_size, threads=threads).items():
        if count is not None:
            check_count(name, count, 1)
    check_number("checkpoint_seconds", checkpoint_seconds, least=0)
    if resume and checkpoint is None:
        raise ValueError("resume=True needs a checkpoint to go on from, got checkpoint=None.")
    _check(model, data, loss, stages, mesh)
    path = None if checkpoint is None else as_path("checkpoint", checkpoint)
    if path is not None:
        check_ending("checkpoint", path, "safetensors")
    if path is not None and path.exists() and not resume:
        raise FileExistsError(
            f"checkpoint {str(path)!r} exists already; pass resume=True to go on from it."
        )
    saved = None if path is None or not path.exists() else checkpoints.read(path)

    trainer = Trainer(
        model,
        data,
        loss=loss,
        weight_decay=weight_decay,
        stages=stages,
        batch_size=batch_size,
        mesh=mesh,
        seed=seed,
        threads=threads,
    )
    if saved is not None and path is not None:
        trainer.restore(saved, path)
    limit = trainer.seconds + (max_seconds or math.inf)
    last_saved = time.monotonic()
    with (
        torch_threads(1),  # `Adjoint` has its own threads, which torch's would disturb
        progress_bar(
            progress,
            total=sum(stage.steps for stage in stages),
            initial=trainer.iteration,
            unit="it",
        ) as bar,
    ):
        for done in trainer.run(record_every, tolerance):
            bar.update(done)
            bar.set_postfix_str(trainer.history.line(), refresh=False)
            if trainer.status is Status.RUNNING and trainer.seconds > limit:
                trainer.status = Status.OUT_OF_TIME
            if path is not None and time.monotonic() - last_saved > checkpoint_seconds:
                checkpoints.write(path, trainer.state())
                last_saved = time.monotonic()
    if path is not None:
        checkpoints.write(path, trainer.state())
    trainer.finish()
    history = trainer.history.dataset(
        trainer.status,
        weight_decay=weight_decay,
        loss=str(loss),
        batch_size=trainer.batch_size,
        stages=[repr(stage) for stage in stages],
        seed=seed,
        threads=trainer.full.threads,
        data=data.provenance,
    )
    return Run(model, history, trainer.status, weight_decay, loss, trainer.seconds, data)


def _check(
    model: LeakyResNet, data: Data, loss: AnyLoss, stages: tuple[Stage, ...], mesh: Adaptive | None
) -> None:
    """Refuse what does not fit together, before any work."""
    if of_outputs(loss) != (data.task == "regression"):
        raise ValueError(f"loss {loss!r} does not fit data of task {data.task!r}.")
    if not stages:
        raise ValueError("stages must hold at least one stage, got ().")
    # What outputs mean to a loss of the user's own, and how many it takes, it knows itself.
    sizes = ("in_features",) if isinstance(loss, OwnLoss) else ("in_features", "out_features")
    for name in sizes:
        if getattr(model, name) != getattr(data, name):
            raise ValueError(
                f"model has {name}={getattr(model, name)}, but data has {getattr(data, name)}."
            )
    if mesh is not None and mesh.model is not model:
        raise ValueError("mesh must be of the model that is trained, got one of another model.")
