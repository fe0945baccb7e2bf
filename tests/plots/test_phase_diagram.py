"""Pictures of phase diagrams: the numbers drawn are those of the Dataset, and none is hidden."""

import numpy as np
import pytest
import xarray as xr

from loadpath import plots
from loadpath.spring_block import phase_diagram

WORDS = "does not fall"
SLOPES, NOISES = [0.0, 1.0], [0.0, 0.3, 0.8]


def diagram(seeds=3, layers=4):
    """A diagram (slope, noise, seed) whose curves bend by what the cell says."""
    rng = np.random.default_rng(0)
    shape = (len(SLOPES), len(NOISES), seeds)
    accuracy = rng.uniform(0.8, 0.95, shape)
    bend = rng.uniform(-1, 1, shape)
    line = np.linspace(2, -1, layers)
    D = line + bend[..., None] * np.sin(np.linspace(0, np.pi, layers))
    return xr.Dataset(
        {
            "test_accuracy": (("slope", "noise", "seed"), accuracy),
            "log_separation": (("slope", "noise", "seed", "kind", "layer"), D[..., None, :]),
            "concavity": (("slope", "noise", "seed", "kind"), 0.2 * bend[..., None]),
        },
        coords={"slope": SLOPES, "noise": NOISES, "seed": range(seeds), "kind": ["fuzziness"]},
        attrs={"panel": "dropout"},
    )


def test_cells_are_shaded_by_mean_accuracy_and_labelled_by_their_levels():
    ds = diagram()
    ax = plots.network_phase_diagram(ds)
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array(), ds.test_accuracy.mean("seed"))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "0.3", "0.8"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1"]
    assert ax.get_xlabel() == "dropout rate"


def test_every_cell_has_its_mean_curve_and_its_chord():
    ds = diagram()
    ax = plots.network_phase_diagram(ds)
    curves = [line for line in ax.lines if len(line.get_xdata()) == 4]
    chords = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert len(curves) == len(chords) == 6
    D = ds.log_separation.mean("seed").sel(kind="fuzziness").to_numpy().reshape(6, 4)
    for curve, chord, expected, at in zip(curves, chords, D, np.ndindex(2, 3), strict=True):
        x, y = curve.get_data()
        # The same shape, within its own cell.
        np.testing.assert_allclose(np.corrcoef(y, expected)[0, 1], 1, rtol=1e-12)
        assert (np.abs(y - at[0]) < 0.5).all() and (np.abs(x - at[1]) < 0.5).all()
        np.testing.assert_allclose(chord.get_ydata(), y[[0, -1]])


def test_the_inverse_convention_is_turned_so_that_separating_falls():
    ds = diagram().assign_coords(kind=["inverse"])
    up = plots.network_phase_diagram(ds, kind="inverse").lines[1].get_ydata()
    down = plots.network_phase_diagram(diagram()).lines[1].get_ydata()
    np.testing.assert_allclose(up, -down, atol=1e-12)


def test_seeds_without_a_curve_are_left_out_and_cells_without_any_are_crossed():
    ds = diagram()
    ds.log_separation[0, 0, 1] = np.nan
    ds.log_separation[0, 1, :, :, 2] = np.inf
    ds.test_accuracy[0, 1] = np.nan
    ax = plots.network_phase_diagram(ds)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [line.get_xydata().tolist() for line in crosses] == [[[1.0, 0.0]]]
    curve = next(line for line in ax.lines if len(line.get_xdata()) == 4)
    expected = ds.log_separation[0, 0, [0, 2], 0].mean("seed")
    assert np.corrcoef(curve.get_ydata(), expected)[0, 1] == pytest.approx(1, rel=1e-12)


def test_a_flat_curve_is_drawn_flat():
    ds = diagram()
    ds.log_separation[1, 2] = 5.0
    flat = plots.network_phase_diagram(ds).lines[-1].get_ydata()
    np.testing.assert_array_equal(flat, [1.0] * 4)


def test_one_dead_net_does_not_take_the_scale():
    ds = diagram()
    ds.test_accuracy[0, 0] = 0.1
    ax = plots.network_phase_diagram(ds)
    assert ax.images[0].norm.vmin > 0.4
    assert ax.images[0].colorbar.extend == "min"
    assert plots.network_phase_diagram(diagram()).images[0].norm.vmin > 0.8


def test_accuracy_of_every_net_stands_over_its_concavity():
    ds = diagram()
    ax = plots.accuracy_against_concavity(ds)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert len(dots) == len(NOISES)
    for j, line in enumerate(dots):
        order = np.argsort(line.get_xdata())
        C = ds.concavity[:, j, :, 0].to_numpy().ravel()
        accuracy = ds.test_accuracy[:, j].to_numpy().ravel()
        np.testing.assert_array_equal(line.get_xdata()[order], np.sort(C))
        np.testing.assert_array_equal(line.get_ydata()[order], accuracy[np.argsort(C)])
    by_slope = plots.accuracy_against_concavity(ds, by="slope")
    assert len([line for line in by_slope.lines if line.get_marker() == "o"]) == len(SLOPES)


