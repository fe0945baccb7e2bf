"""How well layers rank by predicted harm, by movement and by place, on the models of `surgery.py`.

    python benchmarks/ranking.py --models-in FOLDER
    python benchmarks/ranking.py --models-in FOLDER --models mlp --seeds 0

Every ranking is made on the samples of the search, and held against what really skipping each layer
does to the loss on the others: Spearman's correlation of ranks. FOLDER keeps trained nets.
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
    layers = LAYERS[model]
    predicted = lp.diagnosis.predict_harm(net, search, layers=layers, progress=False)
    skipped = lp.diagnosis.skip_layers(net, held_out, layers=layers, progress=False)
    moved = lp.diagnosis.skip_layers(net, search, layers=layers, progress=False)
    truth = skipped["loss_change"].values
    names = [str(name) for name in skipped["layer"].values]
    rankings = {
        "predicted harm": predicted["predicted_harm"].sel(layer=names).values,
        "own step": moved["own_step"].sel(layer=names).values,
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
    for model in options.models:
        for seed in options.seeds[:1] if model == "minilm" else options.seeds:
            found = correlations(model, seed, options.models_in)
            told = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            print(f"{model}, seed {seed}: {told}", flush=True)


if __name__ == "__main__":
    main()
