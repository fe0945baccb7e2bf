"""Recorded layers against the same layers computed by hand."""

import json

import numpy as np
import pytest
import torch
from exact_paths import random
from recorded_models import Plain, ResNet, Shared, seeded
from torch import nn

from loadpath import LeakyResNet
from loadpath.data import from_arrays
from loadpath.record import Moments, Recorded, Reduction, second_moments, stream
from loadpath.spring_block.networks import CNN, MLP

EXACT = dict(rtol=1e-12, atol=1e-12)


def together(recording):
    """Features of all batches, layer by layer, and the description."""
    recorded = list(recording)
    layers = recorded[0].features
    rows = {layer: torch.cat([each.features[layer] for each in recorded]) for layer in layers}
    return rows, recorded[-1].description


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_a_leaky_resnet_has_its_path(step):
    net = LeakyResNet(3, 2, width=5, depth=4, effective_depth=2.0, step=step, dtype=torch.float64)
    x = random(20, 3, seed=0)
    rows, description = together(stream(net, list(x.split(6))))
    assert list(rows) == ["input"] + [f"path.{l}" for l in range(5)]
    for found, expected in zip(rows.values(), [x, *net.path(x)], strict=True):
        torch.testing.assert_close(found, expected, **EXACT)
    assert description.layers["path.3"] == (
        "representation A_3 of the LeakyResNet, (sample, 5): as it is"
    )


def test_plain_nets_have_what_they_compute_by_hand_in_the_order_of_computing():
    model, x = seeded(Plain).train(), random(7, 3, seed=1)
    rows, description = together(stream(model, [(x, torch.arange(7))]))
    first = model.first(x)
    second = model.second(first.relu())
    expected = {
        "input": x,
        "first": first,  # before the activation acts on it in place
        "activation": first.relu(),
        "second": second,
        "activation#2": second.relu(),
        "last": model.last(second.relu()),
    }
    assert list(rows) == list(expected)
    for name in expected:
        torch.testing.assert_close(rows[name], expected[name], **EXACT)
    assert description.layers["activation#2"] == (
        "output of activation (ReLU) in its call 2, (sample, 4): as it is"
    )
    assert description.not_called == ()
    assert json.loads(description.attrs()["layers"]) == description.layers
    assert "but dropout" in description.attrs()["layers_selection"]


@pytest.mark.parametrize("net", [MLP, CNN])
def test_the_spring_block_nets_have_their_path(net):
    model = net(12, 3, depth=4, slope=0.1, **({"image_channels": 3} if net is CNN else {}))
    model = model.double().eval()
    x = random(9, 12, seed=2)
    last = "drop" if net is MLP else "pool"
    rows, _ = together(
        stream(model, [x], layers=["input_norm", last], reduction=Reduction(maps="flatten"))
    )
    del rows["input"]
    for found, expected in zip(rows.values(), model.path(x), strict=True):
        torch.testing.assert_close(found, expected.flatten(1), **EXACT)


def test_shared_blocks_are_a_layer_a_call():
    model, x = seeded(Shared), random(2, 5, 4, seed=3)
    rows, description = together(stream(model, [x]))
    assert list(rows) == ["input", "group.0", "group.0#2", "group.0#3"]
    h = x
    for name in list(rows)[1:]:
        h = model.group[0](h)[0]
        torch.testing.assert_close(rows[name], h.mean(1), **EXACT)
    assert description.layers["group.0"] == (
        "output of group.0 (Block), (sample, 5, 4): mean over the tokens"
    )


def test_a_resnet_in_place_has_its_blocks():
    model, x = seeded(ResNet).train(), random(4, 3, 8, 8, seed=4)
    rows, description = together(stream(model, [x[:3], x[3:]]))
    model.eval()
    h, blocks = model.conv1(x), [*model.layer1, *model.layer2, *model.layer3]
    torch.testing.assert_close(rows["input"], x.mean((2, 3)), **EXACT)
    for found, block in zip(list(rows.values())[1:], blocks, strict=True):
        h = block(h)
        torch.testing.assert_close(found, h.mean((2, 3)), **EXACT)
    assert "all BasicBlock modules" in description.selection


def test_rows_know_their_samples_and_labels():
    x, y = random(7, 4, 6, 6, seed=5), torch.arange(7) * 10
    model = nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 3)).double()
    loader = [(x[:3], y[:3]), (x[3:], y[3:])]
    how = Reduction(maps="positions", every=2)
    for recorded in stream(model, loader, layers=["0", "2"], reduction=how):
        count, first = recorded.count, recorded.first
        assert (count, first) == ((3, 0), (4, 3))[recorded.number]
        samples = torch.arange(first, first + count)
        assert torch.equal(recorded.sample["0"], samples.repeat_interleave(4))
        assert torch.equal(recorded.sample["2"], samples)
        assert torch.equal(recorded.labels_of("0"), 10 * recorded.sample["0"])
        assert len(recorded.features["0"]) == 4 * count
        expected = model(x[first : first + count])
        torch.testing.assert_close(recorded.output, expected, **EXACT)
    (unlabelled,) = stream(model, [x], layers="2")
    assert unlabelled.labels is None and unlabelled.labels_of("2") is None


