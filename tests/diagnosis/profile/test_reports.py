"""What public bug reports found in `diagnose`: types, labels, outputs and odd samples."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import loadpath as lp
from loadpath.diagnosis import Monitor, skip_layers
from loadpath.measures import separation

KIND = dict(kind="trace_ratio")
SAME = nn.Sequential(nn.Identity(), nn.Identity())


def drawn(n, width=8, classes=4, apart=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    means = apart * torch.randn(classes, width, generator=generator)
    return means[labels] + torch.randn(n, width, generator=generator), labels


def net(width=8, outputs=4, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs))


def batches(x, y, size=64):
    return list(zip(x.split(size), y.split(size), strict=True))


class As(nn.Module):
    """What it is given, in another type."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        return x.to(self.dtype)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_a_layer_in_half_precision_measures_what_it_does_in_float32(half):
    """Lightning 4840 and TransformerLens 934: every measure, rounded alike, within 1 %."""
    x, y = drawn(300, width=24, classes=3)
    x = x.to(half)
    twins = [
        lp.diagnose(nn.Sequential(As(dtype), nn.Identity()), batches(x, y), layers=("0", "1"))
        for dtype in (half, torch.float32)
    ]
    for name in twins[0].data_vars:
        a, b = (ds[name].values for ds in twins)
        if name.endswith("_status"):
            assert (a == b).all(), name
        elif a.dtype.kind == "f" and "milliseconds" not in name:
            # Gradients of probes and sums see the same float64 numbers.
            np.testing.assert_allclose(a, b, rtol=1e-2, err_msg=name)
    assert np.isfinite(twins[0]["nc1"].values).all()


def test_what_is_left_out_as_rounding_shows_in_the_status_of_curve_and_load():
    """TransformerLens 934: weak directions drown in the rounding of strong ones."""
    x, y = drawn(400, width=9, classes=4, apart=2.0)
    generator = torch.Generator().manual_seed(3)
    turn = torch.linalg.qr(torch.randn(9, 9, generator=generator)).Q
    weak = x * torch.tensor([1.0] * 6 + [1e-4] * 3) @ turn
    model = nn.Sequential(nn.Identity(), As(torch.bfloat16))
    ds = lp.diagnose(model, batches(weak, y), layers=("0", "1"), measures=["separation"])
    status = ds["log_separation_status"].sel(layer="1")
    assert str(status.sel(kind="inverse").values).startswith("estimated, rounding left out")
    assert str(status.sel(kind="trace_ratio").values) == "estimated"
    load = str(ds["load_status"].sel(kind="inverse", layer="1").values)
    assert "rounding left out" in load
    assert "Rounding of the numbers matters to log separation" in " ".join(lp.diagnosis.summary(ds))


def test_collapse_to_a_point_is_called_collapsed_and_not_estimated():
    y = drawn(200)[1]
    table = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    points = table[y] + 1e-5 * torch.randn(200, 6, generator=torch.Generator().manual_seed(2))
    model = nn.Sequential(As(torch.bfloat16))
    ds = lp.diagnose(model, batches(points, y), layers="?", measures=["collapse"])
    nc1, status = ds["nc1"].values, ds["nc1_status"].values
    assert status.tolist() == ["estimated", "collapsed"] and nc1[1] == 0 and nc1[0] > 0


READINGS = [
    (lambda y: y.to(torch.int16), "signed"),
    (lambda y: y.to(torch.uint8), "unsigned"),
    (lambda y: y.to(torch.uint16), "unsigned, of a type without a minimum"),
    (lambda y: y[:, None], "a column"),
    (lambda y: y.numpy(), "an array"),
]


@pytest.mark.parametrize(
    "given", [read for read, _ in READINGS], ids=[name for _, name in READINGS]
)
def test_class_labels_of_any_integers_are_read_alike_by_all_three(given):
    """torchmetrics: labels of another integer type that are refused, or taken for values."""
    (x, y), model = drawn(64), net()
    plain, other = [(x, y)], [(x, given(y))]
    profiles = [lp.diagnose(model, loader, measures=["separation"]) for loader in (plain, other)]
    for name in ("log_separation", "accuracy"):
        np.testing.assert_array_equal(profiles[0][name], profiles[1][name])
    skips = [skip_layers(model, loader, layers="?") for loader in (plain, other)]
    np.testing.assert_array_equal(skips[0]["loss"], skips[1]["loss"])
    assert skips[1].attrs["loss_kind"] == "mean cross-entropy of classes over samples"
    assert Monitor(model, other[0]).history().attrs["n_classes"] == 4


