"""`lp.diagnose`: against closed forms, other modules' own functions, and the mechanics' profile."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath import measures, record, statistics
from loadpath.diagnosis.profile import MEASURES
from loadpath.leaky_resnet import mechanics
from loadpath.measures import separation

SEED = 20240519
KINDS = ("fuzziness", "trace_ratio", "inverse")


class Residual(nn.Module):
    """h + W relu(h)."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, h):
        return h + self.linear(h.relu())


def classes(n, width, n_classes=4, seed=SEED, apart=2.0):
    print(f"seed {seed}")
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % n_classes
    x = torch.randn(n, width, generator=generator) + apart * torch.eye(n_classes, width)[y]
    return x, y


def net(width=12, n_blocks=3, n_classes=4, seed=0):
    torch.manual_seed(seed)
    blocks = [Residual(width) for _ in range(n_blocks)]
    return nn.Sequential(*blocks, nn.Linear(width, n_classes)).eval()


def batches(x, y=None, size=50):
    parts = x.split(size)
    return list(parts) if y is None else list(zip(parts, y.split(size), strict=True))


@pytest.fixture(scope="module")
def usual():
    """A model, its samples, what its layers put out, and its diagnosis."""
    x, y = classes(400, 12)
    model = net().double()
    x = x.double()
    with torch.no_grad():
        path = [x]
        for block in model[:-1]:
            path.append(block(path[-1]))
    return model, x, y, path, lp.diagnose(model, batches(x, y), layers=Residual)


def test_layers_are_named_and_described(usual):
    ds = usual[-1]
    assert ds.layer.values.tolist() == ["input", "0", "1", "2"]
    assert ds["meaning"].values[1] == "output of 0 (Residual), (sample, 12): as it is"
    assert json.loads(ds.attrs["layers"]) == dict(
        zip(ds.layer.values, ds["meaning"].values, strict=True)
    )
    assert (ds["rows"] == 400).all() and (ds["kept"] == 400).all() and (ds["width"] == 12).all()
    assert ds.attrs["n_samples"] == 400 and ds.attrs["labels"] == "labels are class numbers"
    for name, variable in ds.data_vars.items():
        assert "long_name" in variable.attrs, name
        assert "units" in variable.attrs or variable.dtype == object, name


def test_sums_over_all_samples_give_the_functions_of_the_samples(usual):
    model, x, y, path, ds = usual
    for l, A in enumerate(path):
        gamma = mechanics.kernel_gamma(A, 1e-3)
        exact = {
            "cost_of_identity": float(mechanics.cost_of_identity(A, gamma=gamma)),
            "gamma": gamma,
            "stable_rank_nuclear": float(mechanics.stable_rank(A, "nuclear")),
            "stable_rank_operator": float(mechanics.stable_rank(A, "operator")),
        }
        if l > 0:
            before = path[l - 1]
            exact["kinetic_energy"] = float(
                mechanics.kinetic_energy(
                    before,
                    3 * (A - before),  # three steps of 1/3
                    effective_depth=0.0,
                    gamma=mechanics.kernel_gamma(before, 1e-3),
                )
            )
            exact["relative_step"] = float((A - before).norm() / A.norm())
            ratio = torch.linalg.vector_norm(A, dim=1) / torch.linalg.vector_norm(before, dim=1)
            exact["log_growth"] = float(ratio.log().mean())
        collapse = separation.neural_collapse(
            A, y, weight=model[-1].weight.detach(), bias=model[-1].bias.detach()
        )
        exact["nc1"] = collapse.nc1
        exact["nc2_equinorm"] = collapse.nc2.equinorm
        exact["nc2_equiangularity"] = collapse.nc2.equiangularity
        exact["nc2_angle"] = collapse.nc2.angle
        if l == len(path) - 1:
            exact |= {"nc3": collapse.nc3, "nc4": collapse.nc4}
        for name, value in exact.items():
            # Streamed factors against the samples themselves, both in float64.
            assert ds[name].values[l] == pytest.approx(value, rel=1e-9), (name, l)
            assert ds[f"{name}_status"].values[l] in ("estimated", "no interval")
        for kind in KINDS:
            D = separation.log_separation(A, y, kind)
            assert float(ds["log_separation"].sel(kind=kind)[l]) == pytest.approx(D, rel=1e-9)


