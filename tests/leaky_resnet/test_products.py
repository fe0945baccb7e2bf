"""Matrix products by either BLAS, alone and in the recursion that they were made for."""

import pytest
import torch
from exact_paths import random
from uneven_nets import LOSSES, batch, uneven_net

from loadpath.leaky_resnet import Adjoint, data_term, products


@pytest.fixture(params=[True, False], ids=["torch", "numpy"])
def by_torch(request, monkeypatch):
    """Whether torch is to multiply."""
    monkeypatch.setattr(products, "mkl_at_home", lambda: request.param)
    return request.param


@pytest.mark.parametrize("loss", LOSSES)
def test_either_blas_gives_autograds_gradient(loss, by_torch):
    net, (x, y) = uneven_net(), batch(loss)
    (data_term(net(x), y, loss) + 0.3 * net.regularizer()).backward()
    expected = net.weights.grad.clone()
    recursion = Adjoint(net, len(x), loss=loss, threads=2)
    assert all(torch.is_tensor(W) == by_torch for W in recursion.W)
    recursion.load(x, y)
    recursion.evaluate(0.3)
    # Entries that cancel are as exact as the largest one is.
    scale = float(expected.abs().max())
    torch.testing.assert_close(net.weights.grad, expected, rtol=1e-12, atol=1e-12 * scale)


def test_factors_share_memory_and_products_are_written_into_it(by_torch):
    a, b, out = random(3, 4, seed=0), random(5, 4, seed=1), torch.zeros(3, 5, dtype=torch.float64)
    products.multiply(*(products.as_factor(t) for t in (a, b.T, out)))
    by_hand = sum(a[:, None, k] * b[None, :, k] for k in range(4))
    torch.testing.assert_close(out, by_hand, rtol=1e-14, atol=1e-14)


def test_stacks_are_multiplied_one_by_one(by_torch):
    left, middle, right = random(2, 3, 3, seed=2), random(2, 3, 4, seed=3), random(2, 4, 4, seed=4)
    out = torch.zeros(2, 3, 4, dtype=torch.float64)
    products.multiply_stacks(left.mT, middle, right, out)
    by_hand = torch.einsum("lji,ljk,lkm->lim", left, middle, right)
    torch.testing.assert_close(out, by_hand, rtol=1e-13, atol=1e-13)
