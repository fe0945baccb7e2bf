"""`loadpath tune`: the level of noise at which load curves are straight, and how surely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadpath import plots, results
from loadpath import report as pages
from loadpath.cli.folders import earlier_results, read_config, save_config, save_picture
from loadpath.cli.options import FLAGS, TuneOptions
from loadpath.spring_block import tuning

NETS = (
    *("network", "width", "depth", "batch_norm", "epochs", "image_size", "n_train"),
    *("data_seed", "target"),
)
"""Options that are fields of the networks' setting."""
GROWS = {"n_levels", "workers", "out", "kind", "level"}
"""Options that may differ when a tuning is gone on with: more networks, or the same read anew."""
CURVE = {"concavity": ("level",), "concavity_error": ("level",), "fit": ("point",)}
"""What a page needs of a tuning at least, with its dimensions."""


def run(options: TuneOptions) -> None:
    """Train the networks that are not there yet, and write the result, the figure and the page.

    Raises
    ------
    FileExistsError
        If an earlier tuning is in the folder, and nothing says to go on with it.
    ValueError
        If an option is out of range, or networks failed.
    """
    out, settings = Path(options.out), options.settings()
    check_begun(out, options.resume, settings)
    prepared = tuning.prepare(
        out,
        options.data,
        knob=options.knob,
        low=options.low,
        high=options.high,
        n_levels=options.n_levels,
        seeds=options.seeds,
        seed=options.seed,
        slope=options.slope,
        kind=options.kind,
        level=options.level,
        data_folder=options.folder,
        net={name: getattr(options, name) for name in NETS},
    )
    save_config(settings, out)
    known = tuning.standing_words(options.knob)
    for sentence in known:
        print(f"- {sentence}", flush=True)  # before any time is spent
    found = prepared.run(workers=options.workers)
    results.save(found.dataset, out / "tuning.nc", overwrite=True)
    save_picture(plots.png(found.plot()), out / "tuning.png")
    print(found.table())
    for sentence in found.words().splitlines():
        if sentence not in known:
            print(f"- {sentence}")
    print(f"report: {write_page(out)}")


def check_begun(out: Path, resume: bool, settings: dict[str, Any]) -> None:
    """Refuse an earlier tuning that is not to be gone on with, or that had other settings."""
    present = earlier_results(out)
    if not resume:
        if present:
            raise FileExistsError(
                f"{str(out)!r} holds earlier results ({', '.join(present)}); pass --resume to go "
                "on with them."
            )
        return
    if "config.yaml" not in present:
        return
    earlier = read_config(out)
    for name, value in settings.items():
        if name not in GROWS | FLAGS.keys() and earlier.get(name, value) != value:
            raise ValueError(
                f"{name} is {value!r}, but the tuning in {str(out)!r} has {earlier[name]!r}; "
                "resume it with --config and its config.yaml."
            )


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the tuning in `folder`."""
    ds = results.load(
        folder / "tuning.nc", what="tuning", holding=CURVE, attrs=["verdict", "words"]
    )
    return pages.write_tuning(
        page or folder / "report.html",
        ds,
        title=f"Tuning of {ds.attrs['knob'].replace('-', ' ')}: {ds.attrs['data']}",
        config=read_config(folder),
        overwrite=overwrite,
    )
