"""The built pages in Chromium, watched: no error may show, and no request leave the page."""

import shutil
from pathlib import Path

import pytest

from loadpath import report

PAGES = Path(report.__file__).parent / "explorer"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def pytest_collection_modifyitems(items):
    """One worker runs all of these, so that one starts the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def browser():
    # For the package and not the session: Playwright keeps an event loop running for as long, which
    # other tests that start one would meet.
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("needs Playwright: pip install 'loadpath[test]'")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open built pages from disk; at the end, see that all was well with each.

    `visit("chain", "#noise=0.02", width=390, dark=True)` returns Playwright's page. The page runs
    with its motion held (prefers-reduced-motion) unless `moving`.
    """
    opened = []

    def open_page(name, address="", *, width=1280, height=800, ratio=1, dark=False, moving=False):
        # Playwright waits by evaluating text, which the page's policy forbids: see test_head.py.
        context = browser.new_context(
            bypass_csp=True,
            viewport={"width": width, "height": height},
            device_scale_factor=ratio,
            color_scheme="dark" if dark else "light",
            reduced_motion="no-preference" if moving else "reduce",
        )
        context.set_default_timeout(60_000)
        page = context.new_page()
        faults, url = [], (PAGES / f"{name}.html").as_uri()
        opened.append((context, faults))

        def asked(request):
            if request.url.partition("#")[0] != url and not request.url.startswith("data:"):
                faults.append(f"asked for {request.url}")

        def said(message):
            if message.type in ("error", "warning"):
                faults.append(f"said: {message.text}")

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: faults.append(f"failed: {error}"))
        page.goto(url + address)
        assert page.evaluate("window.loadpath !== undefined")
        return page

    yield open_page
    for context, faults in opened:
        context.close()
        assert faults == []


@pytest.fixture(scope="package")
def page_code(browser):
    """The chain's page, for tests that only call its functions: opened once."""
    page = browser.new_page(reduced_motion="reduce", bypass_csp=True)
    page.goto((PAGES / "chain.html").as_uri())
    yield page
    page.close()
