"""`diagnose`: one pass over a loader, and every measure of every layer in one Dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import check_flag
from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.class_scores import ClassScores
from loadpath.diagnosis.labels import NO_LABELS, LabelReader, read_labels
from loadpath.diagnosis.profile import columns, label_columns
from loadpath.diagnosis.profile.columns import RUNS, Columns
from loadpath.diagnosis.profile.diagnosed import Diagnosis
from loadpath.diagnosis.profile.mesh import mesh_of
from loadpath.diagnosis.profile.options import (
    MEASURES,
    Measure,
    Options,
    allowed_measures,
    check_options,
)
from loadpath.diagnosis.profile.passes import (
    Beside,
    FirstBatches,
    Head,
    Rank,
    check_rank,
    with_prediction,
)
from loadpath.diagnosis.profile.schema import dataset_of_columns
from loadpath.diagnosis.profile.sums import (
    PassSums,
    Plan,
    Waiting,
    copies_among,
    dead_shares,
)
from loadpath.diagnosis.skipping import LossFunction, module_kind
from loadpath.diagnosis.surgery import Calling
from loadpath.record import (
    INPUT,
    ActivationLike,
    Layers,
    Loader,
    Output,
    Recorded,
    Reduction,
    Split,
    TokenMask,
    stream_beside,
    unwrapped,
    with_bar,
)


def diagnose(
    model: nn.Module,
    loader: Loader,
    *,
    layers: Layers = None,
    measures: Sequence[Measure] | None = None,
    reduction: Reduction | None = None,
    activation: ActivationLike = "relu",
    gamma0: float = 1e-3,
    kept: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    output: Output = None,
    answer: Output = None,
    class_scores: bool | None = None,
    head: Head | None = None,
    token_mask: TokenMask | None = None,
    grad: bool = False,
    rank: Rank | None = None,
    loss: LossFunction | None = None,
    progress: bool | None = None,
) -> Diagnosis:
    r"""Measure mechanics, separation and geometry of every layer in one pass over a loader.

    The model runs in evaluation mode and without gradients; by default its first batches run once
    more with them, to rank layers by what their absence is predicted to cost. Its parameters,
    buffers, gradients, modes and hooks are left as they were, and so are random states, but not
    plain attributes that `forward` sets. Memory does not depend on the number of samples.

    Parameters
    ----------
    model : nn.Module
        Any module; nothing in it has to be changed.
    loader : iterable
        Batches: tensors, tuples (x, y), or dicts as Hugging Face's tokenizers make them (see
        `loadpath.record.stream`).
    layers : str, class, sequence of these, or None
        Which layers: names with `*` and `**`, or classes. None finds blocks by themselves.
    measures : sequence of str, optional
        Which measures: "separation" (log separation and load curve, for real targets too),
        "collapse" (neural collapse 1 to 4), "energies" (cost of identity, stable ranks, kinetic
        energy), "steps" (relative step, turn, log growth), "ranks" (participation ratio,
        effective rank), "alignment" (CKA with the next layer and with the first), "dimension"
        (TwoNN), "probes" (ridge and logistic) and "costs" (parameters, multiply-adds and time of
        each layer, by up to seven more passes of the first batch) and "next_token" (of language
        models, what each layer takes off the cross-entropy of the next token, by one more pass; no
        labels are used). None takes all that the labels and the model allow.
    reduction : Reduction, optional
        How maps and sequences become rows (see `loadpath.record.Reduction`).
    activation : str, default "relu"
        The phi of S = [phi(A), 1] in the energies. A net with a path of its own, such as
        `LeakyResNet`, has its own.
    gamma0 : float, default 0.001
        The stabilizer of the energies is gamma = gamma0 ||S||_op^2, layer by layer.
    kept : int, default 2000
        How many samples are kept of every layer (fewer where it is wide), for what sums cannot
        give, and for intervals.
    level : float, default 0.95
        Confidence level of the intervals.
    seed : int, default 0
        Seed of which samples are kept, how they are dealt into groups, and which are held out from
        probes.
    device, max_batches, split, pass_labels, output, token_mask, grad
        As in `loadpath.record.stream`.
    answer : str, int or callable, optional
        Which of the tensors that the model returns is its answer: the key or index of it, or a
        function of what the model returns. If left out, it is what is called "logits"; else the
        one with a number for each class, or of the shape of real targets; else what the last layer
        puts out. The attr `answer` says which of several it was.
    class_scores : bool, optional
        Whether the answer is scores of the classes, as the labels number them. If left out, that
        is decided by how many numbers it has, and by which are the largest.
    head : callable, optional
        For language models, what reads the next token off a representation: a function from
        (sample, token, width) to logits (sample, token, vocabulary). If left out, final norm and
        head of a model of Hugging Face's transformers are found by themselves.
    rank : {"movement", "prediction"}, optional
        What the verdict ranks layers by. "movement" is how far they move the representation, which
        the one pass has anyway. "prediction" is the harm of leaving each out, predicted from
        gradients over the whole loader, which must be readable twice
        (`loadpath.diagnosis.predict_harm`). None predicts too, on the first batches of the one
        pass, which are kept in memory, up to 256 samples or one batch: one forward and three
        backward passes, in which the activations of a whole batch are held; not of more than 1,024
        samples in a batch or 300 million parameters, unless "prediction" asks for it. Without
        labels or gradients layers stay ranked by movement; the attr `ranked_by` says which it is,
        and why.
    loss : callable, optional
        The loss that is predicted, as in `loadpath.diagnosis.skip_layers`; for any `rank` but
        "movement".
    progress : bool, optional
        Whether bars show how far the pass is, and then the measures, which take their time after
        it; if left out they do on a terminal and in a notebook.

    Returns
    -------
    Diagnosis
        What was found, with `summary()`, `table()`, `plot()`, `verdict(skipped)` and `save(path)`.
        Its `dataset` holds every measure over `layer` (and over `kind`, the convention of
        separation), with its ends `_low` and `_high`, NaN where there is no interval, and its
        `_status`: "estimated", "no interval", or why there is no number ("not enough samples",
        "constant features", ...); the number is then NaN. Notes on a number follow its status after
        a comma: "rounding left out", where directions are left out that rounding can make, "near
        rounding", where rounding of the layer's type may make more than 1 % of it. A measure that
        fails has its status "failed: ..." and does not lose the others. `width`, `rows`, `kept`,
        `dead`, `layer_kind` and `meaning` say what each layer is, and `accuracy` how often the
        model is right, where its outputs are taken for class scores. What belongs to a step (load,
        kinetic energy, relative step, turn, log growth) stands at the layer that the step leads to.

    Raises
    ------
    ValueError
        If an option is out of range or unknown; if a measure that is asked for needs labels that
        the loader does not have; if labels change their kind from one batch to another; as
        `loadpath.record.stream`.

    Notes
    -----
    Energies, separation, collapse and steps come from sums over all samples; ranks, alignment,
    dimension, probes and NC4 from the samples kept. Intervals are grouped jackknives over samples.
    Those of energies, separation and collapse are of the kept samples, narrowed to the number of
    all. Shares have Wilson's intervals. Layers wider than 2048 are sketched in energies and
    separation (`loadpath.record.Sketch`). For width w the pass costs $O(w^2)$ a sample and layer
    beside the forward pass, and takes $O(w^2)$ memory a layer.

    `docs/diagnose.md` has the rules of each measure, and says when it misleads.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
    >>> x, labels = torch.randn(60, 6), torch.arange(60) % 2
    >>> ds = lp.diagnose(model, [(x, labels)], measures=["steps", "ranks"])
    >>> ds["layer"].values.tolist()
    ['input', '0', '1', '2', '3']
    >>> ds["relative_step_status"].values.tolist()[:3]
    ['no step of one shape leads here', 'no step of one shape leads here', 'estimated']
    >>> bool((ds["relative_step_low"] < ds["relative_step"]).sel(layer="1"))
    True
    """
    if progress is not None:
        check_flag("progress", progress)
    if class_scores is not None:
        check_flag("class_scores", class_scores)
    answers = AnswerRule(answer)
    if head is not None and not callable(head):
        raise ValueError(f"head must be a function to logits, and it is a {type(head).__name__}.")
    if head is not None and measures is not None and "next_token" not in measures:
        raise ValueError("head is given, and measures has no 'next_token', which it is for.")
    check_rank(rank, loader, loss)
    check_options(measures, activation=activation, gamma0=gamma0, kept=kept, level=level, seed=seed)
    inner = unwrapped(model)
    began = time.monotonic()
    sums: PassSums | None = None
    recorded: Recorded | None = None
    reader = LabelReader()
    waiting = Waiting()
    first_batches = FirstBatches() if rank is None else None
    beside = Beside(measures, head=head, level=level, first=first_batches)
    passes = stream_beside(
        model,
        loader,
        beside,
        layers=layers,
        reduction=reduction,
        device=device,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
        output=output,
        token_mask=token_mask,
        grad=grad,
    )
    for recorded in with_bar(
        passes, loader, desc="looking", progress=progress, max_batches=max_batches
    ):
        if sums is None:
            if answers.needs_last(recorded.output, read_labels(recorded.labels)):
                answers.take_last(recorded.output, recorded.last)
            found = real_answer(answers.of(recorded.output))
            first = read_labels(recorded.labels, outputs=None if found is None else found.shape)
            kind = first.kind
            chosen = allowed_measures(measures, kind, first.words)
            plan = Plan(
                kept=kept,
                seed=seed,
                energies="energies" in chosen,
                separation=bool({"separation", "collapse"} & set(chosen)),
                class_scores=class_scores,
            )
            mesh = mesh_of(inner, list(recorded.features), activation=activation)
            sums = PassSums(plan, kind, mesh)
        labels, found = None, real_answer(answers.of(recorded.output))
        if kind == "classes" or plan.separation:
            shape = None if found is None else found.shape
            labels = reader.read(recorded.labels, recorded.number, shape).values
        for joined in waiting.add(recorded, labels, found):
            sums.update(*joined)
    assert sums is not None  # a loader that yields nothing has raised
    for joined in waiting.rest():
        sums.update(*joined)
    assert recorded is not None
    if len(recorded.features) < len(sums.mesh.nodes):  # an input that was left out in the end
        sums.mesh = mesh_of(inner, list(recorded.features), activation=activation)
    passed = time.monotonic() - began - beside.seconds
    runs = len(sums.layers) * sum(RUNS[name] for name in chosen)
    with results.progress_bar(progress, total=runs, desc="measuring", unit="layer") as bar:
        options = Options(gamma0, level, seed, bar.update)
        found_columns = _columns(sums, options, inner, chosen) | beside.columns(list(sums.layers))
        ds = dataset_of_columns(found_columns, list(sums.layers))
    ds = ds.assign(_layer_facts(sums, recorded, inner)).assign(beside.of_model(inner))
    ds.attrs |= {
        **recorded.description.attrs(),
        "labels": reader.words if reader.words != NO_LABELS else first.words,
        "n_labelled": sums.labelled,
        "measures_left_out": ""
        if measures
        else ", ".join(name for name in MEASURES if name not in chosen),
        "outputs": "" if sums.scores is None else sums.scores.doubt,
        "outputs_hedge": "" if sums.scores is None else sums.scores.hedge,
        "answer": answers.words,
        "n_copies": copies_among(sums),
        **beside.attrs(),
        "mesh": sums.mesh.words,
        "seconds_of_pass": passed,
        "seconds_beside": beside.seconds,
    }
    began_to_predict = time.monotonic()
    calling = Calling(
        layers,
        loss,
        (reduction or Reduction()).tokens_first,
        device,
        max_batches,
        split,
        pass_labels,
        output,
        answer,
        class_scores,
        token_mask,
    )
    ds = with_prediction(
        ds,
        rank,
        inner,
        loader,
        calling,
        first=first_batches,
        no_scores="" if sums.scores is None else _no_scores(sums.scores),
        level=level,
        seed=seed,
        progress=progress,
    )
    ended = time.monotonic()
    ds.attrs |= {
        "seconds_of_prediction": ended - began_to_predict,
        "seconds_in_all": ended - began,
    }
    stamped = results.stamp(
        ds,
        model=type(inner).__name__,
        measures=[name for name in chosen if name != "next_token" or "next_token_loss" in ds],
        n_samples=sums.count,
        n_batches=recorded.number + 1,
        reduction=reduction or Reduction(),
        activation=activation,
        gamma0=gamma0,
        kept=kept,
        level=level,
        seed=seed,
    )
    return Diagnosis(stamped)


def _no_scores(scores: ClassScores) -> str:
    """Return why outputs have no cross-entropy of classes, in words; empty if they have."""
    if scores.doubt:
        return f"outputs are not taken for class scores, as {scores.doubt}"
    return scores.no_logits


def real_answer(answer: Tensor | None) -> Tensor | None:
    """Return a model's answer on the CPU; None if it is no tensor of real numbers."""
    if answer is None or answer.is_nested or not answer.is_floating_point():
        return None
    return answer.detach().cpu()


