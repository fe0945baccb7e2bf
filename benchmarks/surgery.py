"""Surgery against what else chooses layers: harm against layers removed, on five models.

    python benchmarks/surgery.py --out docs/data/surgery/cuts           # cells not there yet
    python benchmarks/surgery.py --out docs/data/surgery/cuts --table   # what there is
    python benchmarks/surgery.py --out docs/data/surgery/cuts --figure cuts.png --page cuts.html
    python benchmarks/surgery.py --out FOLDER --models mlp --seeds 0
    python benchmarks/surgery.py --out FOLDER --coverage 200            # the study of intervals

All methods choose on the same samples, and each cut model is measured on the same others, sample by
sample, without healing. Opponents: ShortGPT's block influence (arXiv 2403.03853), the run of
neighbours with the least angular distance (arXiv 2403.17887), SLEB's greedy by loss (arXiv
2402.09025), LaCo's merging (arXiv 2402.11187), one linear map in the place of the run that is
nearest to its input, fitted on activations in memory (as ReplaceMe, arXiv 2505.02819), the last
layers, and random sets. They are written anew here from their papers. One core takes minutes for
each cell of the perceptron, tens of minutes for one of the language model.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy import stats
from torch import Tensor, nn

import loadpath as lp
from loadpath.diagnosis.surgery import Calling, Cut, LinearMap
from loadpath.diagnosis.surgery.search import Harm, Race, Subject, subject_of
from loadpath.diagnosis.surgery.ways import Standing, take_out

sys.path.insert(0, str(Path(__file__).parent))
from surgery_models import DEPTHS, LAYERS, trained

SHARES = (0.15, 0.25, 0.5)
"""Shares of the layers that go."""
OURS = {
    "ours, dropped": "drop",
    "ours, linear": "linear",
    "ours, convolution": "convolution",
    "ours, any way": ("drop", "linear", "merge"),
}
NO_PLACES = ("mlp", "minilm")
"""Models whose layers no convolution replaces: those of vectors, and of padded sequences."""
MOST_BATCHES = {"minilm": 15}
"""Batches that the search sees, where that is less than half of them."""
RANDOM = 5
"""Random sets, whose mean harm counts."""


def streams(subject: Subject, most: int = 4000) -> tuple[list[Tensor], list[Tensor]]:
    """Return what every layer is given and puts out, (row, width) each."""
    before: list[list[Tensor]] = [[] for _ in subject.calls]
    after: list[list[Tensor]] = [[] for _ in subject.calls]

    def run(batch: object) -> None:
        def see(layer: int, A: Tensor, out: Tensor) -> None:
            for kept, tensor in ((before, A), (after, out)):
                rows = tensor.movedim(1, -1) if tensor.ndim == 4 else tensor
                mask = batch.mask if tensor.ndim == 3 else None
                kept[layer].append(rows[mask] if mask is not None else rows.flatten(0, -2))

        with subject.watch(batch, see):
            batch.run(subject.model)

    for _ in subject.passes(range(len(subject.batches)), run):
        pass
    subject.count_passes(sum(subject.sizes), 1)
    whole = [[torch.cat(rows) for rows in kept] for kept in (before, after)]
    every = -(-len(whole[0][0]) // most)
    return [A[::every] for A in whole[0]], [A[::every] for A in whole[1]]


def block_influence(subject: Subject, size: int) -> tuple[int, ...]:
    """ShortGPT: the layers whose output is most alike to their input by the cosine of rows."""
    before, after = streams(subject)
    alike = [
        float(torch.cosine_similarity(a, b).mean()) for a, b in zip(before, after, strict=True)
    ]
    return tuple(sorted(np.argsort(alike)[::-1][:size].tolist()))


def angular_run(subject: Subject, size: int) -> tuple[int, ...]:
    """The run of neighbours over which rows turn least."""
    before, after = streams(subject)
    n_layers = len(subject.calls)

    def angle(first: int) -> float:
        cosine = torch.cosine_similarity(before[first], after[first + size - 1])
        return float(cosine.clamp(-1, 1).arccos().mean())

    first = min(range(n_layers - size + 1), key=angle)
    return tuple(range(first, first + size))


def greedy_by_loss(subject: Subject, size: int) -> tuple[int, ...]:
    """SLEB: one layer after another, each time the one whose loss is least on the whole sample."""
    race = Race(subject, Harm(subject), list(range(len(subject.batches))), Standing(subject))
    chosen: tuple[int, ...] = ()
    for _ in range(size):
        more = [
            (tuple(sorted((*chosen, l))), "drop")
            for l in range(len(subject.calls))
            if l not in chosen
        ]
        race.measure(more, race.order)
        chosen = min(more, key=race.mean)[0]
    return chosen


def last(subject: Subject, size: int) -> tuple[int, ...]:
    """The last layers."""
    n_layers = len(subject.calls)
    return tuple(range(n_layers - size, n_layers))


def cut_of(subject: Subject, layers: tuple[int, ...]) -> Cut:
    return Cut(tuple(subject.names[l] for l in layers))


def linear_in_memory(subject: Subject, size: int) -> Cut:
    """One linear map, by least squares, in the place of the run nearest to its input by cosine."""
    before, after = streams(subject)

    def alike(first: int) -> float:
        return float(torch.cosine_similarity(before[first], after[first + size - 1]).mean())

    first = max(range(len(subject.calls) - size + 1), key=alike)
    A, out = before[first].double(), after[first + size - 1].double()
    ones = torch.cat([A, A.new_ones(len(A), 1)], dim=1)
    found = torch.linalg.lstsq(ones, out, driver="gelsd").solution
    run = tuple(subject.names[first : first + size])
    conv = any(isinstance(m, nn.Conv2d) for m in subject.calls[first].site.module.modules())
    return Cut(run, "linear", (LinearMap(run, found[:-1].T, found[-1], 1 if conv else -1),))


@torch.no_grad()
def collapsed(subject: Subject, size: int) -> nn.Module:
    """LaCo: from the last layers on, two layers folded into the one before as differences.

    A merger stands if outputs stay alike by a threshold, which falls until enough layers are gone.
    """
    import copy

    model = subject.model
    layers = [call.site.module for call in subject.calls]
    names = {id(module): name for name, module in model.named_modules()}
    raw = subject.batches[:2]

    def answers(net: nn.Module) -> Tensor:
        other = Subject(net, Calling(subject.calling.layers, max_batches=2), raw)
        found = [other.reading.answer(out) for out in other.passes([0, 1], lambda b: b.run(net))]
        return torch.cat([f.flatten(0, -2) for f in found])

    def folded(first: int, groups: list[list[int]]) -> list[list[int]]:
        count = min(3 if left(groups) > 1 else 2, len(groups) - first)
        return [*groups[:first], sum(groups[first : first + count], []), *groups[first + count :]]

    def left(groups: list[list[int]]) -> int:
        return size - (len(layers) - len(groups))

    def made(groups: list[list[int]]) -> nn.Module:
        net = copy.deepcopy(model)
        for group in groups:
            block = net.get_submodule(names[id(layers[group[0]])])
            base = dict(layers[group[0]].named_parameters())
            for name, parameter in block.named_parameters():
                differences = [
                    dict(layers[l].named_parameters())[name] - base[name] for l in group[1:]
                ]
                parameter.add_(sum(differences, torch.zeros_like(parameter)))
        gone = [names[id(layers[l])] for group in groups for l in group[1:]]
        take_out(net, gone, {})
        return net

    whole = answers(model)
    groups = [[l] for l in range(len(layers))]
    threshold = 0.95
    while left(groups) > 0:
        first = len(groups) - 2
        while first >= 0 and left(groups) > 0:
            tried = folded(first, groups)
            alike = torch.cosine_similarity(answers(made(tried)), whole).mean()
            if float(alike) >= threshold:
                groups = tried
                first -= 1
            first -= 1
        threshold -= 0.1
    return made(groups)


SETS: dict[str, Callable[[Subject, int], tuple[int, ...]]] = {
    "block influence": block_influence,
    "angular run": angular_run,
    "greedy by loss": greedy_by_loss,
    "last layers": last,
}
METHODS = (*OURS, *SETS, "LaCo", "linear in memory", "random")


@torch.no_grad()
def scores(net: nn.Module, batches: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each sample, a mean over its tokens, and the share that is right."""
    losses, right = [], []
    for batch in batches:
        if isinstance(batch, dict):
            labels = batch["labels"]
            logits = net(**{name: part for name, part in batch.items() if name != "labels"})
        else:
            logits, labels = net(batch[0]), batch[1]
        each = nn.functional.cross_entropy(logits.movedim(-1, 1), labels, reduction="none")
        losses.append(each.double().reshape(len(labels), -1).mean(1))
        same = (logits.argmax(-1) == labels).double()
        right.append(same.reshape(len(labels), -1).mean(1))
    return torch.cat(losses).numpy(), torch.cat(right).numpy()


