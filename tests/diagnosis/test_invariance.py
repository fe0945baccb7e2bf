"""However a model wraps what its blocks put out, and however its samples are cut into batches and
ordered, the measures stay what they are, or the model is refused in a sentence.
"""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn

import loadpath as lp

N, CLASSES = 36, 3
MEASURES = ["separation", "energies", "steps", "ranks"]
CORRECTED = ("participation_ratio", "effective_rank")
"""A jackknife over ten groups, by a sample's place in the data, takes off their bias: the order of
the samples moves them within their intervals.
"""
WRAPS = ["plain", "aux first", "attention first", "state last", "router", "nested", "list"]


@dataclass(frozen=True)
class Wrapped:
    """How a model is written, none of which is what it computes."""

    wraps: tuple[str, ...]
    """What each block puts its output into."""
    tokens_first: bool
    """Whether the blocks work on (token, sample, width)."""
    takes: str
    """What the model is called with: a tensor, a dict or a list."""


class Block(nn.Module):
    """A residual block with a mixing of tokens, and what else blocks put out."""

    def __init__(self, width, tokens, wrap, tokens_first):
        super().__init__()
        self.mix = nn.GRU(width, width, batch_first=not tokens_first) if tokens else None
        self.up, self.wrap = nn.Linear(width, width), wrap

    def forward(self, x):
        h = x if self.mix is None else x + self.mix(x)[0]
        h = h + torch.tanh(self.up(h))
        scalar, count = h.square().mean(), torch.tensor(3)
        match self.wrap:
            case "aux first":
                return scalar, h
            case "attention first":
                return h.flatten(1).softmax(-1) if h.ndim == 2 else h @ h.mT, h
            case "state last":
                return h, scalar, count, True
            case "router":
                return {"router_logits": h.sum(-1), "hidden": h, "count": count}
            case "nested":
                return count, {"loss": scalar, "block": {"hidden": h}}
            case "list":
                return [h, count]
        return h


def hidden(out):
    """The output of a block, taken out of what it is in."""
    if isinstance(out, dict):
        return out["hidden"] if "hidden" in out else out["block"]["hidden"]
    if isinstance(out, tuple | list):
        return hidden(next(p for p in (out[1], out[0]) if not torch.is_tensor(p) or p.ndim > 1))
    return out


class Model(nn.Module):
    def __init__(self, width, tokens, written):
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.blocks = nn.ModuleList(
            Block(width, tokens, wrap, written.tokens_first) for wrap in written.wraps
        )
        self.head, self.tokens, self.written = nn.Linear(width, CLASSES), tokens, written

    def forward(self, inputs):
        x = inputs["x"] if isinstance(inputs, dict) else inputs
        x = self.embed(x[0] if isinstance(x, list) else x)
        turned = self.tokens and self.written.tokens_first
        x = x.transpose(0, 1) if turned else x
        for block in self.blocks:
            x = hidden(block(x))
        x = x.transpose(0, 1) if turned else x
        return self.head(x.mean(1) if self.tokens else x)


def measured(width, tokens, written, sizes, order, seed, dtype):
    torch.manual_seed(seed)
    model = Model(width, tokens, written).double().to(dtype)
    shape = (N, tokens, 4) if tokens else (N, 4)
    x = torch.randn(shape, dtype=torch.float64)
    labels = torch.arange(N) % CLASSES
    x = (x + labels.reshape(-1, *[1] * (x.ndim - 1)).double()).to(dtype)
    parts = zip(x[order].split(sizes), labels[order].split(sizes), strict=True)
    wrap = {"tensor": lambda x: x, "dict": lambda x: {"x": x}, "list": lambda x: [x]}[written.takes]
    layers = [f"blocks.{l}" for l in range(len(written.wraps))]
    loader = [(wrap(x), labels) for x, labels in parts]
    # A prediction draws anew for each batch: other batches, other draws.
    return lp.diagnose(model, loader, layers=layers, measures=MEASURES, rank="movement")


@st.composite
def cases(draw):
    depth, tokens = draw(st.integers(1, 3)), draw(st.sampled_from([0, 0, 2, 3, 5]))
    # Blocks of one model are written alike, as those of real models are, or each its own way.
    wrap = st.sampled_from(WRAPS)
    alike = draw(st.booleans())
    wraps = [draw(wrap)] * depth if alike else [draw(wrap) for _ in range(depth)]
    sizes, left = [], N
    while left:  # sizes that are the number of tokens, too
        sizes.append(min(left, draw(st.sampled_from([1, 2, 3, 5, 12, N]))))
        left -= sizes[-1]
    takes = draw(st.sampled_from(["tensor", "dict", "list"]))
    written = Wrapped(tuple(wraps), draw(st.booleans()) and tokens > 0, takes)
    order = draw(st.permutations(range(N)))
    return draw(st.integers(3, 6)), tokens, written, sizes, order, draw(st.integers(0, 9))


@given(cases(), st.sampled_from([torch.float64, torch.float32]))
@settings(deadline=None, max_examples=8, derandomize=True, phases=(Phase.generate,))
def test_how_a_model_is_written_changes_no_measure_or_is_refused(case, dtype):
    width, tokens, written, sizes, order, seed = case
    plain = Wrapped(("plain",) * len(written.wraps), False, "tensor")
    twin = measured(width, tokens, plain, [N], list(range(N)), seed, torch.float64)
    try:
        found = measured(width, tokens, written, sizes, order, seed, dtype)
    except ValueError as refused:
        # Only where what a block puts out does not tell: then the sentence says what would.
        assert "pass output" in str(refused) or "batches of another size" in str(refused)
        return
    assert found["layer"].values.tolist() == twin["layer"].values.tolist()
    # Sums in another order differ in the last bits of float64 or float32; logarithms of ratios and
    # differences of products lose some three digits of them.
    off = 1e-8 if dtype == torch.float64 else 2e-4
    for name in twin.data_vars:
        if twin[name].dtype.kind != "f" or name.endswith(("_low", "_high")):
            continue
        one, other = found[name].values, twin[name].values
        both = np.isfinite(one) & np.isfinite(other)
        if name in CORRECTED:
            half = (twin[f"{name}_high"] - twin[f"{name}_low"]).values / 2
            assert (np.abs(one - other)[both] <= half[both] + off).all(), name
            continue
        # A number that one has and the other lacks may only be one at the edge of rounding.
        assert dtype == torch.float32 or (np.isfinite(one) == np.isfinite(other)).all(), name
        np.testing.assert_allclose(one[both], other[both], rtol=off, atol=off, err_msg=name)