@pytest.mark.parametrize(
    "given", [lambda y: y == 1, lambda y: 2 * y - 1, lambda y: (2 * y - 1).to(torch.int8)]
)
def test_booleans_and_signs_are_two_classes_in_all_three(given):
    """torchmetrics: -1 and +1 were one class here, two there, and an error elsewhere."""
    (x, y), model = drawn(60, classes=2), net(outputs=2)
    loader = batches(x, given(y), size=17)
    ds = lp.diagnose(model, loader, measures=["separation"])
    D = separation.log_separation(x, y, "trace_ratio")
    # float32 inputs, the same numbers in both: only the order of sums differs.
    assert float(ds["log_separation"].sel(layer="input", **KIND)) == pytest.approx(D, rel=1e-9)
    with torch.no_grad():
        logits = model(x)
    right = float((logits.argmax(1) == y).double().mean())
    assert float(ds["accuracy"]) == pytest.approx(right, abs=1e-12)
    skipped = skip_layers(model, loader, layers="?")
    loss = float(functional.cross_entropy(logits.double(), y))
    assert float(skipped["loss"]) == pytest.approx(loss, rel=1e-5)  # logits are float32
    assert Monitor(model, loader).history().attrs["n_classes"] == 2


@pytest.mark.parametrize("where", ["scattered", "all of a batch", "the first batch"])
def test_samples_without_a_label_count_nowhere(where):
    """ignite, Lightning: -100 is the label of what does not count, wherever it appears."""
    (x, y), model = drawn(120, classes=3), net(outputs=3)
    bare = torch.zeros(120, dtype=torch.bool)
    bare[
        {"scattered": slice(1, None, 4), "all of a batch": slice(40, 80)}.get(where, slice(40))
    ] = 1
    masked = torch.where(bare, -100, y)
    loader, kept = batches(x, masked, size=40), ~bare
    ds = lp.diagnose(model, loader, measures=["separation", "collapse", "probes"])
    twin = lp.diagnose(model, [(x[kept], y[kept])], measures=["separation", "collapse"])
    for name in ("log_separation", "nc1", "nc3", "accuracy"):
        np.testing.assert_allclose(ds[name], twin[name], rtol=1e-6, err_msg=name)
    assert ds.attrs["n_labelled"] == int(kept.sum())
    assert f"{int(bare.sum())} of the samples have no label" in " ".join(lp.diagnosis.summary(ds))
    with torch.no_grad():
        loss = float(functional.cross_entropy(model(x).double(), masked))
    assert float(skip_layers(model, loader, layers="?")["loss"]) == pytest.approx(loss, rel=1e-5)
    assert Monitor(model, loader).history().attrs["n_classes"] == 3


def test_labels_that_are_no_classes_are_said_with_what_is_left_out():
    """torchmetrics: why there is no accuracy is to be said and not guessed."""
    x, _ = drawn(60)
    for labels, why in (
        (torch.arange(60) * 1000, "labels are integers from 0 to 59000"),
        (torch.arange(60) % 3 - 2, "labels are integers from -2 to 0"),
        (torch.zeros(60, 3).long(), r"labels are of shape (60, 3), not one class a sample"),
        (torch.randn(60, generator=torch.Generator().manual_seed(0)), "labels are 1 real"),
    ):
        ds = lp.diagnose(net(), [(x, labels)], measures=None)
        said = " ".join(lp.diagnosis.summary(ds))
        assert "ollapse and probes are left out, because " in said and why in said
    asked = lp.diagnose(net(), [(x, labels)], measures=["steps"])
    assert "left out" not in " ".join(lp.diagnosis.summary(asked))


def test_targets_that_are_not_finite_name_their_batch():
    """ignite: NaN in the labels was blamed on the model."""
    x, y = drawn(40)[0], torch.ones(40, 2)
    y[25, 1] = math.nan
    loader = batches(x, y, size=20)
    for run in (lp.diagnose, lambda m, l: skip_layers(m, l, layers="?")):
        with pytest.raises(ValueError, match="labels of batch 1 must be finite, and 1 of 40 are"):
            run(net(outputs=2), loader)
    assert "relative_step" in lp.diagnose(net(), loader, measures=["steps"])  # reads no labels