def chosen_by(
    method: str,
    model: str,
    net: nn.Module,
    subject: Subject,
    search: list[Any],
    size: int,
    seed: int,
) -> tuple[list[nn.Module], float, str]:
    """Return what a method makes of a net, the passes that it took to choose, and its words."""
    if method == "ours, convolution" and model in NO_PLACES:
        return [], math.nan, "not possible"
    if method in OURS:
        layers = subject.calling.layers
        plan = lp.surgery.plan(net, search, drop=size, ways=OURS[method], layers=layers, seed=seed)
        return [lp.surgery.cut(net, plan)], plan.passes, str(plan.cut)
    if method == "random":
        generator = np.random.default_rng(seed)
        sets = [
            tuple(sorted(generator.permutation(len(subject.calls))[:size].tolist()))
            for _ in range(RANDOM)
        ]
        made = [lp.surgery.cut(net, cut_of(subject, each), search) for each in sets]
        return made, 0.0, "random"
    if method == "LaCo":
        return [collapsed(subject, size)], math.nan, "LaCo"
    before = subject.spent
    chosen = (
        linear_in_memory(subject, size)
        if method == "linear in memory"
        else cut_of(subject, SETS[method](subject, size))
    )
    return [lp.surgery.cut(net, chosen, search)], subject.spent - before, str(chosen)


