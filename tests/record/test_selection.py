"""Layers by name, by class, and found by themselves."""

import pytest
import torch
from exact_paths import random
from recorded_models import (
    BasicBlock,
    Block,
    EncoderDecoder,
    Experts,
    Plain,
    ResNet,
    Shared,
    StagedResNet,
    seeded,
)
from torch import nn

from loadpath import LeakyResNet
from loadpath.record import find_blocks, select, sites_of, unwrapped
from loadpath.spring_block.networks import MLP


def names(model, layers):
    return [site.name for site in select(model, layers)[0]]


def found(model, x):
    sites, _ = find_blocks(model, lambda: model(x), count=len(x))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    return [site.name for site in sites]


def test_patterns_go_part_by_part():
    model = EncoderDecoder(depth=2)
    assert names(model, "encoder.block.*") == ["encoder.block.0", "encoder.block.1"]
    assert names(model, "*.block.1") == ["encoder.block.1", "decoder.block.1"]
    assert names(model, "decoder.block.[0]") == ["decoder.block.0"]
    assert names(model, "**.mlp.0") == [
        f"{s}coder.block.{l}.mlp.0" for s in ("en", "de") for l in (0, 1)
    ]
    assert names(model, "encoder.**") == [n for n in sites_of(model) if n.startswith("encoder")]
    assert names(model, ["head", "encoder.final"]) == ["encoder.final", "head"]  # as registered


def test_classes_and_mixtures():
    model = EncoderDecoder(depth=1)
    assert names(model, Block) == ["encoder.block.0", "decoder.block.0"]
    assert names(model, [nn.LayerNorm, "head", "encoder.final"]) == [
        "encoder.block.0.norm",
        "encoder.final",
        "decoder.block.0.norm",
        "decoder.final",
        "head",
    ]


def test_a_module_with_two_names_is_one_site_under_its_first():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu)
    assert names(model, nn.ReLU) == names(model, "3") == names(model, ["1", "3"]) == ["1"]


def test_a_leaky_resnet_has_its_representations():
    net = LeakyResNet(3, 3, width=4, depth=2, effective_depth=1.0)
    assert names(net, "path.*") == ["path.0", "path.1", "path.2"]
    inside = nn.Sequential(nn.Tanh(), net)
    assert names(inside, "**.path.[12]") == ["1.path.1", "1.path.2"]
    assert names(inside, LeakyResNet) == ["1"]
    assert found(net, torch.ones(2, 3)) == ["path.0", "path.1", "path.2"]
    assert found(inside, torch.ones(2, 3)) == ["0", "1.path.0", "1.path.1", "1.path.2"]


def test_wrappers_are_taken_off():
    model = Plain()
    assert unwrapped(nn.DataParallel(model)) is model
    assert unwrapped(torch.compile(nn.DataParallel(model), backend="eager")) is model
    parts = nn.Sequential(torch.compile(Plain(), backend="eager"), nn.ReLU())
    assert names(parts, "0.first") == ["0.first"]
    assert names(parts, "*") == ["0", "1"]


TOKENS, IMAGE = random(2, 5, 4, seed=0), random(2, 3, 16, 16, seed=1)


@pytest.mark.parametrize(
    "model, x, expected",
    [
        (EncoderDecoder(), TOKENS, [f"{s}coder.block.{l}" for s in ("en", "de") for l in range(3)]),
        (Experts(), TOKENS, ["layers.0", "layers.1"]),
        (Shared(), TOKENS, ["group.0"]),
        (ResNet(), IMAGE, [f"layer{s}.{l}" for s in (1, 2, 3) for l in (0, 1)]),
        (
            StagedResNet(),
            IMAGE,
            [f"stages.{s}.layers.{l}" for s in range(3) for l in (0, 1)],
        ),
        (Plain(), random(2, 3, seed=2), ["first", "activation", "second", "last"]),
        (nn.Linear(3, 2), random(2, 3, seed=3), None),
        (
            nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3))),
            random(2, 4, seed=4),
            ["0", "1", "2"],
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2)),
            random(2, 4, seed=5),
            ["1", "2", "4"],
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
@pytest.mark.parametrize("training", [False, True])
def test_blocks_are_found(model, x, expected, training):
    model = model.double().train(training)
    if expected is None:
        with pytest.raises(ValueError, match="layers cannot be found by themselves"):
            found(model, x)
        return
    assert found(model, x) == expected


def test_the_spring_block_net_is_plain():
    model = MLP(5, 3, width=4, depth=3, slope=0.1).double()
    assert found(model, random(6, 5, seed=6)) == [
        "input_norm",
        "layers.0",
        "norms.0",
        "activation",
        "layers.1",
        "norms.1",
        "logits",
    ]


def test_transformers_of_torch_have_their_layers():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    model = seeded(nn.TransformerEncoder, layer, 3, enable_nested_tensor=False)
    assert found(model, TOKENS) == ["layers.0", "layers.1", "layers.2"]


@pytest.mark.parametrize(
    "layers, sentence",
    [
        ("encoder.blocks.*", r"pattern 'encoder.blocks.\*', .* nearest are 'encoder.block"),
        (["head", "hed"], "pattern 'hed', which matches no module; the nearest are 'head'"),
        ("%", "nearest are 'encoder', 'encoder.block', 'encoder.block.0'"),
        (nn.Conv2d, "layers asks for Conv2d, and the model has no module of that class"),
        ([], "layers must have at least one pattern or class, got none"),
        ([3], "layers must be patterns or classes of modules, got 3"),
        (int, "layers must be patterns or classes of modules, got <class 'int'>"),
    ],
)
def test_what_matches_nothing_is_one_sentence(layers, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        select(EncoderDecoder(), layers)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_modules_are_refused_in_one_sentence():
    scripted = torch.jit.script(BasicBlock(2))
    with pytest.raises(ValueError, match="model must not be a ScriptModule"):
        unwrapped(scripted)
    with pytest.raises(ValueError, match="0.bn1 must not be a ScriptModule, inside which no hook"):
        select(nn.Sequential(scripted), "0.bn1")
    traced = torch.jit.trace(nn.ReLU(), torch.ones(2, 3))
    with pytest.raises(ValueError, match="model must not be a ScriptModule"):
        unwrapped(traced)
    with pytest.raises(ValueError, match="model must be an nn.Module, and it is a function"):
        unwrapped(lambda x: x)
