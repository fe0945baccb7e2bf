"""Rules by which the output of a layer becomes rows (row, width), each said in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from loadpath.checks import check_choice, check_count, check_flag
from loadpath.record.structures import tensor_of, values_of

Maps = Literal["pool", "positions", "flatten"]
"""How maps of channels by height and width become rows."""
Tokens = Literal["mean", "class_token", "last_token", "positions"]
"""How sequences of tokens become rows."""

_ALONG_ONE_AXIS = (
    nn.Conv1d,
    nn.ConvTranspose1d,
    nn.BatchNorm1d,
    nn.InstanceNorm1d,
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveMaxPool1d,
)


def runs_along_one_axis(module: nn.Module) -> bool:
    """Return whether a 3-d output of `module` is taken as (sample, channel, position).

    It is if the module is or holds a 1-d convolution, pooling or BatchNorm, and no Linear.
    """
    parts = list(module.modules())
    return any(isinstance(part, _ALONG_ONE_AXIS) for part in parts) and not any(
        isinstance(part, nn.Linear) for part in parts
    )


class Reduced(NamedTuple):
    """The rows of one layer's output on one batch."""

    rows: Tensor
    """(row, width), in the type of the output, in memory of their own."""
    sample: Tensor
    """The sample of the batch that each row is of, (row,)."""
    rule: str
    """The rule that made the rows, in words."""


