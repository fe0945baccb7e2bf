"""The tensor that stands for an output, and structures of changed tensors."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
from exact_paths import random
from torch import Tensor

from loadpath.record import mapped, tensor_of

T = random(2, 3, seed=0)
OTHER = random(2, 5, seed=1)


@dataclass
class Output:
    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    last_hidden_state: Tensor | None = None


class ModelOutput(OrderedDict):
    """As Hugging Face's: a dict that leaves out what is None."""


@pytest.mark.parametrize(
    "output",
    [
        T,
        (T, OTHER),
        [None, (T,), OTHER],
        {"a": "text", "b": T, "c": OTHER},
        {"pooled": OTHER, "logits": T},
        {"logits": OTHER, "hidden_states": (OTHER, T)},
        ModelOutput(pooler_output=OTHER, last_hidden_state=T),
        ModelOutput(loss=OTHER, logits=OTHER, hidden_states=(OTHER, T)),
        Output(loss=OTHER, logits=T),
        Output(logits=OTHER, hidden_states=(OTHER, OTHER, T)),
        Output(logits=OTHER, last_hidden_state=T),
        ({"logits": T}, OTHER),
    ],
)
def test_one_tensor_stands_for_an_output(output):
    assert tensor_of(output) is T


def test_what_has_no_tensor_has_none():
    for output in (None, "text", 3, (), {"a": [None]}, Output()):
        assert tensor_of(output) is None


Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Frozen:
    inside: Pair


@pytest.mark.parametrize(
    "structure",
    [
        lambda t, u: t,
        lambda t, u: (t, None, [u, "text"]),
        lambda t, u: {"a": t, "b": {"c": u}},
        lambda t, u: Pair(t, u),
        lambda t, u: ModelOutput(logits=t, hidden_states=(u, t)),
        lambda t, u: Output(logits=t, hidden_states=(u, t)),
        lambda t, u: Frozen(Pair(t, [u])),
    ],
)
def test_a_mapped_structure_is_one_of_its_kind_with_changed_tensors(structure):
    given = structure("t", "u")
    new = mapped(structure(T, OTHER), lambda tensor: "t" if tensor is T else "u")
    assert new == given and type(new) is type(given)
    old = structure(T, OTHER)
    mapped(old, lambda tensor: tensor + 1)
    assert any(tensor_of(old) is tensor for tensor in (T, OTHER))  # what was given is left
