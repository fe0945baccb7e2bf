"""Spectra and stable ranks against NumPy."""

import numpy as np
import pytest
import torch
from exact_paths import random

from loadpath.measures import spectrum, stable_rank


def test_stable_ranks_and_spectra_equal_numpy():
    A = random(60, 8, seed=6)
    s = np.linalg.svd(A.numpy(), compute_uv=False)
    centred = np.linalg.svd(A.numpy() - A.numpy().mean(0), compute_uv=False)
    np.testing.assert_allclose(spectrum(A), s, rtol=1e-12)
    np.testing.assert_allclose(spectrum(A, centred=True), centred, rtol=1e-12)
    nuclear, operator = s.sum() ** 2 / (s**2).sum(), (s**2).sum() / s.max() ** 2
    assert float(stable_rank(A)) == pytest.approx(nuclear, rel=1e-12)
    assert float(stable_rank(A, "operator")) == pytest.approx(operator, rel=1e-12)
    assert float(stable_rank(1e-200 * A)) == pytest.approx(nuclear, rel=1e-12)
    assert float(stable_rank(0 * A)) == 0


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="kind must be one of nuclear, operator, got 'trace'"):
        stable_rank(torch.ones(5, 3), "trace")
    with pytest.raises(ValueError, match="A must be finite"):
        spectrum(torch.full((5, 3), float("nan")))
