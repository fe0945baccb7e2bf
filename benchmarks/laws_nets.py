"""The nets of docs/registered/laws.md: how each is made, trained, read and scored."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import loadpath as lp
from loadpath.laws import Representations
from loadpath.laws.nulls import settle
from loadpath.spring_block.networks import MLP, Recipe, train

Loader = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Case:
    """One net that is measured."""

    model: nn.Module
    """The net as it was trained."""
    loader: Loader
    """What it was trained on, in batches, with its answers."""
    untrained: Callable[[int], nn.Module] | None
    """From a seed to an untrained net of its kind; None where `lp.laws.measure` knows how."""
    score: Callable[[nn.Module], tuple[float, float]]
    """From a net to its test loss and its test accuracy (NaN for regression)."""
    layers: Any = None
    """What is recorded."""
    blocks: Any = None
    """Its residual blocks, where `composition` is asked of them; () for a LeakyResNet."""
    reduction: lp.record.Reduction | None = None
    path: Callable[[nn.Module], Representations] | None = None
    """Its representations, where no modules put them out."""
    status: str = ""


class Block(nn.Module):
    """A residual block: x + body(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        return h + self.body(h)


class Attention(nn.Module):
    """Pre-norm self-attention and a two-layer net, each added to the stream: two steps in one."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads, self.causal = heads, causal

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        n, tokens, width = h.shape
        q, k, v = (
            part.reshape(n, tokens, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.norms[0](h)).chunk(3, dim=-1)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        h = h + self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return h + self.outer(nn.functional.gelu(self.inner(self.norms[1](h))))


class Tokens(nn.Module):
    """Tokens, patches of an image or letters, with learned places."""

    def __init__(self, embed: nn.Module, tokens: int, width: int) -> None:
        super().__init__()
        self.embed, self.places = embed, nn.Embedding(tokens, width)

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        h = self.embed(x)
        return h + self.places.weight[: h.shape[1]]


class Net(nn.Module):
    """A stem, residual blocks, and a head."""

    def __init__(self, stem: nn.Module, blocks: Iterable[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.head(h)


class Patches(nn.Module):
    """(sample, pixel) images to rows of 4x4 patches."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.side, self.linear = side, nn.Linear(16, width)

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        return self.linear(nn.functional.unfold(_planes(x, self.side), 4, stride=4).transpose(1, 2))


class Planes(nn.Module):
    """(sample, pixel) images to maps of a convolution."""

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        self.side, self.conv = side, nn.Conv2d(1, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        return self.conv(_planes(x, self.side))


class Mean(nn.Module):
    """The mean over tokens."""

    def forward(self, h: Tensor) -> Tensor:
        """Run it."""
        return h.mean(1)


def _planes(x: Tensor, side: int) -> Tensor:
    return x.reshape(-1, 1, side, side)


def residual_mlp(inputs: int, classes: int, depth: int, seed: int) -> Net:
    torch.manual_seed(seed)
    w = 64
    body = lambda: nn.Sequential(nn.BatchNorm1d(w), nn.Linear(w, w), nn.ReLU(), nn.Linear(w, w))  # noqa: E731
    return Net(nn.Linear(inputs, w), (Block(body()) for _ in range(depth)), nn.Linear(w, classes))


def residual_cnn(inputs: int, classes: int, depth: int, seed: int) -> Net:
    torch.manual_seed(seed)
    side, c = math.isqrt(inputs), 16
    conv = functools.partial(nn.Conv2d, c, c, 3, padding=1)
    body = lambda: nn.Sequential(nn.BatchNorm2d(c), conv(), nn.ReLU(), conv())  # noqa: E731
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))
    return Net(Planes(side, c), (Block(body()) for _ in range(depth)), head)


def transformer(inputs: int, classes: int, depth: int, seed: int) -> Net:
    torch.manual_seed(seed)
    side, w = math.isqrt(inputs), 64
    stem = Tokens(Patches(side, w), (side // 4) ** 2, w)
    head = nn.Sequential(nn.LayerNorm(w), Mean(), nn.Linear(w, classes))
    return Net(stem, (Attention(w, 4, False) for _ in range(depth)), head)


def gpt(letters: int, depth: int, seed: int, context: int = 64) -> Net:
    torch.manual_seed(seed)
    w = 96
    head = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, letters))
    stem = Tokens(nn.Embedding(letters, w), context, w)
    return Net(stem, (Attention(w, 4, True) for _ in range(depth)), head)


