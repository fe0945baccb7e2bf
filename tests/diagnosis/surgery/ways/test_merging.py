"""Merged blocks: which parameters are summed, and when a merger changes nothing."""

import pytest
import torch
from redundant_nets import Residual, built, rows
from torch import nn

from loadpath.diagnosis.surgery.ways.merging import merged, why_not_merged, writers

X = rows(20)


class Transformer(nn.Module):
    """A pre-norm or post-norm block of attention and a perceptron."""

    def __init__(self, pre=True):
        super().__init__()
        self.pre, self.norms = pre, nn.ModuleList(nn.LayerNorm(6) for _ in range(2))
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)
        self.up, self.down = nn.Linear(6, 12), nn.Linear(12, 6)

    def attend(self, h):
        q, k, v = self.qkv(h)[:, None].chunk(3, dim=-1)
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v)[:, 0])

    def forward(self, h):
        if self.pre:
            h = h + self.attend(self.norms[0](h))
            return h + self.down(torch.relu(self.up(self.norms[1](h))))
        h = self.norms[0](h + self.attend(h))
        return self.norms[1](h + self.down(torch.relu(self.up(h))))


def call(block):
    return X, block(X)


@pytest.mark.parametrize(
    "make, names",
    [
        (lambda: Residual(6), {"outer"}),
        (lambda: Transformer(), {"out", "down"}),
        (lambda: Transformer(pre=False), set()),
        (lambda: nn.Linear(6, 6), set()),
    ],
)
def test_what_writes_to_the_stream_is_found(make, names):
    assert set(writers(built(make), call)) == names


@torch.no_grad()
def test_blocks_that_differ_in_what_they_write_alone_are_merged_into_the_sum_of_their_steps():
    one, two = built(lambda: Residual(6)), built(lambda: Residual(6), seed=1)
    two.inner.load_state_dict(one.inner.state_dict())
    both = merged([one, two], call)
    torch.testing.assert_close(both(X) - X, one(X) - X + two(X) - X)


@torch.no_grad()
def test_blocks_of_another_form_are_averaged():
    one, two = built(lambda: nn.Linear(6, 6)), built(lambda: nn.Linear(6, 6), seed=1)
    torch.testing.assert_close(merged([one, two], call)(X), (one(X) + two(X)) / 2)


def test_blocks_that_are_not_alike_are_not_merged():
    assert why_not_merged([Residual(6), Residual(6)]) is None
    assert "a Residual and a Linear" in why_not_merged([Residual(6), nn.Linear(6, 6)])
    assert "other shapes" in why_not_merged([nn.Linear(6, 6), nn.Linear(6, 5)])
    assert "no parameters" in why_not_merged([nn.ReLU(), nn.ReLU()])
