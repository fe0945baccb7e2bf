"""How well layers rank by predicted harm, movement, both and place, on the models of `surgery.py`.

    python benchmarks/ranking.py --models-in FOLDER
    python benchmarks/ranking.py --models-in FOLDER --models mlp --seeds 0

Every ranking is made on the samples of the search, and held against what really skipping each layer
does to the loss on the others: Spearman's correlation of ranks. "both" is the mean of the ranks by
predicted harm and by own step; "of 256" says that harm is predicted on the first 256 samples, as
`diagnose` does by default. The means over the nets of a command stand at its end. FOLDER keeps
trained nets.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import stats

import loadpath as lp

sys.path.insert(0, str(Path(__file__).parent))
from surgery_models import DEPTHS, LAYERS, trained


def correlations(model: str, seed: int, folder: Path) -> dict[str, float]:
    """Return the correlation of each ranking with the harm of skipping on other samples."""
    net, batches = trained(model, seed, folder)
    search, held_out = lp.surgery.halves(batches, seed=seed)
    quiet = dict(layers=LAYERS[model], progress=False)
    predicted = lp.diagnosis.predict_harm(net, search, **quiet)
    first = lp.diagnose(net, search, measures=["steps"], **quiet)  # predicts on 256 samples
    skipped = lp.diagnosis.skip_layers(net, held_out, **quiet)
    moved = lp.diagnosis.skip_layers(net, search, **quiet)
    truth = skipped["loss_change"].values
    names = [str(name) for name in skipped["layer"].values]
    harm, harm_of_first, own_step = (
        ds[variable].sel(layer=names).values
        for ds, variable in (
            (predicted, "predicted_harm"),
            (first, "predicted_harm"),
            (moved, "own_step"),
        )
    )
    rankings = {
        "predicted harm": harm,
        "own step": own_step,
        "both": stats.rankdata(harm) + stats.rankdata(own_step),
        "predicted harm of 256": harm_of_first,
        "both of 256": stats.rankdata(harm_of_first) + stats.rankdata(own_step),
        "place, last first": -np.arange(len(names)),
        "skipped on the search": moved["loss_change"].sel(layer=names).values,
    }
    found = {name: float(stats.spearmanr(v, truth).statistic) for name, v in rankings.items()}
    return found | {"largest change": float(truth.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models-in", type=Path, default=Path("models"))
    parser.add_argument("--models", nargs="+", default=list(DEPTHS), choices=list(DEPTHS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.models_in.mkdir(parents=True, exist_ok=True)
    every = []
    for model in options.models:
        for seed in options.seeds[:1] if model == "minilm" else options.seeds:
            found = correlations(model, seed, options.models_in)
            print(f"{model}, seed {seed}: {in_words(found)}", flush=True)
            every.append(found)
    means = {name: float(np.mean([found[name] for found in every])) for name in every[0]}
    del means["largest change"]
    print(f"mean of {len(every)} nets: {in_words(means, 3)}")


def in_words(found: dict[str, float], digits: int = 2) -> str:
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in found.items())


if __name__ == "__main__":
    main()
