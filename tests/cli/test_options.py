"""Options of the command line say what the functions behind them take: same defaults and words."""

import dataclasses
import inspect
from typing import get_args, get_type_hints

import pytest

from loadpath import data, diagnosis, laws, papers, spring_block
from loadpath.cli import options
from loadpath.leaky_resnet import LeakyResNet, geodesic
from loadpath.leaky_resnet.training import fit
from loadpath.record import Reduction
from loadpath.spring_block.phase_diagram import Setting

SPELT_OTHERWISE = {
    *("device", "layer_steps", "dtype", "pull", "chain", "friction", "noise"),
    *("weight_decay", "n_replicas", "n_steps"),
}
"""Options whose words become values first, or whose default depends on others."""


def words(hint):
    """The strings that a Literal allows, also inside a union or a tuple."""
    return {word for part in get_args(hint) for word in ([part] if isinstance(part, str) else
            words(part))}  # fmt: skip


def defaults_of(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@pytest.mark.parametrize(
    "command, function",
    [
        (options.GeodesicOptions, geodesic.solve),
        (options.TrainOptions, LeakyResNet),
        (options.TrainOptions, fit),
        (options.ChainOptions, spring_block.simulate),
        (options.ChainOptions, spring_block.Chain),
        (options.PhaseDiagramOptions, spring_block.chain_phase_diagram),
        (options.DiagnoseOptions, diagnosis.diagnose),
        (options.DiagnoseOptions, Reduction),
        (options.LawsOptions, laws.measure),
        (options.LawsOptions, Reduction),
        (options.TuneOptions, spring_block.tuning.tune),
    ],
)
def test_defaults_are_those_of_the_function(command, function):
    ours = {field.name: field.default for field in dataclasses.fields(command)}
    theirs = {k: v for k, v in defaults_of(function).items() if k in ours}
    theirs = {k: v for k, v in theirs.items() if k not in SPELT_OTHERWISE}
    assert theirs and {name: ours[name] for name in theirs} == theirs


def test_allowed_words_are_those_of_the_rooms():
    ours = get_type_hints(options.DiagnoseOptions)
    assert words(ours["measures"]) == set(diagnosis.MEASURES)
    reduction = get_type_hints(Reduction)
    for name in ("maps", "tokens"):
        assert words(ours[name]) == words(reduction[name])
    network, setting = get_type_hints(options.NetworkOptions), get_type_hints(Setting)
    for name in ("network", "noise_scale", "resize", "pseudo_inverse", "protocol"):
        assert words(network[name]) == words(setting[name])
    tuned = get_type_hints(options.TuneOptions)
    assert words(tuned["network"]) == words(setting["network"])
    assert words(tuned["knob"]) == set(spring_block.tuning.KNOB_NAMES)
    panels = {panel.replace(" ", "-") for panel in words(setting["panel"])}
    assert words(network["panel"]) == panels | {"all"}
    assert set(options.TrainOptions().sources()) == set(data.READERS) - {"npz"}
    assert set(options.GeodesicOptions().sources()) == set(data.READERS) - {"npz"} | {"arrays"}
    for name in set(data.READERS) - {"teacher", "npz"}:
        options.PhaseDiagramOptions(data=name)
        Setting("dropout", data=name, folder=None if name == "digits" else "x")


def test_figures_are_those_of_the_papers():
    assert options.FIGURES == tuple(papers.FIGURES)


@pytest.mark.parametrize("command", [options.TrainOptions, options.ChainOptions])
def test_what_is_out_of_range_cannot_be_made(command):
    with pytest.raises(ValueError, match="seed must be at least 0"):
        command(seed=-1)
