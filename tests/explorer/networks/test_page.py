"""The page of the networks: what it says is what the library says, however a cell is chosen."""

import re

import numpy as np
import pytest

from explorer.data.export import panel_files
from loadpath import phase_diagram, results

expect = pytest.importorskip("playwright.sync_api").expect

CASES = [
    ("digits", "dropout", "fuzziness", 0.4, 0.1),
    ("fashion", "batch-size", "trace_ratio", 0.2, 20.0),
    ("mnist-no-batch-norm", "learning-rate", "trace_ratio", 0.2, 0.5),
]
CELL = "#data={}&panel={}&kind={}&slope={:g}&level={:g}"


def signed(value, digits=3):
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'−' if value < 0 else '+'}{text}"


def plain(value):
    return f"{value:.2f}".replace("-", "−")


def said(page, name):
    return page.locator(f'[data-name="{name}"]').inner_text()


def heading(page):
    return page.locator('[aria-label="Chosen cell"] h2').inner_text()


def cell_at(page, slope, level):
    index = page.evaluate(
        """([slope, level]) => {
            const { data, panel, kind } = window.loadpath.state.values;
            return window.loadpath.panelOf(data, panel, kind).nearest(slope, level);
        }""",
        [slope, level],
    )
    return page.locator(f'[data-cell="{index}"]')


@pytest.mark.parametrize("data, panel, kind, slope, level", CASES)
def test_numbers_are_those_of_the_library(visit, data, panel, kind, slope, level):
    ds = results.load(panel_files()[f"{data}/{panel}"])
    # The mean over nets is of one cell: no other is measured, and it would take seconds.
    cell = ds.sel(slope=[slope], noise=[level], kind=[kind])
    mean = phase_diagram.mean_curves(cell).squeeze()
    page = visit("networks", CELL.format(data, panel, kind, slope, level))
    value, low, high = (
        100 * float(mean[f"mean_test_accuracy{end}"]) for end in ("", "_low", "_high")
    )
    assert said(page, "accuracy") == f"{value:.1f} % ({low:.1f} to {high:.1f})"
    value, low, high = (float(mean[f"mean_concavity{end}"]) for end in ("", "_low", "_high"))
    if mean["mean_curve_status"].item() == "falls":
        assert said(page, "concavity") == f"{signed(value)} ({signed(low)} to {signed(high)})"
    else:
        assert said(page, "concavity") == "not to be read"
        assert "hardly falls" in page.locator(".summary").inner_text()
    for name, options in (
        ("between-nets", {}),
        ("between-cells", {"between": "cells", "method": "pearson"}),
    ):
        found = phase_diagram.correlation(ds, kind=kind, **options)
        expected = f"{plain(found.value)} ({plain(found.low)} to {plain(found.high)})"
        assert said(page, name) == expected


def test_curves_are_those_of_the_nets(visit):
    data, panel, kind, slope, level = CASES[0]
    ds = results.load(panel_files()[f"{data}/{panel}"])
    nets = ds["log_separation"].sel(slope=slope, noise=level, kind="inverse").values
    page = visit("networks", CELL.format(data, panel, "inverse", slope, level))
    found = page.evaluate(
        """([data, panel]) => {
            const now = window.loadpath.panelOf(data, panel, "inverse");
            const cell = window.loadpath.shown();
            return {
                nets: now.netCurves(cell).map((curve) => [...curve]),
                mean: now.meanCurve(cell),
                loads: window.loadpath.loadShares(now, cell),
            };
        }""",
        [data, panel],
    )
    # By "inverse" separation rises; the page turns curves so that all of them fall.
    np.testing.assert_allclose(found["nets"], -nets, atol=1e-4)
    mean = -nets.mean(0)
    np.testing.assert_allclose(found["mean"], mean, atol=1e-4)
    loads = -np.diff(mean) / (mean[0] - mean[-1])
    np.testing.assert_allclose(found["loads"], loads, atol=1e-3)


