"""`loadpath surgery`: plan a cut of a model of the user's own, prove it, and export the model."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import xarray as xr

from loadpath import report as pages
from loadpath import results
from loadpath.cli.folders import (
    check_free,
    earlier_results,
    place_for,
    read_config,
    save_config,
)
from loadpath.cli.options import SurgeryOptions
from loadpath.cli.preparation import load_entry, words_of_the_command_line
from loadpath.diagnosis import surgery
from loadpath.record import batches_of

PLAN = {"predicted_harm": ("layer",), "goes": ("layer",), "status": ("layer",)}
"""What a page needs of a plan at least, with its dimensions."""
PROOF = {"value": ("change",), "low": ("change",), "high": ("change",)}
"""What it needs of a proof."""
SMALLER = "smaller"
"""The folder of the cut model, inside that of the run."""


def run(options: SurgeryOptions) -> None:
    """Plan, cut, prove and export, and write the results and the page into the folder.

    Raises
    ------
    FileExistsError
        If earlier results are in the folder and may not be replaced.
    ValueError
        If an option does not fit the model, or the entry point returns no model and loader.
    """
    with words_of_the_command_line([options.entry]):
        operate(options)


def operate(options: SurgeryOptions) -> None:
    """Do what `run` does, with the words of the command line as they are."""
    out = Path(options.out)
    present = earlier_results(out)
    if (out / SMALLER).exists():
        present = [*present, SMALLER]
    check_free(options.out, present, options.overwrite)
    model, loader = load_entry(
        options.entry, seed=options.seed, data=options.data, target=options.target, again=""
    )
    batches = list(islice(batches_of(loader, model), options.max_batches))
    search, held_out = surgery.halves(batches, share=options.share, seed=options.seed)
    plan = surgery.plan(
        model,
        search,
        drop=options.drop,
        budget=options.budget,
        budget_in=options.budget_in,
        ways=options.ways,
        layers=options.patterns(),
        tokens_first=options.tokens_first,
        device=options.device,
        pass_labels=options.pass_labels,
        output=options.output,
        answer=options.answer,
        class_scores=options.class_scores,
        level=options.level,
        seed=options.seed,
    )
    smaller, done = surgery.cut(model, plan), list[str]()
    if plan.cut.maps:
        folded = surgery.fold(smaller, plan)
        smaller, done = folded.model, folded.sentences()
    if options.refit:
        refitted = surgery.refit(model, smaller, search, plan, behind=options.refit)
        smaller, done = refitted.model, [*done, *refitted.sentences()]
    if options.heal:
        healed = surgery.heal(model, smaller, search, plan, steps=options.heal, seed=options.seed)
        smaller, done = healed.model, [*done, healed.sentence()]
    proof = surgery.prove(model, smaller, held_out, plan, level=options.level)
    ds = proof.dataset()
    ds.attrs["sentences"] = "\n".join([*done, ds.attrs["sentences"]])
    with place_for(out, [name for name in present if name != SMALLER]) as place:
        save_config(options.settings(), place)
        results.save(plan.dataset, place / "plan.nc", overwrite=True)
        results.save(ds, place / "proof.nc", overwrite=True)
        for sentence in sentences_of(plan.dataset) + sentences_of(ds):
            print(f"- {sentence}")
        write_page(place)
    found = surgery.export(
        model, smaller, out / SMALLER, name=options.name, overwrite=options.overwrite
    )
    print(f"written: {', '.join(str(out / SMALLER / name) for name in found.files)}")
    for reason in dict.fromkeys(found.left_out.values()):
        names = ", ".join(name for name, why in found.left_out.items() if why == reason)
        print(f"not written: {names}, as {reason}")
    print(f"report: {out / 'report.html'}")


def sentences_of(ds: xr.Dataset) -> list[str]:
    """Return the sentences that a plan or a proof carries."""
    return str(ds.attrs.get("sentences", "")).splitlines()


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the cut in `folder`."""
    plan = results.load(folder / "plan.nc", what="plan of a cut", holding=PLAN, attrs=["model"])
    proof = results.load(folder / "proof.nc", what="proof of a cut", holding=PROOF)
    return pages.write_surgery(
        page or folder / "report.html",
        plan,
        proof,
        title=f"Surgery on {plan.attrs['model']}",
        config=read_config(folder),
        overwrite=overwrite,
    )
