"""The bottleneck rank of a function that is known to have one, read off a trained net (seconds).

The teacher sends 8 dimensions through 2 and back to 8. A Leaky ResNet of width 20 that learns it
could use 20 dimensions in every layer; trained to a stationary point with weight decay, it comes
down to 2 in the middle of its path.

    python examples/find_bottleneck.py
"""

import torch

import loadpath as lp
from loadpath.leaky_resnet.training import LBFGS, Adam


def main(seed: int = 0) -> dict[str, float]:
    """Train, measure, and return what was measured."""
    data = lp.data.teacher((8, 2, 8), n_train=300, n_test=200, seed=seed)
    model = lp.LeakyResNet(
        data.in_features,
        data.out_features,
        width=20,
        depth=12,
        effective_depth=4.0,
        seed=seed,
        dtype=torch.float64,  # L-BFGS gets nearer to a stationary point than in float32
    )
    run = lp.fit(
        model,
        data,
        weight_decay=0.16,
        stages=(Adam(1000), LBFGS(1000)),
        threads=1,  # so small a net gains nothing from more
    )
    profile = lp.mechanics.profile(model, data.x_train, data.y_train, weight_decay=run.weight_decay)
    middle = ((profile.p_step >= 0.25) & (profile.p_step <= 0.75)).values
    return {
        "rank of the teacher": data.provenance["bottleneck_rank"],
        "bottleneck rank": int(profile.bottleneck_rank),
        "drop after that singular value": profile.bottleneck_rank.attrs["gap"],
        "cost of identity at the input": float(profile.cost_of_identity[0]),
        "least cost of identity": float(profile.cost_of_identity.min()),
        "stationarity residual mid-path": float(profile.stationarity[middle].median()),
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value:.3g}")
