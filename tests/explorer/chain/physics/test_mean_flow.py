"""The page's flow of mean loads is that of the library."""

import numpy as np
import pytest
from scipy.stats import norm

from loadpath.spring_block import Chain, mean_field

FLOW = """({n, step, time, cells}) => {
  const flow = new window.loadpath.physics.MeanFlow(n, step, time);
  return cells.map(([right, left, sigma]) => Array.from(flow.loads(right, left, sigma)));
}"""


@pytest.mark.parametrize("n, dt, n_steps", [(1, 0.01, 100), (7, 0.01, 10_000), (40, 0.05, 2000)])
def test_mean_loads_are_those_of_mean_field(page_code, n, dt, n_steps):
    cells = [
        (right, left, sigma)
        for right, left in ((0.0, 0.0), (0.1, 0.1), (0.02, 0.08), (0.3, 0.1))
        for sigma in (0.0, 0.02, 0.08, 0.5)
    ]
    given = dict(n=n, step=dt, time=dt * n_steps, cells=cells)
    for (right, left, sigma), found in zip(cells, page_code.evaluate(FLOW, given), strict=True):
        chain = Chain(n_blocks=n, friction_right=right, friction_left=left)
        ours = mean_field(chain, noise=sigma * np.sqrt(dt), dt=dt, n_steps=n_steps)
        np.testing.assert_allclose(found, ours, rtol=0, atol=1e-9)


def test_the_normal_distribution_is_exact(page_code):
    z = np.concatenate([np.linspace(-12, 12, 4801), [-8.999, 8.999, 1e-9]])
    code = "all => all.map(z => [window.loadpath.physics.distribution(z)])"
    found = np.array(page_code.evaluate(code, z.tolist()))[:, 0]
    np.testing.assert_allclose(found, norm.cdf(z), rtol=0, atol=1e-14)
    tail = (z > -8.9) & (z < 0)
    np.testing.assert_allclose(found[tail], norm.cdf(z)[tail], rtol=1e-9)
