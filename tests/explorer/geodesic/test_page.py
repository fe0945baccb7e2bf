"""The page of the geodesic: what it says is what the solved geodesics say."""

import re

import numpy as np
import pytest

from explorer.data.export import geodesic_files
from loadpath import results

expect = pytest.importorskip("playwright.sync_api").expect


def geodesic(leak):
    (file,) = (f for f in geodesic_files() if f.name.startswith(f"effective_depth={leak}"))
    return results.load(file)


def said(page, name):
    return page.locator(f'[data-name="{name}"]').inner_text()


def numbers(text):
    return [float(word.rstrip(".").replace("−", "-")) for word in text.split() if word[-1] in
            "0123456789."and any(c.isdigit() for c in word)]  # fmt: skip


def significant(value, digits=3):
    return float(f"{value:.{digits}g}")


@pytest.mark.parametrize("leak, p, gamma0", [(8.0, 0.5, 0.001), (32.0, 0.9, 0.0001)])
def test_numbers_are_those_of_the_geodesic(visit, leak, p, gamma0):
    ds = geodesic(leak)
    page = visit("geodesic", f"#depth={leak:g}&p={p}&gamma0={gamma0}")
    step = int(abs(ds["p_step"].values - p).argmin())
    kinetic = 2 / leak * float(ds["kinetic_energy"].sel(gamma0=gamma0)[step])
    cost = float(ds["cost_of_identity"].sel(gamma0=gamma0)[step])
    stable = 2 / leak * float(ds["stable_hamiltonian"].sel(gamma0=gamma0)[step])
    assert numbers(said(page, "energies")) == [
        significant(value) for value in (kinetic, cost, stable)
    ]
    least = float(ds["cost_of_identity"].sel(gamma0=gamma0)[:-1].min())
    dimension = float(ds["dimension"].median())
    assert numbers(said(page, "depths").replace(":", "").replace(",", ""))[:3] == [
        leak,
        significant(dimension),
        significant(least),
    ]
    spectrum = ds["centred_spectrum"][int(abs(ds["p"].values - p).argmin())].values
    assert "three singular values stand out: the third is " in said(page, "spectrum")
    kept = page.evaluate("() => window.loadpath.path().content.spectrum[window.loadpath.node()]")
    np.testing.assert_allclose(kept, spectrum[: len(kept)], rtol=1e-3)


@pytest.mark.parametrize("leak", [8.0, 32.0])
def test_the_certificate_speaks_for_itself(visit, leak):
    residual = geodesic(leak)["least_norm_residual"]
    page = visit("geodesic", f"#depth={leak:g}")
    sentences = page.locator('[data-name="certificate"] li').all_inner_texts()
    assert sentences == residual.attrs["words"].split("\n")
    assert float(residual.max()) <= residual.attrs["tolerance"]
    assert said(page, "verdict").startswith("Certified: stationary up to relu kinks")


def test_samples_lie_where_the_dataset_has_them(visit):
    ds = geodesic(8.0)
    page = visit("geodesic")
    found = page.evaluate(
        """() => Array.from({ length: 64 }, (_, i) => window.loadpath.path().place(16, i))"""
    )
    places = np.array([[one["x"], one["y"]] for one in found])
    np.testing.assert_allclose(places, ds["projection"][16], atol=1e-3)


def test_sliders_move_by_keys_and_the_address_keeps_the_view(visit):
    page = visit("geodesic")
    page.locator('input[name="depth"]').focus()
    page.keyboard.press("ArrowRight")
    assert page.locator('input[name="depth"]').get_attribute("aria-valuetext") == "11.3"
    page.locator('input[name="p"]').focus()
    page.keyboard.press("Home")
    assert "no singular value stands out" in said(page, "spectrum")
    assert "Effective depth 11.3, p = 0.00 (layer 0 of 40)" in page.locator(".summary").inner_text()
    expect(page).to_have_url(re.compile(r"#depth=11.3&p=0$"))
    again = visit("geodesic", page.evaluate("location.hash"))
    assert said(again, "energies") == said(page, "energies")


def test_a_press_in_a_picture_goes_there(visit):
    page = visit("geodesic")
    picture = page.locator('[role="img"][aria-label^="Singular values"]')
    box = picture.bounding_box()
    # The frame leaves 46 pixels at the left and 12 at the right.
    picture.click(position={"x": 46 + 0.25 * (box["width"] - 58), "y": box["height"] / 2})
    assert page.evaluate("window.loadpath.state.values.p") == pytest.approx(0.25, abs=0.011)
    limit = page.locator('[role="img"][aria-label^="Dimensions over"]')
    limit.click(position={"x": limit.bounding_box()["width"] - 14, "y": 100})
    assert page.evaluate("window.loadpath.state.values.depth") == 32


def test_the_path_can_be_played_and_held(visit):
    page = visit("geodesic", "#p=0", moving=True)
    page.get_by_role("button", name="Play").click()
    slider = page.locator('input[name="p"]')
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^0\.[1-9]"))
    page.get_by_role("button", name="Pause").click()
    held = page.evaluate("window.loadpath.state.values.p")
    page.wait_for_timeout(150)
    assert page.evaluate("window.loadpath.state.values.p") == held < 1


def test_nothing_stands_out_of_the_page(visit):
    page = visit("geodesic")
    for width in (390, 800, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