MODELS_IN = [Path("models")]
"""Where the trained nets are kept. It is no setting of a cell: wherever, they are the same nets."""


def measure(model: str, seed: int, share: float) -> xr.Dataset:
    """Cut by every method on the search samples, and measure the cut nets on the others.

    Changes are kept sample by sample, so that methods can be compared in pairs.
    """
    MODELS_IN[0].mkdir(parents=True, exist_ok=True)
    net, batches = trained(model, seed, MODELS_IN[0])
    seen = MOST_BATCHES[model] / len(batches) if model in MOST_BATCHES else 0.5
    search, held_out = lp.surgery.halves(batches, share=seen, seed=seed)
    size = max(round(share * DEPTHS[model]), 1)
    subject = subject_of(net, search, Calling(LAYERS[model]))
    loss, right = scores(net, held_out)
    rows: dict[str, list[Any]] = {name: [] for name in ("loss", "right", "passes", "words", "s")}
    for method in METHODS:
        began = time.monotonic()
        made, passes, words = chosen_by(method, model, net, subject, search, size, seed)
        found = [scores(each, held_out) for each in made]
        for name, part, whole in (("loss", 0, loss), ("right", 1, right)):
            values = [each[part] for each in found] or [np.full(len(whole), np.nan)]
            rows[name].append(np.mean(values, axis=0) - whole)
        rows["passes"].append(passes)
        rows["words"].append(words)
        rows["s"].append(time.monotonic() - began)
        print(f"  {model} {seed} {share} {method}: {rows['s'][-1]:.0f} s", flush=True)
    compressed = {"zlib": True, "complevel": 9}
    ds = xr.Dataset(coords={"method": list(METHODS)})
    for name, key, units in (("loss_change", "loss", "nats"), ("right_change", "right", "1")):
        ds[name] = (("method", "sample"), np.float32(rows[key]), {"units": units})
        ds[name].encoding |= compressed
    ds["passes"] = ("method", rows["passes"], {"units": "forward passes over the search samples"})
    ds["seconds"] = ("method", rows["s"], {"units": "s"})
    ds["cut"] = ("method", np.array(rows["words"], dtype=object))
    ds["loss"], ds["accuracy"] = ((), float(loss.mean())), ((), float(right.mean()))
    ds["removed"], ds["layers"] = ((), size), ((), len(subject.calls))
    return ds


