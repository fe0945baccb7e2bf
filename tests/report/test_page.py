"""The page is whole in itself, says what the numbers mean, and runs nothing that it was given."""

import base64
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from loadpath import plots, report
from tests.plots.test_plots import (
    synthetic_certificate,
    synthetic_history,
    synthetic_looks,
    synthetic_profile,
)


def text_of(path) -> str:
    """The page's text as a reader sees it: entities decoded, style left out, spaces single."""
    words: list[str] = []

    class Reader(HTMLParser):
        silent = False

        def handle_starttag(self, tag, attrs):
            self.silent = tag in ("style", "script")

        def handle_data(self, data):
            if not self.silent:
                words.append(data)

    Reader().feed(path.read_text(encoding="utf-8"))
    return " ".join(" ".join(words).split())


FIGURE = re.compile(
    r"<figure>\s*<h3>(?P<heading>.*?)</h3>\s*"
    r'<img src="data:image/svg\+xml;base64,(?P<image>[^"]+)" alt="(?P<alt>[^"]+)">\s*'
    r"<figcaption>(?P<reading>.*?)</figcaption>(?P<rest>.*?)</figure>",
    re.S,
)
SHEET = re.compile(r"<style>@media screen and \(prefers-color-scheme: dark\).*?</style>", re.S)
"""What a page adds to a picture, for readers of dark pages."""
SCRIPT = "<script>\n{}</script>".format(
    (Path(report.__file__).parent / "templates" / "sorting.js").read_text(encoding="utf-8").rstrip()
)
"""The only script of a page: it sorts tables."""


def images_of(page: str) -> dict[str, str]:
    """SVG text of the images by their headings, as `plots.svg` gives it."""
    return {
        found["heading"]: SHEET.sub("", base64.b64decode(found["image"]).decode())
        for found in FIGURE.finditer(page)
    }


@pytest.fixture
def quick(monkeypatch):
    """Leave figures out where a test reads words."""
    monkeypatch.setattr(plots, "svg", lambda drawing: "<svg/>")


pytestmark = pytest.mark.xdist_group("page")  # what they share takes seconds to make


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    profile = synthetic_profile(bend=0.5)
    profile["bottleneck_rank"].attrs.update(layer=12, gap=42.0, clear=1)
    config = {
        "data": {"dims": [30, 3, 30], "name": "teacher"},
        "bias": True,
        "layer_steps": None,
        "steps": list(range(100)),
    }
    sections = [
        report.Section("Teacher", profile, synthetic_history(), config, ["A remark."]),
        report.Section("Digits", synthetic_profile(), None),
    ]
    path = tmp_path_factory.mktemp("report") / "page.html"
    assert report.write(path, sections, title="Two nets") == path
    return path


def test_the_page_asks_nothing_of_the_network(page):
    html = page.read_text(encoding="utf-8")
    pictures = images_of(html)
    assert html.count(SCRIPT) == 1
    for text in (html.replace(SCRIPT, ""), *pictures.values()):
        assert not re.search(r'(src|srcset|xlink:href|data|poster)="(?!data:|#)', text)
        assert not re.search(
            r"@import|url\((?!#)|<(script|link|iframe|object|embed)\b(?! rel=\"icon\")", text
        )
    # The only address of another site is a plain link.
    assert re.findall(r'<a href="(http[^"]+)"', html) == re.findall(r'http[^"\s<]+', html)
    assert page.stat().st_size < 3e6


def test_every_figure_is_there_with_a_way_to_read_it(page):
    html = page.read_text(encoding="utf-8")
    teacher, digits = html.split('<section id="section-2">')
    assert teacher.count("<figure>") == 12 and digits.count("<figure>") == 9
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html, re.S)
    assert len(captions) == 21 and all(c.rstrip().endswith(".") for c in captions)
    pictures = images_of(teacher)
    assert pictures["Energies along the path"] == plots.svg(
        plots.energies(synthetic_profile(bend=0.5))
    )
    assert pictures["Learning curves"] == plots.svg(plots.learning_curves(synthetic_history()))