def test_cells_stand_over_the_concavity_of_their_mean_curve_with_its_interval():
    ds = diagram(seeds=6)
    # One cell's curves fall on no side: it may bend in any way, and has no square.
    ds.log_separation[1, 2] = np.random.default_rng(3).normal(size=(6, 1, 4))
    curves = phase_diagram.mean_curves(ds).sel(kind="fuzziness")
    assert curves.mean_curve_status.values.tolist() == [["falls"] * 3, ["falls", "falls", WORDS]]
    ax = plots.accuracy_against_concavity(ds)
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert [len(line.get_xdata()) for line in squares] == [2, 2, 1]
    bars = [c for c in ax.collections if len(c.get_segments())]
    for j, (line, bar, upright) in enumerate(zip(squares, bars[::2], bars[1::2], strict=True)):
        rows = slice(0, 1 if j == 2 else 2)
        np.testing.assert_allclose(line.get_xdata(), curves.mean_concavity[rows, j])
        np.testing.assert_allclose(line.get_ydata(), ds.test_accuracy[rows, j].mean("seed"))
        ends = np.array(bar.get_segments())[:, :, 0]
        np.testing.assert_allclose(ends[:, 0], curves.mean_concavity_low[rows, j])
        np.testing.assert_allclose(ends[:, 1], curves.mean_concavity_high[rows, j])
        ends = np.array(upright.get_segments())[:, :, 1]
        np.testing.assert_allclose(ends[:, 0], curves.mean_test_accuracy_low[rows, j])
        np.testing.assert_allclose(ends[:, 1], curves.mean_test_accuracy_high[rows, j])


def test_the_title_has_the_correlation_and_one_seed_has_none():
    ds = diagram()
    found = phase_diagram.correlation(ds)
    title = plots.accuracy_against_concavity(ds).get_title()
    assert f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]" in title
    assert plots.accuracy_against_concavity(diagram(seeds=1)).get_title() == ""


def test_nets_that_are_equally_good_have_no_title():
    ds = diagram()
    same = ds.assign(test_accuracy=ds.test_accuracy * 0 + 0.5)
    assert plots.accuracy_against_concavity(same).get_title() == ""


def recorded(epochs=(0, 10, 20)):
    """A diagram with records along training."""
    ds = diagram()
    rng = np.random.default_rng(1)
    D = rng.normal(size=(2, 3, 3, 1, len(epochs), 4))
    dims = ("slope", "noise", "seed", "kind", "recorded_epoch", "layer")
    return ds.assign(log_separation_recorded=(dims, D)).assign_coords(
        recorded_epoch=list(epochs), layer=range(4)
    )


def test_curves_along_training_are_means_over_the_seeds_that_still_train():
    ds = recorded()
    ds.log_separation_recorded[0, 1, 0, 0, 2] = np.nan  # one seed has stopped by epoch 20
    cell = ds.isel(slope=0, noise=1)
    ax = plots.curves_along_training(cell)
    D = cell.log_separation_recorded[:, 0].to_numpy()  # (seed, epoch, layer)
    expected = [D[:, 0].mean(0), D[:, 1].mean(0), D[1:, 2].mean(0)]
    expected.append(cell.log_separation[:, 0].mean("seed").to_numpy())
    assert len(ax.lines) == 4
    for line, curve in zip(ax.lines, expected, strict=True):
        np.testing.assert_allclose(line.get_ydata(), curve, rtol=1e-12)  # sums in other orders
    colours = [line.get_color() for line in ax.lines]
    assert colours[-1] == "#000000" and len(set(map(str, colours))) == 4


def test_an_epoch_that_no_seed_reached_is_not_drawn():
    ds = recorded()
    ds.log_separation_recorded[..., 2, :] = np.nan
    assert len(plots.curves_along_training(ds.isel(slope=0, noise=0)).lines) == 3


def test_the_figure_along_training_has_a_cell_for_each_slope_and_level():
    figure = plots.figure_along_training(recorded())
    assert len([ax for ax in figure.axes if len(ax.lines) == 4]) == len(SLOPES) * len(NOISES)
    assert len(plots.figure_along_training(recorded((0,))).axes) == 7  # and the colour bar
    with pytest.raises(ValueError, match="ds lacks the variables"):
        plots.figure_along_training(diagram())


def test_nets_outside_the_axes_are_counted():
    ds = diagram()
    assert not any("outside" in t.get_text() for t in plots.accuracy_against_concavity(ds).texts)
    ds.test_accuracy[0, 0, 0] = 0.1
    ds.concavity[1, 1, 1] = 3.0
    ds.concavity[1, 2, 2] = np.nan  # counts nowhere
    texts = [t.get_text() for t in plots.accuracy_against_concavity(ds).texts]
    assert texts == ["2 nets outside"]


def test_panels_share_a_page():
    figure = plots.figure_phase_diagrams([diagram()] * 3)
    assert len([ax for ax in figure.axes if ax.images]) == 3
    assert len(figure.legends) == 1 and not any(ax.get_legend() for ax in figure.axes)


def test_panels_that_are_compared_have_one_scale_of_colours():
    worse = diagram()
    worse["test_accuracy"] = worse["test_accuracy"] - 0.07
    figure = plots.figure_phase_diagrams([diagram(), worse])
    images = [image for ax in figure.axes for image in ax.images]
    assert len(images) == 2 and images[0].norm is images[1].norm
    every = [ds.test_accuracy.mean("seed") for ds in (diagram(), worse)]
    assert images[0].norm.vmax == pytest.approx(float(max(each.max() for each in every)))
    assert images[0].norm.vmin == pytest.approx(float(min(each.min() for each in every)))
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
    assert len(bars) == 1 and bars[0].get_ylabel() == "test accuracy"


def test_the_accuracy_of_several_panels_stands_on_one_page():
    figure = plots.figure_accuracy([diagram()])
    assert len([ax for ax in figure.axes if ax.get_ylabel() == "test accuracy"]) == 1


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="ds lacks the variables"):
        plots.network_phase_diagram(diagram().drop_vars("log_separation"))
    with pytest.raises(ValueError, match="kind must be one of"):
        plots.network_phase_diagram(diagram(), kind="other")
    with pytest.raises(ValueError, match="by must be one of noise, slope, got 'seed'"):
        plots.accuracy_against_concavity(diagram(), by="seed")
    with pytest.raises(ValueError, match="panels must hold at least one Dataset"):
        plots.figure_phase_diagrams([])