def cover(draw: int) -> xr.Dataset:
    """Draw samples for a search and a proof, and compare the proof with the harm on all others."""
    net, batches = trained("mlp", 0, MODELS_IN[0])
    x, y = (torch.cat([b[i] for b in batches]) for i in range(2))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(draw))
    search, proof = (
        list(zip(x[which].split(40), y[which].split(40), strict=True))
        for which in (order[:200], order[200:400])
    )
    plan = lp.surgery.plan(net, search, drop=3, layers=LAYERS["mlp"], seed=draw)
    smaller = lp.surgery.cut(net, plan)
    found = lp.surgery.prove(net, smaller, proof, plan, batch_sizes=()).loss_change
    rest = order[200:]
    with torch.no_grad():
        after, before = (
            nn.functional.cross_entropy(m(x[rest]), y[rest], reduction="none").double()
            for m in (smaller, net)
        )
    truth = float((after - before).mean())
    # The proof's samples are drawn from the rest without replacement, which narrows by how much
    # they can miss it: the interval is narrowed alike, to be judged at its own level.
    reach = math.sqrt(1 - 200 / len(rest)) * (found.high - found.low) / 2
    numbers = {"value": found.value, "truth": truth, "reach": reach}
    numbers |= {"search": plan.loss_change.value}
    return xr.Dataset({name: ((), number) for name, number in numbers.items()})


def coverage(draws: int, folder: Path) -> None:
    """Count how often the proof's interval holds the harm of the chosen set on all other data."""
    MODELS_IN[0].mkdir(parents=True, exist_ok=True)
    axes = {"draw": list(range(draws))}
    cells = lp.sweep.product(axes)
    lp.sweep.run(cover, cells, folder)
    ds = lp.sweep.collect(folder, axes)
    known = np.isfinite(ds["value"])
    held = (abs(ds["value"] - ds["truth"]) <= ds["reach"]).where(known)
    print(f"{int(known.sum())} draws: the interval holds the harm in {float(held.mean()):.1%}")
    print(
        f"mean harm: search {float(ds['search'].mean()):.4f}, proof {float(ds['value'].mean()):.4f}"
    )


def collected(folder: Path, models: list[str], seeds: list[int]) -> xr.Dataset:
    """Return the cells that there are, over model, seed and share."""
    axes = {"model": models, "seed": seeds, "share": list(SHARES)}
    return lp.sweep.collect(folder, axes)


def compared(ds: xr.Dataset) -> xr.Dataset:
    """Return harm(model, share, method) with its interval, over the seeds that there are.

    An interval is the mean of those of the seeds, t intervals over samples. The mean cannot err by
    more, however the proofs of several seeds depend on each other: they share data.
    """
    change = ds["loss_change"]
    count = change.count("sample")
    mean = change.mean("sample")
    reach = change.std("sample", ddof=1) / np.sqrt(count) * stats.t.ppf(0.975, count - 1)
    harm = xr.Dataset(
        {"harm": mean, "harm_low": mean - reach, "harm_high": mean + reach, "passes": ds["passes"]}
    ).mean("seed")
    harm = harm.transpose("model", "share", "method")
    seeds = {
        str(model): [
            int(s) for s in ds["seed"].values if ds["finished"].sel(model=model, seed=s).any()
        ]
        for model in ds["model"].values
    }
    told = "; ".join(f"{model}: {', '.join(map(str, found))}" for model, found in seeds.items())
    return harm.assign_attrs(units="nats", level=0.95, seeds=told)


