"""What a pass of `lp.diagnose` costs over the bare forward pass, beside torchlens, and its memory.

Run `pip install torchlens`, then `python benchmarks/diagnose.py`; it takes a quarter of an hour on
2 cores.

Speed is measured on nets of random weights with random images or tokens and labels, in batches of
64. The same batches go through the net alone (in evaluation mode, without gradients), through
`lp.diagnose` with its default measures and blocks that it finds, and through `torchlens.trace`,
which saves the outputs of the same blocks or of all operations. They take turns, so that a busy
moment hits all of them. The time of `diagnose` is that of its pass, `seconds_of_pass`: beside it
are some passes of the first batch, to count and time layers, and what comes after, the measures
from sums and kept samples; neither grows with the data, and both are printed apart. The pass must
be long enough to factorize: rows wait until a layer has as many as columns (3 w + 1), so there are
48 batches, twice as many rows as the widest layer has columns. torchlens, to which every batch
costs the same, is given every eighth. `--nets` has more nets: one for images of 224x224, which take
half an hour, and a transformer that runs fused where nothing is hooked to it.

`--recording` measures only what it costs to record rows, for all kinds of nets, beside hooks that
do nothing but copy what the same layers put out: what is kept must lie in memory of its own. That
takes CPU time of the process and not the clock's, as other work on the machine does.

`--ranking` measures only what ranking layers by predicted harm adds, as `diagnose` does by default:
its time in passes of one batch through the net alone, and the peak memory of the process before it
and after. All else is measured without it.

Memory is measured on a small transformer with 1e3, 1e4 and 1e5 samples that are drawn batch by
batch, each number in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from monitor import Block
from torch import Tensor, nn
from transformers import BertConfig, BertModel

import loadpath as lp
from loadpath.record import stream

CLASSES, BATCH = 10, 64
now = time.perf_counter
Batches = list[tuple[Tensor, Tensor]]


def mlp() -> nn.Module:
    """Return an MLP of 20 layers of width 512, whose pass is short."""
    blocks = (nn.Sequential(nn.Linear(512, 512), nn.ReLU()) for _ in range(20))
    return nn.Sequential(nn.Flatten(), *blocks, nn.Linear(512, CLASSES))


def resnet(small: bool) -> nn.Module:
    """Return a ResNet-18 for 32x32 images, with a stem of stride 1, or for images of 224x224."""
    blocks, before = [], 64
    for width in (64, 128, 256, 512):
        blocks += [Block(before, width, 1 if width == 64 else 2), Block(width, width, 1)]
        before = width
    stem: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    if not small:
        stem[0] = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        stem.append(nn.MaxPool2d(3, 2, 1))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES))
    return nn.Sequential(nn.Sequential(*stem), nn.Sequential(*blocks), head)


class Encoder(nn.Module):
    """Six layers as MiniLM has them, of Hugging Face's BERT, and the mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(384, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits for whole numbers (sample, token)."""
        return self.head(self.bert(input_ids=tokens).last_hidden_state.mean(1))


class Transformer(nn.Module):
    """The same net from torch.nn, each layer of which runs as one fused operation without hooks."""

    def __init__(self, width: int = 384, heads: int = 12, depth: int = 6) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for inputs (sample, token, width)."""
        return self.head(self.encoder(x).mean(1))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ResNet-18, 32x32": (lambda: resnet(small=True), (3, 32, 32)),
    "ResNet-18, 224x224": (lambda: resnet(small=False), (3, 224, 224)),
    "BERT, 6 layers of width 384, 64 tokens": (Encoder, (64,)),
    "torch.nn transformer, likewise": (Transformer, (64, 384)),
    "MLP, 20 layers of width 512": (mlp, (1, 512)),
}
"""Each net by its words, and the shape of a sample; one axis means whole numbers."""


def bare(net: nn.Module, batches: Batches) -> float:
    """Return the seconds of the forward pass alone."""
    began = now()
    with torch.no_grad():
        for x, _ in batches:
            net(x)
    return now() - began


def hooks(net: nn.Module, batches: Batches, layers: list[str] | None = None) -> float:
    """Return the seconds of a pass that records rows and keeps none of them."""
    began = now()
    for _ in stream(net, batches, layers=layers):
        pass
    return now() - began


def copies(net: nn.Module, batches: Batches, blocks: list[str]) -> float:
    """Return the seconds of the pass with copies of what the blocks put out, kept for a batch."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: object) -> None:
        kept.append((output if isinstance(output, Tensor) else output[0]).clone())

    hooks = [net.get_submodule(name).register_forward_hook(keep) for name in blocks]
    began = now()
    with torch.no_grad():
        for x, _ in batches:
            net(x)
            kept.clear()
    spent = now() - began
    for hook in hooks:
        hook.remove()
    return spent