def test_every_figure_has_its_numbers_and_an_alternative_text_that_says_what_is_seen(page):
    figures = list(FIGURE.finditer(page.read_text(encoding="utf-8")))
    assert len(figures) == 21
    alts = [unescape(figure["alt"]) for figure in figures]
    for figure, alt in zip(figures, alts, strict=True):
        assert alt != figure["heading"] and len(re.findall(r"\d", alt)) >= 3 and len(alt) < 800
        rows = re.findall(r"<tr><th scope=\"row\"", figure["rest"])
        assert '<details class="values">' in figure["rest"] and len(rows) >= 10
    profile = synthetic_profile(bend=0.5)
    least = float(profile["cost_of_identity"].min())
    assert f"cost of identity falls from 128 at 0 to {least:.3g} at " in alts[0]
    assert alts[0] != alts[12]  # another net, other numbers


def test_headings_words_and_the_page_itself_are_sound_for_any_screen(page):
    html = page.read_text(encoding="utf-8")
    assert 'name="viewport" content="width=device-width' in html
    assert "prefers-color-scheme: dark" in html and "@media print" in html
    assert "title=" not in html  # what only a mouse would show
    wide = re.findall(r"<table class=.*?sortable", html)
    assert wide and html.count('<div class="wide" tabindex="0">') == len(wide)


def test_the_summary_says_the_numbers_in_words(page):
    text = text_of(page)
    profile, history = synthetic_profile(bend=0.5), synthetic_history()
    assert "status “converged” after 5900 iterations" in text
    assert text.index("Verdict") < text.index("status “converged”")
    assert f"Test error {float(history['test_error'][-1]):.4g} (squared output" in text
    assert "3: so many directions pass the narrowest part" in text and "layer 12" in text
    assert "a factor 42" in text
    low, middle, high = np.quantile(profile["dimension"], [0.25, 0.5, 0.75])
    assert f"{middle:.3g} in the median layer, {low:.3g} to {high:.3g}" in text
    at = float(profile["p"][int(np.argmin(profile["cost_of_identity"].values))])
    assert f"{float(profile['cost_of_identity'].min()):.3g}, at p = {at:.2f}" in text
    assert "Nearly in the middle, and not in the worst layer" in text and "A remark." in text


def test_what_was_run_is_a_table_with_the_long_parts_folded(page):
    html, text = page.read_text(encoding="utf-8"), text_of(page)
    assert '<th scope="row">data.dims</th><td>[30, 3, 30]</td>' in html
    assert '<th scope="row">bias</th><td>true</td>' in html
    assert "layer_steps" not in html  # left open, and nothing recorded says what it was
    shown, folded = html.split("All other settings")[0], html.split("All other settings")[1]
    assert "data.name" in shown and '"row">bias' not in shown and '"row">bias' in folded
    assert re.search(r'"row">steps</th><td><details><summary>\[0, 1, .*?99\]</details>', html)
    assert "profile: effective_depth 7.0" in text and "history: status converged" in text


def test_several_sections_have_a_table_of_contents_and_one_has_not(page, tmp_path, quick):
    html = page.read_text(encoding="utf-8")
    anchors = re.findall(r'<a href="#([^"]+)">', html)
    assert anchors == ["section-1", "section-2"]
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    one = report.write(
        tmp_path / "one.html", [report.Section("Net", synthetic_profile())], title="One net"
    )
    assert "<nav" not in one.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "residual, ends, verdict",
    [
        (0.1, 0.1, "Yes, nearly. The residual is 0.1 in the middle"),
        (0.1, 5.0, "Nearly in the middle, and not in the worst layer (5). The residual is 0.1"),
        (0.11, 0.01, "No. The residual is 0.11"),
    ],
)
def test_a_large_residual_in_the_middle_makes_the_energies_indicative(
    tmp_path, residual, ends, verdict, quick
):
    profile = synthetic_profile()
    middle = (profile["p_step"] >= 0.25) & (profile["p_step"] <= 0.75)
    profile["stationarity"] = xr.where(middle, residual, ends)
    path = report.write(tmp_path / "page.html", [report.Section("Net", profile)], title="Net")
    text = text_of(path)
    assert verdict in text
    assert ("energies are only indicative" in text) == verdict.startswith("No")
    assert ('class="doubtful"' in path.read_text(encoding="utf-8")) == verdict.startswith("No")