def test_loads_and_concavity_are_those_of_the_load_curve(usual):
    _, _, y, path, ds = usual
    for kind in KINDS:
        curve = separation.LoadCurve.of(path, y, kind=kind)
        np.testing.assert_allclose(ds["load"].sel(kind=kind)[1:], curve.load, rtol=1e-8)
        assert float(ds["concavity"].sel(kind=kind)) == pytest.approx(curve.concavity, rel=1e-8)
    assert ds["load_status"].sel(layer="input").values.tolist() == ["no layer before"] * 3


def test_measures_of_the_kept_samples_are_those_of_geometry(usual):
    _, _, y, path, ds = usual
    # All samples are kept, in the order of the reservoir.
    kept = statistics.Reservoir(2000)
    kept.update(torch.arange(400), torch.arange(400))
    order = kept.rows()
    for l, A in enumerate(path):
        H = A[order]
        expected = {
            "participation_ratio": measures.participation_ratio(measures.self_sums(H)),
            "effective_rank": measures.effective_rank(measures.self_sums(H)),
            "intrinsic_dimension": measures.two_nn(H),
            "cka_first": measures.linear_cka(path[0][order], H),
            "probe_ridge": measures.class_probe(H, y[order], kind="ridge").accuracy,
            "probe_logistic": measures.class_probe(H, y[order]).accuracy,
        }
        if l + 1 < len(path):
            expected["cka_next"] = measures.linear_cka(H, path[l + 1][order])
        for name, estimate in expected.items():
            assert ds[f"{name}_status"].values[l] == estimate.status, (name, l)
            for suffix in ("", "_low", "_high"):
                value = getattr(estimate, {"": "value"}.get(suffix, suffix[1:]))
                np.testing.assert_allclose(ds[name + suffix].values[l], value, rtol=1e-12)


def test_what_a_step_is_needed_for_has_none_at_the_input(usual):
    ds = usual[-1]
    for name in ("kinetic_energy", "relative_step", "turn", "log_growth"):
        assert math.isnan(ds[name].values[0])
        assert ds[f"{name}_status"].values[0] == "no step of one shape leads here"
    assert ds["cka_next_status"].values[-1] == "no layer follows"
    assert set(ds["nc3_status"].values[:-1]) == {"no Linear makes the outputs from this layer"}


@pytest.mark.parametrize("settings", [{}, {"activation": "tanh", "bias": False}])
@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_a_leaky_resnet_agrees_with_the_mechanics_profile(step, settings):
    # Not the same code: one adds up second moments of the steps seen, the other takes them from
    # the weights.
    generator = torch.Generator().manual_seed(SEED)
    steps = torch.tensor([0.3, 0.1, 0.2, 0.4], dtype=torch.float64)
    model = lp.LeakyResNet(
        6, 2, width=16, depth=4, effective_depth=1.5, layer_steps=steps, step=step, seed=3,
        dtype=torch.float64, **settings,
    )  # fmt: skip
    x = torch.randn(500, 6, generator=generator, dtype=torch.float64)
    y = torch.randn(500, 2, generator=generator, dtype=torch.float64)
    profile = lp.mechanics.profile(model, x, y, weight_decay=1e-3)
    wrapped = nn.Sequential(nn.Identity(), model)
    for net, prefix in ((model, "path."), (wrapped, "1.path.")):
        layers = None if net is model else "1.path.*"
        ds = lp.diagnose(net, batches(x, y), layers=layers, measures=("energies", "steps"))
        ds = ds.sel(layer=[f"{prefix}{l}" for l in range(5)])
        for name in ("cost_of_identity", "gamma", "stable_rank_nuclear", "stable_rank_operator"):
            np.testing.assert_allclose(ds[name], profile[name], rtol=1e-8, err_msg=name)
        np.testing.assert_allclose(ds["kinetic_energy"][1:], profile["kinetic_energy"], rtol=1e-8)
        speed = ds["relative_step"][1:].values / steps.numpy()
        np.testing.assert_allclose(speed, profile["speed"], rtol=1e-8)