def descend(net: nn.Module, batches: Callable[[int], tuple[Tensor, Tensor]], steps: int) -> None:
    """Train by AdamW with a warm-up and a cosine, as transformers are."""
    rate = lambda i: min(1.0, (i + 1) / 50) * 0.5 * (1 + math.cos(math.pi * i / steps))  # noqa: E731
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for i in range(steps):
        x, y = batches(i)
        loss = nn.functional.cross_entropy(net(x).flatten(0, -2), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def scored(x: Tensor, y: Tensor) -> Callable[[nn.Module], tuple[float, float]]:
    @torch.no_grad()
    def score(net: nn.Module) -> tuple[float, float]:
        net.eval()
        outputs = [net(part).flatten(0, -2) for part in x.split(500)]
        logits, labels = torch.cat(outputs), y.flatten()
        right = float((logits.argmax(1) == labels).double().mean())
        return float(nn.functional.cross_entropy(logits, labels)), right

    return score


@functools.cache
def images(folder: str, seed: int) -> lp.data.Data:
    """The samples of the classifiers: Fashion-MNIST, or the digits that Loadpath ships."""
    if folder == "digits":
        return lp.data.digits(seed=seed)
    return lp.data.fashion_mnist(folder, n_train=4000, n_test=5000, seed=seed)


MAKERS = {"residual mlp": residual_mlp, "cnn": residual_cnn, "transformer": transformer}


def classifier(net: str, setting: str, seed: int, fashion: str, steps: int) -> Case:
    """A residual classifier of images."""
    data = images(fashion, seed)
    x, y = data.x_train.float(), data.y_train
    make = functools.partial(MAKERS[net], x.shape[1], int(y.max()) + 1, int(setting))
    model, draw = make(seed), torch.Generator().manual_seed(seed)

    def batch(_: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(x), (128,), generator=draw)
        return x[rows], y[rows]

    descend(model, batch, steps)
    loader = list(zip(x[:2000].split(250), y[:2000].split(250), strict=True))
    blocks = Attention if net == "transformer" else Block
    score = scored(data.x_test.float(), data.y_test)
    return Case(model, loader, make, score, ["stem", "blocks.*"], blocks)


@functools.cache
def text() -> tuple[Tensor, int]:
    """Letters of Python's own documentation, which every Python carries: English, half a MB."""
    from pydoc_data.topics import topics

    whole = "\n".join(topics[name] for name in sorted(topics))
    letters = sorted(set(whole))
    number = {letter: i for i, letter in enumerate(letters)}
    return torch.tensor([number[letter] for letter in whole]), len(letters)


def language_model(setting: str, seed: int, steps: int) -> Case:
    """A character-level GPT; the answers are the next letters."""
    letters, count = text()
    cut, context = int(0.9 * len(letters)), 64
    draw = torch.Generator().manual_seed(seed)

    def take(n: int, low: int, high: int) -> tuple[Tensor, Tensor]:
        starts = torch.randint(low, high - context - 1, (n,), generator=draw)
        rows = starts[:, None] + torch.arange(context)
        return letters[rows], letters[rows + 1]

    make = functools.partial(gpt, count, int(setting))
    model = make(seed)
    descend(model, lambda _: take(32, 0, cut), steps)
    x, y = take(400, 0, cut)
    loader = list(zip(x.split(50), y.split(50), strict=True))
    reduction = lp.record.Reduction(tokens="positions", every=8)
    score = scored(*take(300, cut, len(letters)))
    return Case(model, loader, make, score, ["stem", "blocks.*"], Attention, reduction)


def spring_block(net: str, setting: str, seed: int, fashion: str, epochs: int) -> Case:
    """[SB]'s MLP, at a slope and a dropout."""
    slope, dropout = map(float, setting.split(" "))
    data = images(fashion, seed)
    sizes = data.x_train.shape[1], int(data.y_train.max()) + 1

    def make(s: int) -> MLP:
        norm = net == "mlp bn"
        return MLP(*sizes, slope=slope, dropout=dropout, batch_norm=norm, seed=s)

    model = make(seed)
    train(model, data, Recipe(epochs=epochs, dropout=dropout), seed=seed)
    x, y = data.x_train.float()[:2000], data.y_train[:2000]

    def untrained(s: int) -> MLP:
        made = make(s).eval()
        settle(made, lambda: made(x))
        return made

    @torch.no_grad()
    def path(each: nn.Module) -> Representations:
        assert isinstance(each, MLP)
        rows = each.eval().path(x)
        chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:500]
        return Representations.from_features([H[chosen] for H in rows], y[chosen])

    score = scored(data.x_test.float(), data.y_test)
    return Case(model, [(x, y)], untrained, score, path=path)


def leaky(net: str, setting: str, seed: int, steps: int) -> Case:
    """A LeakyResNet on a teacher of bottleneck rank 3: a certified geodesic, or trained plainly."""
    data = lp.data.teacher(dims=(20, 3, 20), n_train=400, n_test=1000, seed=seed)
    sizes = dict(width=40, depth=20, effective_depth=float(setting))
    status = ""
    if net == "geodesic":
        solved = lp.geodesic.solve(data.x_train, data.y_train, max_seconds=600, seed=seed, **sizes)
        model, status = solved.model, str(solved.status)
    else:
        model = lp.LeakyResNet(20, 20, seed=seed, **sizes)
        lp.fit(model, data, stages=(lp.training.Adam(steps),), seed=seed, progress=False)
    x, y = data.x_train.to(model.weights), data.y_train

    @torch.no_grad()
    def score(each: nn.Module) -> tuple[float, float]:
        left = each(data.x_test.to(model.weights)) - data.y_test.to(model.weights)
        return float(left.square().sum(1).mean()), math.nan

    return Case(model, [(x, y)], None, score, blocks=(), status=status)


def sentence_encoder(seed: int) -> Case:
    """all-MiniLM-L6-v2 as it comes, on sentences of docstrings; see examples/diagnose_sentences."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    import diagnose_sentences
    from transformers import AutoModel

    model, batches = diagnose_sentences.load()

    def make(s: int) -> nn.Module:
        torch.manual_seed(s)
        bert = AutoModel.from_config(model.bert.config).eval()
        return diagnose_sentences.Topics(bert, model.means.detach().clone())

    @torch.no_grad()
    def score(each: nn.Module) -> tuple[float, float]:
        pairs = [(each(b["input_ids"], b["attention_mask"]), b["labels"]) for b in batches]
        logits, labels = (torch.cat(part) for part in zip(*pairs, strict=True))
        right = float((logits.argmax(1) == labels).double().mean())
        return float(nn.functional.cross_entropy(logits, labels)), right

    return Case(model, batches, make, score, diagnose_sentences.LAYERS, "bert.encoder.layer.*")