def recording(name: str, turns: int, n_batches: int) -> None:
    """Print what recording rows of one net costs, in CPU time, as shares of the net alone."""
    global now
    now = time.process_time
    net, batches, blocks = prepared(name, n_batches)
    seconds: dict[str, list[float]] = {}
    for _ in range(turns):
        kinds = {
            "bare": bare(net, batches),
            "copies alone": copies(net, batches, blocks),
            "record.stream, found": hooks(net, batches),
            "record.stream, named": hooks(net, batches, blocks),
        }
        for kind, spent in kinds.items():
            seconds.setdefault(kind, []).append(spent)
    alone = seconds.pop("bare")
    per_batch = 1e3 * statistics.median(alone) / n_batches
    print(f"\n{name}: {n_batches} batches of {BATCH}, {turns} turns, {per_batch:.1f} ms a batch")
    for kind, spent in seconds.items():
        ratios = sorted(a / b for a, b in zip(spent, alone, strict=True))
        print(f"  {kind + ':':<22} {statistics.median(ratios):.2f} times that", flush=True)


def traced(net: nn.Module, batches: Batches, save: list[str] | str) -> float:
    """Return the seconds of the pass inside torchlens."""
    import torchlens

    # Torch's functions stay wrapped unless told otherwise, and would slow down the others' turns.
    capture = torchlens.options.CaptureOptions(layers_to_save=save, unwrap_when_done=True)
    began = time.perf_counter()
    with torch.no_grad():
        for x, _ in batches:
            torchlens.trace(net, x, capture=capture)
    return time.perf_counter() - began


def prepared(name: str, n_batches: int) -> tuple[nn.Module, Batches, list[str]]:
    """Return a net, batches for it, and the blocks that are found in it."""
    make, shape = NETS[name]
    torch.manual_seed(0)
    net = make().eval()
    x = torch.randn(n_batches, BATCH, *shape)
    if len(shape) == 1:
        x = (1000 * x).long().abs()
    y = torch.randint(CLASSES, (n_batches, BATCH))
    batches = list(zip(x, y, strict=True))
    found = next(iter(stream(net, batches[:1]))).description.layers
    blocks = [layer for layer in found if layer != "input"]
    bare(net, batches[:2])
    return net, batches, blocks


