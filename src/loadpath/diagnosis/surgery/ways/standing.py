"""A model as if it were cut: hooks that do on the whole what the cut one will do by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.diagnosis.surgery.cuts import MAPPED, LinearMap, Way, runs_of
from loadpath.diagnosis.surgery.search import Runner, Stand, Subject
from loadpath.diagnosis.surgery.ways.merging import merged, why_not_merged
from loadpath.leaky_resnet import layer_steps
from loadpath.record import Batch, OwnRandomness, tensor_of

Run = tuple[int, ...]


@dataclass
class Standing:
    """Makes the hooks for sets of layers that go in some way."""

    subject: Subject
    """The model."""
    map_of: Callable[[Run, Way], LinearMap] | None = None
    """The map of a run, where the way has one."""
    made: dict[Run, nn.Module] = field(default_factory=dict)
    """Merged layers, by what they are made of."""

    def __call__(self, runner: Runner) -> Stand:
        """Return the hooks for a set, and the model that runs under them where it is another."""
        chosen, way = runner
        subject = self.subject
        hooks: list[AbstractContextManager[None]] = []
        if way == "merge":
            if subject.calls and subject.calls[0].site.node is not None:
                return [], self.remeshed(chosen)
            for group in self.groups(chosen):
                hooks.append(replaced(subject, group[0], self.merged(group)))
                hooks += [subject.bypass(layer) for layer in group[1:]]
            return hooks, None
        if way not in MAPPED or self.map_of is None:
            return [subject.bypass(layer) for layer in chosen], None
        for run in runs_of(chosen, subject.before):
            hooks.append(subject.bypass(run[0], self.map_of(run, way)))
            hooks += [subject.bypass(layer) for layer in run[1:]]
        return hooks, None

    def groups(self, chosen: Run) -> list[Run]:
        """Return which layers become one: a run and the layer before it, or after the first run."""
        subject, found = self.subject, list[Run]()
        after = {first: layer for layer, first in enumerate(subject.before) if first is not None}
        for run in runs_of(chosen, subject.before):
            before, behind = subject.before[run[0]], after.get(run[-1])
            if before is not None and found and found[-1][-1] == before:
                found[-1] = (*found[-1], *run)  # the layer between two runs takes both
            elif before is not None:
                found.append((before, *run))
            elif behind is not None:
                found.append((*run, behind))
            else:
                raise ValueError(f"no layer of its shape is beside {subject.names[run[0]]!r}")
        return found

    def why_not_merged(self, chosen: Run) -> str | None:
        """Return why layers cannot be merged, in words; None if they can be."""
        calls = self.subject.calls
        if calls[0].site.node is not None:
            net = self.subject.model
            known = isinstance(net, layer_steps.Layered) and calls[0].site.module is net
            return None if known else "only a whole Leaky ResNet can have its layers merged"
        try:
            groups = self.groups(chosen)
        except ValueError as error:
            return str(error)
        reasons = (why_not_merged([calls[l].site.module for l in group]) for group in groups)
        return next((reason for reason in reasons if reason), None)

    def merged(self, group: Run) -> nn.Module:
        """Return the layer that neighbours become."""
        if group not in self.made:
            calls = self.subject.calls
            seen: list[tuple[Any, Any]] = []
            subject = self.subject
            first = calls[group[0]].site.module

            def keep(_: nn.Module, args: Any, kwargs: Any) -> None:
                seen.append((args, kwargs))

            def run(batch: Batch) -> nn.Module:
                hook = first.register_forward_pre_hook(keep, with_kwargs=True)
                try:
                    subject.run(batch, OwnRandomness(subject.device))
                finally:
                    hook.remove()
                args, kwargs = seen[0]
                given = tensor_of((args, kwargs))
                assert given is not None

                def call(block: nn.Module) -> tuple[Tensor, Tensor]:
                    out = tensor_of(block(*args, **kwargs))
                    assert out is not None and given is not None
                    return given, out

                return merged([calls[l].site.module for l in group], call)

            (self.made[group],) = subject.passes([0], run)
            subject.count_passes(subject.sizes[0], 1)
        return self.made[group]

    def remeshed(self, chosen: Run) -> nn.Module:
        """Return a Leaky ResNet in which layers are merged with the one before."""
        net: Any = self.subject.model
        nodes = sorted(self.subject.calls[layer].site.node or 0 for layer in chosen)
        steps: list[float] = []
        for node, step in enumerate(net.layer_steps.detach().double().tolist(), start=1):
            if node in nodes and steps:
                steps[-1] += step
            else:
                steps.append(step)
        if 1 in nodes:  # the first has none before it, and is merged with the next
            second = next((k for k in range(1, len(steps))), None)
            if second is None:
                raise ValueError("way must not be 'merge' for all layers of a net.")
            steps[:2] = [steps[0] + steps[1]]
        made: nn.Module = layer_steps.remesh(net, torch.tensor(steps, dtype=torch.float64))
        return made


@contextmanager
def replaced(subject: Subject, layer: int, module: nn.Module) -> Iterator[None]:
    """Have another module do what a layer does, within the block."""

    def instead(_: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        return module(*args, **kwargs)

    site = subject.calls[layer].site
    hook = nn.Module.register_forward_hook(site.module, instead, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
