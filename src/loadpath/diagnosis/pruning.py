"""A pruner for Optuna that reads load curves early; it needs the extra "optuna"."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from loadpath.checks import check_choice, check_count, check_number
from loadpath.measures.separation import LoadCurve

try:
    from optuna.pruners import BasePruner
    from optuna.study import StudyDirection
    from optuna.trial import TrialState
except ImportError:
    raise ImportError(
        "loadpath.diagnosis.CurvePruner needs Optuna: pip install 'loadpath[optuna]'."
    ) from None

By = Literal["curve", "value", "both"]
"""What trials are ranked by."""
KEY = "loadpath:concavity"
"""Name under which a trial keeps its concavities, by steps."""


def report_curve(trial: Any, curve: LoadCurve | float, step: int) -> None:
    """Tell a trial of Optuna how its load curve bends at a step.

    Call it before `trial.report(value, step)` and `trial.should_prune()`.

    Parameters
    ----------
    trial : optuna.Trial
        The trial.
    curve : LoadCurve or float
        The curve of the model, or its concavity. One that is not finite, or a curve that does not
        fall, ranks last.
    step : int
        The step, such as the epoch.

    Raises
    ------
    ValueError
        If `curve` is neither, or `step` is no whole number from 0.
    """
    check_count("step", step, 0)
    if isinstance(curve, LoadCurve):
        bent = curve.concavity if curve.total > 0 else math.nan
    elif isinstance(curve, int | float) and not isinstance(curve, bool):
        bent = float(curve)
    else:
        raise ValueError(f"curve must be a LoadCurve or a concavity, got {curve!r}.")
    # JSON, in which storages keep it, has no NaN.
    trial.set_user_attr(f"{KEY}:{step}", bent if math.isfinite(bent) else None)


class CurvePruner(BasePruner):
    """Stop the trials of an Optuna study whose load curves are far from straight early on.

    Each trial is judged once, at the first step it reports at or after `step`. It goes on if it is
    among the best share `keep` of all trials that have come so far, by how straight their curves
    were there, by the values that they reported, or by the mean of both ranks. The first trials go
    on whatever they are.

    Parameters
    ----------
    step : int
        Step at which trials are judged.
    keep : float
        Share of the trials that goes on, between 0 and 1.
    by : {"curve", "value", "both"}
        What trials are ranked by: -|concavity| as `report_curve` has told it, the value that
        `trial.report` has, in the study's direction, or the mean of both ranks.
    n_startup_trials : int
        How many trials go on before any is judged.

    Raises
    ------
    ValueError
        If an argument is out of its range. While a study runs: if a trial reports a step to be
        judged at and `report_curve` was not called for it.

    Notes
    -----
    On nine data sets that nobody had tuned on curves told less than early accuracy does: by="value"
    lost least, and by="curve" more than keeping trials at random (docs/tuning.md).

    Examples
    --------
    >>> import optuna
    >>> from loadpath.diagnosis import CurvePruner, report_curve
    >>> def objective(trial):
    ...     rate = trial.suggest_float("dropout", 0, 0.5)
    ...     for epoch in range(1, 31):
    ...         report_curve(trial, 0.2 - rate, epoch)  # a LoadCurve of the model
    ...         trial.report(0.9 - abs(0.2 - rate), epoch)
    ...         if trial.should_prune():
    ...             raise optuna.TrialPruned()
    ...     return 0.9 - abs(0.2 - rate)
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> sampler = optuna.samplers.RandomSampler(seed=0)
    >>> study = optuna.create_study(direction="maximize", sampler=sampler, pruner=CurvePruner(10))
    >>> study.optimize(objective, n_trials=20)
    >>> len(study.get_trials(states=[optuna.trial.TrialState.PRUNED])) > 8
    True
    """

    def __init__(
        self, step: int, *, keep: float = 0.25, by: By = "both", n_startup_trials: int = 4
    ) -> None:
        check_count("step", step, 0)
        check_number("keep", keep, above=0, below=1)
        check_choice("by", by, get_args(By))
        check_count("n_startup_trials", n_startup_trials, 1)
        self._step, self._keep, self._by, self._first = step, keep, by, n_startup_trials

    def prune(self, study: Any, trial: Any) -> bool:
        """Return whether a trial is to stop, as Optuna asks after a report.

        Parameters
        ----------
        study : optuna.Study
            The study.
        trial : optuna.trial.FrozenTrial
            The trial as it is.

        Returns
        -------
        bool
            Whether it is to stop.

        Raises
        ------
        ValueError
            If its load curve was not told at the step.
        """
        at = self._judged_at(trial)
        if at is None or trial.last_step != at:
            return False
        if self._by != "value" and f"{KEY}:{at}" not in trial.user_attrs:
            raise ValueError(
                f"report_curve must be called for step {at} before trial.report, and it was not."
            )
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        others = [t for t in study.get_trials(deepcopy=False, states=states)
                  if t.number != trial.number and self._judged_at(t) is not None]  # fmt: skip
        if len(others) < self._first:
            return False
        scores = [self._scores(each, study) for each in (trial, *others)]
        rank = _rank_of_first(scores)
        return rank >= max(1, math.ceil(self._keep * len(scores)))

    def _judged_at(self, trial: Any) -> int | None:
        """Return the first step that a trial reported at or after that of judgement."""
        return min((s for s in trial.intermediate_values if s >= self._step), default=None)

    def _scores(self, trial: Any, study: Any) -> tuple[float, ...]:
        """Return the scores of a trial at its judgement, higher for better."""
        at = self._judged_at(trial)
        bent = trial.user_attrs.get(f"{KEY}:{at}")
        by_curve = -math.inf if bent is None else -abs(bent)
        assert at is not None
        value = trial.intermediate_values[at]
        value = -value if study.direction == StudyDirection.MINIMIZE else value
        by_value = -math.inf if math.isnan(value) else value
        return {"curve": (by_curve,), "value": (by_value,), "both": (by_curve, by_value)}[self._by]


def _rank_of_first(scores: list[tuple[float, ...]]) -> int:
    """Return how many others have a better mean rank than the first; ties count half."""
    n, kinds = len(scores), len(scores[0])
    mean = [0.0] * n
    for k in range(kinds):
        column = [each[k] for each in scores]
        for i, mine in enumerate(column):
            better = sum(its > mine for its in column)
            equal = sum(its == mine for its in column) - 1
            mean[i] += (better + equal / 2) / kinds
    return sum(its < mean[0] for its in mean)
