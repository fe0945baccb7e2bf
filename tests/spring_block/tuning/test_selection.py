"""From load curves to the straight level, for nets of one's own."""

import numpy as np
import pytest

import loadpath as lp
from loadpath.spring_block.tuning.selection import bends_of

SEED = 3
LEVELS = np.array([0.0, 0.1, 0.2, 0.3])


def curves(bends, *, seeds=4, fall=2.0, noise=0.01, seed=SEED):
    """Curves (level, seed, layer) that fall by `fall` and bend by about these concavities."""
    rng = np.random.default_rng(seed)
    layer = np.linspace(0, 1, 5)
    bump = layer * (1 - layer)
    bump /= bump.mean()
    bent = np.asarray(bends)[:, None] + noise * rng.standard_normal((len(bends), seeds))
    return fall * (1 - layer + bent[..., None] * bump)


@pytest.mark.parametrize("kind", ["fuzziness", "inverse"])
def test_the_level_between_concave_and_convex_is_found(kind):
    D = curves([0.15, 0.05, -0.05, -0.15])
    found = lp.spring_block.tuning.straight_level(LEVELS, -D if kind == "inverse" else D, kind=kind)
    assert found.verdict == "clear"
    assert found.low < 0.15 < found.high and found.place == pytest.approx(0.15, abs=0.02)


def test_curves_that_do_not_fall_are_no_answer():
    found = lp.spring_block.tuning.straight_level(LEVELS, curves([0.1, 0.0, -0.1, -0.2], fall=-1.0))
    assert (found.verdict, found.reason) == ("no level does it", "curves do not fall")
    assert np.isnan([found.place, found.straightest]).all()


def test_a_level_whose_curves_do_not_fall_is_left_out():
    D = curves([0.15, 0.05, -0.05, -0.15])
    D[3, :, -1] = D[3, :, 0] + np.array([-1.0, 1.0, -2.0, 2.0])
    assert bends_of(D).falls.tolist() == [True, True, True, False]
    found = lp.spring_block.tuning.straight_level(LEVELS, D)
    assert found.grid[-1] == 0.2 and found.place == pytest.approx(0.15, abs=0.02)


def test_nets_that_are_not_there_are_left_out():
    D = curves([0.15, 0.05, -0.05, -0.15])
    with_hole = D.copy()
    with_hole[0, 1] = np.nan
    assert bends_of(with_hole).concavity[0] == pytest.approx(bends_of(D[:, [0, 2, 3]]).concavity[0])
    assert bends_of(with_hole).dof == bends_of(D).dof - 1


def test_the_error_is_that_of_the_jackknife_over_seeds():
    D = curves([0.1], seeds=30, noise=0.05)
    spread = np.std([lp.separation.concavity(each) for each in D[0]], ddof=1) / np.sqrt(30)
    # All curves have one fall, so that the concavity of the mean is the mean of concavities.
    assert bends_of(D).error[0] == pytest.approx(spread, rel=1e-6)


def test_shapes_that_do_not_fit_are_refused_by_their_numbers():
    straight_level = lp.spring_block.tuning.straight_level
    with pytest.raises(
        ValueError, match=r"log_separation must be \(level, seed, layer\).*\(4, 5\)"
    ):
        straight_level(LEVELS, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="at least 2 seeds"):
        straight_level(LEVELS, np.zeros((4, 1, 5)))
    with pytest.raises(ValueError, match="levels must be different finite numbers"):
        straight_level([0.1, 0.1], np.zeros((2, 2, 5)))
    with pytest.raises(ValueError, match="kind"):
        straight_level(LEVELS, np.zeros((4, 2, 5)), kind="best")
