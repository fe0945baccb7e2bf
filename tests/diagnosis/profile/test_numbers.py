"""Numbers of a layer from sums, which intervals rest on, against those from the samples."""

import pytest
import torch

from loadpath.diagnosis.profile import numbers
from loadpath.diagnosis.profile.intervals import leave_one_out, leave_one_sum_out
from loadpath.diagnosis.profile.mesh import Step
from loadpath.record import features

STEP = Step(rho=0.25, effective_depth=3.0, decay=0.5)
WITH_BIAS = {"activation": "relu", "bias": True}


def samples(n: int = 80, width: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(n, width, generator=generator, dtype=torch.float64)
    return A, A + 0.3 * torch.randn(n, width, generator=generator, dtype=torch.float64)


def from_samples(A: torch.Tensor, after: torch.Tensor, *, gamma0: float) -> numbers.Numbers:
    return numbers.energies(features(A), A, after - A, STEP, gamma0)


@pytest.mark.parametrize("gamma0", [1e-2, 1e-4, 1e-6])
def test_energies_from_sums_are_those_of_the_samples(gamma0):
    A, after = samples()
    found = numbers.energies_of_products(
        *numbers.products(A, after, **WITH_BIAS), step=STEP, gamma0=gamma0
    )
    exact = from_samples(A, after, gamma0=gamma0)
    # What is subtracted is 1 / gamma0 times as large as the rest, at most.
    assert found == pytest.approx({k: exact[k] for k in found}, rel=1e-14 / gamma0)


def test_without_a_step_there_is_no_kinetic_energy():
    A, _ = samples()
    found = numbers.energies_of_products(*numbers.products(A, **WITH_BIAS), step=None, gamma0=1e-2)
    exact = numbers.energies(features(A), A, None, None, 1e-2)
    assert found == pytest.approx({k: exact[k] for k in found}, rel=1e-12, nan_ok=True)


def test_leaving_sums_out_is_leaving_samples_out():
    A, after = samples()
    groups = torch.arange(len(A)) % 7
    by_sums = leave_one_sum_out(
        [A, after],
        groups,
        lambda *rows: numbers.products(*rows, **WITH_BIAS),
        lambda *sums: numbers.energies_of_products(*sums, step=STEP, gamma0=1e-2),
    )
    by_samples = leave_one_out([A, after], groups, lambda *rows: from_samples(*rows, gamma0=1e-2))
    assert (by_sums.sizes == by_samples.sizes).all()
    for name in numbers.ENERGIES:
        whole, without = by_sums.values(name)
        exact, exact_without = by_samples.values(name)
        # Rounding of sums: 1e-16 times the samples, over gamma0.
        assert whole == pytest.approx(exact, rel=1e-11)
        assert without == pytest.approx(exact_without, rel=1e-11)