class Tokens(nn.Module):
    """Two layers on embedded tokens, blind to padding."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))

    def forward(self, input_ids, attention_mask=None, labels=None):
        h = self.embed(input_ids)
        for layer in self.layers:
            h = layer(h)
        return {"logits": h, "loss": None if labels is None else labels.double().mean()}


@pytest.mark.parametrize("tokens", ["mean", "class_token", "last_token", "positions"])
def test_padding_on_either_side_gives_the_rows_of_no_padding(tokens):
    model, ids = seeded(Tokens), torch.arange(1, 7).reshape(2, 3)
    mask, zeros = torch.ones_like(ids), torch.zeros(2, 2, dtype=torch.int64)
    pad = {
        "none": lambda t: t,
        "left": lambda t: torch.cat([zeros, t], 1),
        "right": lambda t: torch.cat([t, zeros], 1),
    }
    rows = []
    for add in pad.values():
        batch = {"input_ids": add(ids), "attention_mask": add(mask), "labels": torch.tensor([3, 5])}
        how = Reduction(tokens=tokens, every=2)
        (recorded,) = stream(model, [batch], reduction=how)
        assert list(recorded.features) == ["layers.0", "layers.1"]  # token numbers are no layer
        assert recorded.labels.tolist() == [3, 5] and recorded.output["loss"] is None
        rows.append(recorded)
    for each in rows[1:]:
        for name in each.features:
            torch.testing.assert_close(each.features[name], rows[0].features[name], **EXACT)
            assert torch.equal(each.sample[name], rows[0].sample[name])
    (given,) = stream(model, [batch], pass_labels=True)
    assert float(given.output["loss"]) == 4


def test_a_data_streams_its_training_samples():
    x = np.random.default_rng(6).normal(size=(300, 3))
    data = from_arrays(x, np.arange(300) % 2, x[:5], np.arange(5) % 2)
    recorded = list(stream(seeded(Plain), data))
    assert [each.count for each in recorded] == [256, 44]
    labels = torch.cat([each.labels for each in recorded])
    assert torch.equal(labels, data.y_train)
    found = torch.cat([each.features["input"] for each in recorded])
    assert torch.equal(found, data.x_train)


def test_at_most_so_many_batches_are_taken():
    taken = []

    def loader():
        for number in range(5):
            taken.append(number)
            yield random(2, 3, seed=number)

    assert len(list(stream(seeded(Plain), loader(), max_batches=2))) == 2
    assert taken == [0, 1]


@pytest.mark.parametrize("batches", [20, 100])
def test_memory_does_not_depend_on_the_number_of_samples(batches):
    # Rows of factors and rows that wait are all that is held, however many batches have come.
    model, held = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4)), []
    loader = (torch.randn(8, 3, generator=torch.Generator().manual_seed(n)) for n in range(batches))
    moments = Moments(4)
    for recorded in stream(model, loader, layers="*"):
        ((_, A, dA),) = [step for step in recorded.steps() if step[0] == "0"]
        moments.update(A, dA)
        held.append(len(moments._factor) + sum(map(len, moments._waiting)))
    assert moments.count == 8 * batches
    assert max(held) == 13 + 8  # 1 + 3 * 4 columns, and a batch that waits


def test_steps_are_taken_between_layers_of_one_shape():
    model, x = seeded(Plain), random(30, 3, seed=7)
    parts = list(x.split(8))
    moments = second_moments(stream(model, parts), activation="relu")
    rows, _ = together(stream(model, parts))
    layers = list(rows)
    assert list(moments) == layers
    alike = {name: m.velocity for name, m in moments.items()}
    assert alike == dict(zip(layers, [False, True, True, True, False, False], strict=True))
    dA = rows["second"] - rows["activation"]
    torch.testing.assert_close(moments["activation"].block("A", "dA"), rows["activation"].T @ dA)
    torch.testing.assert_close(moments["last"].mean(), rows["last"].mean(0))


def test_wide_layers_are_sketched_by_one_projection():
    model = seeded(nn.Sequential, nn.Linear(3, 60), nn.Linear(60, 60))
    x = random(10, 3, seed=8)
    moments = second_moments(stream(model, [x], layers="*"), sketch=16)
    assert {m.sketch for m in moments.values()} == {None, moments["0"].sketch}
    rows, _ = together(stream(model, [x], layers="*"))
    a, b = moments["0"].sketch(rows["0"]), moments["0"].sketch(rows["1"])
    torch.testing.assert_close(moments["0"].block("A", "dA"), a.T @ (b - a), **EXACT)


class Turns(nn.Module):
    """Runs `odd` in odd passes only."""

    def __init__(self, start):
        super().__init__()
        self.even, self.odd, self.passes = nn.Identity(), nn.Identity(), start

    def forward(self, x):
        self.passes += 1
        return self.even(self.odd(x) if self.passes % 2 else x)


def test_modules_that_do_not_run_are_named():
    (recorded,) = stream(seeded(Plain), [random(2, 3, seed=9)], layers="*")
    assert recorded.description.not_called == ("unused",)
    assert recorded.description.attrs()["layers_not_called"] == "unused"


class Stretches(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.Identity()

    def forward(self, x):
        return self.part(x[:, : len(x)])


def broken(entry, at=2):
    batches = [random(2, 3, seed=n) for n in range(4)]
    batches[at][1, 1] = entry
    return batches


LABELLED = [(random(2, 3, seed=0), torch.zeros(2)), (random(2, 3, seed=1), torch.zeros(3))]


@pytest.mark.parametrize(
    "model, loader, options, sentence",
    [
        (Plain(), [], {}, "loader must yield at least one batch, and it yields nothing"),
        (Plain(), broken(0), {"max_batches": 0}, "max_batches must be a whole number of at least"),
        (Plain(), broken(0), {"layers": "frist"}, "'frist', which matches no module; .* 'first'"),
        (Plain(), broken(0), {"layers": "unused"}, r"layers has 1 modules \(unused\), and none of"),
        (
            Plain(),
            broken(torch.nan),
            {"layers": "last"},
            "layer 'input' must put out finite numbers, and in batch 2 it is the first .*: 1 of 6",
        ),
        (
            nn.Sequential(nn.Linear(3, 3), nn.Softplus(), nn.Linear(3, 3)),
            broken(1e308),
            {"layers": ["1", "2"]},
            "layer '[12]' must put out finite numbers, and in batch 2 it is the first",
        ),
        (Turns(0), broken(0), {"layers": "*"}, "layer 'odd' ran in batch 0 and not in batch 1"),
        (Turns(1), broken(0), {"layers": "even"}, None),
        (
            Stretches(),
            [torch.ones(2, 3), torch.ones(1, 3)],
            {"layers": "part"},
            "layer 'part' has width 1 in batch 1 and 2 in batch 0: it must keep it",
        ),
        (Plain(), LABELLED, {}, r"labels of batch 1 must be one for each of its 2 samples"),
    ],
)
def test_bad_input_is_one_sentence(model, loader, options, sentence):
    model = model.double()
    for part in model.modules():
        if isinstance(part, nn.Linear):
            nn.init.constant_(part.weight, 100.0)
    if sentence is None:
        assert len(list(stream(model, loader, **options))) == 4
        return
    with pytest.raises(ValueError, match=sentence) as error:
        list(stream(model, loader, **options))
    assert "\n" not in str(error.value)


def test_bad_arguments_are_refused_before_anything_runs():
    for options in ({"layers": "frist"}, {"max_batches": 0}):
        with pytest.raises(ValueError):
            stream(seeded(Plain), [], **options)
    with pytest.raises(ValueError, match="loader must yield batches, and it is of type Tensor"):
        stream(seeded(Plain), torch.ones(2, 3))


def test_data_parallel_models_have_the_names_of_what_is_inside():
    model, x = seeded(Plain), random(2, 3, seed=10)
    (recorded,) = stream(nn.DataParallel(model), [x], layers="last")
    assert isinstance(recorded, Recorded)
    torch.testing.assert_close(recorded.features["last"], recorded.output)


class Odd(nn.Module):
    """Adds in place to what the layer before put out, and is odd on some batches."""

    LAYERS = ("first", "second")

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Identity()

    def forward(self, x):
        h = self.first(x)
        other = h if x[0, 0] < 9 else h[:, :, None].expand(-1, -1, 2)
        self.second(other)
        return h.add_(1)


def test_later_batches_are_recorded_as_the_first_is():
    x = list(random(9, 3, seed=0).split(3))
    model = seeded(Odd)
    whole = [model.first(part).detach() for part in x]
    for part, recorded in zip(whole, stream(model, x, layers=Odd.LAYERS), strict=True):
        # The same product, before the model adds to it in place.
        torch.testing.assert_close(recorded.features["first"], part, rtol=0, atol=0)
        torch.testing.assert_close(recorded.features["second"], part, rtol=0, atol=0)
    with pytest.raises(ValueError, match="layer 'second' .* width|layer 'second' must"):
        list(stream(model, [*x[:2], torch.full_like(x[0], 10)], layers=Odd.LAYERS))
    x[2][1, 2] = torch.nan
    with pytest.raises(
        ValueError, match="layer 'input' must put out finite numbers, and in batch 2 .* 1 of 9"
    ):
        list(stream(model, x, layers="first"))


@pytest.mark.parametrize("dtype, large", [(torch.float32, 3e38), (torch.float16, 6e4)])
def test_finite_numbers_whose_sum_is_not_are_finite(dtype, large):
    x = torch.full((4, 3), large, dtype=dtype)
    (recorded,) = stream(nn.Sequential(nn.Identity()), [x], layers="0")
    assert bool((recorded.features["0"] == torch.tensor(large, dtype=dtype)).all())
