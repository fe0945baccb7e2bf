"""Tables beside figures hold the numbers that were drawn."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from loadpath import plots
from loadpath.report.values import CELLS, COLUMNS, ROWS, Cell, tables_of
from tests.plots.test_plots import synthetic_history, synthetic_profile


def test_curves_stand_beside_each_other_over_their_common_places():
    profile = synthetic_profile()
    (table,) = tables_of(plots.panels_of(plots.energies(profile)))
    assert table.caption == "dimension"
    assert table.headings[:2] == ["position along the path, p", "cost of identity"]
    assert len(table.lines) == 21
    for l, line in enumerate(table.lines):
        assert line[0].value == f"{profile['p'].values[l]:.10g}"
        assert float(line[1].value) == float(f"{profile['cost_of_identity'].values[l]:.10g}")
        assert line[1].text == f"{profile['cost_of_identity'].values[l]:.3g}"
    # Steps are one fewer than layers.
    assert table.lines[-1][2] == Cell("–") and table.lines[0][2] != Cell("–")


def test_names_of_layers_and_intervals_are_in_the_table():
    ax = Figure().subplots()
    ds = xr.Dataset(
        {
            "output_change": ("layer", [0.1, np.nan, 0.3]),
            "output_change_low": ("layer", [0.05, np.nan, np.nan]),
            "output_change_high": ("layer", [0.2, np.nan, np.nan]),
        },
        coords={"layer": ["block.0", "block.1", "block.2"]},
    )
    plots.layers_skipped(ds, ax)
    (table,) = tables_of(plots.panels_of(ax))
    assert [line[0].text for line in table.lines] == ["0", "2"]
    assert table.lines[0][1] == Cell("0.1", "0.1", "0.05 to 0.2")
    assert table.lines[1][1] == Cell("0.3", "0.3")


def test_long_histories_are_thinned_with_both_ends_and_say_so():
    history = synthetic_history(600)
    (table,) = tables_of(plots.panels_of(plots.learning_curves(history)))
    assert len(table.lines) == ROWS and table.caption.endswith("(50 of 600 places)")
    assert [table.lines[i][0].value for i in (0, -1)] == ["0", "59900"]
    (mesh,) = tables_of(plots.panels_of(plots.mesh_history(history)))
    assert mesh.headings[1:] == [f"layer {l}" for l in range(1, 20)]
    assert len(mesh.lines) * 19 <= CELLS < (len(mesh.lines) + 1) * 19


def test_too_many_curves_are_thinned_too():
    ax = Figure().subplots()
    for i in range(100):
        ax.plot([0, 1], [i, i], label=f"_{i}")
    (table,) = tables_of(plots.panels_of(ax))
    assert len(table.headings) == COLUMNS + 1
    assert (table.headings[1], table.headings[-1]) == ("0", "99")


def test_points_in_a_plane_and_maps_have_tables():
    profile = synthetic_profile()
    (table,) = tables_of(plots.panels_of(plots.path_2d(profile)))
    assert table.lines[0][0].text == "start, p = 0" and table.lines[-1][0].text == "end, p = 1"
    assert float(table.lines[0][1].value) == float(f"{profile['projection'].values[0, 0, 0]:.10g}")
    ax = Figure().subplots()
    ax.pcolormesh([1, 10, 100], [0, 1, 2], [[1.0, 2.0], [3.0, np.nan]])
    ax.set(xscale="log")
    (table,) = tables_of(plots.panels_of(ax))
    assert table.headings == ["", "3.16", "31.6"]
    assert [[cell.text for cell in line] for line in table.lines] == [
        ["0.5", "1", "2"],
        ["1.5", "3", "–"],
    ]
