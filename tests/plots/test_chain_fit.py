"""The picture of a fit shows its curves and the region of both frictions."""

import numpy as np
import pytest
import xarray as xr

from loadpath import plots


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_a_fit_is_drawn_with_its_curves_and_its_region():
    loads = [[0.05, 0.1, 0.35, 0.5], [0.25, 0.25, 0.26, 0.24]]
    ds = xr.Dataset(
        {
            "load": (("level", "spring"), loads),
            "load_error": (("level", "spring"), np.full((2, 4), 0.01)),
            "fitted_load": (("level", "spring"), np.array(loads) + 0.002),
            "noise": ("level", [0.01, 0.03]),
            "value": ("parameter", [1.0, 0.1, 0.12, 0.01, 0.03]),
            "low": ("parameter", [1.0, 0.09, 0.1, 0.008, 0.02]),
            "high": ("parameter", [1.0, 0.11, 0.14, 0.012, np.inf]),
        },
        coords={
            "level": [0, 1],
            "spring": [1, 2, 3, 4],
            "parameter": ["stiffness", "friction_right", "friction_left", "noise 0", "noise 1"],
        },
        attrs={"errors": "given"},
    )
    right, left = np.linspace(0.05, 0.2, 9), np.linspace(0.08, 0.3, 8)
    rise = ((right[:, None] - 0.1) / 0.02) ** 2 + ((left - 0.12) / 0.02) ** 2
    region = xr.Dataset(
        {
            "rise": (("friction_right", "friction_left"), rise),
            "inside": (("friction_right", "friction_left"), rise <= 5.99),
        },
        coords={"friction_right": right, "friction_left": left},
        attrs={"limit": 5.99, "level": 0.95},
    )
    figure = plots.figure_chain_fit(ds, region)
    curves, frictions = figure.axes
    for container, load in zip(curves.containers, loads, strict=True):
        np.testing.assert_allclose(container.lines[0].get_ydata(), load)
    for noise, load in zip(("0.01", r"$\geq$ 0.02"), loads, strict=True):
        np.testing.assert_allclose(line(curves, noise).get_ydata(), np.array(load) + 0.002)
    outline = np.vstack([path.vertices for path in frictions.collections[-1].get_paths()])
    # The circle about the best point where the rise is the limit, on a grid of some 0.03.
    radius = np.hypot(outline[:, 0] - 0.1, outline[:, 1] - 0.12) / 0.02
    np.testing.assert_allclose(radius, np.sqrt(5.99), rtol=0.1)
    assert frictions.get_xlabel().startswith("friction to the right")
    assert frictions.get_title("left") == "best, and region of 95 % confidence"
    older = region.assign_attrs(confidence=0.9)
    del older.attrs["level"]  # as version 0.1.0 wrote it
    title = plots.figure_chain_fit(ds, older).axes[1].get_title("left")
    assert title == "best, and region of 90 % confidence"
    with pytest.raises(ValueError, match=r"lacks the variables \['rise'\]"):
        plots.figure_chain_fit(ds, region.drop_vars("rise"))
