"""Functions of one's own as activations: what they must be, their slope, gain and name."""

import functools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from loadpath.record import ACTIVATIONS, as_activation, features
from loadpath.record.activations.own import digest_of, gain_of, slope_of


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_and_gain_are_those_of_the_activations_with_names(name):
    known = ACTIVATIONS[name]
    A = torch.linspace(
        -2, 2, 50, dtype=torch.float64
    )  # 0, where relu has a kink, is not among them
    expected = torch.ones_like(A)
    known.backward(expected, known.forward(A))
    torch.testing.assert_close(slope_of(known.forward, A), expected, rtol=1e-12, atol=1e-14)
    # The table's gains are rounded to four digits but for those of polynomials.
    tolerance = 1e-12 if name in ("relu", "leaky_relu", "identity") else 2e-4
    assert gain_of(known.forward) == pytest.approx(known.gain, abs=tolerance)


def test_exact_gains():
    assert gain_of(lambda z: z**2) == pytest.approx(3.0, rel=1e-12)  # the fourth moment
    assert gain_of(torch.exp) == pytest.approx(math.exp(2), rel=1e-12)
    assert gain_of(torch.sin) == pytest.approx((1 - math.exp(-2)) / 2, rel=1e-12)


def test_a_function_pulls_gradients_back_by_its_slope():
    A = torch.linspace(-2, 2, 12, dtype=torch.float64).view(3, 4)
    grad = torch.full_like(A, 2.0)
    as_activation(torch.sin).pull_back(grad, A, torch.sin(A))
    torch.testing.assert_close(grad, 2 * A.cos())
    assert torch.equal(features(A, activation=torch.sin)[:, :4], A.sin())


@pytest.mark.parametrize(
    "phi, name",
    [
        (functional.gelu, "gelu (a function)"),
        (torch.relu, "relu (a function)"),  # not the activation of that name
        (nn.GELU(approximate="tanh"), "GELU(approximate='tanh') (a function)"),
        (functools.partial(functional.elu, alpha=0.5), "elu(alpha=0.5) (a function)"),
    ],
)
def test_names_tell_what_it_is(phi, name):
    assert str(as_activation(phi)) == name
    again = as_activation(as_activation(phi))
    assert again.forward is phi


def test_digests_tell_functions_of_one_name_apart():
    assert digest_of(lambda z: z.sin()) == digest_of(torch.sin) != digest_of(torch.cos)


@pytest.mark.parametrize(
    "phi, message",
    [
        ("gelu", "one of relu, .* or an elementwise function of a tensor, got 'gelu'"),
        (3, "or an elementwise function of a tensor, got 3"),
        (nn.GELU, "elementwise function of a tensor, got <class"),
        (nn.PReLU(), "has parameters of its own"),
        (nn.Softmax(0), "Softmax.dim=0. mixes the entries"),
        (lambda z: z - z.mean(), "mixes the entries"),
        (nn.Dropout(), "gives two answers to one question"),
        (nn.ReLU(inplace=True), "changes its input in place"),
        (torch.sign, "sign has a slope of 0 everywhere"),
        (torch.log, "is not finite, or has no finite slope"),
        (torch.sum, "gives no tensor of the shape and type of its input"),
        (lambda z: z.numpy(), "gives no tensor of the shape"),
        (lambda z: z.detach(), "autograd knows no derivative of it"),
        (lambda z: z.double(), "makes torch.float64 of torch.float32"),
        (lambda z: 1e-9 * z, "mean square from 1e-12 to 1e12 .* has 1e-18"),
        (lambda: None, "fails on one: .*takes 0 positional arguments"),
    ],
)
def test_what_is_no_activation_is_one_sentence(phi, message):
    with pytest.raises(ValueError, match=message) as error:
        as_activation(phi)
    assert str(error.value).startswith("activation must")
