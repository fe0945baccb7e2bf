"""Mean curves of cells: their bend by hand, intervals over seeds, and what does not fall."""

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from loadpath.spring_block.phase_diagram import mean_curves


def diagram(curves, kind="fuzziness"):
    """One cell with curves (seed, layer)."""
    D = np.asarray(curves, dtype=float)
    return xr.Dataset(
        {"log_separation": (("slope", "noise", "seed", "kind", "layer"), D[None, None, :, None])},
        coords={"slope": [0.2], "noise": [0.1], "seed": range(len(D)), "kind": [kind]},
    )


def measured(curves, **options):
    return mean_curves(diagram(curves), **options).squeeze()


def test_the_bend_of_the_mean_curve_by_hand():
    # Curves of three layers: concavity is (D_0 + D_1 + D_2) / 3 - (D_0 + D_2) / 2, over the fall.
    curves = [[4, 2.5, 0], [2, 1.5, 0], [6, 1.0, 2]]
    found = measured(curves)
    # The mean is 4, 5/3, 2/3: its mean 19/9 lies 2/9 below the chord's 7/3, and it falls by 10/3.
    assert found.mean_concavity.item() == pytest.approx(-2 / 9 / (10 / 3), abs=1e-14)
    assert found.mean_total.item() == pytest.approx(10 / 3, abs=1e-14)
    assert found.mean_curve_status.item() == "falls" and found.mean_curve_seeds.item() == 3
    # Without one seed each: means 4, 5/4, 1 and 5, 7/4, 1 and 3, 2, 0, worked out likewise.
    without = np.array([(6.25 / 3 - 2.5) / 3, (7.75 / 3 - 3) / 4, (5 / 3 - 1.5) / 3])
    deviation = math.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    reach = stats.t.ppf(0.975, 2) * deviation
    # The jackknife of groups of one size: sum of (G - 1) / G squares about the mean without one.
    low, high = found.mean_concavity_low.item(), found.mean_concavity_high.item()
    assert (low + high) / 2 == pytest.approx(found.mean_concavity.item(), abs=1e-12)
    assert (high - low) / 2 == pytest.approx(reach, rel=1e-9)
    # The fall is a mean, and its interval Student's: falls are 4, 2 and 4.
    student = stats.t.ppf(0.975, 2) * np.std([4, 2, 4], ddof=1) / math.sqrt(3)
    assert found.mean_total_high.item() == pytest.approx(10 / 3 + student, rel=1e-9)
    assert found.mean_total_low.item() == pytest.approx(10 / 3 - student, rel=1e-9)


def test_a_seed_that_hardly_falls_does_not_decide():
    rng = np.random.default_rng(0)
    print("seed 0")
    line = np.linspace(3, 0, 6)
    curves = line + 0.3 * np.sin(np.linspace(0, np.pi, 6)) + 0.01 * rng.normal(size=(8, 6))
    calm = measured(curves)
    curves[3] += np.linspace(0, 1, 6) * 2.999  # this seed's curve hardly falls
    ratios = [(c.mean() - (c[0] + c[-1]) / 2) / abs(c[0] - c[-1]) for c in curves]
    assert abs(np.mean(ratios)) > 1  # the mean of ratios is that one seed's
    found = measured(curves)
    assert found.mean_curve_status.item() == "falls"
    assert abs(found.mean_concavity.item() - calm.mean_concavity.item()) < 0.03


def test_a_curve_that_does_not_fall_may_bend_in_any_way():
    rng = np.random.default_rng(1)
    print("seed 1")
    curves = 1 + 0.2 * np.sin(np.linspace(0, np.pi, 5)) + 0.05 * rng.normal(size=(6, 5))
    found = measured(curves)
    assert found.mean_curve_status.item() == "does not fall"
    assert found.mean_total_low.item() <= 0
    assert (found.mean_concavity_low.item(), found.mean_concavity_high.item()) == (
        -math.inf,
        math.inf,
    )
    rising = measured(np.linspace(0, 1, 4) + 0.01 * rng.normal(size=(5, 4)))
    assert rising.mean_curve_status.item() == "does not fall" and rising.mean_total.item() < 0


def test_the_interval_holds_the_truth_as_often_as_it_says():
    # The fall is 1 and known to a fifth in each seed: a ratio, but one whose denominator is far
    # from 0. Of 400 intervals at 90 % from 12 seeds, 360 hold it but for chance (sd 6).
    rng = np.random.default_rng(2)
    print("seed 2")
    truth = np.array([1.0, 0.8, 0.35, 0.0])
    bend = truth.mean() - 0.5
    held = 0
    for _ in range(400):
        curves = truth + 0.1 * rng.normal(size=(12, 4))
        found = measured(curves, level=0.9)
        held += found.mean_concavity_low.item() <= bend <= found.mean_concavity_high.item()
    assert 360 - 4 * 6 <= held <= 360 + 4 * 6


