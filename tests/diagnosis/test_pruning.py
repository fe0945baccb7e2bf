"""The pruner in real studies of Optuna: which trials go on, by curves, values and both."""

import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from scipy.stats import rankdata

from loadpath.diagnosis import CurvePruner, report_curve
from loadpath.measures.separation import LoadCurve

optuna.logging.set_verbosity(optuna.logging.WARNING)
BENT = [0.3, 0.1, 0.2, 0.05, 0.4, 0.02, 0.25, -0.01, 0.5, -0.3]
VALUES = [0.5, 0.6, 0.7, 0.8, 0.9, 0.1, 0.2, 0.3, 0.95, 0.4]


def pruned(by, *, bent=BENT, values=VALUES, direction="maximize", **options):
    """Numbers of the trials that stop in a study of these."""
    steps = []

    def objective(trial):
        for step in range(1, 8):
            report_curve(trial, bent[trial.number], step)
            trial.report(values[trial.number], step)
            if trial.should_prune():
                steps.append(step)
                raise optuna.TrialPruned()
        return values[trial.number]

    pruner = CurvePruner(5, by=by, **{"keep": 0.25, "n_startup_trials": 3, **options})
    study = optuna.create_study(direction=direction, pruner=pruner)
    study.optimize(objective, n_trials=len(bent))
    assert set(steps) <= {5}  # each is judged once
    return [t.number for t in study.get_trials(states=[TrialState.PRUNED])]


def best_quarter(scores, startup=3, keep=0.25):
    """Those that are not in the best share of the trials up to them, by sorting."""
    out = []
    for i in range(startup, len(scores)):
        rank = sum(other > scores[i] for other in scores[: i + 1])
        if rank >= max(1, np.ceil(keep * (i + 1))):
            out.append(i)
    return out


def test_trials_with_bent_curves_stop():
    assert pruned("curve") == best_quarter([-abs(each) for each in BENT])
    assert pruned("curve") == [4, 6, 8, 9]


@pytest.mark.parametrize("direction, sign", [("maximize", 1), ("minimize", -1)])
def test_trials_with_poor_values_stop(direction, sign):
    expected = best_quarter([sign * each for each in VALUES])
    assert pruned("value", direction=direction) == expected


def test_both_ranks_count_alike():
    means = [
        -np.add(rankdata(np.abs(BENT[: i + 1])), rankdata(-np.array(VALUES[: i + 1])))
        for i in range(len(BENT))
    ]
    expected = [
        i for i in range(3, 10) if (means[i] > means[i][-1]).sum() >= max(1, np.ceil((i + 1) / 4))
    ]
    assert pruned("both") == expected == [6, 8, 9]


def test_a_curve_that_does_not_fall_ranks_last():
    bent = [0.3, 0.2, 0.25, LoadCurve([0.0, 1.0, 1.0]), float("nan"), 0.29]
    assert pruned("curve", bent=bent, values=[0.5] * 6, keep=0.6) == [3, 4]


def test_curves_are_taken_for_how_they_bend():
    straight, bent = LoadCurve([1.0, 0.5, 0.0]), LoadCurve([1.0, 0.9, 0.0])
    stopped = pruned("curve", bent=[0.1, 0.2, 0.3, bent, straight], values=[0.5] * 5)
    assert stopped == [3]


def test_a_step_without_a_curve_is_said():
    def objective(trial):
        trial.report(0.5, 5)
        return float(trial.should_prune())

    study = optuna.create_study(pruner=CurvePruner(5))
    with pytest.raises(ValueError, match="report_curve must be called for step 5"):
        study.optimize(objective, n_trials=1)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"step": -1}, "step must be"),
        ({"step": 5, "keep": 1.0}, "keep must lie in"),
        ({"step": 5, "by": "loss"}, "by must be one of curve, value, both"),
        ({"step": 5, "n_startup_trials": 0}, "n_startup_trials must be"),
    ],
)
def test_what_is_out_of_range_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        CurvePruner(options.pop("step"), **options)


def test_what_is_no_curve_is_refused():
    with pytest.raises(ValueError, match="curve must be a LoadCurve or a concavity, got 'bent'"):
        report_curve(optuna.trial.FixedTrial({}), "bent", 3)


def test_without_optuna_one_line_says_what_to_install():
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import loadpath as lp\n"
        "lp.diagnosis.Steer\n"
        "try:\n    lp.diagnosis.CurvePruner\n"
        "except ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "loadpath.diagnosis.CurvePruner needs Optuna: pip install 'loadpath[optuna]'.\n"
    )
