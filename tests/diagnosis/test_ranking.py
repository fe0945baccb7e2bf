"""How well layers that move little are those that can go: nets trained here, every layer skipped.

`FASHION_MNIST=DIR python -m pytest -m slow -s tests/diagnosis/test_ranking.py` trains three nets of
each kind on Fashion-MNIST (without DIR, on the 8x8 digits) and prints what docs/diagnose.md has.
"""

import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import loadpath as lp

pytestmark = pytest.mark.slow
EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "diagnose_images.py"))
SEEDS, DEPTH = range(3), 10
SMALL = "FASHION_MNIST" not in os.environ


class Residual(nn.Module):
    """Pre-norm: h + W_2 relu(W_1 LayerNorm(h))."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, h):
        return h + self.body(h)


class MLP(nn.Module):
    def __init__(self, size, classes, width=128):
        super().__init__()
        self.embed = nn.Linear(size * size, width)
        self.blocks = nn.ModuleList(Residual(width) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        h = self.embed(x.flatten(1))
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


KINDS = {
    "transformer": lambda size, classes: EXAMPLE["Transformer"](size, classes, depth=DEPTH),
    "residual MLP": MLP,
}
BY = ("relative_step", "turn", "own_step")


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_move_little_are_those_that_can_go(kind):
    agreed = []
    for seed in SEEDS:
        model, loader = EXAMPLE["load"](
            EXAMPLE["images"](), epochs=12 if SMALL else 4, seed=seed, make=KINDS[kind]
        )
        layers = ("embed", "blocks.*")
        ds = lp.diagnose(model, loader, layers=layers, measures=["steps"])
        skipped = lp.diagnosis.skip_layers(model, loader, layers=layers)
        change = skipped["loss_change"].sel(layer=[f"blocks.{l}" for l in range(DEPTH)])
        print(
            f"\n{kind}, seed {seed}: right on {float(skipped['accuracy']):.1%}; changes of loss "
            f"{np.array2string(change.values, precision=3)}"
        )
        for by in BY:
            found = lp.diagnosis.verdict(ds, skipped, by=by)
            a = found.agreement
            print(
                f"  by {by}: {a.spearman:.2f} ({a.low:.2f} to {a.high:.2f}), p {a.p_value:.2g}, "
                f"{a.hits} of {a.least} ({a.hits_by_chance:.1f} by chance), least moving is no. "
                f"{a.rank_of_least_moving}: {a.trust}; by place {found.by_place:.2f}"
            )
            if by == "relative_step":
                agreed.append(a.spearman)
        # The table is of nets that work, of layers that are not all idle.
        assert float(skipped["accuracy"]) > 0.8 and float(skipped["loss_change_low"].max()) > 0
    assert np.mean(agreed) > 0.3
