"""The pictures of a tuning and of a steered training show the numbers that they are of."""

import numpy as np
import pytest

import loadpath as lp
from loadpath import plots
from loadpath.diagnosis import Knob, Steer
from loadpath.measures.separation import LoadCurve
from loadpath.spring_block.tuning.crossing import find_crossing
from loadpath.spring_block.tuning.knobs import axis_of
from loadpath.spring_block.tuning.tuned import tuned_from

LEVELS = np.array([0.0, 0.1, 0.2, 0.3])


def tuned(bends=(0.1, 0.04, -0.05, -0.1), knob="dropout"):
    """The Dataset of a tuning with these concavities."""
    import xarray as xr

    axis = axis_of(knob, None, None, 1000)
    places = LEVELS / 0.3
    levels = [axis.level(place) for place in places]
    error = np.full(4, 0.01)
    ds = xr.Dataset(
        {
            "concavity": ("level", np.array(bends)),
            "concavity_error": ("level", error),
            "falls": ("level", np.full(4, True)),
            "finished": (("level", "seed"), np.full((4, 3), True)),
            "train_accuracy": (("level", "seed"), np.full((4, 3), 0.9)),
        },
        coords={"level": np.array(levels, dtype=float)},
    )
    found = find_crossing(places, np.array(bends), error, dof=8)
    return tuned_from(ds, axis, found).dataset


def steered():
    """The history of a steered training that begins far from straight."""
    box = {"value": 0.1}
    knob = Knob(lambda: box["value"], lambda v: box.update(value=v), 0.0, 0.5, "noise")
    steer = Steer(None, lambda _: LoadCurve([1.0, 0.8 - box["value"], 0.0]), knobs=knob)
    for _ in range(8):
        steer.step()
    return steer.history()


def test_a_tuning_shows_its_nets_its_fit_and_its_choice():
    ds = tuned()
    ax = plots.tuning(ds)
    (bars,) = ax.containers
    np.testing.assert_array_equal(bars.lines[0].get_ydata(), ds["concavity"].values)
    fit = ax.get_lines()[0]
    np.testing.assert_array_equal(fit.get_ydata(), ds["fit"].values)
    chosen = [line for line in ax.lines if line.get_label() == "straight, and its interval"]
    assert chosen[0].get_xdata()[0] == pytest.approx(ds.attrs["level"])
    assert ax.get_xscale() == "linear" and ax.get_xlabel() == "dropout"


def test_a_tuning_without_a_choice_marks_none():
    ax = plots.tuning(tuned((-0.1, -0.15, -0.2, -0.3)))
    assert all(line.get_label() != "straight, and its interval" for line in ax.lines)


def test_rates_and_batches_have_a_logarithmic_axis():
    ax = plots.tuning(tuned(knob="batch-size"))
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "batch size"


def test_a_steered_training_shows_every_knob_over_its_steps():
    ds = steered()
    figure = plots.steering(ds)
    assert len(figure.axes) == 2
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), ds["value"].values[:, 0])
    assert figure.axes[1].get_ylabel() == "noise"


def test_what_is_no_tuning_is_refused():
    with pytest.raises(ValueError, match="ds lacks the variables"):
        plots.tuning(tuned().drop_vars("fit"))
    with pytest.raises(ValueError, match="ds lacks the variables"):
        lp.plots.steering(steered().drop_vars("value"))
