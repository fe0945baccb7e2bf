"""The page's phase diagram is that of the library."""

import numpy as np
import pytest

from loadpath.spring_block import Chain, chain_phase_diagram
from loadpath.spring_block.chain import CLEAR, unpinning_noise
from tests.explorer.chain.physics.test_exact import as_json

CELLS = """({grid, chain, motion}) => {
  const found = grid.friction.map(() => grid.noise.map(() => null));
  const run = window.loadpath.physics.runOf(chain, motion);
  for (const cell of window.loadpath.physics.cells(grid, { chain, motion, run })) {
    if (cell) found[cell.column][cell.row] = cell.value;
  }
  return found;
}"""
MOTION = dict(dt=0.01, mass=1, damping=1, noise=0, noise_decay=0, common_noise=False)


def concavities(page, grid, *, left, **motion):
    chain = Chain(friction_left=left)
    given = dict(grid=grid, chain=as_json(chain), motion={**MOTION, **motion})
    return np.array(page.evaluate(CELLS, given), dtype=float)


def ours(grid, *, left, **options):
    """Concavity and its error of `chain_phase_diagram`, which holds the ratio of frictions."""
    columns = [
        chain_phase_diagram(
            friction=[right], noise=grid["noise"], ratio=left / right, progress=False, **options
        )
        for right in grid["friction"]
    ]
    names = ("concavity", "concavity_error")
    return (np.concatenate([ds[name].values for ds in columns]) for name in names)


def test_the_diagram_from_the_flow_of_means_is_that_of_simulated_chains(page_code):
    grid = dict(friction=[0.02, 0.25], noise=[0.0, 0.006])
    found = concavities(page_code, grid, left=0.13, dynamics="overdamped")
    concavity, error = ours(grid, left=0.13, n_replicas=8, seed=2)
    # 1e-4 is what the flow is good for, and what a chain without noise lacks of rest after the run.
    assert (np.abs(found - concavity) < 4 * error + 2e-4).all()


def test_the_diagram_of_langevin_chains_is_simulated(page_code):
    grid = dict(friction=[0.02, 0.1], noise=[0.0, 0.1])
    motion = dict(dynamics="langevin", dt=0.05)
    found = concavities(page_code, grid, left=0.15, **motion)
    concavity, error = ours(grid, left=0.15, n_replicas=16, seed=2, **motion)
    # The page has 8 replicas a cell.
    assert (np.abs(found - concavity) < CLEAR * error * np.sqrt(16 / 8 + 1) + 1e-9).all()
    assert concavity[0, 0] > 0 > concavity[0, 1]


def test_long_chains_are_given_the_time_that_they_take_to_relax(page_code):
    code = "({chain, motion}) => window.loadpath.physics.runOf(chain, motion)"
    for n, k, dynamics, steps in (
        (7, 1.0, "overdamped", 10_000),
        (7, 0.1, "overdamped", 100_000),
        (100, 1.0, "overdamped", round(10_000 * (101 / 8) ** 2)),
        (100, 1.0, "langevin", 10_000),
    ):
        chain, motion = Chain(n_blocks=n, stiffness=k), {**MOTION, "dynamics": dynamics}
        assert page_code.evaluate(code, dict(chain=as_json(chain), motion=motion)) == steps


def test_rough_cells_come_first_and_each_cell_once(page_code):
    order = page_code.evaluate("() => window.loadpath.physics.roughFirst(10, 7)")
    assert sorted((column, row) for column, row, _ in order) == [
        (column, row) for column in range(10) for row in range(7)
    ]
    sizes = [size for *_, size in order]
    assert sizes == sorted(sizes, reverse=True) and set(sizes) == {4, 2, 1}


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_the_noise_that_frees_a_chain_is_the_librarys(page_code, ratio):
    code = """({chain, mu, time, dt}) =>
      window.loadpath.physics.unpinningNoise(chain, mu, time, dt)"""
    for mu, time in ((0.1, 100.0), (0.02, 1000.0), (0.3, 20.0)):
        chain = Chain(friction_left=ratio * mu)
        given = dict(chain=as_json(chain), mu=mu, time=time, dt=0.01)
        ours = unpinning_noise(Chain(), [mu], ratio=ratio, time=time, dt=0.01)[0]
        assert page_code.evaluate(code, given) == pytest.approx(ours, rel=1e-9)


def test_curves_turn_where_concavity_crosses_zero(page_code):
    code = """() => window.loadpath.physics.turning(
      { friction: [0.1, 0.2], noise: [0, 0.01, 0.03] },
      (column, row) => [[0.2, 0.1, -0.1], [0.2, 0.1, 0.05]][column][row],
    ).map(each => Number.isNaN(each) ? null : each)"""
    found = page_code.evaluate(code)
    assert found == [pytest.approx(0.02), None]
