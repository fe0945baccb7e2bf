"""The page's phase diagram is that of the library."""

import numpy as np
import pytest

from loadpath.spring_block import Chain, chain_phase_diagram
from loadpath.spring_block.chain import CLEAR, unpinning_noise
from tests.explorer.chain.physics.test_exact import as_json

CELLS = """({grid, chain, motion, ratio}) => {
  const found = grid.friction.map(() => grid.noise.map(() => null));
  for (const cell of window.loadpath.physics.cells(grid, { chain, motion, ratio })) {
    if (cell) found[cell.column][cell.row] = cell.value;
  }
  return found;
}"""
MOTION = dict(dt=0.01, mass=1, damping=1, noise=0, noise_decay=0, common_noise=False)


def concavities(page, grid, *, ratio, **motion):
    given = dict(grid=grid, chain=as_json(Chain()), motion={**MOTION, **motion}, ratio=ratio)
    return np.array(page.evaluate(CELLS, given), dtype=float)


def test_the_diagram_from_the_flow_of_means_is_that_of_simulated_chains(page_code):
    grid = dict(friction=[0.02, 0.1, 0.25], noise=[0.0, 0.004, 0.02])
    found = concavities(page_code, grid, ratio=4 / 3, dynamics="overdamped")
    ds = chain_phase_diagram(**grid, ratio=4 / 3, n_replicas=64, seed=2, progress=False)
    off = np.abs(found - ds["concavity"].values)
    # 1e-4 is what the flow is good for, and what a chain without noise lacks of rest after the run.
    assert (off < 4 * ds["concavity_error"].values + 2e-4).all()


def test_the_diagram_of_langevin_chains_is_simulated_to_the_same_signs(page_code):
    grid = dict(friction=[0.02, 0.1], noise=[0.0, 0.1])
    found = concavities(page_code, grid, ratio=2.0, dynamics="langevin", dt=0.05)
    ds = chain_phase_diagram(
        **grid, ratio=2.0, dynamics="langevin", dt=0.05, n_replicas=64, seed=2, progress=False
    )
    # The page has 8 replicas a cell, and so errors sqrt(8) times as large.
    error = ds["concavity_error"].values * np.sqrt(64 / 8 + 1)
    assert (np.abs(found - ds["concavity"].values) < CLEAR * error + 1e-9).all()


def test_rough_cells_come_first_and_each_cell_once(page_code):
    order = page_code.evaluate("() => window.loadpath.physics.roughFirst(10, 7)")
    assert sorted((column, row) for column, row, _ in order) == [
        (column, row) for column in range(10) for row in range(7)
    ]
    sizes = [size for *_, size in order]
    assert sizes == sorted(sizes, reverse=True) and set(sizes) == {4, 2, 1}


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_the_noise_that_frees_a_chain_is_the_librarys(page_code, ratio):
    code = """({chain, mu, ratio, time, dt}) =>
      window.loadpath.physics.unpinningNoise(chain, mu, ratio, time, dt)"""
    for mu, time in ((0.1, 100.0), (0.02, 1000.0), (0.3, 20.0)):
        given = dict(chain=as_json(Chain()), mu=mu, ratio=ratio, time=time, dt=0.01)
        ours = unpinning_noise(Chain(), [mu], ratio=ratio, time=time, dt=0.01)[0]
        assert page_code.evaluate(code, given) == pytest.approx(ours, rel=1e-9)


def test_curves_turn_where_concavity_crosses_zero(page_code):
    code = """() => window.loadpath.physics.turning(
      { friction: [0.1, 0.2], noise: [0, 0.01, 0.03] },
      (column, row) => [[0.2, 0.1, -0.1], [0.2, 0.1, 0.05]][column][row],
    ).map(each => Number.isNaN(each) ? null : each)"""
    found = page_code.evaluate(code)
    assert found == [pytest.approx(0.02), None]
