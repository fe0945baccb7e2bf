"""The script of pages sorts tables by numbers and names, and keeps what is missing last."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from loadpath import report

SCRIPT = Path(report.__file__).parent / "templates" / "sorting.js"
TABLE = """
const cell = (text, value) => ({ textContent: text, getAttribute: () => value || null });
const listeners = [];
const element = text => ({
  textContent: text, attributes: {}, children: [],
  getAttribute(name) { return this.attributes[name] || null; },
  setAttribute(name, value) { this.attributes[name] = value; },
  removeAttribute(name) { delete this.attributes[name]; },
  append(...all) { this.children.push(...all); },
  addEventListener(_, action) { listeners.push(action); },
});
globalThis.document = { createElement: () => element(""), querySelectorAll: () => [table] };
globalThis.window = { addEventListener() {} };
const headings = ["layer", "load"].map(element);
const rows = [["b10", "0.5", "0.51"], ["b9", "–"], ["a", "-3", "-3"], ["c", "12", "12"]].map(
  ([name, ...load]) => ({ cells: [cell(name), cell(...load)] }));
const body = { rows, append(...all) { this.rows = all; } };
const table = { tHead: { rows: [{ cells: headings }] }, tBodies: [body] };
"""
CLICKS = """
const seen = [];
const look = () => seen.push([body.rows.map(row => row.cells[0].textContent).join(" "),
                              headings.map(each => each.getAttribute("aria-sort"))]);
for (const column of [1, 1, 1, 0, 1]) { listeners[column](); look(); }
console.log(JSON.stringify({ seen, said: headings.map(each => each.children[0].textContent) }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the script")
def test_a_click_sorts_up_a_second_down_a_third_puts_back(tmp_path):
    path = tmp_path / "page.js"
    path.write_text(TABLE + SCRIPT.read_text(encoding="utf-8") + CLICKS, encoding="utf-8")
    done = subprocess.run(["node", path], capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["said"] == ["layer", "load"]
    assert found["seen"] == [
        ["a b10 c b9", [None, "ascending"]],  # by size and not by text; the dash is last
        ["c b10 a b9", [None, "descending"]],
        ["b10 b9 a c", [None, None]],
        ["a b9 b10 c", ["ascending", None]],  # 9 before 10
        ["a b10 c b9", [None, "ascending"]],
    ]


def test_the_script_asks_nothing_of_the_network_and_runs_no_text():
    script = SCRIPT.read_text(encoding="utf-8")
    for word in ("fetch", "XMLHttp", "import", "eval", "innerHTML", "http"):
        assert word not in script
