"""State in the address: what it allows, and that it comes back as it was."""

import numpy as np
import pytest

ROUND = """views => views.map(view => {
  const { state } = window.loadpath;
  state.reset(view);
  const set = { ...state.values }, address = state.address;
  state.reset();
  state.read(`#${address}`);
  return [set, { ...state.values }, address];
})"""


def test_a_view_comes_back_from_its_address_as_it_was(page_code):
    rng = np.random.default_rng(3)
    views = [
        {
            "friction_right": rng.uniform(0, 0.3) ** rng.integers(1, 6),
            "noise": rng.uniform(0, 0.1),
            "n_blocks": int(rng.integers(1, 101)),
            "dynamics": str(rng.choice(["overdamped", "langevin"])),
            "common_noise": bool(rng.integers(2)),
        }
        for _ in range(100)
    ]
    for view, (before, after, address) in zip(views, page_code.evaluate(ROUND, views), strict=True):
        assert before == after and before.items() >= view.items(), address


@pytest.mark.parametrize(
    "change, kept",
    [
        ({"friction_right": 0.123456789}, "friction_right=0.123456789"),
        ({"friction_right": 5}, "friction_right=0.3"),
        ({"friction_right": -1}, "friction_right=0"),
        ({"n_blocks": 41.7}, "n_blocks=42"),
        ({"n_blocks": 1000}, "n_blocks=100"),
        ({"noise": None}, ""),
        ({"noise": "0.02"}, ""),
        ({"pull": "jerks", "common_noise": True}, "pull=jerks&common_noise=yes"),
        ({"pull": "sideways", "common_noise": "yes", "unknown": 3}, ""),
    ],
)
def test_what_is_set_is_held_in_range_and_kept_in_the_address(page_code, change, kept):
    page = page_code
    page.evaluate("window.loadpath.state.reset()")
    page.evaluate("change => window.loadpath.state.set(change)", change)
    assert page.evaluate("window.loadpath.state.address") == kept
    if kept:
        page.wait_for_function("kept => location.hash === `#${kept}`", arg=kept)
