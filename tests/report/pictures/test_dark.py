"""Pictures on a dark page stand out from it, and are as they were on paper."""

import re
from pathlib import Path

import pytest

from loadpath import plots, report
from loadpath.report.pictures.dark import CONTRAST, GROUND, INK, contrast, for_both_grounds
from loadpath.spring_block import Chain, simulate
from tests.plots.test_plots import synthetic_profile


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM's checker
    assert contrast("#123456", "#123456") == 1


def colours_on_dark(svg):
    """Every colour of a picture, as a dark page has it."""
    both = for_both_grounds(svg)
    (sheet,) = re.findall(
        r"<style>@media screen and \(prefers-color-scheme: dark\).*?</style>", both
    )
    assert both.replace(sheet, "") == svg  # and nothing else is changed
    changed = dict(re.findall(r'\[style\*="stroke: (#\w+)"\] \{ stroke: (#\w+)', sheet))
    drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
    return {colour: changed.get(colour, colour) for colour in drawn}


def test_all_lines_and_marks_stand_out_from_a_dark_page():
    chain = Chain(n_blocks=7)
    ds = simulate(chain, noise=0.0, n_steps=200, record_every=20)
    for drawing in (plots.energies(synthetic_profile()), plots.chain_trajectories(ds)):
        found = colours_on_dark(plots.svg(drawing))
        assert found.pop("#ffffff") == GROUND and found["#000000"] == INK
        assert len(found) > 4
        for colour, other in found.items():
            assert contrast(other, GROUND) >= CONTRAST
            if contrast(colour, GROUND) >= CONTRAST:
                assert other == colour


def test_the_ground_is_that_of_the_page():
    base = Path(report.__file__).parent / "templates" / "base.html.j2"
    text = base.read_text(encoding="utf-8")
    assert f"--ground: {GROUND}" in text and f"--text: {INK}" in text
