"""The page about any model says what was found, and why there is no number where there is none."""

import re
from html import unescape

import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath import report
from tests.diagnosis.profile.test_profile import Residual, batches, classes, net
from tests.report.test_page import SCRIPT, images_of, text_of


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    x, y = classes(300, 12)
    model = nn.Sequential(*net()[:-1], nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    loader = batches(x, y)
    layers = (Residual, nn.ReLU)
    ds = lp.diagnose(model, loader, layers=layers)
    skipped = lp.diagnosis.skip_layers(model, loader, layers=layers)
    verdict = lp.diagnosis.verdict(ds, skipped)
    path = tmp_path_factory.mktemp("page") / "report.html"
    config = {"entry": "mine:<load>", "layers": ["a", "b"]}
    report.write_diagnosis(
        path, ds, title="Mine & yours", skipped=skipped, verdict=verdict, config=config
    )
    return ds, skipped, verdict, path


def test_the_page_says_what_was_found(found):
    ds, _, verdict, path = found
    text = text_of(path)
    for sentence in (*lp.diagnosis.summary(ds), *verdict.sentences):
        assert " ".join(sentence.split()) in text
    assert "Mine & yours" in text and "mine:<load>" in text
    for meaning in ds["meaning"].values:
        assert meaning in text


def test_the_table_has_every_layer_with_interval_and_reason(found):
    ds, skipped, _, path = found
    page = path.read_text(encoding="utf-8")
    page = page[page.index("Layer by layer") :]
    reasons = re.findall(r'<li id="reason-\d+">(.*?)</li>', page)
    start = page.index('<table class="layers sortable">')
    table = page[start : page.index("</table>", start)]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table, re.S)
    assert [name for name, _ in rows] == ds["layer"].values.tolist()
    headings = re.findall(r'<th scope="col">(.*?)</th>', table)[1:]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", cells, re.S) for _, cells in rows]
    assert {len(row) for row in cells} == {len(headings)}
    step = headings.index("relative step")
    value, low, high = (float(ds[f"relative_step{end}"][1]) for end in ("", "_low", "_high"))
    assert cells[1][step] == f"{value:.3g}<small>{low:.3g} to {high:.3g}</small>"

    def why(cell):
        """The reason that a dash points to, for readers without a mouse too."""
        (at,) = re.findall(r'^–<sup><a href="#reason-(\d+)"', cell)
        assert f'aria-label="why: {reasons[int(at) - 1]}"' in cell
        return unescape(reasons[int(at) - 1])

    assert len(set(reasons)) == len(reasons) and "title=" not in page
    assert why(cells[0][step]) == "no step of one shape leads here"
    harm = headings.index("loss if skipped")
    assert float(cells[1][harm].split("<")[0]) == pytest.approx(
        float(skipped["loss_change"][0]), rel=0.01
    )
    assert why(cells[0][harm]) == "not skipped"
    fall = headings.index("accuracy if skipped, points")
    assert float(cells[1][fall].split("<")[0]) == pytest.approx(
        100 * float(skipped["accuracy_change"][0]), rel=0.01
    )
    last = skipped["status"].sel(layer="4").item()
    assert "not skipped: its input" not in last or why(cells[-1][harm]) == last


def test_what_to_try_without_comes_first_with_what_each_layer_takes(found):
    ds, skipped, verdict, path = found
    page = path.read_text(encoding="utf-8")
    text = text_of(path)
    assert text.index(verdict.sentences[0]) < text.index("What this rests on")
    assert text.index("What this rests on") < text.index("In words")
    table = page[page.index('<table class="layers sortable">') : page.index("</table>")]
    rows = re.findall(r'<tr(.*?)><th scope="row">(.*?)</th>(.*?)</tr>', table, re.S)
    frame = lp.diagnosis.layer_table(ds, skipped)
    assert [name.split("<")[0] for _, name, _ in rows] == frame.index.tolist()
    assert ["candidate" in kind for kind, _, _ in rows] == frame["try_without"].tolist()
    for (_, name, cells), parameters in zip(rows, frame["parameters"], strict=True):
        shown = f'data-value="{parameters:.0f}">{parameters:,.0f}</td>'
        assert f'<td data-label="parameters" {shown}' in cells, name


def test_figures_are_in_the_page_and_nothing_is_fetched(found):
    page = found[3].read_text(encoding="utf-8")
    images = images_of(page)
    assert list(images) == [
        *(
            "Layers really skipped",
            "Accuracy without each layer",
            "Load curve",
            "Steps",
            "Dimensions",
            "Likeness",
            "Probes",
        ),
        *("Neural collapse", "Energies"),
    ]
    assert all("<svg" in image for image in images.values())
    assert not re.findall(r'(?:src|href)="(?!data:|#|https://arxiv\.org)', page)
    assert "<script" not in page.replace(SCRIPT, "")


def test_a_page_of_few_measures_shows_what_there_is(tmp_path):
    x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    ds = lp.diagnose(net(6), batches(x), measures=("steps",), layers=Residual)
    path = report.write_diagnosis(tmp_path / "page.html", ds, title="Steps")
    assert list(images_of(path.read_text(encoding="utf-8"))) == ["Steps"]
    assert "What could go" not in text_of(path)
    with pytest.raises(FileExistsError, match="exists already"):
        report.write_diagnosis(path, ds, title="Again")


def test_meanings_that_are_no_words_are_refused(found, tmp_path):
    ds = found[0]
    ds = ds.assign(meaning=("layer", list(range(ds.sizes["layer"]))))
    with pytest.raises(ValueError, match="^ds must hold words of 'meaning', got int64"):
        report.write_diagnosis(tmp_path / "a.html", ds, title="a")


def test_a_diagnosis_without_widths_is_refused(found, tmp_path):
    with pytest.raises(ValueError, match=r"^ds lacks the variables \['width'\]"):
        report.write_diagnosis(tmp_path / "a.html", found[0].dataset.drop_vars("width"), title="a")