def judge(ds: xr.Dataset) -> None:
    """Print each of our ways less the best opponent, in pairs on the same samples.

    The best opponent is the one of least mean harm over seeds, which favours it by its luck.
    """
    opponents = [name for name in METHODS if name not in OURS and name != "random"]
    for model in ds["model"].values:
        for share in ds["share"].values:
            here = ds["loss_change"].sel(model=model, share=share).dropna("seed", how="all")
            if not here.sizes["seed"]:
                continue
            means = here.mean("sample").mean("seed")
            best = min(opponents, key=lambda name: float(means.sel({"method": name})))
            least = float(means.sel({"method": best}))
            for mine in list(OURS)[:3]:
                if not np.isfinite(means.sel({"method": mine})):
                    continue
                pairs = here.sel({"method": mine}) - here.sel({"method": best})
                count = pairs.count("sample")
                reach = pairs.std("sample", ddof=1) / np.sqrt(count)
                reach = float((reach * stats.t.ppf(0.975, count - 1)).mean())
                apart, own = float(pairs.mean()), float(means.sel({"method": mine}))
                half = "no rise to halve"
                if least > 0:
                    half = f"half of it: {'yes' if own <= least / 2 else 'no'}"
                print(
                    f"{model}, {float(share):.0%}: {mine} {own:.4f}, best opponent {best} "
                    f"{least:.4f}, apart by {apart:.4f} ({apart - reach:.4f} to "
                    f"{apart + reach:.4f}); {half}"
                )


def table(folder: Path, models: list[str], seeds: list[int]) -> None:
    """Print the rise of the loss for every model, share and method, over seeds."""
    ds = collected(folder, models, seeds)
    for model in models:
        for share in SHARES:
            here = ds.sel(model=model, share=share)
            print(f"{model}, {share:.0%}, {float(here['seconds'].sum()):.0f} s")
            for method in METHODS:
                means = here["loss_change"].sel({"method": method}).mean("sample").values.ravel()
                known = [float(v) for v in means if math.isfinite(v)]
                if known:
                    text = ", ".join(f"{v:.4f}" for v in known)
                    passes = float(here["passes"].sel({"method": method}).mean())
                    print(f"  {method:18s} {np.mean(known):9.4f}   ({text}); {passes:.1f} passes")


def costs(model: str) -> None:
    """Print what the first seed's net costs less without a quarter of its layers."""
    net, batches = trained(model, 0, MODELS_IN[0])
    search, held_out = lp.surgery.halves(batches, seed=0)
    size = max(round(0.25 * DEPTHS[model]), 1)
    for way in ("drop", "linear", "convolution"):
        plan = lp.surgery.plan(net, search, drop=size, ways=way, layers=LAYERS[model])
        proof = lp.surgery.prove(net, lp.surgery.cut(net, plan), held_out, plan)
        told = [each for each in proof.sentences() if "smaller model takes" in each]
        print(plan.cut, *told, proof.sentences()[-1], sep="\n  ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models-in", type=Path, default=MODELS_IN[0])
    parser.add_argument("--models", nargs="+", default=list(DEPTHS), choices=list(DEPTHS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES), choices=SHARES)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--coverage", type=int, default=0)
    parser.add_argument(
        "--costs", action="store_true", help="time and parameters of the first model"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    MODELS_IN[0] = options.models_in
    if options.costs:
        costs(options.models[0])
        return
    if options.coverage:
        coverage(options.coverage, options.out)
        return
    if options.table or options.figure or options.page:
        ds = compared(collected(options.out, options.models, options.seeds))
        if options.table:
            table(options.out, options.models, options.seeds)
            judge(collected(options.out, options.models, options.seeds))
        if options.figure:
            lp.plots.save(lp.plots.figure_cuts(ds), options.figure, overwrite=True)
        if options.page:
            title = "Ways to choose layers that can go"
            lp.report.write_cuts(options.page, ds, title=title, overwrite=True)
        return
    for model in options.models:
        seeds = options.seeds[:1] if model == "minilm" else options.seeds
        cells = lp.sweep.product({"model": [model], "seed": seeds, "share": options.shares})
        found = lp.sweep.run(measure, cells, options.out)
        print(
            model, found.ran, "ran,", found.kept, "kept,", len(found.failed), "failed", flush=True
        )


if __name__ == "__main__":
    main()
