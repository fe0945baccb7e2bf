"""The page about ways to cut: every number of it, and what is refused."""

import numpy as np
import pytest

from loadpath import report
from tests.plots.diagnosis.test_cuts import METHODS, comparison, some
from tests.report.test_page import text_of


def test_the_page_has_the_figure_and_every_number_with_its_interval(tmp_path):
    harm = some()
    harm[1, 2, 0] = np.nan
    ds = comparison(harm).assign_attrs(sentences="Linear maps do the least harm.")
    path = report.write_cuts(tmp_path / "page.html", ds, title="Ways to cut")
    page, text = path.read_text(encoding="utf-8"), text_of(path)
    assert page.count('src="data:image/svg+xml;base64,') == 1
    assert "Ways to cut" in text and "Linear maps do the least harm." in text
    for model in ("mlp", "gpt"):
        assert page.count(f"<h3>{model}</h3>") == 1
    for value in harm[np.isfinite(harm)]:
        assert f"{value:.3f} ({value - 0.01:.3f} to {value + 0.01:.3f})" in text
    assert all(text.count(name) >= 2 for name in METHODS)
    assert "<td>–</td>" in page and "25%" in text
    with pytest.raises(FileExistsError):
        report.write_cuts(path, ds, title="Ways to cut")


def test_what_is_no_comparison_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match="ds .*harm_low"):
        ds = comparison(some()).drop_vars("harm_low")
        report.write_cuts(tmp_path / "page.html", ds, title="a")
    with pytest.raises(ValueError, match="ds must be a comparison of cuts"):
        report.write_cuts(tmp_path / "page.html", 3, title="a")
    assert list(tmp_path.iterdir()) == []