def test_layers_left_out_of_exponential_steps_have_the_mean_velocity_of_their_flow():
    model = lp.LeakyResNet(
        5, 2, width=8, depth=4, effective_depth=6.0, step="exponential", dtype=torch.float64
    )
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    ds = lp.diagnose(model, batches(x), layers=("path.0", "path.3"), measures=("energies",))
    with torch.no_grad():
        A = model.path(x)
        steps = zip(A[:3], model.weights, strict=False)
        velocity = sum(model.features(A_l) @ W.T - 6.0 * A_l for A_l, W in steps) / 3
    kinetic = mechanics.kinetic_energy(
        A[0], velocity, effective_depth=6.0, gamma=mechanics.kernel_gamma(A[0], 1e-3)
    )
    assert float(ds["kinetic_energy"].sel(layer="path.3")) == pytest.approx(float(kinetic), 1e-8)


def test_layers_left_out_of_a_leaky_resnet_make_longer_steps():
    model = lp.LeakyResNet(5, 2, width=8, depth=4, effective_depth=2.0, dtype=torch.float64)
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    ds = lp.diagnose(model, batches(x), layers=("path.0", "path.3"), measures=("steps", "energies"))
    with torch.no_grad():
        A = model.path(x)
    growth = (A[3].norm(dim=1) / A[0].norm(dim=1)).log().mean()
    undamped = 3 * math.log(1 - 2.0 / 4)
    depth = float(ds["log_growth"].sel(layer="path.3"))
    assert depth == pytest.approx(float(growth) - undamped, rel=1e-9)
    kinetic = mechanics.kinetic_energy(
        A[0], (A[3] - A[0]) / 0.75, effective_depth=2.0, gamma=mechanics.kernel_gamma(A[0], 1e-3)
    )
    found = float(ds["kinetic_energy"].sel(layer="path.3"))
    assert found == pytest.approx(float(kinetic), rel=1e-9)