def test_integers_that_are_no_classes_are_refused_where_they_come_late():
    x = drawn(40)[0]
    late = torch.arange(40) % 3
    late[30] = -7
    with pytest.raises(ValueError, match="labels of batch 1 must be classes .* from -7 to 2"):
        lp.diagnose(net(), batches(x, late, size=20))


class Embedding(nn.Module):
    """A body with an embedding for its output."""

    def __init__(self, outputs):
        super().__init__()
        self.body, self.head = nn.Linear(8, 8), nn.Linear(8, outputs)

    def forward(self, x):
        return self.head(self.body(x).tanh())


@pytest.mark.parametrize("outputs", [16, 128])
def test_an_embedding_is_not_scored_as_classes(outputs):
    """torchmetrics 1393 and kin: 128 numbers and labels 0 to 9 were right on 0.0 %."""
    (x, y), model = drawn(200, classes=10), Embedding(outputs)
    loader = batches(x, y)
    ds = lp.diagnose(model, loader, layers=("body", "head"), measures=["separation", "collapse"])
    said = " ".join(lp.diagnosis.summary(ds))
    assert "accuracy" not in ds and "right on" not in said
    assert f"not taken for class scores, so that no accuracy is told: there are {outputs}" in said
    skipped = skip_layers(model, loader, layers="body")
    assert "loss_change" not in skipped and "agreement" not in skipped
    assert skipped["output_change"].notnull().all()
    assert skipped.attrs["loss_kind"].startswith("none: outputs are not taken for class scores")


def test_nc3_and_nc4_of_an_embedding_are_hedged_and_those_of_scores_are_not():
    x, y = drawn(200, classes=3)
    for outputs, hedged in ((3, False), (40, True)):
        model = nn.Sequential(nn.Tanh(), nn.Linear(8, outputs))
        ds = lp.diagnose(model, batches(x, y), layers="?", measures=["collapse"])
        for name in ("nc3", "nc4"):
            status = str(ds[f"{name}_status"].sel(layer="0").values)
            assert status.startswith("estimated")
            assert ("only if outputs are class scores" in status) == hedged


def test_scores_of_more_classes_than_the_labels_name_are_scores_if_they_tell_them():
    """A classifier of 100 classes on samples of 5 of them is one, if it is any good."""
    y = torch.arange(100) % 5 + 40
    scores = torch.randn(100, 100, generator=torch.Generator().manual_seed(0))
    scores[torch.arange(100), y] += 3.0
    ds = lp.diagnose(SAME, [(scores, y)], layers="?", measures=["steps"])
    assert float(ds["accuracy"]) == float((scores.argmax(1) == y).double().mean()) > 0.5
    few = lp.diagnose(SAME, [(scores[:3, :6], torch.tensor([0, 1, 3]))], layers="?")
    assert "accuracy" in few  # that classes 4 and 5 are missing from three samples is chance


@pytest.mark.parametrize("n_classes, n, kept", [(1000, 64, 2000), (300, 700, 200)])
def test_more_classes_than_samples_lose_no_other_measure(n_classes, n, kept):
    """torchmetrics 1393: 1,000 classes and one batch of 64 were an error after the whole pass."""
    x = drawn(n)[0]
    y = torch.randint(n_classes, (n,), generator=torch.Generator().manual_seed(1))
    ds = lp.diagnose(net(), [(x, y)], kept=kept)  # few outputs, which are quickly measured
    assert np.isfinite(ds["relative_step"]).any() and np.isfinite(ds["participation_ratio"]).all()
    for name in ("log_separation", "nc1", "probe_ridge"):
        assert set(ds[f"{name}_status"].values.ravel()) == {"not enough samples"}


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("labels", [torch.tensor([4, 4, 2]), torch.ones(3), torch.eye(3), None])
def test_a_sample_or_two_give_statuses_and_no_error(n, labels):
    """torchmetrics 1393: one sample with labels was an error."""
    x = drawn(3)[0][:n]
    ds = lp.diagnose(net(outputs=5), [x if labels is None else (x, labels[:n])])
    statuses = {word for name in ds if name.endswith("_status") for word in ds[name].values.flat}
    assert "not enough samples" in statuses
    assert not [word for word in statuses if word.startswith("failed")]
    assert lp.diagnosis.summary(ds)


