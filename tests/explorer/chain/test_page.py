"""The chain's page as people use it: sliders, presets, the address, what it says, sizes."""

import re

import explorer_frames
import pytest

from loadpath.measures.separation.load_curve import LoadCurve
from loadpath.spring_block import Chain, mean_state, rest_state

VALUES = "() => ({ ...window.loadpath.state.values })"
SEEN = ".summary p:first-child"
NO_OVERFLOW = """() => {
  document.querySelectorAll("details").forEach(each => { each.open = true; });
  const beyond = Array.from(document.body.querySelectorAll("*")).filter(each =>
    !each.closest(".presets, .skip") && each.getClientRects().length &&
    each.getBoundingClientRect().right > innerWidth + 1);
  return [document.documentElement.scrollWidth <= innerWidth, beyond.map(each => each.outerHTML)];
}"""


def values(page):
    return page.evaluate(VALUES)


def bend(loads):
    """What the page writes of a concavity."""
    C = LoadCurve([1, *(1 - loads.cumsum())]).concavity
    return f"{'−' if C < -0.0005 else '+' if C > 0.0005 else ''}{abs(C):.3f}"


def test_it_begins_at_rest_and_says_so_where_motion_is_not_wanted(visit):
    page = visit("chain")
    said = page.locator(SEEN).inner_text()
    exact = bend(rest_state(Chain()))
    assert f"concave (concavity {exact})" in said and f"exactly {exact}" in said
    assert page.locator(".summary [aria-live=polite]").count() == 1
    page.wait_for_function("document.querySelector('.heard').textContent.includes('concave')")
    assert page.get_by_role("button", name="Play").count() == 1
    assert page.title() == "The chain | Loadpath explorer"


def test_it_moves_by_itself_pauses_and_plays(visit):
    page = visit("chain", "#noise=0.02", moving=True)
    page.wait_for_function("window.loadpath.live.steps > 20")
    page.get_by_role("button", name="Pause").click()
    before = page.evaluate("window.loadpath.live.steps")
    page.wait_for_timeout(150)
    assert page.evaluate("window.loadpath.live.steps") == before
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("before => window.loadpath.live.steps > before", arg=before)
    page.get_by_role("button", name="Pull again").click()
    page.wait_for_function("before => window.loadpath.live.steps < before", arg=before)


def test_sliders_move_by_keyboard_and_the_address_follows(visit):
    page = visit("chain")
    slider = page.get_by_role("slider", name="Friction to the right")
    slider.focus()
    page.keyboard.press("ArrowRight")
    more = values(page)["friction_right"]
    assert 0.1 < more < 0.105
    page.keyboard.press("PageDown")
    assert values(page)["friction_right"] < 0.1
    page.keyboard.press("End")
    assert values(page)["friction_right"] == 0.3
    assert slider.get_attribute("aria-valuetext") == "0.3"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "friction_left"
    page.wait_for_function("location.hash === '#friction_right=0.3'")
    exact = bend(rest_state(Chain(friction_right=0.3)))
    page.wait_for_function(
        f"document.querySelector('{SEEN}').textContent.includes('exactly {exact}')"
    )


def test_an_address_restores_a_view_and_nonsense_in_it_is_ignored(visit):
    page = visit(
        "chain",
        "#noise=0.02&friction_left=0.16&n_blocks=12.4&stiffness=99&pull=jerks&common_noise=yes"
        "&mass=heavy&dynamics=quantum&constructor=1",
    )
    found = values(page)
    assert (found["noise"], found["friction_left"], found["n_blocks"]) == (0.02, 0.16, 12)
    assert found["stiffness"] == 4 and found["pull"] == "jerks" and found["common_noise"] is True
    assert found["mass"] == 1 and found["dynamics"] == "overdamped"
    assert page.locator("input[name=noise]").get_attribute("aria-valuetext") == "0.02"
    assert page.get_by_label("In jerks").is_checked()
    page.evaluate("location.hash = '#n_blocks=3&noise=NaN&stiffness=&friction_left=Infinity'")
    page.wait_for_function("window.loadpath.state.values.n_blocks === 3")
    found = values(page)
    assert found["noise"] == 0 and found["stiffness"] == 1 and found["friction_left"] == 0.1


