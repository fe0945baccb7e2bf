"""Rows against what NumPy-style indexing of the output gives."""

import pytest
import torch
from exact_paths import random
from torch import nn

from loadpath.record import Reduction
from loadpath.record.reduction import runs_along_one_axis

T = random(2, 3, seed=0)


def rows_of(x, mask=None, one_axis=False, **options):
    return Reduction(**options)("l", x, count=len(x), mask=mask, one_axis=one_axis)


def test_samples_and_maps():
    x = random(4, 3, 7, 9, seed=2)
    assert torch.equal(rows_of(T).rows, T)
    assert torch.equal(rows_of(T[:, 0]).rows, T[:, :1])
    torch.testing.assert_close(rows_of(x).rows, x.mean((2, 3)))
    assert torch.equal(rows_of(x, maps="flatten").rows, x.reshape(4, -1))
    last = x.movedim(1, -1)
    torch.testing.assert_close(rows_of(last, channels_last=True).rows, x.mean((2, 3)))
    volume = random(2, 3, 4, 4, 4, seed=3)
    torch.testing.assert_close(rows_of(volume).rows, volume.mean((2, 3, 4)))


def test_square_maps_tell_where_their_channels_are():
    x = random(2, 3, 5, 5, seed=4)
    torch.testing.assert_close(rows_of(x.movedim(1, -1)).rows, rows_of(x).rows)
    forced = rows_of(x.movedim(1, -1), channels_last=False)
    torch.testing.assert_close(forced.rows, x.movedim(1, -1).mean((2, 3)))


def test_positions_of_a_map_are_every_kth_along_each_axis():
    x = random(2, 3, 7, 9, seed=5)
    rows, sample, _ = rows_of(x, maps="positions", every=3)
    expected = [x[n, :, i, j] for n in range(2) for i in (1, 4) for j in (1, 4, 7)]
    assert torch.equal(rows, torch.stack(expected))
    assert sample.tolist() == [0] * 6 + [1] * 6
    small = rows_of(x, maps="positions", every=100)  # never none
    assert torch.equal(small.rows, x[:, :, 3, 4])


def padded(side, length=6):
    """3 sequences of 2, 4 and 5 tokens, of width 4, in 6 places, with NaN where there is none."""
    x = torch.full((3, length, 4), float("nan"), dtype=torch.float64)
    mask = torch.zeros(3, length, dtype=torch.bool)
    for n, size in enumerate((2, 4, 5)):
        part = slice(0, size) if side == "right" else slice(length - size, length)
        x[n, part], mask[n, part] = random(size, 4, seed=n), True
    return x, mask


@pytest.mark.parametrize("tokens", ["mean", "class_token", "last_token", "positions"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_is_left_out(tokens, side):
    x, mask = padded(side)
    rows, sample, rule = rows_of(x, mask, tokens=tokens, every=2)
    sequences = [random(size, 4, seed=n) for n, size in enumerate((2, 4, 5))]
    take = {
        "mean": lambda s: s.mean(0, keepdim=True),
        "class_token": lambda s: s[:1],
        "last_token": lambda s: s[-1:],
        "positions": lambda s: s[::2],
    }[tokens]
    torch.testing.assert_close(rows, torch.cat([take(s) for s in sequences]))
    assert sample.tolist() == [n for n, s in enumerate(sequences) for _ in take(s)]
    assert "not padding" in rule


@pytest.mark.parametrize("tokens", ["mean", "class_token", "last_token", "positions"])
def test_a_mask_without_padding_changes_nothing_and_infinities_at_padding_do_not_leak(tokens):
    x, mask = random(3, 5, 4, seed=6), torch.ones(3, 5, dtype=torch.bool)
    plain, masked = rows_of(x, tokens=tokens), rows_of(x, mask, tokens=tokens)
    torch.testing.assert_close(plain.rows, masked.rows)
    assert torch.equal(plain.sample, masked.sample)
    x[1, 3:], mask[1, 3:] = torch.inf, False
    assert rows_of(x, mask, tokens=tokens).rows.isfinite().all()


def test_sequences_may_come_with_tokens_first():
    x = random(3, 5, 4, seed=7)
    turned = Reduction(tokens_first=True)("l", x.transpose(0, 1), count=3)
    assert torch.equal(turned.rows, x.mean(1))


def test_one_dimensional_convolutions_put_out_maps():
    x = random(2, 3, 50, seed=8)
    torch.testing.assert_close(rows_of(x, one_axis=True).rows, x.mean(2))
    torch.testing.assert_close(rows_of(x, channels_last=False).rows, x.mean(2))
    torch.testing.assert_close(rows_of(x, one_axis=True, channels_last=True).rows, x.mean(1))
    assert runs_along_one_axis(nn.Sequential(nn.Conv1d(3, 3, 3), nn.ReLU()))
    assert not runs_along_one_axis(nn.Sequential(nn.Conv1d(3, 3, 3), nn.Linear(3, 3)))
    assert not runs_along_one_axis(nn.Conv2d(3, 3, 3))


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 6, 3), (4, 3, 5, 5)])
@pytest.mark.parametrize("how", ["mean", "class_token", "last_token", "positions"])
@pytest.mark.parametrize("maps", ["pool", "positions", "flatten"])
def test_rows_own_their_memory(shape, how, maps):
    x = random(*shape, seed=9)
    rows = rows_of(x, tokens=how, maps=maps, every=1).rows
    before = rows.clone()
    x.zero_()
    assert torch.equal(rows, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rows_keep_the_type_of_the_output(dtype):
    x, mask = torch.ones(2, 4, 3, dtype=dtype), torch.tensor([[1, 1, 1, 0]] * 2).bool()
    for shown in (x, x[:, 0]):
        assert rows_of(shown).rows.dtype == dtype
    assert torch.equal(rows_of(x, mask).rows, torch.ones(2, 3, dtype=dtype))


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Reduction(maps="max"), "maps must be one of pool, positions, flatten, got 'max'"),
        (lambda: Reduction(tokens="cls"), "tokens must be one of mean, class_token.* got 'cls'"),
        (lambda: Reduction(every=0), "every must be a whole number of at least 1, not 0"),
        (
            lambda: Reduction()("a.b", ("x", None), count=2),
            "layer 'a.b' puts out a tuple without a tensor",
        ),
        (
            lambda: Reduction()("a.b", torch.arange(3), count=3),
            "layer 'a.b' must put out real numbers, and it is torch.int64",
        ),
        (
            lambda: Reduction()("a.b", torch.ones(6, 3), count=3),
            r"samples along its first axis \(or tokens_first=True\), and for a batch of 3 samples "
            r"its output is \(6, 3\)",
        ),
        (
            lambda: Reduction()("a.b", torch.tensor(1.0), count=1),
            r"for a batch of 1 samples its output is \(\)",
        ),
        (
            lambda: rows_of(torch.ones(3, 8, 4), padded("left")[1]),
            "layer 'l' puts out 8 tokens, and attention_mask has 6",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
