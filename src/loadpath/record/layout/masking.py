"""Which of the masks of a batch says what is padding in the output of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from loadpath.record.calls import Batch, own_mask
from loadpath.record.layout.sequences import (
    CallKey,
    Stem,
    mask_name,
    stem_by_effect,
    stem_by_name,
    stems_in,
)
from loadpath.record.selection import Site

TokenMask = Callable[[str, int, Tensor | None], Tensor | None]
"""A function of a layer's name, its number of tokens and the mask of the source."""


@dataclass(frozen=True)
class Mask:
    """Which tokens of a layer's output on one batch are padding."""

    tokens: Tensor | None
    """(sample, token), True where a token is not padding; None where none is."""
    words: str
    """What says so, to stand behind "the tokens"; empty if there is nothing to say."""


@dataclass
class Masking:
    """Which mask each layer has, from the first batch on."""

    model: nn.Module
    """The model, inside its wrappers."""
    token_mask: TokenMask | None
    """What the user says of masks."""
    kinds: dict[CallKey, tuple[str, str]] = field(default_factory=dict)
    """Which mask a call has: its kind ("given", "own" or "none") and its name or the reason."""
    effects: dict[Stem, set[CallKey]] = field(default_factory=dict)
    """For each sequence that the model is given, the calls whose output changes with it."""

    def __post_init__(self) -> None:
        if self.token_mask is not None and not callable(self.token_mask):
            raise ValueError(f"token_mask must be a function, got {self.token_mask!r}.")

    def is_clear(self, batch: Batch) -> bool:
        """Return whether all masks of a batch can only be of one sequence of tokens."""
        one = not batch.masks or len(stems_in(self.model, batch)) < 2
        return self.token_mask is not None or one

    def mask(self, site: Site, times: int, length: int, batch: Batch) -> Mask:
        """Return which tokens of a layer are padding, by the mask that belongs to it.

        Parameters
        ----------
        site : Site
            The layer.
        times : int
            Which of its calls it is, from 1.
        length : int
            How many tokens it puts out.
        batch : Batch
            The batch.

        Returns
        -------
        Mask
            The mask, and what it is.

        Raises
        ------
        ValueError
            If `token_mask` gives something else than a mask of that length.
        """
        if self.token_mask is not None:
            return self._users_mask(site.called(times), length, batch)
        key = site.name, times
        if key not in self.kinds:
            self.kinds[key] = self._kind_of_mask(key, site, length, batch)
        kind, name = self.kinds[key]
        if kind == "none":
            return Mask(None, name)
        tokens = batch.masks.get(name)
        if tokens is None:
            return Mask(None, "")
        if kind == "own":
            made = own_mask(self.model, tokens, length)
            if made is not None:
                return Mask(made[0], f"that are not padding by {made[1]} of the model")
            return Mask(None, f", all of them: the model tells no padding of {length} tokens")
        padded = name in batch.padded
        return Mask(tokens if padded else None, f"that are not padding by {name}")

    def _users_mask(self, name: str, length: int, batch: Batch) -> Mask:
        assert self.token_mask is not None
        made = self.token_mask(name, length, batch.mask)
        if made is None:
            return Mask(None, ", all of them by token_mask")
        if not isinstance(made, Tensor) or tuple(made.shape) != (batch.count, length):
            shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise ValueError(
                f"token_mask must give None or a mask ({batch.count}, {length}) for layer "
                f"{name!r}, and it gives {shape}."
            )
        return Mask(made != 0, "that are not padding by token_mask")

    def _kind_of_mask(self, key: CallKey, site: Site, length: int, batch: Batch) -> tuple[str, str]:
        """Return the kind of a layer's mask, and its name, or what is said of there being none."""
        if not batch.masks:
            only = batch.unread_masks
            return "none", f", all of them: {only} is read by the model only" if only else ""
        stem = self._stem(key, site, batch)
        name = mask_name(batch, stem)
        if name is None:
            return "none", f", all of them: {', '.join(batch.masks)} is of other tokens"
        given = batch.masks[name].shape[1]
        if given == length:
            return "given", name
        if own_mask(self.model, batch.masks[name], length) is not None:
            return "own", name
        return "none", f", all of them: {name} has {given}, and the layer {length}"

    def _stem(self, key: CallKey, site: Site, batch: Batch) -> Stem:
        """Return the sequence that a layer works on."""
        stems = stems_in(self.model, batch)
        if len(stems) < 2:
            return next(iter(stems), "source")
        if not self.effects:
            return stem_by_name(site)
        found = stem_by_effect({stem: key in self.effects[stem] for stem in self.effects})
        return found if found in stems else "source"