def test_an_unclear_bottleneck_is_said_to_be_so(tmp_path, quick):
    profile = synthetic_profile()
    profile["bottleneck_rank"].attrs.update(layer=12, gap=1.2, clear=0)
    section = report.Section("Net", profile, synthetic_history())
    text = text_of(report.write(tmp_path / "page.html", [section], title="Net"))
    assert "read it as a guess" in text
    assert "Bottleneck rank: 3, for no layer has a clear drop" in text


@pytest.mark.parametrize("status", ["trivial minimum", "diverged", "end not reached"])
@pytest.mark.parametrize("told_by", ["history", "profile"])
def test_a_run_that_must_not_be_read_says_so_first_and_shows_no_rank(
    status, told_by, tmp_path, quick
):
    profile, history = synthetic_profile(), synthetic_history()
    source = {"history": history, "profile": profile}[told_by]
    source.attrs["status"] = status
    section = report.Section("Net", profile, history)
    page = report.write(tmp_path / "page.html", [section], title="Net")
    text = text_of(page)
    assert text.startswith("Net Net This run must not be read: its ")
    assert not re.search(r"rank \d|Bottleneck rank|Yes, nearly|Dimension|Can be read", text)
    assert set(images_of(page.read_text("utf-8"))) == {
        *("Learning curves", "Convergence", "How the mesh moved"),
    }


def test_a_plain_resnet_and_an_unmeasured_history_leave_no_empty_panel(tmp_path, quick):
    history = synthetic_history()
    history["layer_steps"] = history["layer_steps"].isel(record=[0] * 60)
    for name in ("stationarity", "stationarity_worst", "hamiltonian_spread", "test_error"):
        history[name] = history[name] * np.nan
    section = report.Section("ResNet", synthetic_profile(effective_depth=0.0), history)
    path = report.write(tmp_path / "page.html", [section], title="ResNet")
    assert "Dimension from the Hamiltonian" not in text_of(path)
    assert "Test error" not in text_of(path)
    headings = images_of(path.read_text(encoding="utf-8"))
    assert "Learning curves" in headings
    assert "Convergence" not in headings and "How the mesh moved" not in headings


