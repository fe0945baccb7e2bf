"""Refitting: what follows a cut, corrected layer by layer by least squares."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from torch import nn

from loadpath.checks import check_count, check_type
from loadpath.diagnosis.surgery.correcting import Comparison, Correcting, Refit
from loadpath.diagnosis.surgery.healing import DISTANCE, DIVERGENCE, batches_of_search
from loadpath.diagnosis.surgery.planning import Plan
from loadpath.diagnosis.surgery.search import Subject, subject_of
from loadpath.diagnosis.surgery.ways import recipe_of, why_not_refitted
from loadpath.record import Batch, Loader, OwnRandomness, unwrapped
from loadpath.results import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Refitted(Shown):
    """A cut model whose weights behind the cuts were corrected, and what that took."""

    model: nn.Module
    """The corrected copy."""
    refits: tuple[Refit, ...]
    """What was tried, in the order in which it runs."""
    before: Comparison
    """Distance and harm on the samples of the search before."""
    after: Comparison
    """Both after; the distance is never above the one before."""
    distance_kind: str
    """What the distance is, in words."""
    harm_kind: str
    """What the harm is, in words."""
    passes: float
    """Forward passes over the search sample that were made, through the original and the smaller
    model together; there are no backward passes."""

    def sentences(self) -> list[str]:
        """Return what was done, in words."""
        done = [each for each in self.refits if each.status == "refitted"]
        names = ", ".join(each.module for each in done)
        lines = [
            f"Least squares refitted {len(done)} of {len(self.refits)} modules behind the cuts"
            f"{f' ({names})' if done else ''}: on the samples of the search the "
            f"{self.distance_kind} to the original's answers goes from {self.before.distance:.3g} "
            f"to {self.after.distance:.3g}, and the harm from {self.before.harm:.3g} to "
            f"{self.after.harm:.3g} ({self.harm_kind}), in {self.passes:.3g} forward passes over "
            "them."
        ]
        if self.after.harm > self.before.harm:
            lines.append(
                "The harm rises on these samples, on which layers were chosen to do little: what "
                "counts is the proof."
            )
        lines += [
            f"What follows at {each.layer} was left as it was: {each.status}."
            for each in self.refits
            if each.status != "refitted"
        ]
        return lines


def refit(
    model: nn.Module,
    smaller: nn.Module,
    loader: Loader,
    plan: Plan,
    *,
    behind: int | None = 1,
) -> Refitted:
    r"""Correct what follows a cut by least squares, to the original's own outputs at that place.

    Parameters
    ----------
    model : nn.Module
        The original, which is left as it is.
    smaller : nn.Module
        The cut model, which is left as it is.
    loader : iterable
        Batches of the search, so that those of the proof stay unseen.
    plan : Plan
        The plan of the cut.
    behind : int or None, default 1
        How many layers behind each run that goes are refitted, one after another. Behind the last
        layer it is the next module with weights, such as the head. None refits all that follow
        the first cut, and the head.

    Returns
    -------
    Refitted
        A corrected copy, and what each correction did.

    Raises
    ------
    ValueError
        For samples that the search has not seen, for a model that is not the one that was planned,
        and for layers of a path.

    Notes
    -----
    In a layer that stays, the last Linear or Conv2d that writes to its output is corrected: with z
    what it is given in the smaller model, and r what the layer's output there lacks of the
    original's, its weights get the V of $\min \sum \|r - z V^\top - c\|^2 + \alpha \|V\|^2$ and its
    bias the c. In a residual block that is the map back to the stream. The moments of z and r are
    streamed; $\alpha$ is the one of some that does best on half the batches, fitted to the other
    half. A correction stands only if the answers do not move away from the original's on the
    samples of the search. Each takes two forward passes over them, and one to see whether it does.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
    >>> x = list(torch.randn(80, 4).split(10))
    >>> plan = lp.surgery.plan(model, x, drop=1)
    >>> smaller = lp.surgery.cut(model, plan)
    >>> found = lp.surgery.refit(model, smaller, x, plan)
    >>> found.before.harm > 0.01, found.after.harm < 1e-6, found.passes
    (True, True, 3.0)
    """
    check_type("plan", plan, Plan, "a Plan")
    check_type("smaller", smaller, nn.Module, "an nn.Module")
    if behind is not None:
        check_count("behind", behind, 1)
    original, made = unwrapped(model), copy.deepcopy(unwrapped(smaller))
    plan.check_model(original)
    recipe_of(made)  # or no cut made it
    subject = subject_of(original, batches_of_search(original, loader, plan), plan.calling)
    if subject.calls[0].site.node is not None:
        raise ValueError("model must have layers that are modules, and these are of a path.")
    work = Correcting(subject, made)
    refits = tuple(work.refit(layer) for layer in _layers_behind(subject, made, behind))
    before, after = work.comparisons[0], work.comparisons[-1]
    kind = DIVERGENCE if work.shares else DISTANCE
    return Refitted(made, refits, before, after, kind, work.harm.words, subject.spent)


def _layers_behind(subject: Subject, made: nn.Module, behind: int | None) -> list[str]:
    """Return the layers that are refitted, as the original calls them; the head is last."""
    gone, names = set(recipe_of(made).layers), subject.names
    chosen: dict[str, None] = {}
    at_end = behind is None
    for last, name in enumerate(names):
        if name not in gone or (last + 1 < len(names) and names[last + 1] in gone):
            continue
        stay = [each for each in names[last + 1 :] if each not in gone]
        at_end |= not stay
        chosen |= dict.fromkeys(stay if behind is None else stay[:behind])
    found = [name for name in names if name in chosen]
    head = _head(subject) if at_end else None
    return found if head is None else [*found, head]


def _head(subject: Subject) -> str | None:
    """Return the first module behind all layers that can be refitted; None if there is none."""
    order: list[str] = []
    last = subject.calls[-1].site.module

    def note(name: str) -> Callable[..., None]:
        return lambda module, args, output: order.append(name)

    def run(batch: Batch) -> None:
        with ExitStack() as hooks:
            for name, module in subject.model.named_modules():
                if module is last or not why_not_refitted(module):
                    hooks.callback(module.register_forward_hook(note(name)).remove)
            subject.run(batch, OwnRandomness(subject.device))

    for _ in subject.passes([0], run):
        pass
    where = next(n for n, m in subject.model.named_modules() if m is last)
    behind = order[order.index(where) + 1 :]
    return behind[0] if behind and order.count(behind[0]) == 1 else None
