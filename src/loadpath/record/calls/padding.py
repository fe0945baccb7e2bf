"""Which tokens of a batch are padding, by the masks that the model is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

SOURCE_MASKS = {
    "attention_mask": False,
    "src_key_padding_mask": True,
    "key_padding_mask": True,
}
"""Names of masks of the tokens that a model reads, and whether True stands for padding there."""
TARGET_MASKS = {"decoder_attention_mask": False, "tgt_key_padding_mask": True}
"""The same of the tokens that a decoder is given."""


def masks_in(named: Mapping[str, Any], number: int, count: int) -> tuple[dict[str, Tensor], str]:
    """Return the masks of a batch, and what is said of those that only the model can use.

    A mask of zeros and ones, or of booleans, is read as its name has it; one with values below
    zero is added to scores, and has 0 at tokens. What has other axes than (sample, token) is for
    the model.

    Parameters
    ----------
    named : mapping of str to Any
        The arguments of the model by name.
    number : int
        The batch's number, for messages.
    count : int
        Number of samples.

    Returns
    -------
    masks : dict of str to Tensor
        (sample, token), True where a token is not padding, by name.
    words : str
        Masks that are left to the model, with their shapes; empty where there are none.

    Raises
    ------
    ValueError
        If a mask is no tensor, or leaves a sample without a token.
    """
    found: dict[str, Tensor] = {}
    words = []
    for name, is_padding in (SOURCE_MASKS | TARGET_MASKS).items():
        mask = named.get(name)
        if mask is None:
            continue
        if not isinstance(mask, Tensor):
            raise ValueError(
                f"{name} of batch {number} must be ({count}, token), and it is "
                f"{type(mask).__name__}."
            )
        if mask.ndim != 2 or len(mask) != count:
            words.append(f"{name} {tuple(mask.shape)}")
            continue
        tokens = _tokens(mask, is_padding)
        bare = (~tokens.any(1)).nonzero()
        if len(bare):
            raise ValueError(
                f"{name} of batch {number} must leave every sample a token, and sample "
                f"{int(bare[0])} has none."
            )
        found[name] = tokens
    return found, ", ".join(words)


def _tokens(mask: Tensor, is_padding: bool) -> Tensor:
    """Return a mask that is True at tokens."""
    if mask.is_floating_point() and (is_padding or bool((mask < 0).any())):
        return mask == 0 if bool((mask <= 0).all()) else mask != 1
    return mask == 0 if is_padding else mask != 0


def source_mask(masks: Mapping[str, Tensor]) -> str | None:
    """Return the name of the mask of the tokens that a model reads, or None."""
    return next((name for name in SOURCE_MASKS if name in masks), None)


def own_mask(model: torch.nn.Module, mask: Tensor, length: int) -> tuple[Tensor, str] | None:
    """Return the mask that the model itself makes for a sequence of another length, and how.

    Speech models shorten the sequence, and have a function that says which frames are padding.

    Parameters
    ----------
    model : nn.Module
        The model.
    mask : Tensor
        (sample, token), True where a token is not padding.
    length : int
        Length of the other sequence.

    Returns
    -------
    tuple of Tensor and str, or None
        (sample, length), True where a frame is not padding, and the name of the function. None if
        there is no such function, or it does not give such a mask.
    """
    for module in model.modules():
        for name, call in _OWN.items():
            function = getattr(type(module), name, None)
            if function is None:
                continue
            try:
                made = call(getattr(module, name), length, mask.long())
            except (TypeError, ValueError, RuntimeError, AttributeError, IndexError):
                continue
            if isinstance(made, Tensor) and made.shape == (len(mask), length):
                tokens = made != 0
                if bool(tokens.any(1).all()):
                    return tokens, name
    return None


_OWN = {
    "_get_feature_vector_attention_mask": lambda f, length, mask: f(length, mask),
    "_get_output_attention_mask": lambda f, length, mask: f(mask, target_length=length),
}
"""Functions of Hugging Face's speech models, and how they are called."""
