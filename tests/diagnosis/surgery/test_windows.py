"""Windows against convolutions of torch."""

import pytest
import torch
from redundant_nets import rows

from loadpath.diagnosis.surgery.cuts import LinearMap
from loadpath.diagnosis.surgery.windows import Window


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "window, ends",
    [
        (Window((1,), 3, 0), (3, 0)),
        (Window((1,), 1, 1), (1, 1)),
        (Window((1,), 0, 2), (0, 2)),
    ],
)
def test_a_map_with_a_window_is_a_convolution_over_tokens(window, ends):
    weight, A = drawn(4, 4 * window.places), drawn(2, 7, 4)
    map = LinearMap(("a",), weight, drawn(4), window=window)
    kernel = weight.reshape(4, window.places, 4).transpose(1, 2)
    padded = torch.nn.functional.pad(A.transpose(1, 2), ends)
    expected = torch.nn.functional.conv1d(padded, kernel, map.bias).transpose(1, 2)
    torch.testing.assert_close(map(A), expected)


def test_a_map_with_a_window_is_a_convolution_of_images():
    window = Window((1, 2), 1, 1)
    weight, A = drawn(3, 27), drawn(2, 3, 5, 6)
    map = LinearMap(("a",), weight, drawn(3), axis=1, window=window)
    kernel = weight.reshape(3, 3, 3, 3).permute(0, 3, 1, 2)
    expected = torch.nn.functional.conv2d(A, kernel, map.bias, padding=1)
    torch.testing.assert_close(map(A), expected)


@pytest.mark.parametrize(
    "window", [Window(), Window((1,), 3, 0), Window((1,), 1, 1), Window((1, 2), 1, 1)]
)
def test_its_own_place_is_among_those_that_it_reads(window):
    A = drawn(2, 5, 5, 3)
    read = window.of(A).unflatten(-1, (window.places, 3))
    assert torch.equal(read[..., window.own, :], A)


def test_what_lacks_an_axis_is_refused():
    with pytest.raises(ValueError, match=r"A must have the axes \(1,\) before its features"):
        Window((1,), 1, 1).of(rows(4))
