"""What a layer takes to run: its parameters, its multiply-adds, and its time on one batch."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from loadpath.diagnosis.profile.entries import ColumnEntry, failed_entry, missing_entry
from loadpath.record import INPUT, Batch, Recording, Site, mapped

RUNS_TIMED = 5
"""How often the first batch is timed at most."""
SECONDS_TIMED = 1.0
"""Seconds after which it is not timed again."""
COUNTED = "counted"
"""Status of a number that is counted and not estimated."""
TIMED = "median, fastest and slowest of {} runs"
"""Status of a time: its ends are no interval over samples."""
NO_MODULE = missing_entry("no module: a layer of a path")
NO_LAYER = missing_entry("the input of the model")
UNCOUNTED = missing_entry("torch does not count the operations of recurrent nets")


@dataclass
class LayerCosts:
    """What the layers of a model take to run, measured on the first batch of a pass."""

    modules: dict[str, nn.Module] = field(default_factory=dict)
    """The module of every layer."""
    operations: dict[str, float] = field(default_factory=dict)
    """Multiply-adds of every layer for one sample."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Times of every layer on the batch."""
    whole_operations: float = float("nan")
    """Multiply-adds of the model for one sample."""
    whole_seconds: list[float] = field(default_factory=list)
    """Times of the model on the batch."""
    n_samples: int = 0
    """Samples in the batch."""
    failed: dict[str, Exception] = field(default_factory=dict)
    """What went wrong, for "operations" and for "milliseconds"."""

    def measure(self, recording: Recording, batch: Batch) -> None:
        """Count and time the layers on a batch, in passes of their own.

        The model runs as `visit` has it: in evaluation mode, compiled code uncompiled.

        Parameters
        ----------
        recording : Recording
            The recording, which knows the layers.
        batch : Batch
            The batch; the model may write to it.
        """
        assert recording.chosen is not None
        sites = [site for site in recording.chosen[0] if site.node is None]
        model, self.n_samples = recording.layout.model, batch.count
        try:
            self._count(model, sites, batch)
        except Exception as error:  # of whatever kind: a counter must not end a diagnosis
            self.failed["operations"] = error
        try:
            began = time.monotonic()
            for _ in range(RUNS_TIMED):  # it has run before, so that it is warm
                self._time(model, sites, batch)
                if time.monotonic() - began > SECONDS_TIMED:
                    break
        except Exception as error:  # as above: NaN and the reason take the place of the times
            self.failed["milliseconds"] = error

    def _count(self, model: nn.Module, sites: Sequence[Site], batch: Batch) -> None:
        """Count the operations of each call of the sites, and of the whole model."""
        counter = FlopCounterMode(display=False, custom_mapping=_MORE_FORMULAS)
        found: dict[str, float] = {}

        def end(name: str, site: Site, start: float) -> None:
            self.modules[name] = site.module
            found[name] = (counter.get_total_flops() - start) / 2 / batch.count

        with _around(sites, counter.get_total_flops, end):
            with counter:
                _copy_of(batch).run(model)
        self.operations = found
        self.whole_operations = counter.get_total_flops() / 2 / batch.count

    def _time(self, model: nn.Module, sites: Sequence[Site], batch: Batch) -> None:
        """Time each call of the sites, and the whole model."""
        own, wait = _copy_of(batch), _waiting(model)
        found: dict[str, float] = {}

        def now() -> float:
            wait()
            return time.perf_counter()

        def end(name: str, site: Site, start: float) -> None:
            self.modules[name] = site.module
            found[name] = now() - start

        with _around(sites, now, end):
            start = now()
            own.run(model)
            whole = now() - start
        self.whole_seconds.append(whole)
        for name, seconds in found.items():
            self.seconds[name].append(seconds)

    def columns(self, layers: Sequence[str]) -> dict[str, list[ColumnEntry]]:
        """Return the columns `parameters`, `operations` and `milliseconds`.

        Parameters
        ----------
        layers : sequence of str
            The layers, in their order.

        Returns
        -------
        dict of str to list of ColumnEntry
            An entry a layer.
        """
        kinds: dict[str, Callable[[str], ColumnEntry]] = {
            "parameters": self._parameters,
            "operations": self._operations,
            "milliseconds": self._milliseconds,
        }
        return {
            kind: [
                NO_LAYER if name == INPUT else entry(name) if name in self.modules else NO_MODULE
                for name in layers
            ]
            for kind, entry in kinds.items()
        }

    def _parameters(self, name: str) -> ColumnEntry:
        return _counted(count_parameters(self.modules[name]))

    def _operations(self, name: str) -> ColumnEntry:
        if "operations" in self.failed:
            return failed_entry(self.failed["operations"])
        if any(isinstance(module, nn.RNNBase) for module in self.modules[name].modules()):
            return UNCOUNTED
        return _counted(self.operations[name])

    def _milliseconds(self, name: str) -> ColumnEntry:
        found = [1000 * each for each in self.seconds[name]]
        if not found:
            error = self.failed.get("milliseconds")
            return missing_entry("not timed") if error is None else failed_entry(error)
        return ColumnEntry(median(found), min(found), max(found), TIMED.format(len(found)))

    def of_model(self, model: nn.Module) -> dict[str, float]:
        """Return what the whole model takes: `parameters`, `operations` and `milliseconds`."""
        recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
        times = [1000 * each for each in self.whole_seconds]
        return {
            "parameters": float(count_parameters(model)),
            "operations": float("nan") if recurrent else self.whole_operations,
            "milliseconds": median(times) if times else float("nan"),
        }


def count_parameters(module: nn.Module) -> int:
    """Return how many parameters a module has; those that it uses twice count once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _counted(value: float) -> ColumnEntry:
    return ColumnEntry(float(value), float("nan"), float("nan"), COUNTED)


def _copy_of(batch: Batch) -> Batch:
    """Return the batch in memory of its own, because a model may write to what it is given."""
    cloned: Batch = mapped(batch, Tensor.clone)
    return cloned


def _waiting(model: nn.Module) -> Callable[[], None]:
    """Return a function that waits until the device of a model has done its work."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    if device.type not in ("cuda", "mps", "xpu"):
        return lambda: None
    return torch.get_device_module(device).synchronize


@contextmanager
def _around(
    sites: Sequence[Site],
    start: Callable[[], float],
    end: Callable[[str, Site, float], None],
) -> Iterator[None]:
    """Call `start` before every call of a site, and `end` after it with what `start` returned."""
    calls: Counter[Site] = Counter()
    running: dict[Site, list[float]] = defaultdict(list)
    with ExitStack() as hooks:
        for site in sites:

            def enter(_: nn.Module, args: Any, site: Site = site) -> None:
                running[site].append(start())

            def leave(_: nn.Module, args: Any, output: Any, site: Site = site) -> None:
                calls[site] += 1
                end(site.called(calls[site]), site, running[site].pop())

            hooks.callback(nn.Module.register_forward_pre_hook(site.module, enter).remove)
            hooks.callback(nn.Module.register_forward_hook(site.module, leave).remove)
        yield


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Count the fused attention of CPUs, which torch counts on GPUs alone."""
    return int(sdpa_flop_count(query, key, value))


_MORE_FORMULAS = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