def test_a_measure_that_fails_loses_neither_others_nor_other_layers(monkeypatch):
    """torchmetrics 1393, the rule: what fails gets a status."""
    from loadpath import measures

    two_nn = measures.two_nn

    def failing(rows, **options):
        if rows.shape[1] == 4:
            raise ValueError("rows must be wider.")
        return two_nn(rows, **options)

    monkeypatch.setattr(measures, "two_nn", failing)
    ds = lp.diagnose(net(), batches(*drawn(120)), measures=["dimension", "ranks"])
    status = ds["intrinsic_dimension_status"].values.tolist()
    assert status == ["estimated"] * 3 + ["failed: rows must be wider."]
    assert np.isfinite(ds["participation_ratio"]).all()
    assert "failed: rows must be wider" in " ".join(lp.diagnosis.summary(ds))


class Scale(nn.Module):
    """Its input times a number."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize("factor", [1e80, 1e101, 1e200, 1e300])
def test_numbers_that_overflow_are_a_status(factor):
    """xarray, torchmetrics: numbers beyond 1e100 ended the run."""
    x, y = drawn(120)
    model = nn.Sequential(nn.Identity(), Scale(factor), Scale(1 / factor), nn.Linear(8, 4))
    ds = lp.diagnose(model.double(), batches(x.double(), y), layers="?")
    for name in ("log_separation", "nc1", "participation_ratio", "relative_step", "probe_ridge"):
        part = ds[f"{name}_status"]
        part = part.sel(**KIND) if "kind" in part.dims else part
        assert part.sel(layer="1").values == "numbers beyond 1e70", name
        assert part.sel(layer="input").values in ("estimated", "no step of one shape leads here")
    ranks = ds["participation_ratio"]
    # Scaled there and back in float64.
    assert float(ranks.sel(layer="2")) == pytest.approx(float(ranks.sel(layer="0")), rel=1e-9)
    assert "numbers beyond 1e70" in " ".join(lp.diagnosis.summary(ds))


def test_an_offset_of_a_million_in_float32_is_noted():
    """wandb, xarray: offsets of 1e6 in float32 gave numbers that rounding had made."""
    x, y = drawn(150)
    far = lp.diagnose(SAME, batches(x + 1e6, y), layers="?")
    near = lp.diagnose(SAME, batches(x, y), layers="?")
    for name in ("participation_ratio", "cka_first", "log_separation"):
        a, b = (ds[name].values.ravel() for ds in (far, near))
        # 1/16 is a step there: its variance is 3e-4 of that of the features.
        np.testing.assert_allclose(a[np.isfinite(b)], b[np.isfinite(b)], rtol=0.01, atol=0.01)
    assert far["participation_ratio_status"].values[0] == "estimated, near rounding"
    assert far["intrinsic_dimension_status"].values[0] == "estimated, near rounding"
    assert "near rounding" in str(far["log_separation_status"].values[0, 0])
    assert far["relative_step_status"].values[1] in ("estimated, near rounding", "estimated")


def test_copies_are_counted_and_said():
    """Lightning: duplicated samples leak from what a probe is fitted on to where it is scored."""
    x, y = drawn(160)
    x, y = torch.cat([x, x[:40]]), torch.cat([y, y[:40]])
    ds = lp.diagnose(net(), batches(x, y), measures=["probes"])
    assert ds.attrs["n_copies"] == 40
    said = " ".join(lp.diagnosis.summary(ds))
    assert "Of the 200 samples that were kept 40 are copies of others: probes" in said
    assert lp.diagnose(net(), [(x[:160], y[:160])], measures=["steps"]).attrs["n_copies"] == 0


def test_dead_layers_are_named():
    """captum, wandb: a layer that puts out the same for every sample is to be told by name."""
    x, y = drawn(80)
    model = net()
    with torch.no_grad():
        model[0].bias[:] = -100.0
    ds = lp.diagnose(model, batches(x, y), measures=["steps"])
    assert ds["dead"].values.tolist() == [0, 0, 1, 1]
    said = " ".join(lp.diagnosis.summary(ds))
    assert "Layers 1 and 2 put out the same for every sample" in said
    with torch.no_grad():
        model[0].bias[:2] = 0.0
    some = lp.diagnose(model, batches(x, y), measures=["steps"])
    assert some["dead"].values.tolist() == [0, 0, 0.75, 0]
    assert "the same for every sample in layer 1 (75% of its features)" in " ".join(
        lp.diagnosis.summary(some)
    )


@pytest.mark.parametrize("size", [1, 7, 100])
def test_batches_of_any_size_are_summed_alike(size):
    """Lightning: batches of one sample are joined before they are summed."""
    x, y = drawn(100)
    sums = ["separation", "energies", "steps", "ranks"]
    options = dict(measures=sums, rank="movement")  # a prediction draws batch by batch
    one, many = (lp.diagnose(net(), batches(x, y, size=s), **options) for s in (100, size))
    for name in one.data_vars:
        if one[name].dtype.kind == "f":
            # The model's float32 matrix products differ in their last digits.
            np.testing.assert_allclose(one[name], many[name], rtol=2e-3, atol=1e-6, err_msg=name)
    assert IGNORED_IS_TORCHS == -100


IGNORED_IS_TORCHS = functional.cross_entropy.__defaults__[2]


def run_diagnose(model, loader):
    return lp.diagnose(model, loader, measures=["steps"])


def run_skip(model, loader):
    return skip_layers(model, loader)


def run_monitor(model, loader):
    return Monitor(model, loader)


class Narrow(nn.Module):
    """What it is given, as float8."""

    def forward(self, x):
        return x.to(torch.float8_e4m3fn)


class Widen(nn.Module):
    """What it is given, as float32."""

    def forward(self, x):
        return x.float()


@pytest.mark.parametrize("run", [run_diagnose, run_skip, run_monitor])
def test_models_without_numbers_or_layers_are_one_sentence(run):
    """torchinfo, transformers: meta and exported models ended in torch's own depths."""
    x, y = drawn(40)
    exported = torch.export.export(net(), (x,))
    for model, sentence in (
        (nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4, device="meta")), "'1.weight' is on the me"),
        (exported, "the module that was exported, because an ExportedProgram has no layers"),
        (exported.module(), "the module that was exported, because an exported program has no"),
    ):
        with pytest.raises(ValueError, match=sentence) as error:
            run(model, [(x, y)])
        assert "\n" not in str(error.value)


