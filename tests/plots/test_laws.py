"""The figures of laws show the numbers of their Dataset."""

import measured_laws
import numpy as np
import pytest

from loadpath import plots


@pytest.fixture(scope="module")
def ds():
    return measured_laws.equal().dataset


def test_curves_lie_over_each_other_scaled_to_their_range(ds):
    panel = plots.panels_of(plots.laws_curves(ds))[0]
    found = {series.label: series for series in panel.series}
    separation = found["log separation"]
    np.testing.assert_allclose(separation.y, np.linspace(1, 0, 6), atol=1e-7)  # a straight fall
    np.testing.assert_array_equal(found["step length"].x, [1, 2, 3, 4, 5])
    assert all(series.y.min() >= 0 and series.y.max() <= 1 for series in panel.series)


def test_distances_are_in_medians_of_the_nulls(ds):
    ax = plots.laws_against_nulls(ds)
    panel = plots.panels_of(ax)[0]
    net = next(series for series in panel.series if series.label == "this net")
    measured = [n for n in ds["law"].values if np.isfinite(ds["null_statistic"].sel(law=n)).any()]
    assert len(net.x) == len(measured)
    i = measured.index("equal separation")
    one = ds.sel(law="equal separation")
    draws = one["null_statistic"].values
    unit = np.median(np.abs(draws[np.isfinite(draws)] + 1))
    assert net.x[i] == pytest.approx((float(one["statistic"]) + 1) / unit)


def test_both_stand_in_one_figure(ds):
    assert len(plots.figure_laws(ds).axes) == 2


def test_what_lacks_the_curves_is_refused(ds):
    with pytest.raises(ValueError, match="ds lacks the variables"):
        plots.laws_curves(ds.drop_vars("curve"))
    with pytest.raises(ValueError, match="ds lacks the variables"):
        plots.laws_against_nulls(ds.drop_vars("null_statistic"))
