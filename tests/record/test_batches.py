"""What a loader yields, as the call of a model that it stands for."""

from collections import UserDict, namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
from exact_paths import random
from torch import nn
from torch.utils.data import TensorDataset

from loadpath.data import from_arrays
from loadpath.record import batches_of, prepare

X, Y, CPU = random(3, 4, seed=0), torch.tensor([0, 2, 1]), torch.device("cpu")


def batch(raw, **options):
    return prepare(raw, 5, device=CPU, **options)


class Encoding(UserDict):
    """As Hugging Face's BatchEncoding."""


@pytest.mark.parametrize(
    "raw", [X, (X,), [X], (X, Y), [X, Y], namedtuple("Pair", "x y")(X, Y), (X.numpy(), [0, 2, 1])]
)
def test_arrays_and_pairs(raw):
    found = batch(raw)
    assert len(found.args) == 1 and torch.equal(found.args[0], X) and not found.kwargs
    assert found.count == 3 and found.mask is None and torch.equal(found.input, X)
    labelled = isinstance(raw, tuple | list) and len(raw) == 2
    assert torch.equal(found.labels, Y) if labelled else found.labels is None


@pytest.mark.parametrize("kind", [dict, Encoding])
@pytest.mark.parametrize("name", ["label", "labels"])
def test_dicts_give_up_their_labels(kind, name):
    raw = kind({"input_ids": torch.ones(3, 2, dtype=torch.int64), name: Y})
    found = batch(raw)
    assert list(found.kwargs) == ["input_ids"] and torch.equal(found.labels, Y)
    assert found.input is None  # token numbers are not real numbers
    again = batch(raw, pass_labels=True)
    assert list(again.kwargs) == ["input_ids", name] and torch.equal(again.labels, Y)
    assert name in raw


def test_a_dict_beside_labels_and_several_inputs():
    found = batch(({"x": X, "k": 3}, Y))
    assert torch.equal(found.kwargs["x"], X) and found.kwargs["k"] == 3
    two = batch(((X, X + 1), Y))
    assert len(two.args) == 2 and torch.equal(two.labels, Y)
    three = batch((X, Y, "names"), split=lambda raw: (raw[0], raw[1]))
    assert torch.equal(three.args[0], X) and torch.equal(three.labels, Y)


def test_a_batch_that_was_prepared_stays_what_it_is():
    mask = torch.tensor([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]])
    first = batch(({"x": X, "attention_mask": mask, "k": 3}, Y))
    again = prepare(first, 7, device=torch.device("cpu"), split=lambda raw: 1 / 0, axis=1)
    assert again.number == 7 and first.number == 5 and again.axis == first.axis == 0
    assert torch.equal(again.kwargs["x"], X) and again.kwargs["k"] == 3
    assert torch.equal(again.mask, mask.bool()) and torch.equal(again.labels, Y)
    assert again.count == 3 and again.padded == first.padded
    moved = prepare(first, 0, device=torch.device("meta"))
    assert moved.kwargs["x"].device.type == "meta" and moved.labels.device == CPU


def test_masks_say_what_is_not_padding():
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    ids = torch.ones(3, 3, dtype=torch.int64)
    found = batch({"input_ids": ids, "attention_mask": mask.float()})
    assert torch.equal(found.mask, mask.bool()) and found.input is None
    padding = batch({"src": X, "src_key_padding_mask": mask == 0})
    assert torch.equal(padding.mask, mask.bool())
    additive = torch.where(mask == 0, -torch.inf, 0.0)
    assert torch.equal(batch({"src": X, "src_key_padding_mask": additive}).mask, mask.bool())
    assert batch({"input_ids": ids, "attention_mask": torch.ones(3, 3)}).mask is None


def test_what_is_nested_moves_to_the_device():
    Pair = namedtuple("Pair", "a b")
    raw = {"x": X, "parts": [X, {"p": Pair(X, "text")}]}
    found = prepare(raw, 0, device=torch.device("meta")).kwargs
    assert found["x"].is_meta and found["parts"][0].is_meta
    assert found["parts"][1]["p"].a.is_meta and found["parts"][1]["p"].b == "text"


