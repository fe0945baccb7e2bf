"""Any optimizer of torch as a stage of training."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import Parameter

from loadpath.checks import check_choice, check_count, check_number, shown
from loadpath.leaky_resnet.training.schedules import check_ramp, falling_cosine, ramped

Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True, init=False, repr=False)
class TorchOptimizer:
    r"""A stage that steps by an optimizer of torch, or by one of your own of that kind.

    The weight decay is that of the objective, and rises as in `Adam`. The optimizer's own is left
    at 0: another pull on the weights would move the minimum away from that of the objective, which
    residuals, momenta and certificates are about.

    Parameters
    ----------
    kind : type
        The class, such as `torch.optim.AdamW`. It must step on gradients alone.
    steps : int
        Number of iterations.
    schedule : {"cosine", "constant"}
        Whether the rate falls from `lr` to 0 as a cosine, or stays.
    ramp : float
        Part of the stage in which the weight decay rises, in [0, 1]; 0 has all of it from the
        start.
    ramp_start : float
        Weight decay at the start as a share of the final one, in (0, 1].
    **options
        Arguments of the class, plain values that a checkpoint can name: `lr`, `betas` and the like.
        Those left out are torch's own.

    Raises
    ------
    ValueError
        If a value is out of range, the class has no such option or no rate, it has a weight decay
        of its own, or it cannot step on gradients alone.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> stage = lp.training.TorchOptimizer(torch.optim.RAdam, 20, lr=0.01)
    >>> stage
    TorchOptimizer(torch.optim.RAdam, steps=20, lr=0.01)
    >>> data = lp.data.teacher(dims=(4, 1, 4), n_train=50, n_test=20, seed=0)
    >>> net = lp.LeakyResNet(4, 4, width=8, depth=4, effective_depth=2.0)
    >>> run = lp.fit(net, data, stages=[stage], threads=1, progress=False)
    >>> print(run.status)
    finished all steps
    """

    kind: type[torch.optim.Optimizer]
    """The class of the optimizer."""
    steps: int
    """Number of iterations."""
    schedule: Schedule
    """What becomes of the rate."""
    ramp: float
    """Part of the stage in which the weight decay rises."""
    ramp_start: float
    """Weight decay at the start as a share of the final one."""
    options: tuple[tuple[str, Any], ...]
    """Names and values of the arguments of the class."""
    lr: float
    """The learning rate at the start."""

    def __init__(
        self,
        kind: type[torch.optim.Optimizer],
        steps: int = 600,
        *,
        schedule: Schedule = "cosine",
        ramp: float = 0.6,
        ramp_start: float = 0.014,
        **options: Any,
    ) -> None:
        """Check the values, and try the optimizer on a few numbers."""
        if not isinstance(kind, type) or not issubclass(kind, torch.optim.Optimizer):
            raise ValueError(f"kind must be a class of torch optimizers, got {shown(kind)}.")
        check_count("steps", steps, 1)
        check_choice("schedule", schedule, ("cosine", "constant"))
        check_ramp(ramp, ramp_start)
        for name, value in options.items():
            if not _is_plain(value):
                raise ValueError(f"{name} must be a plain value, got {shown(value)}.")
        own = inspect.signature(kind).parameters
        if options.get("weight_decay"):
            raise ValueError(
                "weight_decay must be left to the objective, which has that of `fit`, got "
                f"{options['weight_decay']!r}."
            )
        held: dict[str, Any] = {"weight_decay": 0.0} if "weight_decay" in own else {}
        values = dict(kind=kind, steps=int(steps), schedule=schedule, ramp=ramp)
        values |= dict(ramp_start=ramp_start, options=tuple({**options, **held}.items()))
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._try()

    def _try(self) -> None:
        """Take one step on a few numbers, and refuse what fails."""
        weights = Parameter(torch.ones(2, 3, 4))
        weights.grad = torch.ones_like(weights)
        try:
            with torch.random.fork_rng(devices=[]):
                optimizer = self.optimizer([weights])
                optimizer.step()
        except Exception as error:  # of whatever kind: each optimizer has its own
            reason = " ".join(str(error).split()).rstrip(".")
            hint = ""
            if self.kind is torch.optim.LBFGS:
                hint = "; LBFGS of loadpath.training is the one for the full batch"
            raise ValueError(
                f"kind must be an optimizer that steps on gradients of layers alone, and {self!r} "
                f"does not: {reason}{hint}."
            ) from None
        rates = [group.get("lr") for group in optimizer.param_groups]
        rate = rates[0]
        if not isinstance(rate, int | float):
            raise ValueError(f"kind must have a learning rate lr, and {self!r} has {rate!r}.")
        check_number("lr", rate, above=0)
        if any(group.get("weight_decay") for group in optimizer.param_groups):
            raise ValueError(f"kind must have no weight decay of its own, and {self!r} has one.")
        object.__setattr__(self, "lr", float(rate))

    def __repr__(self) -> str:
        """Return the call that makes the stage, with the options that were given."""
        public = getattr(torch.optim, self.kind.__name__, None) is self.kind
        module = "torch.optim" if public else self.kind.__module__
        said = {"steps": self.steps}
        defaults = {"schedule": "cosine", "ramp": 0.6, "ramp_start": 0.014}
        said |= {n: getattr(self, n) for n, v in defaults.items() if getattr(self, n) != v}
        said |= {name: value for name, value in self.options if name != "weight_decay"}
        words = ", ".join(f"{name}={value!r}" for name, value in said.items())
        return f"TorchOptimizer({module}.{self.kind.__qualname__}, {words})"

    @property
    def name(self) -> str:
        """What histories call the stage: the name of the class."""
        return self.kind.__name__

    def optimizer(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """Return a fresh torch optimizer, whose rate is to be set before every iteration.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
            What is optimized.

        Returns
        -------
        torch.optim.Optimizer
            The optimizer.
        """
        make: Any = self.kind
        found: torch.optim.Optimizer = make(parameters, **dict(self.options))
        return found

    def stepped(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of copies of the weights that has taken one step without a slope.

        Its state shows what a checkpoint holds of this one.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
            What is optimized; it is left as it is.

        Returns
        -------
        torch.optim.Optimizer
            The optimizer of the copies.
        """
        copies = [Parameter(each.detach().clone()) for each in parameters]
        for each in copies:
            each.grad = torch.zeros_like(each)
        optimizer = self.optimizer(copies)
        with torch.random.fork_rng(devices=[]):
            optimizer.step()
        return optimizer

    def rate(self, done: float, effective_depth: float) -> float:
        """Return the learning rate.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        effective_depth : float
            The leakage of the net, on which this rate does not depend.

        Returns
        -------
        float
            The rate.
        """
        return self.lr * (falling_cosine(done) if self.schedule == "cosine" else 1.0)

    def weight_decay(self, done: float, final: float) -> float:
        """Return the weight decay of the objective.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        final : float
            The weight decay of the objective.

        Returns
        -------
        float
            What it is at this point of the ramp.
        """
        return ramped(final, done, ramp=self.ramp, ramp_start=self.ramp_start)


def _is_plain(value: object) -> bool:
    """Tell whether a value is one that its printed form says all of."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
