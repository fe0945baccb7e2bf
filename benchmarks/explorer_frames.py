"""What the chain's page costs in Chromium: each frame in motion, and the first paint.

Run `python benchmarks/explorer_frames.py`: a minute. It opens the built page from disk in a window
of 1280 x 800, and traces it while 7 and 100 blocks move. Chromium's clock of each thread counts
what the page takes from one core, whatever else the machine does: the script of each frame, and all
that the page's thread does for it (script, style, layout, paint). What all of Chromium's processes
take is counted too, without a trace: graphics are drawn there without a GPU, on the same cores.

For 60 frames a second on one core all of it must stay below 16.7 ms. The page gives the chain's
steps at most 6 ms of a frame, and those of its phase diagram 4 ms.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from loadpath import report

PAGES = Path(report.__file__).parent / "explorer"
FINE = "friction_right=0.001&friction_left=0.001"
VIEWS = {
    "7 blocks, no noise": "#pull=slow&pull_time=400",
    "7 blocks, noise": "#noise=0.02",
    "100 blocks, no noise": f"#n_blocks=100&{FINE}",
    "100 blocks, noise": f"#n_blocks=100&{FINE}&noise=0.001",
    "100 blocks, noise, Langevin": f"#n_blocks=100&{FINE}&noise=0.001&dynamics=langevin",
}
CATEGORIES = ["devtools.timeline", "toplevel", "blink.user_timing"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a Chromium that draws without a GPU."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


def open_page(browser: Browser, name: str, address: str) -> Page:
    """Open a built page from disk, its motion not held."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    page.goto((PAGES / f"{name}.html").as_uri() + address)
    return page


@dataclass
class Costs:
    """Milliseconds of one core for each frame."""

    script: list[float]
    """Of each frame's script."""
    thread: float
    """Of all that the page's thread does, on average."""
    chromium: float
    """Of all of Chromium's processes, on average."""


def frame_costs(browser: Browser, address: str, seconds: float) -> Costs:
    """Return what frames of a view cost, over some seconds with a trace and some without."""
    page = open_page(browser, "chain", address)
    # The phase diagram is computed once for a setting: what is asked is the chain in motion.
    page.evaluate("window.loadpath.map.advance(Infinity)")
    page.evaluate(COUNT)
    before, frames = processor_seconds(), page.evaluate("window.frames_seen")
    page.wait_for_timeout(1000 * seconds)
    taken, frames = processor_seconds() - before, page.evaluate("window.frames_seen") - frames
    page.evaluate("window.frames_seen = NaN")  # stops the counting, which is no cost of the page
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.wait_for_timeout(1000 * seconds)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    page.close()
    return Costs(*costs_of(events), 1000 * taken / max(1, frames))


def processor_seconds() -> float:
    """Return what the processes that this one started have taken of all cores so far."""
    started = psutil.Process().children(recursive=True)
    return sum(sum(each.cpu_times()[:2]) for each in started if "chrom" in each.name())


def costs_of(events: list[dict[str, Any]]) -> tuple[list[float], float]:
    """Return a trace's script and thread: times are those of the thread's own clock."""
    lasting = [e for e in events if e.get("ph") == "X"]
    frames = [e for e in lasting if e["name"] == "FireAnimationFrame"]
    if not frames:
        return [], 0.0
    thread = (frames[0]["pid"], frames[0]["tid"])
    tasks = [e for e in lasting if (e["pid"], e["tid"]) == thread and e["name"] in TASKS]
    script = [e.get("tdur", 0) / 1000 for e in frames]
    return script, sum(e.get("tdur", 0) for e in tasks) / 1000 / len(frames)


COUNT = """() => {
  window.frames_seen = 0;
  // NaN, which a number set from outside may be, ends it.
  const seen = () => { if (++window.frames_seen) requestAnimationFrame(seen); };
  seen();
}"""
TASKS = {"RunTask", "ThreadControllerImpl::RunTask"}
"""Names that versions of Chromium give to a task of a thread."""


def first_paints(browser: Browser, rounds: int) -> list[float]:
    """Return the milliseconds from the start of loading to the first contentful paint."""
    found = []
    for _ in range(rounds):
        page = open_page(browser, "chain", "")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        found.append(
            page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )
        page.close()
    return found


def main() -> None:
    """Print a table of costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each view")
    parser.add_argument("--rounds", type=int, default=5, help="of the first paint")
    options = parser.parse_args()
    with chromium() as browser:
        print(f"Chromium {browser.version}, without a GPU, 1280 x 800")
        print("milliseconds of one core for each frame   script: median, 95 %   thread   all of it")
        for name, address in VIEWS.items():
            costs = frame_costs(browser, address, options.seconds)
            print(
                f"  {name:<28} {len(costs.script):5} frames {middle(costs.script)}"
                f" {costs.thread:9.2f} {costs.chromium:9.2f}"
            )
        paints = first_paints(browser, options.rounds)
    print(f"first paint from disk, milliseconds by the clock: {sorted(map(round, paints))}")


def middle(costs: list[float]) -> str:
    """Return the median and the 95th percentile."""
    if len(costs) < 2:
        return "none"
    return f"{statistics.median(costs):14.2f} {statistics.quantiles(costs, n=20)[-1]:6.2f}"


if __name__ == "__main__":
    main()