def rows_of(html: str) -> dict[str, str]:
    """Tables of a page, as names and texts."""
    return dict(re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td></tr>', html))


def test_a_geodesic_has_its_certificate_in_words_numbers_and_a_figure(tmp_path):
    ds = synthetic_certificate()
    section = report.Section("Net", ds, synthetic_looks())
    path = report.write(tmp_path / "page.html", [section], title="Net")
    html, text = path.read_text(encoding="utf-8"), text_of(path)
    assert "<li>Every layer is within 0.6 % of balance.</li>" in html
    assert "<li>The data term is 2.4.</li>" in html
    rows = rows_of(html)
    assert rows["verdict"] == "stationary up to relu kinks (tolerance 1 %)"
    assert rows["worst layer"] == "1 of 20, from p = 0"
    assert rows["residual of the plain gradient"] == "50 %"
    assert rows["smallest subgradient, kinks up to 0.003"] == "0.6 %"
    assert rows["smallest subgradient, kinks up to 0.0003"] == "11 %"
    H = ds["least_norm_hamiltonian"]
    assert (
        rows["spread of the Hamiltonian"] == f"{100 * float((H.max() - H.min()) / -H.min()):.2g} %"
    )
    assert rows["Hamiltonian left unexplained"] == "1 %"
    assert rows["largest error of balancedness"] == "1 %"
    assert rows["objective"] == "9.18" and rows["stable (non-negative bottleneck)"] == "no"
    pictures = images_of(html)
    assert pictures["Balance, layer by layer"] == plots.svg(plots.residuals(ds))
    assert pictures["Hamiltonian, layer by layer"] == plots.svg(plots.hamiltonians(ds))
    assert "How it was solved" in pictures and "Learning curves" not in pictures
    # The certificate answers what is asked of a trained net, and its figure shows the residuals.
    assert "Is it a stationary point?" not in text
    assert "Stationarity, step by step" not in pictures
    assert "Solving Ended with status “converged” after 2000 iterations." in text


def test_a_finer_mesh_a_fixed_end_and_a_doubtful_status_show_in_the_page(tmp_path, quick):
    ds = synthetic_certificate().assign_attrs(endpoint="fixed", end_error=0.02)
    ds["refined_objective"] = ("depth", [60.0, 59.0])
    ds = ds.assign_coords(depth=[20, 40])
    ds["continuum_objective"] = 58.0
    ds["waist"] = 0 * ds["waist"]
    looks = synthetic_looks().assign_attrs(status="not converged")
    section = report.Section("Net", ds, looks)
    html = report.write(tmp_path / "page.html", [section], title="Net").read_text(encoding="utf-8")
    rows = rows_of(html)
    assert rows["distance of the end from y"] == "2 %" and "objective" not in rows
    assert (rows["action"], rows["action with 40 layers"]) == ("60", "59")
    assert rows["action with infinitely many"] == "58"
    assert rows["stable (non-negative bottleneck)"] == "not told: no relu or no bottleneck"
    assert '<dd class="doubtful">Ended with status “not converged”' in html


def test_a_trained_net_has_no_certificate(page):
    assert "Certificate" not in text_of(page)


def test_history_alone_is_a_page(tmp_path, quick):
    section = report.Section("Run", history=synthetic_history())
    path = report.write(tmp_path / "page.html", [section], title="Run")
    assert len(images_of(path.read_text(encoding="utf-8"))) == 3


def test_markup_in_titles_notes_and_values_is_shown_and_not_run(tmp_path, quick):
    evil = "<script>alert(1)</script>"
    profile = synthetic_profile().assign_attrs(note=evil)
    history = synthetic_history().assign_attrs(status=evil)
    section = report.Section(evil, profile, history, {evil: {evil: evil}}, [evil])
    path = report.write(tmp_path / "page.html", [section, section], title=evil)
    html = path.read_text(encoding="utf-8")
    assert "<script" not in html.replace(SCRIPT, "").lower()
    assert html.count("&lt;script&gt;alert(1)") >= 14
    assert text_of(path).count(evil) >= 14


def test_bad_sections_and_existing_pages_are_refused_before_any_drawing(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "svg", lambda *_: pytest.fail("drew a figure"))
    with pytest.raises(ValueError, match="sections must hold at least one section, got 0"):
        report.write(tmp_path / "page.html", [], title="None")
    with pytest.raises(ValueError, match="Section 'Net' has neither profile nor history"):
        report.write(tmp_path / "page.html", [report.Section("Net")], title="None")
    (tmp_path / "page.html").write_text("old")
    with pytest.raises(FileExistsError, match="page.html' exists already"):
        report.write(
            tmp_path / "page.html", [report.Section("Net", synthetic_profile())], title="Net"
        )
    assert (tmp_path / "page.html").read_text() == "old"


def test_a_page_that_fails_midway_leaves_the_old_one(tmp_path, quick):
    path = tmp_path / "page.html"
    path.write_text("old")
    broken = report.Section("Net", synthetic_profile().drop_vars("slow"))
    with pytest.raises(ValueError, match="slow"):
        report.write(path, [broken], title="Net", overwrite=True)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    report.write(path, [report.Section("Net", synthetic_profile())], title="Net", overwrite=True)
    assert "<h2>Net</h2>" in path.read_text(encoding="utf-8")
