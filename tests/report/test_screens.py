"""Pages in a browser, where there is one: nothing is cut off on a phone, and tables sort."""

import html
import json
import re
import shutil
import subprocess

import pytest

import loadpath as lp
from loadpath import report
from tests.diagnosis.profile.test_profile import Residual, batches, classes, net
from tests.plots.test_plots import synthetic_certificate, synthetic_looks

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.xdist_group("screens"),  # what they share takes seconds to make
]
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MEASURE = """<script>
document.querySelectorAll("details").forEach(each => { each.open = true; });
window.addEventListener("load", () => {
  const name = each => each.tagName + " " + each.textContent.trim().slice(0, 30);
  const within = each => each.closest(".wide, canvas, svg");
  const all = Array.from(document.body.querySelectorAll("*"));
  const boxes = all.filter(each => !within(each) && each.getClientRects().length);
  const cells = all.filter(each => ["TD", "TH", "DD", "P"].includes(each.tagName) && !within(each));
  const load = document.querySelector("table.sortable thead th:nth-child(2) button");
  if (load) load.click();
  parent.postMessage(JSON.stringify({
    width: innerWidth, needed: document.documentElement.scrollWidth,
    beyond: boxes.filter(each => each.getBoundingClientRect().right > innerWidth + 1).map(name),
    thin: cells.filter(each => each.textContent.trim().length > 4 && each.clientWidth < 45)
      .map(name),
    ground: getComputedStyle(document.body).backgroundColor,
    sorted: load ? load.parentElement.getAttribute("aria-sort") : null,
  }), "*");
});
</script></body>"""
FRAME = """<meta name="color-scheme" content="light dark"><pre id="said"></pre>
<script>
const said = document.getElementById("said");
addEventListener("message", event => { said.textContent = event.data; });
</script>
<iframe src="page.html" style="width: WIDTHpx; height: 900px; border: 0"></iframe>"""


def browse(tmp_path, *options):
    """What Chromium prints of the frame."""
    # A profile of its own: another Chromium of the user may run.
    command = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def seen(page, tmp_path, *, width=390, dark=False):
    """What a page looks like in a window of this width, all its folds open."""
    whole = page.read_text(encoding="utf-8").replace("</body>", MEASURE)
    (tmp_path / "page.html").write_text(whole, encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    options = ("--virtual-time-budget=5000", "--window-size=1400,1000", "--dump-dom")
    dom = browse(tmp_path, scheme, *options, frame.as_uri())
    return json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', dom, re.S)[1]))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    x, y = classes(120, 12)
    model, loader = net(), batches(x, y)
    ds = lp.diagnose(model, loader, layers=Residual)
    ds = getattr(ds, "dataset", ds)
    skipped = lp.diagnosis.skip_layers(model, loader, layers=Residual)
    verdict = lp.diagnosis.verdict(ds, skipped)
    section = report.Section("Net", synthetic_certificate(), synthetic_looks(), {"width": 100})
    return {
        "geodesic": report.write(folder / "geodesic.html", [section], title="A geodesic"),
        "diagnosis": report.write_diagnosis(
            folder / "diagnosis.html", ds, title="Mine", skipped=skipped, verdict=verdict
        ),
    }


@pytest.mark.parametrize("name", ["geodesic", "diagnosis"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_or_squeezed_and_tables_sort(pages, name, width, tmp_path):
    found = seen(pages[name], tmp_path, width=width)
    assert found["width"] == width and found["needed"] <= width
    assert found["beyond"] == [] and found["thin"] == []
    assert found["sorted"] == "ascending"


def test_a_dark_page_is_dark_and_a_light_one_light(pages, tmp_path):
    assert seen(pages["diagnosis"], tmp_path)["ground"] == "rgb(255, 255, 255)"
    assert seen(pages["diagnosis"], tmp_path, dark=True)["ground"] == "rgb(13, 17, 23)"


def test_a_page_can_be_printed(pages, tmp_path):
    paper = tmp_path / "page.pdf"
    browse(tmp_path, f"--print-to-pdf={paper}", pages["diagnosis"].as_uri())
    assert paper.read_bytes().startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) <= 12
