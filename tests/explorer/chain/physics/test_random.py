"""The page's normals are normal: moments, tails and quantiles, within their sampling errors."""

import numpy as np
from scipy import stats

DRAW = """({count, seed}) => {
  const random = new window.loadpath.physics.Random(seed);
  const drawn = new Float64Array(count);
  for (let i = 0; i < count; i++) drawn[i] = random.normal();
  // Sums and counts in bins of a fiftieth, so that a million numbers need not cross over.
  const bins = new Array(600).fill(0);
  let far = 0, lag = 0;
  for (let i = 0; i < count; i++) {
    const bin = Math.floor((drawn[i] + 6) * 50);
    if (bin >= 0 && bin < 600) bins[bin] += 1; else far += 1;
    if (i) lag += drawn[i] * drawn[i - 1];
  }
  const moment = power => drawn.reduce((sum, z) => sum + z ** power, 0) / count;
  return { bins, far, lag: lag / count, moments: [1, 2, 3, 4].map(moment) };
}"""
COUNT = 1_000_000


def test_normals_are_normal(page_code):
    found = page_code.evaluate(DRAW, dict(count=COUNT, seed=11))
    # Mean 0, 1, 0, 3 of the powers; their variances are 1, 2, 15, 96.
    z = (np.array(found["moments"]) - [0, 1, 0, 3]) / np.sqrt(np.array([1, 2, 15, 96]) / COUNT)
    assert np.abs(z).max() < 4.5
    assert abs(found["lag"]) < 4.5 / np.sqrt(COUNT)
    edges = np.linspace(-6, 6, 601)
    expected = COUNT * np.diff(stats.norm.cdf(edges))
    enough = expected > 20
    counts = np.array(found["bins"])
    chi_square = ((counts - expected)[enough] ** 2 / expected[enough]).sum()
    assert 1e-5 < stats.chi2.sf(chi_square, enough.sum()) < 1 - 1e-5
    beyond = counts[np.abs(edges[:-1] + 0.01) > 3.7].sum()  # where the ziggurat has its tail
    assert abs(beyond - expected[np.abs(edges[:-1] + 0.01) > 3.7].sum()) < 4.5 * np.sqrt(beyond)


def test_streams_of_other_seeds_do_not_meet(page_code):
    code = """seeds => seeds.map(seed => {
      const random = new window.loadpath.physics.Random(seed);
      return Array.from({ length: 500 }, () => random.normal());
    })"""
    drawn = np.array(page_code.evaluate(code, [0, 1, 2, 3, 1000, 2**31, 2**32 - 1]))
    off = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert np.abs(off).max() < 5 / np.sqrt(500)
