"""`loadpath diagnose`: measure the layers of a model of the user's own, and skip each in turn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import xarray as xr
from torch import nn

from loadpath import diagnosis, results
from loadpath import report as pages
from loadpath.cli.folders import (
    check_free,
    earlier_results,
    place_for,
    read_config,
    save_config,
)
from loadpath.cli.options import DiagnoseOptions
from loadpath.cli.preparation import load_entry, words_of_the_command_line
from loadpath.diagnosis.judging import table_lines
from loadpath.diagnosis.profile import check_options
from loadpath.record import Loader, Reduction

DIAGNOSIS = {"layer": ("layer",), "meaning": ("layer",)}
"""What a page needs of a diagnosis at least, with its dimensions."""
ATTRS = ("model", "n_samples")
"""What it needs of its attributes."""
SKIPPED = {"layer": ("layer",)}
"""What it needs of the record of skipped layers."""


def run(options: DiagnoseOptions) -> None:
    """Diagnose the model, skip its layers, and write the results and the page into the folder.

    The user's code, from its import to its last batch, finds no words of ours in `sys.argv`.

    Raises
    ------
    FileExistsError
        If earlier results are in the folder and may not be replaced.
    ValueError
        If an option is out of range, or the entry point returns no model and loader.
    """
    with words_of_the_command_line([options.entry]):
        diagnose(options)


def diagnose(options: DiagnoseOptions) -> None:
    """Do what `run` does, with the words of the command line as they are."""
    reduction = check_measures(options)
    out = Path(options.out)
    present = earlier_results(out)
    check_free(options.out, present, options.overwrite)
    model, loader = load_entry(
        options.entry,
        seed=options.seed,
        data=options.data,
        target=options.target,
        again=again(options),
    )
    common: dict[str, Any] = dict(
        layers=options.patterns(),
        device=options.device,
        pass_labels=options.pass_labels,
        output=options.output,
        answer=options.answer,
        class_scores=options.class_scores,
        grad=options.grad,
    )
    ds = diagnosis.diagnose(
        model,
        loader,
        measures=options.measures,
        reduction=reduction,
        activation=options.activation,
        gamma0=options.gamma0,
        kept=options.kept,
        level=options.level,
        seed=options.seed,
        max_batches=options.max_batches,
        rank=options.rank,
        **common,
    ).dataset
    with place_for(out, present) as place:
        save_config(options.settings(), place)
        results.save(ds, place / "diagnosis.nc", overwrite=True)
        skipped = None
        if options.skip_batches:
            skipped = skip_layers(options, place, model, loader, common)
        say_what_was_found(ds, skipped, options.tolerated)
        write_page(place)
    print(f"report: {out / 'report.html'}")


def again(options: DiagnoseOptions) -> str:
    """Return why the loader is read more than once; empty if it is not."""
    if options.skip_batches:
        return (
            "layers are skipped in a second pass: return a DataLoader or a list, or pass "
            "--skip-batches 0"
        )
    if options.rank == "prediction":
        return "harm is predicted in a second pass: return a DataLoader or a list"
    return ""


def check_measures(options: DiagnoseOptions) -> Reduction:
    """Return how outputs become rows, once all that is to be measured is known to be possible."""
    reduction = Reduction(
        maps=options.maps,
        tokens=options.tokens,
        every=options.every,
        tokens_first=options.tokens_first,
    )
    check_options(
        options.measures,
        activation=options.activation,
        gamma0=options.gamma0,
        kept=options.kept,
        level=options.level,
        seed=options.seed,
    )
    return reduction


def skip_layers(
    options: DiagnoseOptions,
    out: Path,
    model: nn.Module,
    loader: Loader,
    common: dict[str, Any],
) -> xr.Dataset | None:
    """Skip every layer in turn, and keep what that does.

    A model that allows no skipping is no fault: that is said, and the diagnosis stands.
    """
    batches = options.skip_batches
    if options.max_batches is not None:
        batches = min(batches, options.max_batches)
    try:
        skipped = diagnosis.skip_layers(
            model,
            loader,
            max_batches=batches,
            level=options.level,
            tokens_first=options.tokens_first,
            **common,
        )
    except ValueError as error:
        print(f"no layer was skipped: {error}", file=sys.stderr)
        return None
    results.save(skipped, out / "skipped.nc", overwrite=True)
    return skipped


def say_what_was_found(ds: xr.Dataset, skipped: xr.Dataset | None, tolerated: float | None) -> None:
    """Print what to try without, the table of the layers, and then what was measured."""
    verdict = None if skipped is None else judged(ds, skipped, tolerated)
    table = table_lines(diagnosis.layer_table(ds, skipped, tolerated=tolerated))
    answer, rest = ((), ()) if verdict is None else (verdict.answer, verdict.rest)
    for sentence in answer:
        print(sentence)
    if len(table[0].split()) > 1:  # with nothing measured of costs or harm there is no table
        print("\n".join(table))
    for sentence in (*rest, *diagnosis.summary(ds)):
        print(f"- {sentence}", flush=True)


def judged(
    ds: xr.Dataset, skipped: xr.Dataset, tolerated: float | None
) -> diagnosis.Verdict | None:
    """Return the verdict, None where nothing is known that layers could be ranked by."""
    if "own_step" not in skipped and not {"relative_step", "predicted_harm"} & set(ds):
        return None
    return diagnosis.verdict(ds, skipped, tolerated=tolerated)


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the diagnosis in `folder`."""
    ds = results.load(folder / "diagnosis.nc", what="diagnosis", holding=DIAGNOSIS, attrs=ATTRS)
    gone, skipped = folder / "skipped.nc", None
    if gone.is_file():
        skipped = results.load(gone, what="record of skipped layers", holding=SKIPPED)
    config = read_config(folder)
    tolerated = config.get("tolerated")
    verdict = None if skipped is None else judged(ds, skipped, tolerated)
    return pages.write_diagnosis(
        page or folder / "report.html",
        ds,
        title=f"Diagnosis of {ds.attrs['model']}",
        skipped=skipped,
        verdict=verdict,
        config=config,
        overwrite=overwrite,
    )
