"""The page about laws has every law, with its numbers, its sentence and its source."""

import measured_laws
import pytest

from loadpath import report
from tests.report.test_page import text_of


@pytest.fixture(scope="module")
def laws():
    return measured_laws.equal()


def test_the_page_has_all_laws_in_numbers_and_words(laws, tmp_path):
    page = report.write_laws(tmp_path / "a.html", laws, title="Laws of <mine>", config={"kept": 5})
    text = text_of(page)
    assert "Laws of <mine>" in text
    for name, law in laws.items():
        assert name in text and law.definition.source in text
        assert law.verdict in text
        if law.estimate is not None:
            assert f"{law.estimate.value:.3g}" in text


def test_it_takes_the_dataset_and_refuses_another(laws, tmp_path):
    report.write_laws(tmp_path / "a.html", laws.dataset, title="a")
    with pytest.raises(FileExistsError):
        report.write_laws(tmp_path / "a.html", laws.dataset, title="a")
    with pytest.raises(ValueError, match="laws lacks the variables"):
        report.write_laws(tmp_path / "b.html", laws.dataset.drop_vars("ideal"), title="a")