def test_presets_show_what_their_names_say(visit):
    page = visit("chain")
    for name, exact in {
        "Noise: straight": mean_state(Chain()),
        "Friction to the left: convex": mean_state(Chain(friction_left=0.16)),
        "Friction: concave": rest_state(Chain()),
    }.items():
        button = page.get_by_role("button", name=name)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        word = name.rpartition(": ")[2]
        seen = page.locator(SEEN).inner_text()
        assert f"is {word} (concavity" in seen and f"exactly {bend(exact)}" in seen


def test_the_dot_on_the_phase_diagram_moves_the_sliders(visit):
    page = visit("chain")
    map = page.locator(".map")
    map.scroll_into_view_if_needed()
    box = map.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    first = values(page)
    page.mouse.move(box["x"] + 160, box["y"] + 60)
    page.mouse.up()
    then = values(page)
    assert 0 < first["friction_right"] < then["friction_right"] < 0.3
    assert 0 < first["noise"] < then["noise"] <= 0.1
    shown = page.get_by_role("slider", name="Friction to the right").get_attribute("aria-valuetext")
    assert float(shown) == then["friction_right"]
    page.mouse.move(box["x"] + 20, box["y"] + 20)  # no longer held
    assert values(page) == then
    page.wait_for_function(
        "noise => document.querySelector('.map').ariaLabel.includes(`noise ${noise}: c`)",
        arg=then["noise"],
    )


def test_nothing_is_cut_off_at_any_width(visit):
    page = visit("chain", "#dynamics=langevin&pull=jerks", width=390)
    for width in (390, 800, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(NO_OVERFLOW) == [True, []], width


def test_the_theme_is_the_systems_or_the_one_that_is_chosen(visit):
    page = visit("chain", dark=True)
    light, dark = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
    ground = "getComputedStyle(document.body).backgroundColor"
    theme = page.get_by_role("button", name=re.compile("^Theme"))
    for name, color in {"auto": dark, "light": light, "dark": dark}.items():
        assert theme.inner_text() == f"Theme: {name}" and page.evaluate(ground) == color
        theme.click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == light
    page.reload()
    assert theme.inner_text() == "Theme: auto"


def test_everything_that_can_be_moved_has_a_name_and_a_hint(visit):
    page = visit("chain", "#dynamics=langevin&pull=jerks")
    code = """() => Array.from(
      document.querySelectorAll("input, select, button, [role=img], a")).map(
      each => [each.labels?.[0]?.textContent || each.ariaLabel || each.textContent,
               each.type === "range" && document.getElementById(
                 each.getAttribute("aria-describedby"))?.textContent])"""
    found = page.evaluate(code)
    assert len(found) > 30 and all(name.strip() for name, _ in found)
    hints = [hint for _, hint in found if hint is not False]
    assert len(hints) == 11 and all(hint and hint.endswith(".") for hint in hints)


def test_controls_show_where_they_apply(visit):
    page = visit("chain")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert not page.get_by_label("Mass").is_visible()
    page.get_by_text("Langevin", exact=True).click()
    assert page.get_by_label("Mass").is_visible()
    assert "overshoot" in page.locator(SEEN).inner_text()
    assert not page.get_by_label("Time of the pull").is_visible()
    page.get_by_text("Slowly").click()
    assert page.get_by_label("Time of the pull").is_visible()


@pytest.mark.slow
def test_a_hundred_blocks_leave_room_in_every_frame(browser):
    """Milliseconds of one core, by Chromium's own clock; benchmarks/explorer_frames.py has more."""
    name = "100 blocks, noise"
    costs = explorer_frames.frame_costs(browser, explorer_frames.VIEWS[name], 3.0)
    assert len(costs.script) > 10 and sorted(costs.script)[len(costs.script) // 2] < 8
    assert costs.thread < 12 and costs.chromium < 30  # twice what was measured
