"""Models that users of other tools reported in public, through `diagnose` and `Monitor`."""

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
