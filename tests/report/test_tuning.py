"""The page about a tuning has the choice, its sentences and every level."""

import pytest

from loadpath import report
from tests.plots.test_straightening import tuned
from tests.report.test_page import text_of


def test_the_page_has_the_choice_and_every_level(tmp_path):
    ds = tuned()
    page = report.write_tuning(tmp_path / "a.html", ds, title="Tuning of <mine>", config={"k": 5})
    text = text_of(page)
    assert "Tuning of <mine>" in text and "Verdict: clear" in text
    assert f"dropout {ds.attrs['level']:.3g}, between {ds.attrs['level_low']:.3g}" in text
    for sentence in ds.attrs["words"].splitlines():
        assert sentence in text
    for bent in ds["concavity"].values:
        assert f"{bent:.3f} ± 0.010" in text


def test_a_page_without_a_choice_says_so(tmp_path):
    page = report.write_tuning(tmp_path / "a.html", tuned((-0.1, -0.2, -0.3, -0.4)), title="a")
    text = text_of(page)
    assert "No level of dropout makes the load curve straight" in text
    assert "convex at every level" in text


def test_what_is_no_tuning_is_refused(tmp_path):
    ds = tuned()
    with pytest.raises(ValueError, match="tuned lacks the variables"):
        report.write_tuning(tmp_path / "a.html", ds.drop_vars("falls"), title="a")
    del ds.attrs["verdict"]
    with pytest.raises(ValueError, match="tuned must have the attr 'verdict'"):
        report.write_tuning(tmp_path / "a.html", ds, title="a")
