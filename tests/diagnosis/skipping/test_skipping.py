"""Skipped layers against the same model with the layer taken out, and losses against torch's."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from exact_paths import random, square_net
from recorded_models import ResNet, Shared
from scipy import stats
from torch import nn
from torch.nn import functional

from loadpath import LeakyResNet
from loadpath.diagnosis.skipping.skipping import skip_layers
from loadpath.leaky_resnet.layer_steps import without
from loadpath.record import stream

EXACT = dict(rtol=1e-10, atol=1e-12)


class Residual(nn.Module):
    """x + scale * inner(x), in whatever structure is asked for."""

    def __init__(self, inner, scale=1.0, put=lambda t: t):
        super().__init__()
        self.inner, self.scale, self.put = inner, scale, put

    def forward(self, x):
        return self.put(x + self.scale * self.inner(x))


def residual_net(depth=4, width=5, outputs=3, **options):
    blocks = [
        Residual(nn.Sequential(nn.Linear(width, width), nn.Tanh()), **options) for _ in range(depth)
    ]
    return nn.Sequential(*blocks, nn.Linear(width, outputs))


def built(make, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().double().eval().requires_grad_(False)


def cut(x, y, *sizes):
    return list(zip(x.split(list(sizes)), y.split(list(sizes)), strict=True))


def check_change(ds, layer, plain, without_it, y, loss=functional.cross_entropy):
    """Return the change of a mean loss with its paired t interval, and the change of the output."""
    with torch.no_grad():
        f, g = plain, without_it
        d = (loss(g, y, reduction="none") - loss(f, y, reduction="none")).double()
    d = d.reshape(len(y), -1).mean(1)
    reach = float(d.std()) / math.sqrt(len(d)) * _t(len(d) - 1)
    at = ds.sel(layer=layer)
    expected = [float(d.mean()), float(d.mean()) - reach, float(d.mean()) + reach]
    found = [float(at[f"loss_change{end}"]) for end in ("", "_low", "_high")]
    np.testing.assert_allclose(found, expected, **EXACT)
    rows = f.reshape(-1, f.shape[-1])
    moved = (g - f).norm() / (rows - rows.mean(0)).norm()
    np.testing.assert_allclose(float(at["output_change"]), float(moved), **EXACT)
    assert str(at["status"].values) == "skipped"


def _t(degrees, level=0.95):
    return stats.t.ppf((1 + level) / 2, degrees)


@pytest.mark.parametrize("sizes", [(31,), (10, 10, 11), (1, 30)])
def test_residual_blocks_are_as_if_deleted_whatever_the_batches(sizes):
    model, x = built(residual_net), random(31, 5, seed=1)
    y = torch.arange(31) % 3
    ds = skip_layers(model, cut(x, y, *sizes))
    assert list(ds["layer"].values) == [str(l) for l in range(4)]
    f = model(x).detach()
    np.testing.assert_allclose(float(ds["loss"]), float(functional.cross_entropy(f, y)), **EXACT)
    np.testing.assert_allclose(
        float(ds["accuracy"]), float((f.argmax(1) == y).double().mean()), **EXACT
    )
    for l in range(4):
        rest = nn.Sequential(*[block for m, block in enumerate(model) if m != l])
        g = rest(x).detach()
        check_change(ds, str(l), f, g, y)
        right = (g.argmax(1) == y).double() - (f.argmax(1) == y).double()
        at = ds.sel(layer=str(l))
        np.testing.assert_allclose(float(at["accuracy_change"]), float(right.mean()), **EXACT)
        same = (g.argmax(1) == f.argmax(1)).double().mean()
        np.testing.assert_allclose(float(at["agreement"]), float(same), **EXACT)
        h = model[:l](x)
        step = (model[l](h) - h).norm() / model[l](h).norm()
        np.testing.assert_allclose(float(at["own_step"]), float(step), **EXACT)
        for name in ("accuracy_change", "agreement", "own_step", "output_change"):
            assert at[f"{name}_low"] <= at[name] <= at[f"{name}_high"]
    assert ds.attrs["loss_kind"] == "mean cross-entropy of classes over samples"
    assert (ds.attrs["n_samples"], ds.attrs["n_batches"]) == (31, len(sizes))
    for variable in ds.data_vars.values():
        assert variable.attrs["long_name"] and variable.attrs["units"]


def test_a_linear_residual_net_changes_by_a_known_amount():
    # Blocks multiply by 1 + s: without one the output is f / (1 + s), which is the outputs' spread
    # times s / (1 + s) where their mean is 0.
    scales = [0.5, -0.5, 1.0]
    identity = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        identity.weight.copy_(torch.eye(2))
    model = nn.Sequential(*[Residual(identity, s) for s in scales])
    x = random(20, 2, seed=2)
    x = torch.cat([x, -x])
    ds = skip_layers(model, [x], layers=Residual)
    expected = [abs(s / (1 + s)) for s in scales]
    np.testing.assert_allclose(ds["output_change"], expected, **EXACT)
    np.testing.assert_allclose(ds["own_step"], expected, **EXACT)
    assert "loss_change" not in ds and "accuracy_change" not in ds and "loss" not in ds
    assert ds.attrs["loss_kind"] == "none: the loader has no labels"


def test_a_block_that_is_the_identity_changes_nothing_at_all():
    model = built(lambda: nn.Sequential(residual_net(2), nn.Tanh(), nn.Linear(3, 3)))
    model[0][1].scale = 0.0
    x, y = random(12, 5, seed=3).float(), torch.arange(12) % 3
    ds = skip_layers(model.float(), [(x, y)], layers="0.*").sel(layer="0.1")
    for name in ("loss_change", "loss_change_low", "loss_change_high", "output_change", "own_step"):
        assert float(ds[name]) == 0
    assert float(ds["agreement"]) == 1 and float(ds["accuracy_change"]) == 0
    # No prediction out of 12 changed, which does not say that none ever would.
    # Two that agree and two that do not are added: 14 of 16.
    low = 14 / 16 - _t(11) * math.sqrt(16 / 15 * (14 / 8**2 + 2 * 7**2 / 8**2)) / 16
    assert float(ds["agreement_low"]) == pytest.approx(low) and float(ds["agreement_high"]) == 1
    # Half a unit each that gets better and worse, and one that does neither: 14 in all.
    reach = _t(11) * math.sqrt(14 / 13) / 14
    assert float(ds["accuracy_change_low"]) == pytest.approx(-reach)
    assert float(ds["accuracy_change_high"]) == pytest.approx(reach)


@dataclass
class Output:
    other: torch.Tensor
    last_hidden_state: torch.Tensor


class Through(nn.Module):
    """Runs blocks that put out structures, of which it takes the tensor out again."""

    def __init__(self, put, take):
        super().__init__()
        self.blocks = nn.ModuleList(residual_net(3, outputs=5, put=put)[:3])
        self.take = take

    def forward(self, x):
        other = 0
        for block in self.blocks:
            x, more = self.take(block(x))
            other = other + more
        return x, other


@pytest.mark.parametrize(
    "put, take",
    [
        (lambda t: (t, t * 2), lambda o: o),
        (lambda t: [t, t * 2], lambda o: o),
        (lambda t: {"z": t * 2, "logits": t}, lambda o: (o["logits"], o["z"])),
        (lambda t: Output(t * 2, t), lambda o: (o.last_hidden_state, o.other)),
    ],
)
def test_structures_are_kept_and_what_else_is_in_them_too(put, take):
    model, x = built(lambda: Through(put, take)), random(6, 5, seed=4)
    seen = []
    loss = lambda output, y: (seen.append(output[1]), output[0].sum(1))[1]  # noqa: E731
    ds = skip_layers(model, [(x, torch.zeros(6))], loss=loss, layers="blocks.*")
    h = [x]
    for block in model.blocks:
        h.append(take(block(h[-1]))[0])
    skipped = [take(model.blocks[2](h[1]))[0], take(model.blocks[2](h[1]))[0]]
    np.testing.assert_allclose(
        float(ds["loss_change"][1]), float((skipped[0] - h[3]).sum(1).mean()), **EXACT
    )
    # What a skipped block puts out beside its main tensor is what it would have been.
    torch.testing.assert_close(seen[2], 2 * (h[1] + h[2] + skipped[0]))


class Doubles(nn.Module):
    """Writes to its input, and hands on that or a copy."""

    def __init__(self, copies=False):
        super().__init__()
        self.copies = copies

    def forward(self, x):
        x *= 2
        return x.clone() if self.copies else x


class KeepsInput(nn.Module):
    """What comes after a layer in place sees what was written, and what it wrote over."""

    def __init__(self, copies=False):
        super().__init__()
        self.layers = nn.ModuleList([Doubles(copies), Doubles(copies)])

    def forward(self, x):
        for layer in self.layers:
            y = layer(x)
            x = x + 10 * y
        return x


@pytest.mark.parametrize("copies", [False, True])
def test_layers_that_act_in_place_get_their_input_back(copies):
    x = random(7, 3, seed=5)
    given = x.clone()
    model = KeepsInput(copies)
    ds = skip_layers(model, [(x, x.clone())], loss=lambda f, y: f[:, 0], layers="layers.*")
    assert torch.equal(x, given)  # nor is the loader's batch written to
    # x -> 2x, y = 2x, x + 10y = 22x with a layer; 11x without it.
    changes = torch.tensor([11 * 22 - 22 * 22, 22 * 11 - 22 * 22]) * x[:, 0].mean()
    np.testing.assert_allclose(ds["loss_change"], changes, **EXACT)
    np.testing.assert_allclose(float(ds["loss"]), float(22 * 22 * x[:, 0].mean()), **EXACT)


def test_one_call_of_a_reused_block_is_skipped_at_a_time():
    model, x = built(Shared), random(4, 5, 4, seed=6)
    ds = skip_layers(model, [x])
    assert list(ds["layer"].values) == ["group.0", "group.0#2", "group.0#3"]
    twice = built(lambda: Shared(times=2))
    f, g = model(x).flatten(0, 1), twice(x).flatten(0, 1)
    expected = float((g - f).norm() / (f - f.mean(0)).norm())
    np.testing.assert_allclose(ds["output_change"], [expected] * 3, **EXACT)


def test_layers_of_another_shape_are_not_skipped_and_say_why():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.down, self.same = nn.Embedding(9, 4), nn.Linear(4, 3), nn.Linear(3, 3)
            self.none = nn.Module()
            self.none.forward = lambda x: None
            self.blind = nn.Module()
            self.blind.forward = lambda: torch.ones(1, dtype=torch.float64)

        def forward(self, ids):
            x = self.same(self.down(self.embed(ids)))
            self.none(x)
            return x * self.blind()

    ids = torch.arange(8).reshape(2, 4)
    ds = skip_layers(built(Mixed), [ids], layers="*")
    status = dict(zip(ds["layer"].values, ds["status"].values, strict=True))
    assert status == {
        "embed": "not skipped: its input is torch.int64, not real numbers",
        "down": "not skipped: its input is (sample, 4, 4) and its output (sample, 4, 3)",
        "same": "skipped",
        "none": "not skipped: it puts out no tensor",
        "blind": "not skipped: it is given no tensor",
    }
    kinds = dict(zip(ds["layer"].values, ds["layer_kind"].values, strict=True))
    assert kinds["same"] == "single module (Linear)"
    assert ds["output_change"].notnull().values.tolist() == [False, False, True, False, False]
    assert ds["own_step"].notnull().values.tolist() == [False, False, True, False, False]


def test_a_resnet_in_place_is_as_without_its_block():
    model, x = built(ResNet), random(9, 3, 8, 8, seed=7)
    y = torch.arange(9) % 5
    ds = skip_layers(model, cut(x, y, 4, 5))
    f = model(x).detach()
    for stage in (1, 2, 3):
        for l in (0, 1):
            rest = copy.deepcopy(model)
            del getattr(rest, f"layer{stage}")[l]
            check_change(ds, f"layer{stage}.{l}", f, rest(x).detach(), y)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_torch_transformer_is_as_without_its_layer(norm_first):
    def make():
        layer = nn.TransformerEncoderLayer(6, 2, 8, norm_first=norm_first, batch_first=True)
        return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)

    model, x = built(make), random(7, 4, 6, seed=8)
    with torch.no_grad():
        for parameter in model.parameters():  # its layers start as copies
            parameter.add_(0.3 * random(*parameter.shape, seed=parameter.numel()))
    y = random(7, 4, 6, seed=9)
    ds = skip_layers(model, cut(x, y, 5, 2))
    assert ds.attrs["loss_kind"] == "mean squared error over samples and outputs"
    f = model(x).detach()
    for l in range(3):
        rest = copy.deepcopy(model)
        del rest.layers[l]
        check_change(ds, f"layers.{l}", f, rest(x).detach(), y, functional.mse_loss)


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_a_leaky_resnet_goes_on_from_the_node_before(step):
    net = LeakyResNet(3, 2, width=6, depth=4, effective_depth=1.5, step=step, dtype=torch.float64)
    x, y = random(15, 3, seed=10), random(15, 2, seed=11)
    ds = skip_layers(net, cut(x, y, 10, 5))
    assert list(ds["layer"].values) == [f"path.{l}" for l in range(5)]
    assert str(ds["status"][0].values) == "not skipped: the path starts here"
    f = net(x).detach()
    decay, gain = net.coefficients()
    for left_out in range(1, 5):
        A = x @ net.input_map
        for l, W in enumerate(net.weights, start=1):
            if l != left_out:
                S = torch.cat([A.relu(), torch.ones(15, 1, dtype=torch.float64)], 1)
                A = decay[l - 1] * A + gain[l - 1] * S @ W.T
        g = (A @ net.output_map).detach()
        check_change(ds, f"path.{left_out}", f, g, y, functional.mse_loss)
        torch.testing.assert_close(without(net, [left_out - 1])(x).detach(), g)
    assert "path" not in vars(net) and "coefficients" not in vars(net)
    A = [a.detach() for a in net.path(x)]
    speed = [float((A[l] - A[l - 1]).norm() / A[l].norm()) for l in range(1, 5)]
    np.testing.assert_allclose(ds["own_step"][1:], speed, **EXACT)


def test_the_layer_steps_of_a_plain_leaky_resnet_stay():
    # Without leakage the gains are the net's own buffer of layer steps.
    net = square_net(3, 3, effective_depth=0.0)
    steps = net.layer_steps.clone()
    skip_layers(nn.Sequential(net), [random(5, 3, seed=12)], layers="0.path.*")
    assert torch.equal(net.layer_steps, steps)


def test_names_are_those_of_recording():
    for model, x in (
        (built(Shared), random(2, 5, 4, seed=0)),
        (built(residual_net), random(3, 5, seed=1)),
    ):
        for layers in (None, "**"):
            (recorded,) = stream(model, [x], layers=layers)
            ds = skip_layers(model, [x], layers=layers)
            assert ["input", *ds["layer"].values] == list(recorded.features)


def test_losses_over_tokens_leave_out_what_has_no_label():
    model = built(lambda: nn.Sequential(*residual_net(2)))
    x, y = random(6, 4, 5, seed=13), torch.arange(24).reshape(6, 4) % 3
    y[0, 1:] = y[4, 2] = -100
    ds = skip_layers(model, cut(x, y, 2, 4), layers=Residual)
    f, g = model(x).detach(), model[1:](x).detach()
    before, after = (
        float(functional.cross_entropy(out.flatten(0, 1), y.flatten())) for out in (f, g)
    )
    np.testing.assert_allclose(float(ds["loss"]), before, **EXACT)
    np.testing.assert_allclose(float(ds["loss_change"][0]), after - before, **EXACT)
    counted = y != -100
    right = [float((out.argmax(2) == y)[counted].double().mean()) for out in (f, g)]
    np.testing.assert_allclose(float(ds["accuracy_change"][0]), right[1] - right[0], **EXACT)
    assert "over the tokens that have a label" in ds.attrs["loss_kind"]


def test_a_loss_that_is_given_may_be_a_number_a_sample_or_a_batch():
    model, x = built(residual_net), random(12, 5, seed=14)
    y = torch.arange(12) % 3
    each = skip_layers(
        model, cut(x, y, 5, 7), loss=lambda f, y: functional.cross_entropy(f, y, reduction="none")
    )
    whole = skip_layers(model, cut(x, y, 5, 7), loss=functional.cross_entropy)
    plain = skip_layers(model, [(x, y)])
    for ds in (each, whole):
        np.testing.assert_allclose(ds["loss_change"], plain["loss_change"], **EXACT)
        np.testing.assert_allclose(ds["loss"], plain["loss"], **EXACT)
    np.testing.assert_allclose(each["loss_change_high"], plain["loss_change_high"], **EXACT)
    assert each.attrs["paired_over"] == "samples" and whole.attrs["paired_over"] == "batches"
    assert whole.attrs["loss_kind"] == "mean of the loss that was given, cross_entropy"
    one = skip_layers(model, [(x, y)], loss=functional.cross_entropy)
    assert one["loss_change"].notnull().all() and one["loss_change_low"].isnull().all()


class Own(nn.Module):
    """Returns its loss beside its logits, in one of several ways."""

    def __init__(self, loss, put):
        super().__init__()
        self.net, self.loss, self.put = residual_net(2), loss, put

    def forward(self, x, labels=None):
        logits = self.net(x)
        return self.put(None if labels is None else self.loss(logits, labels), logits)


def as_dict(loss, logits):
    return {"loss": loss, "logits": logits}


@pytest.mark.parametrize(
    "put", [as_dict, lambda a, b: (a, b) if a is not None else b, Output, "dataclass"]
)
def test_a_models_own_loss_is_recognized_and_then_told_by_sample(put):
    @dataclass
    class Both:
        loss: torch.Tensor | None
        logits: torch.Tensor

    put = Both if put in (Output, "dataclass") else put
    x, y = random(12, 5, seed=15), torch.arange(12) % 3
    batches = [{"x": x[:7], "labels": y[:7]}, {"x": x[7:], "labels": y[7:]}]
    model = built(lambda: Own(functional.cross_entropy, put))
    ds = skip_layers(model, batches, layers=Residual, pass_labels=True)
    plain = skip_layers(model.net, [(x, y)], layers=Residual)
    for name in ("loss_change", "loss_change_low", "accuracy_change", "output_change"):
        np.testing.assert_allclose(ds[name], plain[name], **EXACT)
    assert ds.attrs["loss_kind"].endswith("over samples, which is the model's own loss")


def test_a_models_own_loss_that_is_another_is_taken_by_batch():
    smooth = lambda f, y: functional.cross_entropy(f, y, label_smoothing=0.1)  # noqa: E731
    x, y = random(12, 5, seed=16), torch.arange(12) % 3
    batches = [{"x": x[:5], "labels": y[:5]}, {"x": x[5:], "labels": y[5:]}]
    model = built(lambda: Own(smooth, as_dict))
    ds = skip_layers(model, batches, layers=Residual, pass_labels=True)
    f, g = model.net(x), model.net[1:](x)
    np.testing.assert_allclose(
        float(ds["loss_change"][0]), float(smooth(g, y) - smooth(f, y)), **EXACT
    )
    assert ds.attrs["loss_kind"] == "mean of the model's own loss"
    assert ds.attrs["paired_over"] == "batches" and "accuracy" in ds


def test_labels_that_suit_no_rule_leave_the_output():
    ds = skip_layers(built(residual_net), [(random(6, 5, seed=17), random(6, 2, seed=18))])
    assert "loss_change" not in ds and ds["output_change"].notnull().all()
    assert ds.attrs["loss_kind"].startswith(
        "none: no rule is for outputs (6, 3) with labels (6, 2)"
    )


def test_outputs_that_cannot_be_compared_leave_a_loss_that_is_given():
    model = nn.Sequential(residual_net(2), Lists()).double()
    loss = lambda f, y: torch.stack([part.sum() for part in f])  # noqa: E731
    ds = skip_layers(model, [(random(6, 5, seed=19), torch.ones(6))], loss=loss, layers=Residual)
    assert ds["loss_change"].notnull().all() and ds["output_change"].isnull().all()
    assert "must put out samples along its first axis" in ds.attrs["output_not_compared"]


class Lists(nn.Module):
    def forward(self, x):
        return [row[None].expand(2, -1) for row in x]


def test_padding_counts_neither_in_steps_nor_in_outputs():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.layers = nn.Embedding(9, 5), residual_net(3)[:3]

        def forward(self, input_ids, attention_mask=None):
            return self.layers(self.embed(input_ids))

    model, ids = built(Tokens), torch.arange(1, 9).reshape(2, 4)
    padded = {
        "input_ids": torch.cat([ids, torch.zeros(2, 3, dtype=torch.int64)], 1),
        "attention_mask": torch.tensor([[1] * 4 + [0] * 3] * 2),
    }
    bare = skip_layers(model, [{"input_ids": ids}], layers=Residual)
    ds = skip_layers(model, [padded], layers=Residual)
    for name in ("own_step", "output_change"):
        np.testing.assert_allclose(ds[name], bare[name], **EXACT)


def test_a_model_that_draws_draws_the_same_for_every_layer():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = residual_net(3)
            self.net[1].scale = 0.0

        def forward(self, x):
            return self.net(x + torch.rand_like(x))

    model, x = built(Noisy), random(8, 5, seed=20)
    state = torch.get_rng_state()
    ds = skip_layers(model, [x[:4], x[4:]], layers=Residual)
    assert float(ds["output_change"][1]) == 0 and float(ds["output_change"][0]) > 0
    assert torch.equal(torch.get_rng_state(), state)
    (first, second) = stream(model, [x[:4], x[4:]], layers=Residual)
    f = torch.cat([first.output, second.output])
    h = torch.cat([first.features["net.1"], second.features["net.1"]])
    g = model.net[3](h)  # without the last block, on the numbers of a plain loop
    expected = float((g - f).norm() / (f - f.mean(0)).norm())
    np.testing.assert_allclose(float(ds["output_change"][2]), expected, **EXACT)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: torch.compile(m, backend="eager")])
def test_wrapped_models_are_skipped_as_what_is_in_them(wrap):
    model, x = built(residual_net), random(8, 5, seed=27)
    wrapped = wrap(model)
    wrapped(x)  # what is compiled now would not call hooks put on later
    plain, ds = skip_layers(model, [x]), skip_layers(wrapped, [x])
    assert ds["output_change"].identical(plain["output_change"])


def test_tokens_may_come_before_samples():
    class TokensFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = residual_net(2)

        def forward(self, src, src_key_padding_mask):
            return self.layers(src.transpose(0, 1))

    model, x = built(TokensFirst), random(3, 4, 5, seed=28)
    padding = torch.zeros(3, 4, dtype=torch.bool)
    padding[1, 2:] = True
    batch = {"src": x, "src_key_padding_mask": padding}
    ds = skip_layers(model, [batch], layers=Residual, tokens_first=True)
    h, f, g = x[~padding], model.layers(x)[~padding], model.layers[1:](x)[~padding]
    expected = float((g - f).norm() / (f - f.mean(0)).norm())
    np.testing.assert_allclose(float(ds["output_change"][0]), expected, **EXACT)
    step = float((model.layers[0](h) - h).norm() / model.layers[0](h).norm())
    np.testing.assert_allclose(float(ds["own_step"][0]), step, **EXACT)


def test_half_precision_is_measured_in_more():
    model, x = built(residual_net), random(40, 5, seed=29)
    y = torch.arange(40) % 3
    ds = skip_layers(copy.deepcopy(model).bfloat16(), [(x.bfloat16(), y)])
    exact = skip_layers(model, [(x, y)])
    for name in ("loss_change", "output_change", "own_step"):
        # bfloat16 has 8 bits: 0.4 % of the activations themselves.
        np.testing.assert_allclose(ds[name], exact[name], rtol=0.1, atol=0.02)


class Breaks(nn.Module):
    """Raises once, in a pass of its choice."""

    def __init__(self, at):
        super().__init__()
        self.at, self.passes = at, 0

    def forward(self, x):
        torch.rand(2)
        self.passes += 1
        if self.passes == self.at:
            raise RuntimeError("out of luck")
        return x


@pytest.mark.parametrize("at", [1, 3])
def test_a_model_that_fails_is_as_before(at):
    net = LeakyResNet(5, 5, width=4, depth=2, effective_depth=1.0, dtype=torch.float64)
    model = nn.Sequential(residual_net(2, outputs=5), nn.Dropout(), net, Breaks(at)).double()
    model.train()
    model[0].eval()
    modes, state = [m.training for m in model.modules()], torch.get_rng_state()
    with pytest.raises(RuntimeError, match="out of luck") as error:
        skip_layers(model, [random(3, 5, seed=21)], layers=[Residual, "2.path.*"])
    assert getattr(error.value, "__notes__", []) == (
        [] if at == 1 else ["This was with layer '0.1' skipped, in batch 0."]
    )
    hooks = [h for m in model.modules() for h in (m._forward_hooks, m._forward_pre_hooks) if h]
    assert hooks == [] and [m.training for m in model.modules()] == modes
    assert "path" not in vars(net) and "coefficients" not in vars(net)
    assert torch.equal(torch.get_rng_state(), state) and torch.is_grad_enabled()


def test_a_layer_without_which_all_is_infinite_says_so():
    class Inverse(nn.Module):
        def forward(self, x):
            return 1 / (x - 1)

    shift = Residual(nn.Linear(2, 2).double())
    with torch.no_grad():
        shift.inner.weight.zero_()
        shift.inner.bias.fill_(1.0)
    model = nn.Sequential(shift, Residual(nn.Tanh()), Inverse())
    x = torch.tensor([[1.0, 2.0], [3.0, 1.5]], dtype=torch.float64)
    loader = [(x, random(2, 2, seed=22)), (x + 3, random(2, 2, seed=23))]
    model[1].scale = 0.0
    ds = skip_layers(model, loader, layers=Residual)
    assert ds["status"].values.tolist() == [
        "skipped, and without it the loss is not finite in batch 0",
        "skipped",
    ]
    assert ds["loss_change"].isnull().values.tolist() == [True, False]
    assert ds["output_change"].isnull().values.tolist() == [True, False]


class Moody(nn.Module):
    """Runs its block in its first pass only."""

    def __init__(self):
        super().__init__()
        self.block, self.passes = Residual(nn.Tanh()), 0

    def forward(self, x):
        self.passes += 1
        return self.block(x) if self.passes == 1 else x


def pairs(*labels):
    return [(random(4, 5, seed=n), y) for n, y in enumerate(labels)]


CLASSES = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    "make, loader, options, sentence",
    [
        (residual_net, [], {}, "loader must yield at least one batch, and it yields nothing"),
        (
            residual_net,
            pairs(CLASSES),
            {"loss": lambda f, y: f},
            r"loss must be one number for each of the 4 samples .* it has shape \(4, 3\)",
        ),
        (
            residual_net,
            pairs(CLASSES),
            {"loss": lambda f, y: None},
            "loss must be numbers, and it is a NoneType",
        ),
        (
            residual_net,
            pairs(CLASSES),
            {"loss": lambda f, y: f[:, 0] * math.nan},
            "loss must be finite with all layers in place, and in batch 0 it is not",
        ),
        (
            residual_net,
            [random(4, 5, seed=0)],
            {"loss": lambda f, y: f[:, 0]},
            "loss is given, and batch 0 of loader has no labels",
        ),
        (residual_net, pairs(CLASSES), {"loss": 3}, "loss must be a function .* it is a int"),
        (residual_net, pairs(CLASSES), {"level": 1.0}, "level must be between 0 and 1, got 1.0"),
        (
            residual_net,
            pairs(CLASSES, random(4, 3, seed=1)),
            {},
            r"batch 1 must have outputs and labels for the mean cross-entropy of classes .* as "
            r"batch 0 has, and their shapes are \(4, 3\) and \(4, 3\)",
        ),
        (
            residual_net,
            pairs(CLASSES + 1),
            {},
            r"labels of batch 0 must be classes from 0 to 2 \(or -100 for none\), as the model "
            "has 3 outputs, and there is 3",
        ),
        (
            lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)),
            pairs(CLASSES),
            {"layers": "*"},
            r"layers has none that can be skipped: 0 is not skipped: its input is \(sample, 5\) "
            r"and its output \(sample, 4\); 1 is not",
        ),
        (Moody, pairs(CLASSES), {"layers": "block"}, "layer 'block' must do the same whenever"),
        (
            residual_net,
            [(random(2, 5, seed=0), torch.zeros(2)), (random(3, 5, seed=0), torch.zeros(3))],
            {"loss": lambda f, y: f.mean() if len(f) == 2 else f[:, 0]},
            "batch 1 is the first of the other kind",
        ),
    ],
)
def test_bad_input_is_one_sentence(make, loader, options, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        skip_layers(built(make), loader, **options)
    assert "\n" not in str(error.value)