def measure(name: str, turns: int, n_batches: int) -> None:
    """Print what diagnosing one net costs."""
    net, batches, blocks = prepared(name, n_batches)
    seconds: dict[str, list[float]] = {}
    after: list[float] = []

    def note(kind: str, spent: float) -> None:
        seconds.setdefault(kind, []).append(spent)

    for _ in range(turns):
        note("bare", bare(net, batches))
        note("hooks", hooks(net, batches))
        ds = lp.diagnose(net, batches, rank="movement")
        note("diagnose", ds.attrs["seconds_of_pass"])
        note("passes beside", ds.attrs["seconds_beside"])
        passes = ds.attrs["seconds_of_pass"] + ds.attrs["seconds_beside"]
        after.append(ds.attrs["seconds_in_all"] - passes)
        few = batches[: max(1, n_batches // 8)]  # every batch costs it the same, and much
        scale = n_batches / len(few)
        note("torchlens, blocks", scale * traced(net, few, blocks))
        note("torchlens, all", scale * traced(net, few, "all"))
    alone = seconds.pop("bare")
    widths = sorted(set(ds["width"].values.tolist()))
    print(f"\n{name}: {n_batches} batches of {BATCH}, {turns} turns")
    print(f"  {ds.sizes['layer']} layers of widths {', '.join(map(str, widths))}")
    print(f"  {'net alone:':<20} {1e3 * statistics.median(alone) / n_batches:.0f} ms a batch")
    for kind, spent in seconds.items():
        ratios = [a / b for a, b in zip(spent, alone, strict=True)]
        print(
            f"  {kind + ':':<20} {statistics.median(ratios):.2f} times that "
            f"({min(ratios):.2f} to {max(ratios):.2f} in a turn)",
            flush=True,
        )
    print(f"  {'after the pass:':<20} {statistics.median(after):.1f} s", flush=True)


class Drawn:
    """Samples drawn as they are asked for: none is kept."""

    def __init__(self, n: int, shape: tuple[int, ...], batch: int = 250) -> None:
        self.n, self.shape, self.batch = n, shape, batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        for first in range(0, self.n, self.batch):
            count = min(self.batch, self.n - first)
            x = torch.randn(count, *self.shape, generator=generator)
            yield x, torch.randint(CLASSES, (count,), generator=generator)


def peak_megabytes() -> float:
    """Return the peak memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def memory(n: int) -> str:
    """Diagnose `n` samples in this process, and return one line of the table."""
    torch.manual_seed(0)
    net, shape = Transformer(64, 4).eval(), (16, 64)
    bare(net, list(Drawn(500, shape)))
    before = peak_megabytes()
    ds = lp.diagnose(net, Drawn(n, shape), rank="movement")
    seconds = ds.attrs["seconds_of_pass"]
    return f"{n:10,d} {before:12.0f} MB {peak_megabytes():9.0f} MB {seconds:10.1f} s"


def ranking(name: str, turns: int) -> None:
    """Print what ranking by predicted harm adds, which is done on the first 256 samples."""
    net, batches, _ = prepared(name, 2 * 256 // BATCH)
    lp.diagnose(net, batches, measures=["steps"], rank="movement")
    before, ratios = peak_megabytes(), []
    for _ in range(turns):
        alone = bare(net, batches) / len(batches)
        ds = lp.diagnose(net, batches, measures=["steps"])
        ratios.append(ds.attrs["seconds_of_prediction"] / alone)
    print(
        f"{name}: {ds.attrs['ranked_by']}\n  takes {statistics.median(ratios):.1f} passes of a "
        f"batch of {BATCH} ({min(ratios):.1f} to {max(ratios):.1f} in {turns} turns); peak memory "
        f"{before:.0f} MB before and {peak_megabytes():.0f} MB after"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="turns of every kind of pass")
    parser.add_argument("--batches", type=int, default=48, help="batches of a pass")
    usual = ["ResNet-18, 32", "BERT"]
    parser.add_argument("--nets", nargs="*", default=usual, help="by the start of their names")
    parser.add_argument("--samples", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--here", action="store_true", help="memory in this process, of one number")
    parser.add_argument("--recording", action="store_true", help="only what recording costs")
    parser.add_argument("--ranking", action="store_true", help="only what predicting harm adds")
    options = parser.parse_args()
    if options.here:
        print(memory(options.samples[0]))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32")
    if options.recording or options.ranking:
        for name in NETS:
            if any(name.startswith(start) for start in options.nets):
                if options.recording:
                    recording(name, options.turns, options.batches)
                if options.ranking:
                    ranking(name, options.turns)
        return
    # Memory first: on Linux a process starts from the peak of the one that started it.
    print("\n   samples   peak before        after   the pass", flush=True)
    for n in options.samples:
        subprocess.run([sys.executable, __file__, "--here", "--samples", str(n)], check=True)
    for name in NETS:
        if any(name.startswith(start) for start in options.nets):
            measure(name, options.turns, options.batches)


if __name__ == "__main__":
    main()
