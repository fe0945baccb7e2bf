"""Charts, by their pixels: what they draw stands where its values are, on any screen and theme."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

LOOK = """name => {
  const chart = document.querySelector(`[role=img][aria-label^="${name}"]`);
  const canvas = chart.querySelector("canvas");
  const [whole, frame] = [canvas, chart.querySelector(".u-over")].map(
    each => each.getBoundingClientRect());
  return {
    picture: canvas.toDataURL(), ratio: canvas.width / whole.width,
    left: frame.left - whole.left, top: frame.top - whole.top,
    wide: frame.width, high: frame.height, room: chart.clientWidth - whole.width,
  };
}"""
ORANGE = {"light": (199, 83, 0), "dark": (240, 136, 62)}
"""Of what is concave: see --orange in explorer/shared/style.css."""
TEXT = (27, 31, 36)
FINE = "#stiffness=0.1&friction_right=0.003&friction_left=0.004&noise=0.003"
"""Forces so small that their ticks have long names."""


class Picture:
    """A chart's pixels, and where its frame lies in them."""

    def __init__(self, page, name):
        seen = page.evaluate(LOOK, name)
        _, _, png = seen["picture"].partition(",")
        self.pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))), dtype=int)
        self.ratio, self.room = seen["ratio"], seen["room"]
        self.frame = seen["left"], seen["top"], seen["wide"], seen["high"]

    def color(self, x, y):
        """Return the colour at shares of the frame's width and height, from below on the left."""
        left, top, wide, high = self.frame
        row = round(self.ratio * (top + (1 - y) * high))
        column = round(self.ratio * (left + x * wide))
        around = self.pixels[row - 1 : row + 1, column - 1 : column + 1].mean((0, 1))
        assert around[3] > 250
        return around[:3]


def settle(page):
    """Wait until sizes, themes and values that were set are drawn: that takes a frame or two."""
    page.wait_for_function("width => innerWidth === width", arg=page.viewport_size["width"])
    page.evaluate(
        """async () => {
          for (let i = 0; i < 4; i++) await new Promise(done => requestAnimationFrame(done));
        }"""
    )


def near(color, other):
    return np.abs(color - other).max() < 12


def half_pulled(page):
    """Pull the chain halfway, where no line that says what is exact lies on its own; its curve."""
    page.evaluate("() => { window.loadpath.live.restart(); window.loadpath.advance(500); }")
    left = 1 - page.evaluate("[...window.loadpath.live.mean]") @ np.triu(np.ones((8, 8)))
    assert 0.2 < left[-1] < 0.8 and np.diff(left, 2).max() < 0.01  # concave: it is orange
    return [1, *left]


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_curve_is_drawn_where_its_values_are(visit, theme, ratio):
    page = visit(
        "chain", "#pull=slow&pull_time=10&friction_right=0.01", dark=theme == "dark", ratio=ratio
    )
    left = half_pulled(page)
    picture = Picture(page, "Load curve")
    assert picture.ratio == ratio and picture.room == 0
    for layer in range(1, 8):  # its dots
        assert near(picture.color(layer / 8, left[layer]), ORANGE[theme]), layer
    # A chart that is made smaller, or larger, is drawn anew.
    for width in (700, 1500):
        page.set_viewport_size({"width": width, "height": 800})
        settle(page)
        other = Picture(page, "Load curve")
        assert other.frame != picture.frame and other.room == 0
        assert near(other.color(4 / 8, left[4]), ORANGE[theme])


def test_a_chart_follows_the_theme(visit):
    page = visit("chain", "#pull=slow&pull_time=10&friction_right=0.01")
    theme = page.get_by_role("button", name="Theme")
    left = half_pulled(page)
    for name in ("light", "dark"):
        theme.click()
        settle(page)
        assert near(Picture(page, "Load curve").color(4 / 8, left[4]), ORANGE[name])


def test_cells_of_the_phase_diagram_lie_at_their_friction_and_noise(visit):
    page = visit("chain", "#friction_left=0.16&noise=0.02")
    page.evaluate("window.loadpath.map.advance(Infinity)")
    settle(page)
    picture = Picture(page, "Phase diagram")

    def place(friction, noise):  # both are spread as squares, up to 0.3 and 0.1
        return (friction / 0.3) ** 0.5, (noise / 0.1) ** 0.5

    red, _, blue = picture.color(*place(0.29, 0.05))
    assert red > blue + 100  # concave: friction to the right is the larger one
    red, _, blue = picture.color(*place(0.02, 0.05))
    assert blue > red + 100  # convex
    assert near(picture.color(*place(0.1, 0.02)), TEXT)  # the dot, where the sliders are
    page.get_by_role("slider", name="Friction to the right").press("End")
    settle(page)
    moved = Picture(page, "Phase diagram")
    assert not near(moved.color(*place(0.1, 0.02)), TEXT)
    assert near(moved.color(0.995, place(0.1, 0.02)[1]), TEXT)


@pytest.mark.parametrize(
    "name, address, charts",
    [("chain", FINE, 3), ("networks", "", 3), ("geodesic", "", 5)],
)
def test_all_that_charts_write_lies_inside_them(visit, name, address, charts):
    page = visit(name, address, width=390)
    for width in (390, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        settle(page)
        names = page.eval_on_selector_all(
            "div[role=img]", "all => all.map(each => each.ariaLabel.slice(0, 20))"
        )
        assert len(names) == charts
        for each in names:
            alpha = Picture(page, each).pixels[..., 3]
            assert alpha.any()
            # A tick's name that is cut off reaches the edge on the left or on the right.
            assert not alpha[:, 0].any() and not alpha[:, -1].any(), each
