"""What layers take to run: counted by hand, and timed against layers that sleep."""

import time

import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp


def costs(model, *batches, **options):
    return lp.diagnose(model, batches, measures=["costs"], progress=False, **options)


def column(ds, name):
    return dict(zip(ds["layer"].values.tolist(), ds[name].values.tolist(), strict=True))


class Attention(nn.Module):
    """Attention of 4 heads, fused, and a map after it."""

    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.map = nn.Linear(width, width)

    def forward(self, x):
        return x + self.map(self.attention(x, x, x, need_weights=False)[0])


def test_parameters_and_multiply_adds_are_those_counted_by_hand():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3, bias=False))
    ds = costs(model, torch.randn(20, 6), torch.randn(7, 6))
    assert column(ds, "parameters") == pytest.approx(
        {"input": np.nan, "0": 6 * 8 + 8, "1": 0, "2": 8 * 3}, nan_ok=True
    )
    assert column(ds, "operations") == pytest.approx(
        {"input": np.nan, "0": 6 * 8, "1": 0, "2": 8 * 3}, nan_ok=True
    )
    assert (float(ds["model_parameters"]), float(ds["model_operations"])) == (80, 72)
    assert ds["operations_status"].values.tolist() == ["the input of the model", *["counted"] * 3]
    assert ds["model_milliseconds"].attrs["n_samples"] == 20  # the first batch


def test_convolutions_and_fused_attention_are_counted():
    # A map of 5 x 5 places, each a product of 2 x 3 x 3 numbers with 4 columns.
    image = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Flatten(), nn.Linear(100, 3))
    ds = costs(image, torch.randn(8, 2, 5, 5), layers=["0", "2"])
    assert column(ds, "operations")["0"] == 25 * 4 * 2 * 9
    # Ten tokens of width 16: maps to q, k, v, out and the last one; and q k^T and its use.
    stack = nn.Sequential(Attention(16), Attention(16), nn.Flatten(), nn.Linear(160, 2))
    ds = costs(stack, torch.randn(5, 10, 16), layers=Attention)
    by_hand = 5 * 10 * 16 * 16 + 2 * 10 * 10 * 16
    assert column(ds, "operations") == pytest.approx(
        {"input": np.nan, "0": by_hand, "1": by_hand}, nan_ok=True
    )


def test_each_call_of_a_shared_block_is_counted_and_recurrent_nets_are_not():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.rnn = nn.Linear(4, 4), nn.LSTM(4, 4, batch_first=True)

        def forward(self, x):
            return self.rnn(self.block(self.block(x)))[0][:, -1]

    ds = costs(Twice(), torch.randn(6, 3, 4), layers=["block", "rnn"])
    operations = column(ds, "operations")
    assert operations["block"] == operations["block#2"] == 3 * 4 * 4
    assert np.isnan(operations["rnn"]) and np.isnan(float(ds["model_operations"]))
    status = column(ds, "operations_status")["rnn"]
    assert status == "torch does not count the operations of recurrent nets"


class Sleepy(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return x + 1


def test_times_are_of_the_layer_and_not_of_what_is_recorded_of_it():
    model = nn.Sequential(Sleepy(0.02), Sleepy(0.0), nn.Linear(3, 2))
    ds = costs(model, torch.randn(30, 3), layers=Sleepy)
    slow, quick = (column(ds, "milliseconds")[name] for name in ("0", "1"))
    # A machine that is busy makes both longer; a sleep is never shorter than asked for.
    assert slow >= 20 and quick < slow
    assert column(ds, "milliseconds_low")["0"] >= 20
    assert float(ds["model_milliseconds"]) >= 20
    words = column(ds, "milliseconds_status")["0"]
    assert words == "median, fastest and slowest of 5 runs"


def test_the_other_measures_and_the_model_do_not_notice():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 6)).train()
    loader = [torch.randn(40, 5), torch.randn(30, 5)]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    both = lp.diagnose(model, loader, measures=["steps", "ranks", "costs"], progress=False)
    assert torch.equal(torch.get_rng_state(), state) and model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    alone = lp.diagnose(model, loader, measures=["steps", "ranks"], progress=False)
    for name in alone.data_vars:
        if alone[name].dtype != object:
            np.testing.assert_array_equal(both[name], alone[name])


def test_layers_of_a_path_are_no_modules():
    net = lp.LeakyResNet(4, 3, width=5, depth=3, effective_depth=1.0)
    ds = costs(net, torch.randn(20, 4, dtype=net.p.dtype))
    assert np.isnan(ds["parameters"]).all()
    assert column(ds, "parameters_status")["path.1"] == "no module: a layer of a path"
    assert float(ds["model_parameters"]) == sum(p.numel() for p in net.parameters())


def test_a_model_that_runs_only_once_is_diagnosed_all_the_same():
    class Once(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.ran = nn.Linear(3, 3), nn.Linear(3, 3), False

        def forward(self, x):
            if self.ran:
                raise RuntimeError("this model runs once")
            self.ran = True
            return self.second(self.first(x))

    ds = lp.diagnose(
        Once(), [torch.randn(30, 3)], layers=["first", "second"], measures=["steps", "costs"]
    )
    assert np.isfinite(ds["relative_step"].sel(layer="second"))
    assert np.isnan(ds["milliseconds"]).all() and np.isnan(float(ds["model_milliseconds"]))
