"""Many classifiers trained side by side, as the cells of a phase diagram are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from loadpath.checks import as_list, check_count, check_flag, check_number, check_seed, check_type
from loadpath.data import Data, as_data
from loadpath.measures.separation import KINDS, ClassWeights, PseudoInverse, SeparationKind
from loadpath.spring_block.networks.classifiers import MLP
from loadpath.spring_block.networks.engines import Engine, choose_engine, one_thread
from loadpath.spring_block.networks.recipe import Recipe
from loadpath.spring_block.networks.shapes import MLPShape
from loadpath.spring_block.networks.trained import Trained
from loadpath.spring_block.networks.training import check_job, train
from loadpath.threads import cores


@dataclass(frozen=True)
class TrainingJob:
    """One `MLP` to train, and how."""

    slope: float
    """Slope of the activation below 0."""
    seed: int
    """Seed of the weights and of all that is drawn in training."""
    recipe: Recipe = Recipe()
    """How it is trained; its dropout is the net's."""
    width: int = 100
    """Features of every layer."""
    depth: int = 8
    """Layers with weights."""
    batch_norm: bool = True
    """Whether the net has BatchNorm."""

    def __post_init__(self) -> None:
        """Refuse values that no net could be made of."""
        check_number("slope", self.slope, least=0, most=1)
        check_seed("seed", self.seed)
        check_type("recipe", self.recipe, Recipe, "a Recipe")
        check_count("width", self.width, 1)
        check_count("depth", self.depth, 2)
        check_flag("batch_norm", self.batch_norm)

    def shape(self, data: Data) -> MLPShape:
        """Return the shape of the net for this task.

        Parameters
        ----------
        data : Data
            A classification task.

        Returns
        -------
        MLPShape
            Sizes and settings.

        Raises
        ------
        ValueError
            If a size or setting is out of its range.
        """
        return MLPShape(
            data.in_features,
            data.out_features,
            slope=self.slope,
            width=self.width,
            depth=self.depth,
            dropout=self.recipe.dropout,
            batch_norm=self.batch_norm,
        )

    def network(self, data: Data) -> MLP:
        """Return the untrained net for this task.

        Parameters
        ----------
        data : Data
            A classification task.

        Returns
        -------
        MLP
            The net with its initial weights.

        Raises
        ------
        ValueError
            If a size or setting, or the seed, is out of its range.
        """
        return MLP(**asdict(self.shape(data)), seed=self.seed)

    def steps(self, data: Data) -> int:
        """Return how many steps of Adam there are if no rule ends training early.

        Parameters
        ----------
        data : Data
            A classification task.

        Returns
        -------
        int
            Steps in all epochs.
        """
        n = len(data.x_train)
        return self.recipe.epochs * -(-n // (self.recipe.batch_size or n))


def train_all(
    jobs: Sequence[TrainingJob],
    data: Any,
    *,
    threads: int | None = None,
    kinds: Sequence[SeparationKind] = KINDS,
    class_weights: ClassWeights = "samples",
    pseudo_inverse: PseudoInverse = "exact",
    record_every: int | None = None,
    engine: Engine | None = None,
    done: Callable[[Trained], object] = lambda run: None,
) -> list[Trained]:
    """Train many nets as `train` does, one on each thread at a time.

    The numbers of a net are the same whatever it is trained beside, and on however many threads.

    Parameters
    ----------
    jobs : sequence of TrainingJob
        The nets, and how each is trained.
    data : Data, pair, Bunch or mapping
        The classification task that all of them learn, as `train` takes it.
    threads : int, optional
        Nets that train at the same time; as many as there are cores if left out. The plain engine,
        which autograd and Python hold up, runs on one.
    kinds : sequence of str
        Conventions of the log separation to measure.
    class_weights, pseudo_inverse
        What a class counts there, and what pseudo-inverses leave out, as of `train`.
    record_every : int, optional
        Epochs from one record of the log separation to the next; no records if left out.
    engine : {"compiled", "plain"}, optional
        What trains, as of `train`.
    done : callable
        Function that is called with every `Trained`, in the order of the jobs.

    Returns
    -------
    list of Trained
        The runs, in the order of the jobs.

    Raises
    ------
    ValueError
        If a job cannot be run, before any net is trained; as `MLP` and `train`.
    """
    workers = cores(threads)
    compiled = True
    data = as_data(data, task="classification", normalize=False)
    jobs = as_list("jobs", jobs, "jobs")
    for job in jobs:
        check_type("jobs", job, TrainingJob, "TrainingJobs")
        shape = job.shape(data)
        check_job(shape, data, job.recipe, seed=job.seed, record_every=record_every, kinds=kinds)
        compiled &= choose_engine(shape, engine) == "compiled"

    def run(i: int) -> Trained:
        return train(
            jobs[i].network(data),
            data,
            jobs[i].recipe,
            seed=jobs[i].seed,
            kinds=kinds,
            class_weights=class_weights,
            pseudo_inverse=pseudo_inverse,
            record_every=record_every,
            engine=engine,
        )

    trained = []
    # Limits are of the whole process: set here, so that no thread takes them back from another.
    with one_thread(), ThreadPoolExecutor(workers if compiled else 1) as pool:
        # The longest first, so that no thread is left with one while the others have nothing.
        order = sorted(range(len(jobs)), key=lambda i: -jobs[i].steps(data))
        futures = {i: pool.submit(run, i) for i in order}
        try:
            for i in range(len(jobs)):
                trained.append(futures[i].result())
                done(trained[-1])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return trained