def _columns(
    sums: PassSums, options: Options, model: nn.Module, chosen: Sequence[Measure]
) -> Columns:
    """Return the columns of all chosen measures."""
    functions: dict[Measure, Callable[[PassSums, Options], Columns]] = {
        "energies": columns.energies,
        "steps": columns.steps,
        "ranks": columns.ranks,
        "alignment": columns.alignment,
        "dimension": columns.dimension,
        "probes": columns.probes,
    }
    found: Columns = {}
    if sums.plan.separation:
        separation = label_columns.separation(sums, options)
        collapsed = {name: entries for name, entries in separation.items() if name.startswith("nc")}
        if "separation" in chosen:
            found |= {name: separation[name] for name in separation.keys() - collapsed.keys()}
        if "collapse" in chosen:
            found |= {**collapsed, **label_columns.classifier(sums, options, model)}
    for name in chosen:
        if name in functions:
            found |= functions[name](sums, options)
    return found


def _layer_facts(sums: PassSums, recorded: Recorded, model: nn.Module) -> dict[str, xr.DataArray]:
    """Return what the layers are, and how often the model is right."""
    layers = sums.layers
    about = {
        "width": xr.DataArray(
            [layer.width for layer in layers.values()],
            dims="layer",
            attrs={"long_name": "width of the rows", "units": "1"},
        ),
        "rows": xr.DataArray(
            [layer.rows for layer in layers.values()],
            dims="layer",
            attrs={"long_name": "rows seen, of all samples", "units": "1"},
        ),
        "kept": xr.DataArray(
            [layer.kept.count for layer in layers.values()],
            dims="layer",
            attrs={"long_name": "samples kept", "units": "1"},
        ),
        "dead": xr.DataArray(
            [dead_shares(layer) for layer in layers.values()],
            dims="layer",
            attrs={
                "long_name": "share of features that are the same for every kept sample",
                "units": "1",
            },
        ),
        "meaning": xr.DataArray(
            np.array([recorded.description.layers[name] for name in layers], dtype=object),
            dims="layer",
            attrs={"long_name": "what the rows of the layer are"},
        ),
    }
    kinds = [_kind(model, name) for name in layers]
    about["layer_kind"] = xr.DataArray(
        np.array(kinds, dtype=object),
        dims="layer",
        attrs={"long_name": "what the layer is, as far as can be told", "units": "words"},
    )
    if sums.scores is not None and not sums.scores.doubt:
        about["accuracy"] = xr.DataArray(
            sums.scores.right / sums.scores.count,
            attrs={
                "long_name": "share of samples of the class that has the largest output",
                "units": "1",
                "baseline": sums.scores.largest / sums.scores.count,
                "baseline_meaning": "predicting the largest class",
            },
        )
    return about


def _kind(model: nn.Module, name: str) -> str:
    """Return what a layer is in words, as far as can be told from outside."""
    if name == INPUT:
        return "input of the model"
    try:
        return module_kind(model.get_submodule(name.partition("#")[0]))
    except AttributeError:  # layers of a path are no modules
        return "representation on a path"