def test_batches_and_their_sizes_change_nothing():
    x, y = classes(300, 8)
    model = net(8)
    options = dict(kept=100, layers=Residual, rank="movement")  # a prediction draws batch by batch
    one = lp.diagnose(model, batches(x, y, 300), **options)
    many = lp.diagnose(model, batches(x, y, 7), **options)
    for name, variable in one.data_vars.items():
        if "milliseconds" in name:  # measured anew, of another batch
            continue
        if variable.dtype == object:
            assert (variable.values == many[name].values).all(), name
        else:
            # The model itself rounds otherwise in batches of another size, in float32.
            np.testing.assert_allclose(variable, many[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_intervals_of_kept_samples_are_narrowed_to_all():
    x, y = classes(4000, 6)
    model = net(6).double()
    x = x.double()
    few = lp.diagnose(model, batches(x, y, 500), kept=500, measures=("energies", "separation"))
    own = lp.diagnose(model, batches(x, y, 500), kept=4000, measures=("energies", "separation"))
    for name in ("cost_of_identity", "log_separation", "load"):
        np.testing.assert_allclose(few[name], own[name], rtol=1e-12, err_msg=name)
        widths = [(ds[f"{name}_high"] - ds[f"{name}_low"]).values for ds in (few, own)]
        ratio = np.nanmedian(widths[0] / widths[1])
        # Two jackknife deviations of 9 degrees of freedom each: a factor of 2 is 2 sigma, and the
        # median over layers does better. Unnarrowed it would be near sqrt(8).
        assert 0.5 < ratio < 2, (name, ratio)


def test_real_targets_have_a_separation_and_no_collapse():
    x, _ = classes(300, 6)
    model, y = net(6), x[:, :2] + 0.1
    ds = lp.diagnose(model, batches(x, y), layers=Residual)
    for kind in KINDS:
        D = separation.target_separation(x, y, kind)
        assert float(ds["log_separation"].sel(kind=kind)[0]) == pytest.approx(D, rel=1e-6)
    assert "nc1" not in ds and "probe_ridge" not in ds and "accuracy" not in ds


def test_without_labels_all_that_needs_none_is_there():
    x, _ = classes(300, 6)
    ds = lp.diagnose(net(6), batches(x), layers=Residual)
    assert {"cost_of_identity", "relative_step", "effective_rank", "cka_first"} <= set(ds)
    assert not {"log_separation", "nc1", "probe_ridge"} & set(ds)
    assert ds.attrs["labels"] == "no labels"


def test_classes_that_come_late_or_never_are_counted_as_they_are():
    x, y = classes(300, 6, n_classes=3)
    y = torch.tensor([7, 2, 4])[y]
    order = torch.argsort(y)  # class 7 in the last batches only
    model = net(6, n_classes=9)
    ds = lp.diagnose(model, batches(x[order], y[order]), measures=("separation", "collapse"))
    dense = torch.searchsorted(torch.tensor([2, 4, 7]), y)
    D = separation.log_separation(x, dense)
    assert float(ds["log_separation"].sel(kind="fuzziness")[0]) == pytest.approx(D, rel=1e-6)
    weight, bias = (t.detach()[[2, 4, 7]] for t in (model[-1].weight, model[-1].bias))
    with torch.no_grad():
        H = model[:-1](x)
    collapse = separation.neural_collapse(H, dense, weight=weight, bias=bias)
    assert float(ds["nc3"][-1]) == pytest.approx(collapse.nc3, rel=1e-5)
    # A share of counts: the model's float32 in other batches must not turn a decision over.
    assert float(ds["nc4"][-1]) == pytest.approx(collapse.nc4, abs=1 / 300)


def test_accuracy_is_that_of_the_model(usual):
    model, x, y, _, ds = usual
    with torch.no_grad():
        right = (model(x).argmax(1) == y).double().mean()
    assert float(ds["accuracy"]) == pytest.approx(float(right), abs=1e-12)


def test_positions_give_rows_and_one_of_each_sample_is_kept():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    x = torch.randn(90, 1, 8, 8)
    reduction = record.Reduction(maps="positions", every=2)
    ds = lp.diagnose(model, batches(x, size=30), reduction=reduction)
    assert ds["rows"].values.tolist() == [90 * 16] * 4
    assert ds["kept"].values.tolist() == [90] * 4
    with torch.no_grad():
        maps = model[0](x)[:, :, ::2, ::2]
    A = maps.permute(0, 2, 3, 1).reshape(-1, 4)
    coi = mechanics.cost_of_identity(A, gamma=mechanics.kernel_gamma(A, 1e-3))
    assert float(ds["cost_of_identity"].sel(layer="0")) == pytest.approx(float(coi), rel=1e-5)


def test_too_few_samples_are_said_and_no_number_is_given():
    x, y = classes(24, 12)
    ds = lp.diagnose(net(), batches(x, y), layers=Residual)
    for name in ("effective_rank", "intrinsic_dimension", "cost_of_identity", "probe_ridge"):
        assert set(ds[f"{name}_status"].values) == {"not enough samples"}, name
        assert np.isnan(ds[name]).all()
    inverse = ds["log_separation_status"].sel(kind="inverse")
    assert set(inverse.values) == {"not enough samples"}


def test_labels_that_say_nothing_have_no_separation():
    x, _ = classes(200, 6)
    y = torch.randint(4, (200,), generator=torch.Generator().manual_seed(1))
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(2))
    ds = lp.diagnose(net(6), batches(x, y), measures=("separation",))
    assert set(ds["log_separation_status"].values.flat) == {"not enough samples"}
    assert set(ds["load_status"].values.flat) == {"no layer before", "not enough samples"}


def test_collapsed_and_constant_layers_have_words():
    class Collapse(nn.Module):
        def forward(self, x):
            return torch.eye(4, 6)[x.argmax(1) % 4]

    class Zero(nn.Module):
        def forward(self, x):
            return 0 * x + 1

    x, y = classes(200, 6, apart=50.0)
    model = nn.Sequential(Collapse(), Zero())
    ds = lp.diagnose(model, batches(x, y), layers=("0", "1"))
    status = ds["log_separation_status"].sel(kind="fuzziness").values.tolist()
    assert status == ["estimated", "collapsed", "not separated"]
    assert float(ds["nc1"][1]) == 0 and ds["nc1_status"].values[2] == "not separated"
    assert ds["effective_rank_status"].values[2] == "constant features"
    assert np.isfinite(ds["cost_of_identity"]).all()


def test_wide_layers_are_sketched_and_have_no_intervals():
    torch.manual_seed(0)
    x, y = classes(300, 40)
    model = nn.Sequential(nn.Linear(40, 3000), nn.Linear(3000, 40))
    ds = lp.diagnose(model, batches(x, y), measures=("separation", "energies", "ranks"))
    wide = ds.sel(layer="0")
    assert int(wide["width"]) == 3000
    assert str(wide["stable_rank_operator_status"].values) == "no interval"
    with torch.no_grad():
        A = model[0](x)
    # Of a sketch of 2048 columns, inner products are exact to 3 % of the norms.
    rank = float(mechanics.stable_rank(A, "operator"))
    assert float(wide["stable_rank_operator"]) == pytest.approx(rank, rel=0.03)
    D = separation.log_separation(A, y, "trace_ratio")
    found = float(wide["log_separation"].sel(kind="trace_ratio"))
    assert found == pytest.approx(D, abs=0.05)
    ratio = measures.participation_ratio(measures.self_sums(A))
    assert float(wide["participation_ratio"]) == pytest.approx(ratio.value, rel=0.05)


def test_the_model_is_left_as_it_was(usual):
    model = net().train()
    state = torch.get_rng_state()
    lp.diagnose(model, batches(*classes(60, 12)), measures=("steps",))
    assert torch.equal(torch.get_rng_state(), state) and model.training
    assert all(not module._forward_hooks for module in model.modules())


def test_it_can_be_saved_and_read_again(usual, tmp_path):
    ds = usual[-1]
    lp.results.save(ds, tmp_path / "profile.nc")
    again = lp.load(tmp_path / "profile.nc")
    for name, variable in ds.data_vars.items():
        assert (again[name].values == variable.values).all() or np.allclose(
            again[name].values, variable.values, equal_nan=True
        )
    assert again.attrs["layers"] == ds.attrs["layers"]


@pytest.mark.parametrize(
    "options, said",
    [
        ({"measures": ("seperation",)}, "measures must be of separation, .*, got 'seperation'"),
        ({"measures": "steps"}, "measures must be a sequence of names, got the string 'steps'"),
        ({"measures": ()}, "measures must name at least one measure, got none"),
        ({"measures": ("probes",)}, "measures has 'probes', which needs class labels"),
        ({"measures": ("separation",)}, "measures has 'separation', which needs labels, .* no lab"),
        ({"activation": "swish"}, "activation must be one of relu, .*, got 'swish'"),
        ({"gamma0": 0.0}, "gamma0 must be finite and above 0, got 0.0"),
        ({"kept": 0}, "kept must be"),
        ({"level": 1.0}, "level must be between 0 and 1, got 1.0"),
        ({"seed": -1}, "seed must be"),
        ({"layers": "blocks.*"}, "layers has the pattern 'blocks.*', which matches no module"),
    ],
)
def test_bad_arguments_are_one_sentence(options, said):
    with pytest.raises(ValueError, match=said):
        lp.diagnose(net(6), batches(classes(60, 6)[0]), **options)


def test_bad_loaders_are_one_sentence():
    x, y = classes(60, 6)
    with pytest.raises(ValueError, match="loader must yield at least one batch"):
        lp.diagnose(net(6), [])
    with pytest.raises(ValueError, match="labels of batch 1 must be classes .*, and no labels"):
        lp.diagnose(net(6), [(x, y), x])
    with pytest.raises(ValueError, match="labels of batch 1 must be classes .* real target"):
        lp.diagnose(net(6), [(x, y), (x, y.float())])
    bad = x.clone()
    bad[3, 2] = math.nan
    with pytest.raises(ValueError, match="layer 'input' .* in batch 1 it is the first with NaN"):
        lp.diagnose(net(6), [(x, y), (bad, y)])


def test_every_measure_can_be_asked_for_alone():
    x, y = classes(100, 6)
    seen = set()
    for name in MEASURES:
        if name == "next_token":  # of language models
            continue
        options = dict(layers=Residual, rank="movement")
        ds = lp.diagnose(net(6), batches(x, y), measures=(name,), **options)
        own = {v for v in ds.data_vars if f"{v}_status" in ds}
        assert own and not own & seen
        seen |= own