def test_a_data_is_cut_into_batches_of_its_training_samples():
    x, y = np.random.default_rng(1).normal(size=(300, 4)), np.arange(300) % 3
    data = from_arrays(x, y, x[:9], y[:9])
    parts = list(batches_of(data, nn.Linear(4, 3)))
    assert [len(part[0]) for part in parts] == [256, 44]
    assert parts[0][0].dtype == torch.float32
    assert torch.equal(torch.cat([y for _, y in parts]), data.y_train)
    torch.testing.assert_close(
        torch.cat([x for x, _ in parts]).double(), data.x_train, atol=1e-6, rtol=1e-6
    )
    targets = from_arrays(x, x[:, :2], x[:9], x[:9, :2])
    (_, first), _ = batches_of(targets, nn.Linear(4, 3).double())
    assert torch.equal(first, targets.y_train[:256])


IDS = torch.ones(3, 2, dtype=torch.int64)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda: batch("text"),
            "batch 5 of loader must be a tensor, a pair .* and it is of type str: p",
        ),
        (lambda: batch((X, Y, Y)), "and it is of type tuple with 3 parts: pass split"),
        (lambda: batch({"k": 3}), "batch 5 of loader has no tensor for the model"),
        (lambda: batch(X[:0]), "batch 5 of loader has no samples"),
        (
            lambda: batch((X, Y[:2])),
            r"labels of batch 5 .* its 3 samples, and they have shape \(2,",
        ),
        (lambda: batch((X, torch.tensor(1))), r"they have shape \(\)"),
        (lambda: batch((X, ["a", "b", "c"])), "labels of batch 5 must be numbers, .* of type list"),
        (lambda: batch((X, {"boxes": X})), "labels of batch 5 must be numbers, .* of type dict"),
        (
            lambda: batch({"input_ids": IDS, "attention_mask": [1, 1, 1]}),
            r"attention_mask of batch 5 must be \(3, token\), and it is list",
        ),
        (
            lambda: batch(
                {"input_ids": IDS, "attention_mask": torch.tensor([[1, 1], [0, 0], [1, 0]])}
            ),
            "must leave every sample a token, and sample 1 has none",
        ),
        (
            lambda: batches_of(X, nn.ReLU()),
            "loader must yield batches, and it is of type Tensor: put it",
        ),
        (lambda: batches_of({"x": X}, nn.ReLU()), "and it is of type dict: put it in a DataLoader"),
        (lambda: batches_of(TensorDataset(X), nn.ReLU()), "it is of type TensorDataset: put"),
        (lambda: batches_of(3, nn.ReLU()), "loader must yield batches, and it is of type int"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


def test_samples_of_ones_own_are_cut_up_and_batches_are_left_alone():
    net = nn.Linear(3, 2)
    x, labels = np.random.default_rng(0).normal(size=(600, 3)), np.arange(600) % 2
    frame = pd.DataFrame(x, columns=list("abc")).assign(kind=labels)
    for given in [(x, labels), (x, labels.tolist()), (frame, "kind"), dict(data=x, target=labels)]:
        batches = list(batches_of(given, net))
        assert [len(y) for _, y in batches] == [256, 256, 88]
        assert batches[0][0].dtype == torch.float32  # the model's
        np.testing.assert_array_equal(torch.cat([y for _, y in batches]), labels)
    images = torch.zeros(4, 1, 2, 2)
    assert (
        next(iter(batches_of((images, torch.tensor([0, 1, 0, 1])), net)))[0].shape == images.shape
    )
    tokens = torch.zeros(4, 7, dtype=torch.int64)
    assert next(iter(batches_of((tokens, torch.arange(4)), net)))[0].dtype == torch.int64
    two = (torch.ones(4, 3), torch.ones(4, 3))
    pairs = [(torch.ones(4, 3), torch.ones(4)), (torch.ones(4, 3), torch.ones(4))]
    for loader in (two, pairs, tuple(pairs), [torch.ones(4, 3), torch.ones(5, 3)]):
        assert batches_of(loader, net) is loader