def test_a_mouse_shows_a_cell_as_long_as_it_is_over_it(visit):
    page = visit("networks")
    assert heading(page) == "Slope 0.4, dropout 0.02"  # the most accurate one
    cell_at(page, 0, 0.3).hover()
    assert heading(page) == "Slope 0, dropout 0.3"
    assert "Slope 0, dropout 0.3" in page.locator(".summary").inner_text()
    page.mouse.move(2, 2)
    assert heading(page) == "Slope 0.4, dropout 0.02"


def test_a_tap_chooses_a_cell_and_the_address_keeps_it(visit):
    page = visit("networks", "#data=digits", width=390)
    chosen = cell_at(page, 0.8, 0.25)
    chosen.dispatch_event("pointerenter", {"pointerType": "touch"})
    assert heading(page) != "Slope 0.8, dropout 0.25"  # a finger that scrolls past chooses nothing
    chosen.click()
    assert heading(page) == "Slope 0.8, dropout 0.25"
    expect(page).to_have_url(re.compile(r"#data=digits&slope=0.8&level=0.25$"))
    again = visit("networks", page.evaluate("location.hash"))
    assert heading(again) == heading(page) and said(again, "concavity") == said(page, "concavity")


@pytest.mark.parametrize("width, steps", [(1280, "Right Right Up"), (390, "Down Down Right")])
def test_arrows_go_from_cell_to_cell_as_the_map_lies(visit, width, steps):
    page = visit("networks", "#data=digits&slope=0&level=0", width=width)
    cell_at(page, 0, 0).focus()
    for step in steps.split():
        page.keyboard.press(f"Arrow{step}")
    assert heading(page) == "Slope 0.2, dropout 0.06"
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("slope 0.2, dropout 0.06: accuracy ")
    assert page.locator('[role="gridcell"][tabindex="0"]').count() == 1
    for _ in range(8):  # there is an edge
        page.keyboard.press("ArrowRight")
    assert heading(page).startswith(f"Slope {'0.2' if width > 700 else '1'}, dropout ")


def test_a_dot_chooses_its_cell(visit):
    page = visit("networks", "#data=digits&slope=1&level=0.3")
    picture = page.locator('[aria-label="Accuracy against concavity"] [role="img"]')
    box = picture.bounding_box()
    # The place of the most accurate cell's dot, from its numbers and the frame of the picture.
    for x in np.linspace(0.3, 0.95, 14):
        picture.hover(position={"x": x * box["width"], "y": 0.2 * box["height"]})
        if heading(page) != "Slope 1, dropout 0.3":
            break
    found = heading(page)
    assert found != "Slope 1, dropout 0.3"
    picture.click(position={"x": x * box["width"], "y": 0.2 * box["height"]})
    page.mouse.move(2, 2)
    assert heading(page) == found


def test_another_panel_shows_its_best_cell_and_another_data_set_the_same_cell(visit):
    page = visit("networks", "#data=digits&slope=0&level=0.1")
    page.get_by_text("Fashion", exact=True).click()
    assert heading(page) == "Slope 0, dropout 0.1"
    page.get_by_text("batch size", exact=True).click()
    assert heading(page) == "Slope 0.2, batch size 20"
    expect(page).to_have_url(re.compile(r"#data=fashion&panel=batch-size$"))


def test_it_says_where_the_claim_fails(visit):
    page = visit("networks")
    claims = page.evaluate(
        """() => Object.fromEntries(
            [["mnist", "dropout"], ["fashion", "batch-size"], ["fashion", "data-noise"]].map(
                ([data, panel]) => {
                    window.loadpath.state.set({ data, panel });
                    return [`${data}/${panel}`, document.querySelector(".claim").textContent];
                },
            ),
        )"""
    )
    assert claims["mnist/dropout"].startswith("Here the claim holds: ")
    assert claims["fashion/batch-size"].startswith("Here the claim fails: ")
    assert claims["fashion/data-noise"].startswith("Here the claim is weak: ")


def test_nothing_stands_out_of_the_page(visit):
    page = visit("networks")
    for width in (390, 800, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        narrowest = page.evaluate(
            """() => Math.min(...[...document.querySelectorAll('[role="gridcell"]')].map(
                (cell) => Math.min(cell.clientWidth, cell.clientHeight)))"""
        )
        assert narrowest >= 24  # what a finger can hit
