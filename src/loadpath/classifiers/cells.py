"""Many classifiers trained side by side: the cells of a phase diagram."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from loadpath.classifiers.networks import MLP
from loadpath.classifiers.outcome import Trained
from loadpath.classifiers.recipe import Recipe
from loadpath.classifiers.training import Engine, Plain, check_job, choose, one_thread, train
from loadpath.data import Data
from loadpath.record import cores
from loadpath.separation.scatter import KINDS, Kind


@dataclass(frozen=True)
class Cell:
    """One `MLP` to train; `seed` fixes its weights and all that is drawn in training."""

    slope: float
    seed: int
    recipe: Recipe = Recipe()
    width: int = 100
    depth: int = 8
    batch_norm: bool = True

    def network(self, data: Data) -> MLP:
        """The untrained net; ValueError as `MLP`."""
        return MLP(
            data.in_features,
            data.out_features,
            width=self.width,
            depth=self.depth,
            slope=self.slope,
            dropout=self.recipe.dropout,
            batch_norm=self.batch_norm,
            seed=self.seed,
        )


def train_all(
    cells: Sequence[Cell],
    data: Data,
    *,
    threads: int | None = None,
    kinds: Sequence[Kind] = KINDS,
    record_every: int | None = None,
    engine: Engine | None = None,
    done: Callable[[Trained], object] = lambda run: None,
) -> list[Trained]:
    """Train every cell as `train` does, one on each thread at a time, and return them in order.

    A cell's numbers are the same whatever it is trained beside and on however many `threads`
    (None: as many as there are cores). The plain way, which autograd and Python hold up, runs on
    one. `done` is told of every cell, in order.

    Raises: ValueError as `MLP` and `train`, before any cell is trained.
    """
    workers = cores(threads)
    networks = [cell.network(data) for cell in cells]
    for cell, network in zip(cells, networks, strict=True):
        check_job(
            network, data, cell.recipe, seed=cell.seed, record_every=record_every, kinds=kinds
        )
    compiled = all(choose(network, engine) is not Plain for network in networks)

    def run(job: tuple[Cell, MLP]) -> Trained:
        cell, network = job
        return train(
            network,
            data,
            cell.recipe,
            seed=cell.seed,
            kinds=kinds,
            record_every=record_every,
            engine=engine,
        )

    trained = []
    # Limits are of the whole process: set here, so that no thread takes them back from another.
    with one_thread(), ThreadPoolExecutor(workers if compiled else 1) as pool:
        for result in pool.map(run, zip(cells, networks, strict=True)):
            done(result)
            trained.append(result)
    return trained
