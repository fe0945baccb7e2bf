"""Models for `surgery.py`: trained on real data here, but for a sentence encoder.

Each is trained once for every seed, for a few minutes of one core at most, and kept in a folder.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import loadpath as lp

Batches = list[Any]
DEPTHS = {"mlp": 12, "resnet": 9, "vit": 8, "gpt": 8, "minilm": 6}
"""How many blocks may go."""
LAYERS = {
    "mlp": "blocks.*",
    "resnet": "blocks.*",
    "vit": "blocks.*",
    "gpt": "blocks.*",
    "minilm": "bert.encoder.layer.*",
}
CONTEXT = 48
"""Characters that the language model reads at once."""


class Perceptron(nn.Module):
    """A residual block of a perceptron: h + outer(relu(inner(norm h)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        return h + self.outer(torch.relu(self.inner(self.norm(h))))


class Convolutions(nn.Module):
    """A pre-activation residual block of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.maps = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)
        )

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        z = h
        for norm, conv in zip(self.norms, self.maps, strict=True):
            z = conv(torch.relu(norm(z)))
        return h + z


class Transformer(nn.Module):
    """A pre-norm block of attention and a perceptron."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads, self.causal = heads, causal

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        n, t, w = h.shape
        q, k, v = self.qkv(self.norms[0](h)).reshape(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        h = h + self.out(seen.transpose(1, 2).reshape(n, t, w))
        return h + self.down(functional.gelu(self.up(self.norms[1](h))))


class Net(nn.Module):
    """What is read first, blocks, and what reads them."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        out: Tensor = self.head(h)
        return out


class Patches(nn.Module):
    """Images (sample, 64) of 8x8 pixels as 16 tokens with places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map, self.place = nn.Linear(4, width), nn.Parameter(0.1 * torch.randn(16, width))

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        patches = x.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)
        out: Tensor = self.map(patches) + self.place
        return out


class Characters(nn.Module):
    """Bytes with places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding, self.place = nn.Embedding(128, width), nn.Embedding(CONTEXT, width)

    def forward(self, ids: Tensor) -> Tensor:
        """Run it."""
        out: Tensor = self.embedding(ids) + self.place.weight[: ids.shape[1]]
        return out


class MeanHead(nn.Module):
    """Classes from the mean over tokens or positions."""

    def __init__(self, width: int, axes: tuple[int, ...], features: int) -> None:
        super().__init__()
        self.norm, self.map, self.axes = nn.LayerNorm(width), nn.Linear(width, features), axes

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        out: Tensor = self.map(self.norm(h.mean(self.axes) if self.axes else h))
        return out


class Image(nn.Module):
    """Images (sample, 64) as maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Conv2d(1, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        out: Tensor = self.map(x.reshape(-1, 1, 8, 8))
        return out


def built(name: str) -> Net:
    """Return a net with random weights."""
    if name == "mlp":
        width = 32
        blocks: list[nn.Module] = [Perceptron(width) for _ in range(DEPTHS[name])]
        return Net(nn.Linear(64, width), blocks, MeanHead(width, (), 10))
    if name == "resnet":
        blocks = [Convolutions(16) for _ in range(DEPTHS[name])]
        return Net(Image(16), blocks, MeanHead(16, (2, 3), 10))
    causal = name == "gpt"
    width = 64 if causal else 32
    blocks = [Transformer(width, 4, causal) for _ in range(DEPTHS[name])]
    stem = Characters(width) if causal else Patches(width)
    return Net(stem, blocks, MeanHead(width, () if causal else (1,), 128 if causal else 10))


def text() -> Tensor:
    """Return docstrings of Python's standard library as bytes below 128."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
        found += [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, kinds)]
    kept = "\n\n".join(filter(None, found)).encode("ascii", "ignore")
    return torch.tensor(list(kept), dtype=torch.long)


def samples(name: str, seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return samples to train on and others, dealt out by the seed."""
    generator = torch.Generator().manual_seed(seed)
    if name == "gpt":
        ids = text()
        rows = ids[: len(ids) // (CONTEXT + 1) * (CONTEXT + 1)].reshape(-1, CONTEXT + 1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        x, y, cut = rows[:, :-1], rows[:, 1:], len(rows) * 4 // 5
    else:
        data = lp.data.digits()
        x = torch.cat([data.x_train, data.x_test]).float()
        y = torch.cat([data.y_train, data.y_test])
        order = torch.randperm(len(x), generator=generator)
        x, y, cut = x[order], y[order], 900
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


STEPS = {"mlp": 600, "resnet": 400, "vit": 800, "gpt": 1500}
"""Steps of Adam, on 64 samples each."""


def trained(name: str, seed: int, folder: Path) -> tuple[nn.Module, Batches]:
    """Return a trained model, and batches that it has not seen."""
    if name == "minilm":
        sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
        from diagnose_sentences import load

        model, batches = load(looked_at=10_000)  # all there are
        return model, list(batches)
    torch.manual_seed(seed)
    net = built(name)
    (x, y), (x_test, y_test) = samples(name, seed)
    path = folder / f"{name}-{seed}.safetensors"
    if path.exists():
        net.load_state_dict(lp.results.load_tensors(path, format="trained", what="net")[0])
    else:
        _train(net, x, y, STEPS[name])
        lp.results.save_tensors(net.state_dict(), path, metadata={"format": "trained"})
    x_test, y_test = x_test[:1200], y_test[:1200]
    return net.eval(), list(zip(x_test.split(32), y_test.split(32), strict=True))


def _train(net: Net, x: Tensor, y: Tensor, steps: int) -> None:
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        which = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        logits = net(x[which])
        functional.cross_entropy(logits.flatten(0, -2), y[which].flatten()).backward()
        optimizer.step()
        rate.step()