def test_float8_is_refused_where_it_is_a_layer_and_else_let_be():
    """pytorch: float8 tensors are for storage, and torch computes nothing of them."""
    x, y = drawn(40)
    model = nn.Sequential(nn.Linear(8, 8), Narrow(), Widen(), nn.Linear(8, 4))
    with pytest.raises(ValueError, match="layer '1' puts out torch.float8_e4m3fn, which is for"):
        lp.diagnose(model, [(x, y)], layers="?", measures=["steps"])
    ds = lp.diagnose(model, [(x, y)], layers=("0", "2"), measures=["steps"])
    assert "estimated" in str(ds["relative_step_status"].values)


def test_tokens_in_half_precision_are_averaged_without_overflow():
    """Lightning 4840: 600 tokens of 200 sum to more than float16 holds, and have a mean."""
    tokens = 200 + torch.randn(30, 600, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(30, 600, dtype=torch.long)
    mask[:, 500:] = 0
    reduced = lp.record.Reduction()("a", tokens.half(), count=30, mask=mask.bool())
    exact = tokens[:, :500].double().mean(1)
    # One rounding of the mean, half a step of 1/8 at 200, and those of 500 tokens averaged.
    np.testing.assert_allclose(reduced.rows.double(), exact, atol=0.07)


def test_bars_show_the_pass_and_then_the_measures(capsys):
    """60 layers were 3.5 s of pass, and then a silent minute."""
    x, y = drawn(60)
    for shown in (True, False, None):  # of whether it may: what is captured is no terminal
        measures = ["steps", "ranks", "alignment"]
        lp.diagnose(net(), batches(x, y), measures=measures, progress=shown)
        said = capsys.readouterr().err
        if not shown:
            assert said == ""
            continue
        passed = len(list(batches(x, y)))
        assert re.search(rf"looking: 100%.* {passed}/{passed} ", said)
        # Four layers; each is compared to the next and to the first.
        assert re.search(rf"measuring: 100%.* {4 * (1 + 1 + 2)}/16 ", said)
