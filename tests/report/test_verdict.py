"""One verdict of a run: near a geodesic or not, what can be read and what can not."""

import numpy as np
import pytest

from loadpath.report.verdict import judge, warning
from tests.plots.test_plots import synthetic_certificate, synthetic_history, synthetic_profile


def profile(residual=0.005, drift=0.0, gamma0=1e-3):
    """A net this far from balance, whose Hamiltonian drifts by this share."""
    ds = synthetic_profile().assign_attrs(gamma0=gamma0)
    ds["stationarity"] = 0 * ds["stationarity"] + residual
    ds["hamiltonian"] = -7 * (1 - drift * ds["p_step"] / ds["p_step"].max())
    ds["dimension"] = -2 / 7 * ds["hamiltonian"]
    return ds


def test_a_geodesic_gives_all_its_numbers():
    verdict = judge(profile(), synthetic_history())
    assert verdict.headline == (
        "a geodesic, nearly: every layer is within 0.5 % of balance; the Hamiltonian, one number "
        "on a geodesic, varies by 0 % of its largest size."
    )
    assert verdict.readable and verdict.cannot == []
    assert [each.split(":")[0] for each in verdict.can] == [
        "bottleneck rank",
        "dimension by the Hamiltonian",
        "least cost of identity, which comes to the rank from above",
    ]


def test_a_hamiltonian_that_changes_sign_gives_no_dimension():
    verdict = judge(profile(residual=0.06, drift=1.3), None)
    assert verdict.headline.startswith("no geodesic: layer 1 is 6 % out of balance")
    assert "varies by 1.3 times its largest size" in verdict.headline
    (cannot,) = verdict.cannot
    assert cannot.startswith("dimension by the Hamiltonian: ")
    assert "it goes from -0.6 to 2 over the layers" in cannot
    assert verdict.can[0].startswith("bottleneck rank: 3")


def test_a_coarse_mesh_is_not_taken_for_a_geodesic():
    verdict = judge(profile(drift=0.5), None)
    assert verdict.headline.startswith("stationary, but on a mesh too coarse for one Hamiltonian")


def test_a_net_that_has_not_come_to_rest_gives_no_number():
    verdict = judge(profile(residual=0.11), None)
    assert verdict.can == [] and len(verdict.cannot) == 3
    assert all("training has not come to rest" in each for each in verdict.cannot)


@pytest.mark.parametrize("gamma0, reads", [(1e-3, True), (1e-2, False)])
def test_the_least_cost_reads_against_the_rank_at_a_small_gamma(gamma0, reads):
    verdict = judge(profile(gamma0=gamma0), None)
    assert any("least cost of identity" in each for each in verdict.can) == reads
    assert any(f"gamma_0 = {gamma0:g} fades" in each for each in verdict.cannot) != reads


def test_a_certificate_judges_by_its_subgradient_and_its_mesh():
    ds = synthetic_certificate().assign_attrs(gamma0=1e-3)
    verdict = judge(ds, None)
    worst = 100 * float(ds["least_norm_residual"].max())
    assert f"every layer is within {worst:.2g} % of balance" in verdict.headline
    assert "; the mesh explains a range of" in verdict.headline and verdict.cannot == []
    ds["predicted_hamiltonian"] = 0 * ds["predicted_hamiltonian"]
    assert "dimension by the Hamiltonian" in judge(ds, None).cannot[0]


def test_nothing_measured_is_no_verdict():
    assert judge(None, synthetic_history()) is None
    assert judge(None, synthetic_history().assign_attrs(status="diverged")).readable is False


@pytest.mark.parametrize("status", [None, "no such status", np.array([1.0, 2.0])])
def test_a_status_that_nobody_knows_warns_of_nothing(status):
    assert warning(synthetic_history().assign_attrs(status=status), None) == ""
