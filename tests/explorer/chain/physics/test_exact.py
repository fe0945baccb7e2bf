"""The page's exact states are those of the library, for many chains."""

import numpy as np
import pytest

from loadpath.measures.separation.load_curve import LoadCurve
from loadpath.spring_block import Chain, mean_state, rest_state

CHAINS = [
    Chain(n_blocks=n, stiffness=k, friction_right=right * k, friction_left=left * k, target=target)
    for n in (1, 2, 3, 7, 20, 99, 100)
    for k, target in ((1.0, 1.0), (0.37, 2.5))
    for right, left in ((0.0, 0.0), (0.1, 0.1), (0.003, 0.05), (0.0002, 0.1), (1.7, 0.3))
]


def as_json(chain):
    names = ("n_blocks", "stiffness", "friction_right", "friction_left", "target")
    return {name: getattr(chain, name) for name in names}


@pytest.mark.parametrize(
    "name, ours",
    [("restState", rest_state), ("meanState", mean_state)],
    ids=["rest", "mean"],
)
def test_exact_states_are_those_of_the_library(page_code, name, ours):
    code = f"chains => chains.map(each => window.loadpath.physics.{name}(each))"
    found = page_code.evaluate(code, [as_json(chain) for chain in CHAINS])
    for chain, loads in zip(CHAINS, found, strict=True):
        np.testing.assert_allclose(loads, ours(chain), rtol=0, atol=1e-14 * chain.target)
        if name == "restState":
            assert (np.array(loads) >= 0).all()


def test_the_curve_and_its_concavity_are_those_of_load_curves(page_code):
    many = [rest_state(chain).tolist() for chain in CHAINS] + [[0.1, 0.4, 0.2], [0.5, 0.3, 0.2]]
    code = """all => all.map(loads => {
      const { curve, concavity } = window.loadpath.physics;
      return [curve(loads), concavity(loads)];
    })"""
    for loads, (curve, bend) in zip(many, page_code.evaluate(code, many), strict=True):
        ours = 1 - np.append(0, np.cumsum(loads)) / np.sum(loads)
        np.testing.assert_allclose(curve, ours, atol=1e-14)
        assert bend == pytest.approx(LoadCurve(ours).concavity, abs=1e-14)
