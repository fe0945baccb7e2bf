"""Cut models in files: for Loadpath, Hugging Face, mergekit and llama.cpp."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from loadpath.checks import as_path, check_flag, check_text, check_type
from loadpath.diagnosis.surgery.ways import Recipe, number_in_list, recipe_of
from loadpath.leaky_resnet import layer_steps
from loadpath.record import unwrapped
from loadpath.results import load_tensors, save_tensors
from loadpath.storage import write_atomic

FORMAT = "loadpath-cut-1"
"""The format of the file that `load` reads."""
WEIGHTS, PRETRAINED = "model.safetensors", "huggingface"
MERGEKIT, PRUNED = "mergekit.yaml", "prune-layers.txt"


@dataclass(frozen=True)
class Exported:
    """What was written, and what could not be."""

    place: str
    """The folder."""
    files: tuple[str, ...]
    """Names of what was written there."""
    left_out: dict[str, str]
    """What was not written, each with the reason."""


def export(
    model: nn.Module,
    smaller: nn.Module,
    folder: str | os.PathLike[str],
    *,
    name: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a cut model into a folder, in every form that it can have.

    - "model.safetensors" has its weights and how it was cut; `load` makes the model again from it
      and the original.
    - "huggingface" is a folder for `from_pretrained`, where the model, or what is in it and has all
      the layers, is one of transformers and its layers were dropped from one list, or merged there,
      or the linear map in their place was folded.
    - "mergekit.yaml" has the layers that stay as slices: ranges from 0 without their ends, as
      mergekit counts them. It is for dropped layers alone.
    - "prune-layers.txt" has the layers that go as llama.cpp's `llama-quantize --prune-layers` takes
      them: the numbers of its blocks blk.0, blk.1, ..., with commas.

    Parameters
    ----------
    model : nn.Module
        The original.
    smaller : nn.Module
        What `cut` made of it, healed or not.
    folder : str or path
        The folder.
    name : str, optional
        What mergekit calls the original: a folder or a name on the hub. By default it is the name
        or path that the model was loaded from.
    overwrite : bool, default False
        Whether files of earlier exports are replaced.

    Returns
    -------
    Exported
        What was written, and why the rest was not.

    Raises
    ------
    FileExistsError
        If a file is there and may not be replaced.
    ValueError
        If no cut made `smaller`.
    """
    folder = as_path("folder", folder)
    check_flag("overwrite", overwrite)
    if name is not None:
        check_text("name", name)
    check_type("smaller", smaller, nn.Module, "an nn.Module")
    original, made = unwrapped(model), unwrapped(smaller)
    recipe = recipe_of(made)
    present = [n for n in (WEIGHTS, PRETRAINED, MERGEKIT, PRUNED) if (folder / n).exists()]
    if present and not overwrite:
        raise FileExistsError(
            f"{str(folder / present[0])!r} exists already and overwrite is False."
        )
    metadata = {"format": FORMAT, "recipe": recipe.text()}
    if isinstance(made, layer_steps.Layered):
        metadata["effective_depth"] = repr(float(made.effective_depth))
    save_tensors(made.state_dict(), folder / WEIGHTS, metadata=metadata, overwrite=overwrite)
    files, left_out = [WEIGHTS], dict[str, str]()
    reason = why_not_pretrained(original, recipe)
    if reason:
        return Exported(
            str(folder), (WEIGHTS,), dict.fromkeys((PRETRAINED, MERGEKIT, PRUNED), reason)
        )
    home = pretrained_with(original, recipe.layers) or ""
    part: Any = made.get_submodule(home)
    part.save_pretrained(folder / PRETRAINED)
    _check_loads(part, folder / PRETRAINED)
    files.append(PRETRAINED)
    if recipe.way != "drop":
        reason = "its layers were merged, and not dropped"
        if recipe.folded:
            reason = "the linear map in the place of its layers was folded into other weights"
        left_out = dict.fromkeys((MERGEKIT, PRUNED), reason)
        return Exported(str(folder), tuple(files), left_out)
    whole: Any = original.get_submodule(home)
    gone = layer_numbers(original, recipe.layers)
    depth = len(_list_of(original, recipe.layers[0]))
    source = name or getattr(whole.config, "_name_or_path", "") or "MODEL"
    dtype = str(next(iter(made.parameters())).dtype).removeprefix("torch.")
    text = yaml.safe_dump(mergekit_slices(gone, depth, source, dtype), sort_keys=False)
    write_atomic(folder / MERGEKIT, text.encode(), overwrite=overwrite)
    write_atomic(folder / PRUNED, (prune_layers(gone) + "\n").encode(), overwrite=overwrite)
    return Exported(str(folder), (*files, MERGEKIT, PRUNED), left_out)


