"""What repairs a cut: least squares behind it, or distillation, on the models of `surgery.py`.

    python benchmarks/healing.py --models-in FOLDER
    python benchmarks/healing.py --models-in FOLDER --models mlp --seeds 0

Layers are dropped by plan. Each repair is made on the samples of the search, and proven on the
others: the rise of the loss with its 95 % interval, and the passes over the search samples that the
repair took, a backward pass counting as two. FOLDER keeps trained nets.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

import loadpath as lp

sys.path.insert(0, str(Path(__file__).parent))
from surgery_models import DEPTHS, LAYERS, trained

SHARES = (0.25, 0.5)
STEPS = 100
"""Steps of distillation, on a batch each."""


def repairs(model: str, seed: int, share: float, folder: Path) -> None:
    """Print what each repair of one cut does, and takes."""
    net, batches = trained(model, seed, folder)
    search, held_out = lp.surgery.halves(batches, seed=seed)
    size = max(round(share * DEPTHS[model]), 1)
    plan = lp.surgery.plan(net, search, drop=size, layers=LAYERS[model], seed=seed)
    smaller = lp.surgery.cut(net, plan)
    found: dict[str, tuple[torch.nn.Module, float]] = {"cut": (smaller, 0.0)}
    for name, behind in (("refit, next layer", 1), ("refit, all behind", None)):
        refitted = lp.surgery.refit(net, smaller, search, plan, behind=behind)
        found[name] = refitted.model, refitted.passes
    healed = lp.surgery.heal(net, smaller, search, plan, steps=STEPS, learning_rate=1e-3, seed=seed)
    passes = (healed.forward_passes + 2 * healed.backward_passes) / plan.n_samples
    found[f"distilled, {STEPS} steps"] = healed.model, passes
    print(f"{model}, seed {seed}, {share:.0%}: {plan.cut}", flush=True)
    for name, (made, passes) in found.items():
        proof = lp.surgery.prove(net, made, held_out, plan, batch_sizes=())
        e = proof.loss_change
        print(
            f"  {name:20s} {e.value:7.4f} ({e.low:.4f} to {e.high:.4f}), {passes:.1f} passes, "
            f"outputs moved by {proof.output_change.value:.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models-in", type=Path, default=Path("models"))
    parser.add_argument("--models", nargs="+", default=["mlp", "vit", "resnet"], choices=DEPTHS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.models_in.mkdir(parents=True, exist_ok=True)
    for model in options.models:
        for seed in options.seeds:
            for share in SHARES:
                repairs(model, seed, share, options.models_in)


if __name__ == "__main__":
    main()
