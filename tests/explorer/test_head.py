"""What every built page has in its head: it can load nothing, and send nothing anywhere."""

import re

import pytest

from tests.explorer.conftest import PAGES

NAMES = sorted(path.stem for path in PAGES.glob("*.html"))
ATTEMPTS = """async () => {
  const told = [];
  addEventListener("securitypolicyviolation", event => told.push(event.effectiveDirective));
  await fetch("https://example.invalid/").catch(() => {});
  const picture = new Image();
  picture.src = "https://example.invalid/picture.png";
  const script = document.createElement("script");
  script.src = "https://example.invalid/script.js";
  document.head.append(script);
  await new Promise(resolve => setTimeout(resolve, 200));
  return told.sort();
}"""


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_one_file_that_names_nothing_to_load(name):
    text = (PAGES / f"{name}.html").read_text(encoding="utf-8")
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?!data:)", text) == []
    assert "default-src 'none'" in text and len(text) < 2_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_licence_of_what_is_bundled_into_it(name):
    notice = (PAGES / f"{name}.html").read_text(encoding="utf-8").partition("<html")[0]
    assert "uplot 1.6.32, https://github.com/leeoniya/uPlot" in notice
    for part in ("The MIT License (MIT)", "(c) 2022 Leon Sorokin", "Permission is hereby granted"):
        assert part in notice


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_holds_in_the_browser(browser, name):
    loaded = []
    page = browser.new_page()
    page.on("requestfinished", lambda request: loaded.append(request.url))
    page.goto((PAGES / f"{name}.html").as_uri())
    told = page.evaluate(ATTEMPTS)
    page.close()
    assert told == ["connect-src", "img-src", "script-src-elem"]
    assert loaded == [(PAGES / f"{name}.html").as_uri()]
