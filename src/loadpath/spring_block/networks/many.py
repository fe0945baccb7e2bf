"""Many classifiers trained side by side: the cells of a phase diagram."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from loadpath.data import Data
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.spring_block.networks.networks import MLP
from loadpath.spring_block.networks.outcome import Trained
from loadpath.spring_block.networks.recipe import Recipe
from loadpath.spring_block.networks.training import (
    Engine,
    Plain,
    check_job,
    choose,
    one_thread,
    train,
)
from loadpath.threads import cores


@dataclass(frozen=True)
class TrainingJob:
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

    def steps(self, data: Data) -> int:
        """Steps of Adam in all epochs there may be."""
        n = len(data.x_train)
        return self.recipe.epochs * -(-n // (self.recipe.batch_size or n))


def train_all(
    cells: Sequence[TrainingJob],
    data: Data,
    *,
    threads: int | None = None,
    kinds: Sequence[SeparationKind] = KINDS,
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

    def run(i: int) -> Trained:
        return train(
            networks[i],
            data,
            cells[i].recipe,
            seed=cells[i].seed,
            kinds=kinds,
            record_every=record_every,
            engine=engine,
        )

    trained = []
    # Limits are of the whole process: set here, so that no thread takes them back from another.
    with one_thread(), ThreadPoolExecutor(workers if compiled else 1) as pool:
        # The longest first, so that no thread is left with one while the others have nothing.
        order = sorted(range(len(cells)), key=lambda i: -cells[i].steps(data))
        futures = {i: pool.submit(run, i) for i in order}
        try:
            for i in range(len(cells)):
                trained.append(futures[i].result())
                done(trained[-1])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return trained
