"""Models that users of other tools reported in public, through `diagnose` and `Monitor`."""

import random as python_random

import numpy as np
import pytest
import torch
from exact_paths import random
from recorded_models import seeded
from torch import nn

import loadpath as lp

N, CLASSES, TOKENS = 60, 3, 4
LABELS = torch.arange(N) % CLASSES


def measured(model, loader, **options):
    """What `diagnose` and one look of `Monitor` find, without what a bootstrap or probe adds."""
    ds = lp.diagnose(
        model, loader, measures=["separation", "energies", "steps", "ranks"], **options
    )
    monitor = lp.diagnosis.Monitor(model, loader, budget=None, samples=N, **options)
    return ds, monitor.history()


def agree(found, twin, layers=None):
    """Compare two results: the same products in the same order agree to rounding in float64."""
    for one, other in zip(found, twin, strict=True):
        one = one if layers is None else one.assign_coords(layer=layers)
        assert one["layer"].values.tolist() == other["layer"].values.tolist()
        for name in other:
            if other[name].dtype.kind == "f" and name != "seconds":
                np.testing.assert_allclose(
                    one[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name
                )


class Blocks(nn.Module):
    """Two residual blocks on tokens, whose output is second in a tuple, or alone."""

    def __init__(self, first=True, tuples=False):
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.blocks = nn.ModuleList(Block(first, tuples) for _ in range(2))
        self.head, self.first = nn.Linear(4, CLASSES), first

    def forward(self, x):
        x = self.embed(x)
        x = x if self.first else x.transpose(0, 1)
        for block in self.blocks:
            out = block(x)
            x = out[1] if isinstance(out, tuple) else out
        return self.head(x.mean(1 if self.first else 0))


class Block(nn.Module):
    def __init__(self, first, tuples):
        super().__init__()
        self.mix, self.tuples = nn.GRU(4, 4, batch_first=first), tuples

    def forward(self, x):
        h, state = self.mix(x)
        return (state.transpose(0, 1), x + h) if self.tuples else x + h


class OneDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Blocks()

    def forward(self, features, **kwargs):
        return self.net(features["x"])


def cut(x, *sizes):
    parts = zip(x.split(sizes), LABELS.split(sizes), strict=True)
    return [(part, labels) for part, labels in parts]


@pytest.mark.parametrize("sizes", [(40, 20), (4, 36, 20)], ids=["other sizes", "as many as tokens"])
def test_tuples_axes_and_dicts_change_no_measure(sizes):
    """Captum 745, 427; torchinfo 46: the same net, wrapped as users have it."""
    x = random(N, TOKENS, 3, seed=0)
    twin = measured(seeded(Blocks), cut(x, *sizes))
    assert twin[0]["layer"].values.tolist() == ["input", "blocks.0", "blocks.1"]
    agree(measured(seeded(Blocks, False), cut(x, *sizes)), twin)
    agree(measured(seeded(Blocks, True, True), cut(x, *sizes)), twin)
    agree(measured(seeded(Blocks, False, True), cut(x, *sizes)), twin)
    model = seeded(OneDict)
    model.net = seeded(Blocks)
    dicts = [({"x": part}, labels) for part, labels in cut(x, *sizes)]
    agree(measured(model, dicts), twin, layers=twin[0]["layer"].values)


class Missing(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.last = nn.Linear(3, 4), nn.Linear(4, CLASSES)

    def forward(self, x):
        return self.last(torch.tanh(self.mix(x.to_dense().nan_to_num())))


@pytest.mark.parametrize("kind", ["missing", "missing later", "sparse"])
def test_an_input_that_the_model_handles_itself_is_left_out_with_a_note(kind):
    """Captum 1196: NaN stands for what is missing, or inputs are sparse."""
    x = random(N, 3, seed=1)
    holes = x.where(x > (0 if kind == "missing" else -9), 0)
    holes[50, 0] = 0 if kind == "missing later" else holes[50, 0]
    model, layers = seeded(Missing), ["mix", "last"]
    loader = cut(holes, 30, 30)
    twin_ds = lp.diagnose(model, loader, layers=layers, measures=["steps", "ranks", "separation"])
    if kind == "sparse":
        trap = [(part.to_sparse(), labels) for part, labels in loader]
    else:
        trap = [(part.where(part != 0, torch.nan), labels) for part, labels in loader]
    ds = lp.diagnose(model, trap, layers=layers, measures=["steps", "ranks", "separation"])
    assert ds["layer"].values.tolist() == layers
    assert ds.attrs["layers_left_out"].startswith("input: ")
    for name in ("participation_ratio", "relative_step", "log_separation"):
        expected = twin_ds[name].sel(layer=layers)
        np.testing.assert_allclose(ds[name], expected, rtol=1e-9, err_msg=name)
    monitor = lp.diagnosis.Monitor(model, trap, layers=layers, budget=None)
    assert monitor.history()["layer"].values.tolist() == layers
    assert monitor.history().attrs["layers_left_out"].startswith("input: ")
    if kind != "sparse":
        with pytest.raises(ValueError, match="name layers, and it is left out"):
            lp.diagnose(model, trap)
        with pytest.raises(ValueError, match="name layers, and it is left out"):
            lp.diagnosis.Monitor(model, trap)


class Forces(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.last = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, x):
        x.requires_grad_(True)
        energy = self.last(torch.tanh(self.mix(x)))
        return torch.autograd.grad(energy.sum(), x, create_graph=True)[0]


class Energy(Forces):
    def forward(self, x):
        return self.last(torch.tanh(self.mix(x)))


def test_forces_are_measured_with_grad():
    """Captum 1220: the model takes gradients in `forward`."""
    loader = [(random(N, 3, seed=2), LABELS)]
    twin = measured(seeded(Energy), loader, layers=["mix", "last"])
    agree(measured(seeded(Forces), loader, layers=["mix", "last"], grad=True), twin)
    for call in (lp.diagnose, lp.diagnosis.Monitor):
        with pytest.raises(ValueError, match="model takes gradients .* pass grad=True"):
            call(seeded(Forces), loader)


class Solves(nn.Module):
    def __init__(self):
        super().__init__()
        self.field, self.last = nn.Linear(3, 3), nn.Linear(3, CLASSES)

    def forward(self, x):
        for _ in range(int(x.abs().max())):
            x = x + 0.1 * self.field(x)
        return self.last(x)


def test_a_module_that_runs_a_varying_number_of_times_is_told_of():
    """torchlens 43: the function of an ODE, which its solver calls as often as it likes."""
    loader = [(random(N, 3, seed=3) * scale, LABELS) for scale in (1, 2)]
    for call in (lp.diagnose, lp.diagnosis.Monitor, lp.diagnosis.skip_layers):
        probe = loader if call is not lp.diagnosis.Monitor else iter(loader)
        options = {"samples": 2 * N} if call is lp.diagnosis.Monitor else {}
        with pytest.raises(ValueError, match=r"layer 'field#\d' ran in batch .* layers="):
            call(seeded(Solves), probe, **options)
    assert lp.diagnose(seeded(Solves), loader, layers="last")["layer"].values[-1] == "last"


class Adapted(nn.Linear):
    """A layer with a low-rank update that `eval()` merges into its weight, and `train()` undoes."""

    def __init__(self, width):
        super().__init__(width, width)
        self.down = nn.Parameter(torch.randn(2, width) / 3)
        self.up = nn.Parameter(torch.randn(width, 2) / 3)
        self.merged = False

    def train(self, mode=True):
        super().train(mode)
        if self.merged == mode:
            self.weight.data += (1 if not mode else -1) * (self.up @ self.down)
            self.merged = not mode
        return self

    def forward(self, x):
        update = 0 if self.merged else x @ self.down.T @ self.up.T
        return super().forward(x) + update


class Averaging(nn.Module):
    """A layer that takes off the mean of what it has seen, and draws from every generator."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.full((width,), 0.1))
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x):
        before = self.mean
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        (
            python_random.random(),
            np.random.random(),
            torch.rand(1),
            torch.rand(1, generator=self.generator),
        )
        return x - before


def everything(model, loader):
    """What training goes on from: every bit of the model, its modes, and all random states."""
    tensors = [(n, t.numpy().tobytes()) for n, t in model.state_dict().items()]
    grads = [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
    modes = [(module.training, p.requires_grad) for module in model.modules() for p in
             module.parameters()]  # fmt: skip
    states = (
        python_random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    )
    own = [g.get_state().tolist() for g in (model[2].generator, loader.generator)]
    return tensors, grads, modes, states, own


@pytest.mark.parametrize("how", ["diagnose", "skip_layers", "Monitor", "stream"])
def test_measuring_leaves_training_as_it_was(how):
    """litgpt 296, PEFT 1904: merging weights and taking them apart again rounds differently."""
    model = seeded(
        lambda: nn.Sequential(nn.Linear(4, 4), Adapted(4), Averaging(4), nn.Dropout(), Adapted(4))
    ).float()
    model[0].eval()  # as frozen layers are, in a model that trains
    model[4].bias.requires_grad_(False)
    x = random(N, 4, seed=0).float()
    model(x).sum().backward()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, LABELS),
        batch_size=20,
        shuffle=True,
        generator=torch.Generator().manual_seed(1),
    )
    layers = ["1", "2", "4"]
    measure = {
        "diagnose": lambda m, l: lp.diagnose(m, l, layers=layers, measures=["steps"]),
        "skip_layers": lambda m, l: lp.diagnosis.skip_layers(m, l, layers=layers),
        "Monitor": lambda m, l: lp.diagnosis.Monitor(m, l, layers=layers).history(),
        "stream": lambda m, l: lp.record.second_moments(lp.record.stream(m, l, layers=layers)),
    }[how]
    before = everything(model, loader)
    found = measure(model, loader)
    assert everything(model, loader) == before

    # A twin without the traps, on the same batches: weights that are merged for good, and a mean
    # that stays. Sums of products of float32 agree to some of its roundings.
    twin = seeded(lambda: nn.Sequential(*(nn.Linear(4, 4) for _ in range(2)), nn.Identity(),
                                        nn.Dropout(), nn.Linear(4, 4)))  # fmt: skip
    twin = twin.float().eval()
    with torch.no_grad():
        for mine, theirs in zip(twin, model, strict=True):
            if isinstance(mine, nn.Linear):
                mine.bias.copy_(theirs.bias)
                extra = theirs.up @ theirs.down if isinstance(theirs, Adapted) else 0
                mine.weight.copy_(theirs.weight + extra)
    twin[2].forward = lambda x, mean=model[2].mean: x - mean
    wanted = measure(twin, loader)
    if how == "stream":
        for layer in wanted:
            one, other = found[layer].mean(), wanted[layer].mean()
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        return
    for name in wanted:
        if wanted[name].dtype.kind == "f" and name not in ("seconds", "own_seconds"):
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=1e-4, atol=1e-4, err_msg=name
            )
