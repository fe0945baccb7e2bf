"""What is built for others: complete, and enough by itself to train, solve, diagnose and report."""

import sys

import packages
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return packages.build(tmp_path_factory.mktemp("dist"))


def test_the_packages_hold_what_they_should(built):
    sdist, wheel = built
    assert packages.missing_from(wheel) == []
    assert packages.strays_in(sdist) == []


def test_the_wheel_is_enough_by_itself(built, tmp_path):
    programs = packages.environment(sys.executable, built[1], tmp_path / "environment")
    assert packages.smoke(programs, tmp_path).startswith("smoke:")
    for extra, code in {
        "fast": "lp.networks.train(lp.networks.MLP(64, 10, slope=0.2, seed=0), lp.data.digits(), "
        "engine='compiled')",
        "cluster": "lp.sweep.run(lp.diagnose, [{'seed': 0}], 'x', scheduler='tcp://localhost:1')",
        "lightning": "lp.diagnosis.MonitorCallback",
    }.items():
        code = f"import loadpath as lp\ntry:\n    {code}\nexcept Exception as e:\n    print(e)"
        said = packages.run(programs / "python", "-c", code, cwd=tmp_path)
        assert said.count("\n") == 1 and f"loadpath[{extra}]" in said
