"""`loadpath laws`: measure laws of depth on a model of the user's own, each against its nulls."""

from __future__ import annotations

from pathlib import Path

from loadpath import laws, plots, results
from loadpath import report as pages
from loadpath.cli.folders import (
    check_free,
    earlier_results,
    place_for,
    read_config,
    save_config,
    save_picture,
)
from loadpath.cli.options import LawsOptions
from loadpath.cli.preparation import function_of, load_entry, words_of_the_command_line
from loadpath.record import Reduction

LAWS = {"statistic": ("law",), "curve": ("law", "layer"), "null_statistic": ("law", "null", "draw")}
"""What a page needs of laws at least, with its dimensions."""


def run(options: LawsOptions) -> None:
    """Measure the laws, and write the results, the figure and the page into the folder.

    Raises
    ------
    FileExistsError
        If earlier results are in the folder and may not be replaced.
    ValueError
        If an option does not fit the model, or the entry point returns no model and loader.
    """
    with words_of_the_command_line([options.entry]):
        measure(options)


def measure(options: LawsOptions) -> None:
    """Do what `run` does, with the words of the command line as they are."""
    out = Path(options.out)
    present = earlier_results(out)
    check_free(options.out, present, options.overwrite)
    untrained = None
    if options.untrained is not None:
        untrained = function_of(options.untrained, "untrained", ("seed",))
    model, loader = load_entry(
        options.entry,
        seed=options.seed,
        data=options.data,
        target=options.target,
        again="every untrained model reads it again: return a DataLoader or a list, or pass "
        "--n-untrained 0"
        if options.n_untrained
        else "",
    )
    found = laws.measure(
        model,
        loader,
        untrained=untrained,
        n_untrained=options.n_untrained,
        n_orders=options.n_orders,
        layers=options.patterns(),
        reduction=Reduction(maps=options.maps, tokens=options.tokens, every=options.every),
        kept=options.kept,
        with_input=options.with_input,
        level=options.level,
        seed=options.seed,
        device=options.device,
        max_batches=options.max_batches,
        pass_labels=options.pass_labels,
    )
    with place_for(out, present) as place:
        save_config(options.settings(), place)
        results.save(found.dataset, place / "laws.nc", overwrite=True)
        save_picture(plots.png(found.plot()), place / "laws.png")
        print(found.table().to_string(float_format="{:.3g}".format))
        for sentence in found.summary():
            print(f"- {sentence}")
        write_page(place)
    print(f"report: {out / 'report.html'}")


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the laws in `folder`."""
    ds = results.load(folder / "laws.nc", what="record of laws", holding=LAWS, attrs=["model"])
    return pages.write_laws(
        page or folder / "report.html",
        ds,
        title=f"Laws of depth in {ds.attrs['model']}",
        config=read_config(folder),
        overwrite=overwrite,
    )