def test_the_inverse_convention_is_turned_over():
    curves = np.array([[4, 2.5, 0], [2, 1.5, 0], [6, 1.0, 2]])
    up = mean_curves(diagram(-curves, kind="inverse")).squeeze()
    down = measured(curves)
    for name in ("mean_concavity", "mean_concavity_low", "mean_total", "mean_total_high"):
        assert up[name].item() == pytest.approx(down[name].item(), abs=1e-14)


def test_seeds_without_a_curve_are_left_out_and_few_have_no_interval():
    curves = np.array([[4, 2.5, 0], [np.nan, 1.5, 0], [np.inf, 1.0, 2]])
    found = measured(curves)
    assert (found.mean_curve_status.item(), found.mean_curve_seeds.item()) == ("one seed", 1)
    assert found.mean_concavity.item() == pytest.approx((6.5 / 3 - 2) / 4)
    assert np.isnan(found.mean_concavity_low.item()) and np.isnan(found.mean_total_high.item())
    nothing = measured(curves[1:])
    assert nothing.mean_curve_status.item() == "no curve" and np.isnan(nothing.mean_total.item())


def test_flat_curves_are_no_error():
    found = measured(np.ones((3, 4)))
    assert found.mean_curve_status.item() == "does not fall"
    assert found.mean_concavity.item() == 0.0
    # Equal ends, and a bump between: infinitely bent, as one curve is.
    bump = measured([[1, 2, 1], [1, 2, 1]])
    assert bump.mean_concavity.item() == math.inf and np.isinf(bump.mean_concavity_low.item())


@pytest.mark.parametrize(
    "ds, options, said",
    [
        (xr.Dataset(), {}, "ds lacks the variables"),
        (diagram([[1, 0], [1, 0]]), dict(level=95), "level must be between 0 and 1, got 95"),
        (
            diagram([[1, 0], [1, 0]], kind="other"),
            {},
            "ds must have kinds of fuzziness, .* 'other'",
        ),
        (diagram([[1e71, 0], [1, 0]]), {}, "ds must hold log_separation of at most .* got 1e.71"),
        (diagram([[1, 0], [1, 0]]).isel(noise=0), {}, "ds must have the variable"),
    ],
)
def test_bad_input_is_one_sentence(ds, options, said):
    with pytest.raises(ValueError, match=said):
        mean_curves(ds, **options)


def test_the_accuracy_of_a_cell_is_a_mean_with_students_interval():
    ds = diagram([[4, 2.5, 0], [2, 1.5, 0], [6, 1.0, 2], [1, 0.5, 0]])
    accuracy = np.array([0.9, 0.8, np.nan, 0.85])
    found = mean_curves(ds.assign(test_accuracy=(("slope", "noise", "seed"), accuracy[None, None])))
    assert found.mean_test_accuracy.dims == ("slope", "noise")
    mean, reach = 0.85, stats.t.ppf(0.975, 2) * 0.05 / math.sqrt(3)
    ends = [found[f"mean_test_accuracy{end}"].item() for end in ("", "_low", "_high")]
    assert ends == pytest.approx([mean, mean - reach, mean + reach], abs=1e-12)
    assert "mean_test_accuracy" not in mean_curves(ds)


def test_intervals_hold_the_truth_of_nets_on_several_subsets():
    # 5 subsets by 4 seeds; bend and fall hang on the subset more than on anything else.
    rng = np.random.default_rng(4)
    print("seed 4")
    line, hump = np.linspace(1, 0, 5), np.array([0, 1, 1.5, 1, 0])
    curves, rounds = [], 150
    for _ in range(rounds):
        bend = 0.1 + 0.05 * rng.normal(size=(5, 1)) + 0.02 * rng.normal(size=(5, 4))
        fall = 3 + 0.3 * rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(5, 4))
        curves.append((fall[..., None] * (line + bend[..., None] * hump)).reshape(20, 5))
    dims = ("slope", "noise", "seed", "kind", "layer")
    ds = xr.Dataset(
        {"log_separation": (dims, np.array(curves)[None, :, :, None])},
        coords={
            "slope": [0.0],
            "noise": range(rounds),
            "seed": range(20),
            "kind": ["fuzziness"],
            "data_seed": ("seed", np.repeat(range(5), 4)),
            "net_seed": ("seed", np.tile(range(4), 5)),
        },
    )
    truth = {"concavity": 0.1 * hump.mean(), "total": 3.0}
    found, naive = mean_curves(ds), mean_curves(ds.drop_vars("data_seed"))
    for name, value in truth.items():
        # 142 of 150 by name, and chance is 2.7; nets taken for independent hold it in about 90.
        hits, fewer = (
            int(((one[f"mean_{name}_low"] <= value) & (value <= one[f"mean_{name}_high"])).sum())
            for one in (found, naive)
        )
        assert hits >= 132 and fewer <= 120, name
