"""Linear maps of runs of layers against least squares on the activations themselves."""

import pytest
import torch
from redundant_nets import residual_net, rows

from loadpath.diagnosis.surgery.cuts import LinearMap
from loadpath.diagnosis.surgery.search import Calling, subject_of
from loadpath.diagnosis.surgery.ways import linear
from loadpath.diagnosis.surgery.ways.linear import LinearMaps
from loadpath.diagnosis.surgery.ways.ridge import ridge
from loadpath.record import Moments


@torch.no_grad()
def test_maps_are_those_of_ridge_regression_on_the_activations():
    x = rows(90)
    model = residual_net((1.0, 1.0, 1.0))
    subject = subject_of(model, list(x.split(30)), Calling())
    maps = LinearMaps(subject, [0, 2], [1])
    maps.fit([(1, 2)])
    made, judge = torch.cat([x[:30], x[60:]]), x[30:60]

    def ends(rows):
        A = model.blocks[0](rows)
        return A, model.blocks[2](model.blocks[1](A))

    def map_of(rows, share):
        A, out = ends(rows)
        centred = A - A.mean(0)
        gram = centred.T @ centred
        alpha = share * float(gram.diagonal().mean())
        weight = torch.linalg.solve(gram + alpha * torch.eye(6), centred.T @ (out - A)).T
        return weight + torch.eye(6), (out - A).mean(0) - weight @ A.mean(0)

    A, out = ends(judge)
    best = max(
        (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e2),
        key=lambda share: (
            -float((A @ map_of(made, share)[0].T + map_of(made, share)[1] - out).square().sum())
        ),
    )
    weight, bias = map_of(made, best)
    fitted, final = maps.fitted[1, 2], maps.final[1, 2]
    torch.testing.assert_close(fitted.weight, weight, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(fitted.bias, bias, rtol=1e-6, atol=1e-8)
    missed = (fitted(A) - out).square().sum() / (out - A).square().sum()
    assert fitted.explained == pytest.approx(1 - float(missed), abs=1e-8)
    weight, bias = map_of(x, best)
    torch.testing.assert_close(final.weight, weight, rtol=1e-6, atol=1e-8)
    assert subject.spent == pytest.approx(1.0)  # one pass for both halves


def test_maps_whose_moments_are_large_are_fitted_in_more_passes(monkeypatch):
    model, batches = residual_net((1.0, 1.0, 1.0)), list(rows(90).split(30))
    found = []
    for most in (linear.MOST_BYTES, 1):
        monkeypatch.setattr(linear, "MOST_BYTES", most)
        subject = subject_of(model, batches, Calling())
        maps = LinearMaps(subject, [0, 2], [1])
        maps.fit([(0,), (1,), (1, 2)])
        found.append((maps, subject.spent))
    (once, spent), (parts, more) = found
    assert (spent, more) == pytest.approx((1.0, 3.0))
    for run, map in once.final.items():
        assert torch.equal(map.weight, parts.final[run].weight)


def test_a_map_of_channels_runs_over_positions():
    map = LinearMap(("a",), rows(4, 4), rows(1, 4)[0], axis=1)
    A = torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.einsum("ncij,dc->ndij", A, map.weight) + map.bias[:, None, None]
    torch.testing.assert_close(map(A), expected)


def test_where_nothing_moves_the_map_is_the_identity():
    moments = Moments(6, velocity=False, activation="identity")
    moments.update(torch.cat([rows(20, 3), torch.zeros(20, 3, dtype=torch.float64)], dim=1))
    weight, bias, explained, _ = ridge(moments, 3, 1e-3, bias=True, judge=moments)
    assert float(weight.abs().max()) == 0 and float(bias.abs().max()) == 0 and explained == 1.0
