"""A small transformer trained on images, and which of its layers could go (docs/diagnose.md).

    FASHION_MNIST=DIR python examples/diagnose_images.py [FOLDER]

DIR has the four files of Fashion-MNIST, and training takes two minutes on one core. Without it,
the 8x8 digits that come with Loadpath are used, in seconds. FOLDER gets results and a picture.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import loadpath as lp
from loadpath import plots

LAYERS = ("embed", "blocks.*")
"""What the first block is given, and all blocks."""


class Patches(nn.Module):
    """An image as 16 tokens, each a quarter as long as the image, with their places."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear((size // 4) ** 2, width)
        self.place = nn.Parameter(0.02 * torch.randn(16, width))

    def forward(self, x: Tensor) -> Tensor:
        """(sample, 1, size, size) to (sample, 16, width)."""
        side = x.shape[-1] // 4
        patches = x.unfold(2, side, side).unfold(3, side, side)  # (sample, 1, 4, 4, side, side)
        return self.linear(patches.reshape(len(x), 16, side * side)) + self.place


class Transformer(nn.Module):
    """Pre-norm: each block adds to a stream that nothing normalizes on the way."""

    def __init__(self, size: int, n_classes: int, *, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.embed = Patches(size, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (sample, class) of images (sample, 1, size, size)."""
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


def images() -> lp.data.Data:
    """Fashion-MNIST, or the digits."""
    folder = os.environ.get("FASHION_MNIST")
    return lp.data.fashion_mnist(folder) if folder else lp.data.digits()


def load(
    data: lp.data.Data | None = None,
    epochs: int = 4,
    seed: int = 0,
    make: Callable[[int, int], nn.Module] = Transformer,
) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A model, trained, and batches of images that it has not seen."""
    data = data or images()
    size = round(data.in_features**0.5)
    torch.manual_seed(seed)
    model = make(size, data.out_features)
    x, y = data.x_train.float().reshape(-1, 1, size, size), data.y_train
    per_epoch = len(x) // 128
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-3, total_steps=epochs * per_epoch
    )
    for _ in range(epochs):
        for part in torch.randperm(len(x))[: per_epoch * 128].view(per_epoch, 128):
            loss = nn.functional.cross_entropy(model(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    x_test = data.x_test.float().reshape(-1, 1, size, size)
    return model.eval(), list(zip(x_test.split(500), data.y_test.split(500), strict=True))


def main(data: lp.data.Data | None = None, epochs: int = 4) -> dict[str, Any]:
    """Train, diagnose, skip every block, and return what was found."""
    model, loader = load(data, epochs)
    ds = lp.diagnose(model, loader, layers=LAYERS)
    skipped = lp.diagnosis.skip_layers(model, loader, layers=LAYERS)
    return {
        "profile": ds,
        "skipped": skipped,
        "said": lp.diagnosis.summary(ds),
        "verdict": lp.diagnosis.verdict(ds, skipped, by="relative_step"),
    }


def save(found: dict[str, Any], folder: Path) -> None:
    """Results and a picture."""
    for name in ("profile", "skipped"):
        lp.results.save(
            found[name], folder / "data" / "diagnose" / f"images-{name}.nc", overwrite=True
        )
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plots.layers_skipped(found["skipped"], left)
    plots.movement_and_harm(found["profile"], found["skipped"], right)
    figure.savefig(folder / "figures" / "diagnose_images.png", dpi=130)


if __name__ == "__main__":
    found = main()
    print(*found["said"], *found["verdict"].sentences, sep="\n")
    if sys.argv[1:]:
        save(found, Path(sys.argv[1]))