def load(model: nn.Module, folder: str | os.PathLike[str]) -> nn.Module:
    """Return the cut model that `export` wrote, from the original and the file of its weights.

    Parameters
    ----------
    model : nn.Module
        The original, or a model of the same architecture; it is left as it is.
    folder : str or path
        The folder that `export` wrote to.

    Returns
    -------
    nn.Module
        The cut model.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or of another model.
    """
    folder = as_path("folder", folder)
    check_type("model", model, nn.Module, "an nn.Module")
    inner = unwrapped(model)
    state, metadata = load_tensors(folder / WEIGHTS, format=FORMAT, what="cut model")
    recipe = Recipe.from_text(metadata["recipe"])
    if isinstance(inner, layer_steps.Layered) and "effective_depth" in metadata:
        depth = float(metadata["effective_depth"])
        made: nn.Module = inner.with_layers(
            state["layer_steps"], state["weights"], effective_depth=depth
        )
    else:
        made = recipe.follow(inner)
    try:
        made.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(
            "model must be of the architecture that was cut, and its weights have other names or "
            f"shapes: {str(error).splitlines()[-1].strip()}"
        ) from error
    return made


def mergekit_slices(gone: Sequence[int], depth: int, name: str, dtype: str) -> dict[str, Any]:
    """Return mergekit's configuration that leaves layers out.

    Parameters
    ----------
    gone : sequence of int
        Numbers of the layers that go, from 0.
    depth : int
        How many layers the original has.
    name : str
        The original.
    dtype : str
        The type of the weights.

    Returns
    -------
    dict
        Slices of ranges [first, end) of layers that stay, passed through.
    """
    ends = [-1, *sorted(gone), depth]
    ranges = [[a + 1, b] for a, b in pairwise(ends) if a + 1 < b]
    slices = [{"sources": [{"model": name, "layer_range": each}]} for each in ranges]
    return {"slices": slices, "merge_method": "passthrough", "dtype": dtype}


def prune_layers(gone: Sequence[int]) -> str:
    """Return layers that go, from 0, as llama.cpp's `--prune-layers` takes them."""
    return ",".join(str(number) for number in sorted(gone))


def layer_numbers(model: nn.Module, layers: Sequence[str]) -> list[int]:
    """Return the places of layers in the list that holds them, from 0."""
    found = [number_in_list(model, name) for name in layers]
    return [number for number in found if number is not None]


def why_not_pretrained(model: nn.Module, recipe: Recipe) -> str:
    """Return why a cut model is none that transformers can load, in words; empty if it is one."""
    home = pretrained_with(model, recipe.layers)
    if home is None:
        return "it is no model of transformers"
    if recipe.gaps:
        return "it has gaps or linear maps in the place of layers, which no config tells of"
    if recipe.biased:
        return f"{recipe.biased[0]!r} was given a bias, which no config tells of"
    config = getattr(model.get_submodule(home), "config", None)
    if getattr(config, "is_encoder_decoder", False):
        return "it has an encoder and a decoder, whose layers are counted apart"
    lists = {name.rpartition(".")[0] for name in recipe.layers}
    if len(lists) > 1:
        return f"its layers are in {len(lists)} lists"
    if getattr(config, "num_hidden_layers", None) != len(_list_of(model, recipe.layers[0])):
        return "its config does not count the layers of this list"
    return ""


def pretrained_with(model: nn.Module, layers: Sequence[str]) -> str | None:
    """Return the name of the outermost model of transformers that has all the layers."""
    for name, module in model.named_modules():
        inside = all(layer.startswith(f"{name}." if name else "") for layer in layers)
        if inside and hasattr(module, "save_pretrained") and hasattr(module, "config"):
            return name
    return None


def _list_of(model: nn.Module, layer: str) -> list[str]:
    return list(model.get_submodule(layer.rpartition(".")[0])._modules)


def _check_loads(part: Any, folder: Path) -> None:
    """Refuse an export that transformers would load as another model."""
    loaded = type(part).from_pretrained(folder, local_files_only=True)
    ours, theirs = part.state_dict(), loaded.state_dict()
    same = ours.keys() == theirs.keys() and all(
        torch.equal(ours[name].cpu(), theirs[name].to(ours[name].dtype).cpu()) for name in ours
    )
    if not same or loaded.config.num_hidden_layers != part.config.num_hidden_layers:
        raise ValueError(f"{str(folder)!r} does not load in transformers as it was saved.")
