"""Pictures as files: the same for the same data, and text in them stays text."""

import re
import zlib

import matplotlib as mpl
import pytest

from loadpath import plots
from tests.plots.test_plots import synthetic_profile


@pytest.fixture
def drawing():
    return plots.energies(synthetic_profile())


def test_text_of_an_svg_is_text(drawing):
    svg = plots.svg(drawing)
    said = [re.sub(r"<.*?>", "", text) for text in re.findall(r"<text.*?</text>", svg, re.S)]
    assert "cost of identity" in said and "dimension" in said
    # Also beside a formula, where matplotlib places letters one by one and out of order.
    assert "position\N{NO-BREAK SPACE}along\N{NO-BREAK SPACE}the\N{NO-BREAK SPACE}path," in svg
    assert any(text.startswith("kinetic\N{NO-BREAK SPACE}energy") for text in said)
    letters = re.findall(r'<tspan x="([^"]*)"[^>]*>([^<]*)</tspan>', svg)
    assert letters and all(len(x.split()) == len(text) for x, text in letters)
    assert 'id="DejaVu' not in svg  # no outlines of letters
    assert all("sans-serif" in font for font in re.findall(r"font-family: ([^\";]*)", svg))


def test_a_pdf_has_truetype_fonts_and_no_date(drawing):
    pdf = plots.pdf(drawing)
    assert pdf.startswith(b"%PDF-") and pdf == plots.pdf(plots.energies(synthetic_profile()))
    assert b"/Subtype /Type0" in pdf or b"/Subtype /TrueType" in pdf
    assert b"/Subtype /Type3" not in pdf and b"CreationDate" not in pdf
    pages = [zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S)
             if part[:1] == b"x"]  # fmt: skip
    assert any(b" Tj" in page or b"TJ" in page for page in pages)  # text is shown as text


@pytest.mark.parametrize(
    "ending, start",
    [(".svg", b"<?xml"), (".pdf", b"%PDF-"), (".png", b"\x89PNG"), (".PNG", b"\x89P")],
)
def test_the_ending_says_the_format(drawing, tmp_path, ending, start):
    path = plots.save(drawing, tmp_path / f"energies{ending}")
    assert path.read_bytes().startswith(start)
    # Anew, since the layout of a figure moves a little each time that it is drawn.
    figure = plots.energies(synthetic_profile()).get_figure()
    again = plots.save(figure, tmp_path / f"again{ending}")
    assert path.read_bytes() == again.read_bytes()


def test_other_endings_and_earlier_files_are_refused(drawing, tmp_path):
    for name in ("a.jpg", "a", "a.nc"):
        with pytest.raises(ValueError, match=r"path must end in \.pdf, \.svg or \.png, got"):
            plots.save(drawing, tmp_path / name)
    path = plots.save(drawing, tmp_path / "a.png")
    with pytest.raises(FileExistsError, match="exists already and overwrite is False"):
        plots.save(drawing, path)
    assert plots.save(drawing, path, overwrite=True) == path
    assert list(tmp_path.iterdir()) == [path]


def test_saving_leaves_settings_alone_and_heeds_those_of_the_caller(drawing):
    before = dict(mpl.rcParams)
    plots.svg(drawing)
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"savefig.facecolor": "#123456"}):
        assert "#123456" in plots.svg(drawing)
