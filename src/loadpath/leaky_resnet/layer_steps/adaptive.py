"""A mesh that adapts to the path while a net trains."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath.checks import check_count, check_number, check_type, check_weights
from loadpath.leaky_resnet.layer_steps.overshooting import longest_steps
from loadpath.leaky_resnet.layer_steps.rules import Steps, adapted_within


@runtime_checkable
class Meshed(Protocol):
    """A net whose layers have steps: `LeakyResNet`, or any module with these."""

    depth: int
    """Number of layers."""
    effective_depth: float
    """The leakage."""
    layer_steps: Tensor
    """(depth,): positive numbers of sum 1."""

    @property
    def step(self) -> str:
        """The kind of step: "euler" or another."""
        ...

    def path(self, x: Tensor) -> list[Tensor]:
        """Return the representations of x along the path.

        Parameters
        ----------
        x : Tensor
            (sample, in): inputs.

        Returns
        -------
        list of Tensor
            A_0, ..., A_L, each (sample, width).
        """
        ...

    def set_layer_steps(self, layer_steps: Tensor) -> None:
        """Give the net other layer steps.

        Parameters
        ----------
        layer_steps : Tensor
            (depth,): positive numbers of sum 1.
        """
        ...


class Adaptive:
    r"""The adaptive rule as a scheduler, which any training loop can step after each iteration.

    Now and then the layer steps of the net move a part of the way to the rule of `adapted`. The
    weights stay with their layers.

    Parameters
    ----------
    model : LeakyResNet
        The net, or any module with the members of `Meshed`. Its present steps are where the mesh
        starts.
    every : int
        Iterations between two moves.
    smoothing : float
        Part of the way to the rule that one move goes, in (0, 1].
    guard : float
        Least speed, as a share of the mean one, in (0, 1].
    euler_margin : float
        What no $\rho_l \tilde L$ exceeds under the Euler step, as a share of the net's
        `largest_leak`, in (0, 1), so that the mesh is always one that the net can take. Where that
        cannot be kept, because L~ is too large for the depth, no step exceeds the longest one of
        the start.
    overshoot : float
        For a net whose `largest_leak` is above 1: how far an Euler step of
        $\rho_l \tilde L > 1$ may shoot past where the leakage draws it, as a share of the size of
        A_l, by the speed that the path has there (`overshoots`); at least 0. So long steps go
        where the path rests, and nowhere else.

    Attributes
    ----------
    history : list of tuple
        (call, steps) for every move, with the mesh at the start as call 0.

    Raises
    ------
    ValueError
        If `every` is not a whole number of at least 1, `smoothing` or `guard` is outside (0, 1],
        `euler_margin` is outside (0, 1), or `overshoot` is negative.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> net = lp.LeakyResNet(3, 2, width=8, depth=4, effective_depth=2.0)
    >>> mesh = lp.layer_steps.Adaptive(net, every=20)
    >>> x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    >>> for _ in range(40):
    ...     moved = mesh.step(x)  # after forward, backward, and the optimizer's step
    >>> len(mesh.history), round(float(net.layer_steps.sum()), 6)
    (3, 1.0)
    """

    def __init__(
        self,
        model: Meshed,
        *,
        every: int = 20,
        smoothing: float = 0.3,
        guard: float = 0.1,
        euler_margin: float = 0.9,
        overshoot: float = 0.1,
    ) -> None:
        """Attach the rule to the net."""
        check_type("model", model, Meshed, "a LeakyResNet, or a net with the members of Meshed")
        if isinstance(model, nn.Module):
            check_weights("model", model)
        check_count("every", every, 1)
        check_number("smoothing", smoothing, above=0, most=1)
        check_number("guard", guard, above=0, most=1)
        check_number("euler_margin", euler_margin, above=0, below=1)
        check_number("overshoot", overshoot, least=0)
        self.model, self.every, self.smoothing, self.guard = model, every, smoothing, guard
        self.overshoot = overshoot
        bounded = model.step == "euler" and model.effective_depth > 0
        largest = getattr(model, "largest_leak", 1.0)  # nets that are not ours may have none
        self.longest = euler_margin * largest / model.effective_depth if bounded else 1.0
        self.guarded = bounded and euler_margin * largest > 1
        if self.longest * model.depth < 1:
            self.longest = float(model.layer_steps.max())
        self.calls = 0
        self.history: list[tuple[int, Steps]] = [(0, model.layer_steps.detach().cpu().clone())]

    def step(self, x: Tensor, calls: int = 1) -> bool:
        """Count a training iteration, and move the mesh if that is due.

        Parameters
        ----------
        x : Tensor
            (sample, in): a batch of inputs. The net is run on it only when a move is due.
        calls : int
            Number of iterations to count at once. The mesh then goes as far towards the rule of the
            present path as all the moves that come due would take it.

        Returns
        -------
        bool
            Whether the mesh moved.
        """
        due = (self.calls + calls) // self.every - self.calls // self.every
        self.calls += calls
        if due == 0:
            return False
        with torch.no_grad():
            path = self.model.path(x)
        old = self.model.layer_steps.detach().double().cpu()
        target = adapted_within(old, path, guard=self.guard, longest=self._longest(old, path))
        stay = (1 - self.smoothing) ** due
        self.model.set_layer_steps(stay * old + (1 - stay) * target)
        self.history.append((self.calls, self.model.layer_steps.detach().cpu().clone()))
        return True

    def _longest(self, steps: Steps, path: list[Tensor]) -> Steps:
        """Return the longest step of each layer: shorter where the path would be overshot."""
        longest = torch.full_like(steps, self.longest)
        if not self.guarded:
            return longest
        leak, share = self.model.effective_depth, self.overshoot
        within = longest_steps(steps, path, effective_depth=leak, overshoot=share)
        within = torch.minimum(longest, within)
        # Too few layers for the guard: the mesh stays within the cap alone.
        return within if float(within.sum()) >= 1 else longest

    def record(self) -> xr.Dataset:
        """Return how the mesh moved.

        Returns
        -------
        xarray.Dataset
            `layer_steps` over (move, step), with the iteration of each move as coordinate `call`.
        """
        steps = torch.stack([steps for _, steps in self.history]).numpy()
        calls = [call for call, _ in self.history]
        variable = xr.DataArray(
            steps, dims=("move", "step"), coords={"call": ("move", calls)}, name="layer_steps"
        )
        variable.attrs.update(long_name="layer step", units="fraction of the path")
        return variable.to_dataset()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that an exact resume needs, but the model's own steps.

        Returns
        -------
        dict
            Plain numbers and tensors.
        """
        calls, steps = zip(*self.history, strict=True)
        return {
            "calls": self.calls,
            "longest": self.longest,
            "when": torch.tensor(calls),
            "steps": torch.stack(steps),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.
        """
        self.calls, self.longest = int(state["calls"]), float(state["longest"])
        self.history = list(zip(state["when"].tolist(), state["steps"].unbind(), strict=True))