@dataclass(frozen=True)
class Reduction:
    """How the outputs of layers become rows.

    (sample,) and (sample, width) are taken as they are. (sample, token, width) is a sequence, and
    what has more axes, or comes from a 1-d convolution, is a map (sample, channel, position, ...).
    A row that averages has rounding of the output's own type.

    Raises
    ------
    ValueError
        For an unknown word, or `every` below 1.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> image = torch.ones(2, 3, 8, 8)                      # (sample, channel, row, column)
    >>> lp.record.Reduction()("conv", image, count=2).rows.shape
    torch.Size([2, 3])
    >>> reduced = lp.record.Reduction(maps="positions", every=4)("conv", image, count=2)
    >>> reduced.rows.shape, reduced.sample.tolist()
    (torch.Size([8, 3]), [0, 0, 0, 0, 1, 1, 1, 1])
    >>> reduced.rule
    'every 4th position along each axis, a row each'
    """

    maps: Maps = "pool"
    """"pool": mean over positions, a row a sample. "positions": every k-th along each axis, a row
    each, counted from the middle of the first k. "flatten": all of the map in one row."""
    tokens: Tokens = "mean"
    """"mean" over the tokens that are not padding; "class_token", the first of them; "last_token",
    the last; or "positions", every k-th of them from the first on, a row each."""
    every: int = 4
    """The k of "positions": every k-th is a row."""
    channels_last: bool | None = None
    """Whether the channels of maps are the last axis. None: where (sample, n, n, channel) says so,
    its first two axes being equal and the last another; else they follow the sample. False: they
    do, and 3-d outputs are maps too. True: they do not, and 3-d outputs are sequences."""
    tokens_first: bool = False
    """Whether sequences come as (token, sample, width)."""

    def __post_init__(self) -> None:
        for name, known in (
            ("maps", ("pool", "positions", "flatten")),
            ("tokens", ("mean", "class_token", "last_token", "positions")),
        ):
            check_choice(name, getattr(self, name), known)
        check_count("every", self.every, 1)
        check_flag("tokens_first", self.tokens_first)
        if self.channels_last is not None:
            check_flag("channels_last", self.channels_last)

    def __call__(
        self,
        name: str,
        output: Any,
        *,
        count: int,
        mask: Tensor | None = None,
        one_axis: bool = False,
        axis: int | None = None,
        words: str = "",
    ) -> Reduced:
        """Return the rows of a layer's output.

        Parameters
        ----------
        name : str
            Name of the layer, for messages.
        output : Any
            What it put out.
        count : int
            Number of samples in the batch.
        mask : Tensor, optional
            (sample, token), True where a token is not padding.
        one_axis : bool, optional
            Whether a 3-d output is a map along one axis.
        axis : int, optional
            The axis of the samples, 0 or 1, where it is known; else that of sequences is as
            `tokens_first` says, and the first of all others.
        words : str, optional
            What says which tokens are padding, to stand behind "the tokens".

        Returns
        -------
        Reduced
            The rows, the sample that each is of, and the rule in words.

        Raises
        ------
        ValueError
            If there is no floating-point tensor in the output, if its first axis is not the
            samples, or if `mask` is of another length.
        """
        leaf = output if isinstance(output, PackedSequence) else tensor_of(output)
        if leaf is None:
            raise ValueError(f"layer {name!r} puts out a {type(output).__name__} without a tensor.")
        x = values_of(leaf)
        if not x.is_floating_point():
            raise ValueError(f"layer {name!r} must put out real numbers, and it is {x.dtype}.")
        if x.element_size() == 1:  # float8, which torch stores and does not compute with
            raise ValueError(
                f"layer {name!r} puts out {x.dtype}, which is for storage alone: name others by "
                "layers=, such as the one that widens it."
            )
        if isinstance(leaf, PackedSequence) or x.is_nested:
            x, mask, axis = *_padded(leaf), 0
            words = "that are not padding by their own lengths"
        one_axis = self.channels_last is not True and (one_axis or self.channels_last is False)
        sequence = x.ndim == 3 and (not one_axis or axis == 1)
        if axis == 1 or (axis is None and sequence and self.tokens_first):
            x = x.transpose(0, 1)
        if x.ndim == 0 or x.shape[0] != count:
            hint = "" if self.tokens_first else " (or tokens_first=True)"
            raise ValueError(
                f"layer {name!r} must put out samples along its first axis{hint}, and for a batch "
                f"of {count} samples its output is {tuple(x.shape)}."
            )
        if x.ndim <= 2:
            rows, which, rule = x if x.ndim == 2 else x[:, None], None, "as it is"
        elif sequence:
            if mask is not None and mask.shape[1] != x.shape[1]:
                raise ValueError(
                    f"layer {name!r} puts out {x.shape[1]} tokens, and attention_mask has "
                    f"{mask.shape[1]}: which of them are padding cannot be told."
                )
            rows, which, rule = self._of_sequence(x, mask, words)
        else:
            rows, which, rule = self._of_map(x)
        if rows.untyped_storage().data_ptr() == x.untyped_storage().data_ptr():
            rows = rows.clone()  # what runs next may act in place
        if which is None:
            which = torch.arange(count, device=x.device)
        return Reduced(rows, which, rule)

    def _of_sequence(
        self, x: Tensor, mask: Tensor | None, words: str
    ) -> tuple[Tensor, Tensor | None, str]:
        """Return rows of (sample, token, width), the sample of each if not all, and the rule."""
        n, length, width = x.shape
        if mask is not None and not words:
            words = "that are not padding"
        tokens = "tokens" + (" " if words[:1].isalpha() else "") + words
        if self.tokens == "mean":
            return _mean(x, mask), None, f"mean over the {tokens}"
        if self.tokens == "positions":
            words = f"every {self.every}th of the {tokens}, from the first on, a row each"
            if mask is None:
                kept = x[:, :: self.every]
                which = torch.arange(n, device=x.device).repeat_interleave(kept.shape[1])
                return kept.reshape(-1, width), which, words
            turn = mask.cumsum(1) - 1
            chosen = mask & (turn % self.every == 0)
            return x[chosen], chosen.nonzero()[:, 0], words
        first = self.tokens == "class_token"
        words = f"the {'first' if first else 'last'} of the {tokens}"
        if mask is None:
            return x[:, 0 if first else -1], None, words
        # argmax gives the first of equals
        place = mask.int().argmax(1) if first else length - 1 - mask.int().flip(1).argmax(1)
        return x[torch.arange(n, device=x.device), place], None, words

    def _of_map(self, x: Tensor) -> tuple[Tensor, Tensor | None, str]:
        """Return the rows of a map, the sample of each if not one a sample, and the rule.

        The map is (sample, channel, position, ...), or has its channels last.
        """
        if self._has_channels_last(x):
            x = x.movedim(-1, 1)
        if self.maps == "pool":
            return x.mean(tuple(range(2, x.ndim))), None, "mean over the positions of the map"
        if self.maps == "flatten":
            return x.flatten(1), None, "channels and positions of the map in one row"
        for axis in range(2, x.ndim):
            size = x.shape[axis]
            start = (min(self.every, size) - 1) // 2
            x = x.narrow(axis, start, size - start)[
                (slice(None),) * axis + (slice(None, None, self.every),)
            ]
        n, width = x.shape[:2]
        rows = x.flatten(2).transpose(1, 2).reshape(-1, width)
        which = torch.arange(n, device=x.device).repeat_interleave(len(rows) // n)
        return rows, which, f"every {self.every}th position along each axis, a row each"

    def _has_channels_last(self, x: Tensor) -> bool:
        """Return whether the channels of a map are its last axis."""
        if self.channels_last is not None:
            return self.channels_last
        return x.ndim == 4 and x.shape[1] == x.shape[2] != x.shape[3]


def _padded(leaf: Tensor | PackedSequence) -> tuple[Tensor, Tensor]:
    """Return sequences of several lengths as (sample, token, width), and a mask of the tokens."""
    if isinstance(leaf, PackedSequence):
        x, lengths = pad_packed_sequence(leaf, batch_first=True)
    else:
        lengths = torch.tensor([len(part) for part in leaf.unbind()])
        x = torch.nested.to_padded_tensor(leaf, 0.0)
    places = torch.arange(x.shape[1], device=x.device)
    return x, places < lengths.to(x.device)[:, None]


def _mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the tokens, without a copy of x but in half precision."""
    if mask is None:
        return x.mean(1)
    if x.element_size() < 4:  # sums of half precision would round as often as there are tokens
        return _mean(x.float(), mask).to(x.dtype)
    count = mask.sum(1, keepdim=True)
    mean = torch.bmm(mask[:, None].to(x), x)[:, 0] / count
    if bool(mean.isfinite().all()):
        return mean
    # What stands at padding may be NaN, and 0 times NaN is NaN: leave it out for good.
    return x.masked_fill(~mask[..., None], 0).sum(1) / count
