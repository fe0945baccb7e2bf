"""What kernel ridge leaves: against functions that are known, and nets that are very wide."""

import math

import torch

from loadpath.papers import kernel_ridge, learnable


def test_the_relu_kernel_is_that_of_a_very_wide_random_net():
    generator = torch.Generator().manual_seed(0)
    a = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    width, bias = 200_000, 0.3
    weights = torch.randn(2, width, generator=generator, dtype=torch.float64)
    shift = bias * torch.randn(width, generator=generator, dtype=torch.float64)
    hidden = torch.relu(a @ weights + shift)
    # He's weights of the next layer: twice the mean product. 1e5 samples leave some 0.5 %.
    expected = 2 * hidden @ hidden.T / width
    found = kernel_ridge.relu_kernel(a, a, 1, bias)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


def test_the_relu_kernel_at_a_right_angle_is_in_closed_form():
    a = torch.eye(2, dtype=torch.float64)
    found = kernel_ridge.relu_kernel(a, a, 1, bias=0.0)
    expected = torch.tensor([[1, 1 / math.pi], [1 / math.pi, 1]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)


def test_a_linear_function_is_learned_by_the_linear_kernel_alone():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    x = x - x[:40].mean(0)  # the linear kernel has no constant of its own
    y = x @ torch.randn(3, 2, generator=generator, dtype=torch.float64) + 5
    kernels = kernel_ridge.kernels(x[:40])
    left = {
        name: kernel_ridge.unexplained(k, x[:40], y[:40], x[40:], y[40:])
        for name, k in kernels.items()
    }
    assert left["linear"] < 1e-8  # the smallest penalty is 1e-7 of the kernel's mean eigenvalue
    assert min(left, key=left.get) == "linear" and left["Gaussian, 0.5"] > 0.01


def test_noise_is_left_unexplained():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(80, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(80, 4, generator=generator, dtype=torch.float64)
    found = {
        name: kernel_ridge.unexplained(kernel, x[:60], y[:60], x[60:], y[60:])
        for name, kernel in kernel_ridge.kernels(x).items()
    }
    # The largest penalty is ten mean eigenvalues, so that little is predicted. The mean of 60 is
    # off, and 20 are few to test on.
    assert all(0.8 < left < 1.2 for left in found.values()), found


def test_every_teacher_and_kernel_has_its_share(monkeypatch):
    monkeypatch.setattr(learnable, "SAMPLES", 60)
    monkeypatch.setattr(learnable, "TEST_SAMPLES", 50)
    monkeypatch.setattr(kernel_ridge, "LEARNABLE", ("leak-0.1",))
    ds = kernel_ridge.learnability(seed=0)
    assert dict(ds.sizes) == {"teacher": 2, "kernel": 8}
    least = ds["unexplained"].min("kernel")
    assert float(least.sel(teacher="leak-0.1")) < float(least.sel(teacher="leak-1"))
    assert ds.attrs["seed"] == 0
