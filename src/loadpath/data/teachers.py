"""Random functions through a narrow middle, so that the bottleneck rank is known."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from loadpath.checks import as_list, check_choice, check_count, check_number, check_seed
from loadpath.data.normalization import mean_and_scale, normalized
from loadpath.data.samples import Data

TeacherKind = Literal["fully-connected", "leaky-resnet"]
Function = Callable[[Tensor], Tensor]
Part = Callable[[int, int, Generator], Function]

_BIAS = 0.1  # small beside activations of order one: bends the function, does not shift it away
_RESNET_STEPS = 20
_PROBE = 4096  # Gaussian inputs that standardize the inner representations


def teacher(
    dims: Sequence[int] = (30, 3, 30),
    *,
    kind: TeacherKind = "fully-connected",
    n_train: int = 1000,
    n_test: int = 1000,
    hidden_width: int = 100,
    hidden_layers: int | None = None,
    effective_depth: float | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> Data:
    r"""Draw Gaussian inputs, and their outputs under a random function of known bottleneck rank.

    The function is $y = g_n \circ \dots \circ g_1(x)$ with $x \sim N(0, I)$ and random nets $g_i$
    from `dims[i-1]` to `dims[i]` dimensions: its bottleneck rank is min(dims). Between the parts
    every coordinate is standardized, so that each carries signal. Inputs and outputs are demeaned
    and normalized by training statistics.

    Parameters
    ----------
    dims : sequence of int, optional
        The dimensions that the function goes through, input and output included.
    kind : {"fully-connected", "leaky-resnet"}, optional
        The nets that the parts are: relu nets, or Leaky ResNets of 20 layers.
    n_train, n_test : int, optional
        Numbers of samples.
    hidden_width : int, optional
        Width of the nets.
    hidden_layers : int, optional
        Hidden layers of a fully-connected net; 1 if left out.
    effective_depth : float, optional
        Leakage L~ of a Leaky ResNet; 1 if left out.
    noise : float, optional
        Standard deviation of Gaussian noise on the training outputs, in units of each output's own.
        Test outputs stay clean.
    seed : int, optional
        The seed. It fixes the function and the test inputs, whatever `n_train` is.

    Returns
    -------
    Data
        A regression task.

    Raises
    ------
    ValueError
        For an argument out of its range, named with its value.

    References
    ----------
    [LR] Jacot and Kaiser, arXiv:2405.17573, experimental set-up: 30-3-30 (Figure 1,
    fully-connected) and 30-6-3-30 (Figure 2, ResNets), width 100. Depth, biases and weight scales
    of the teacher are ours.

    Examples
    --------
    >>> import loadpath as lp
    >>> data = lp.data.teacher((30, 3, 30), n_train=100, n_test=50, seed=1)
    >>> data.x_train.shape, data.y_test.shape, data.provenance["bottleneck_rank"]
    (torch.Size([100, 30]), torch.Size([50, 30]), 3)
    """
    dims = tuple(as_list("dims", dims, "numbers"))
    if len(dims) < 2:
        raise ValueError(f"dims must list at least an input and an output dimension, not {dims!r}.")
    for dim in dims:
        check_count("every entry of dims", dim, 1)
    check_count("n_train", n_train, 2)
    check_count("n_test", n_test, 1)
    check_count("hidden_width", hidden_width, 1)
    check_seed("seed", seed)
    if hidden_width < max(dims):
        raise ValueError(
            f"hidden_width must be at least the largest of dims, {max(dims)}, or it would be a "
            f"bottleneck of its own, and it is {hidden_width}."
        )
    check_number("noise", noise, least=0)

    part, setting = part_of_kind(kind, hidden_width, hidden_layers, effective_depth)
    generator = torch.Generator().manual_seed(int(seed))
    function = random_function(dims, part, generator)
    x_test = _normal(n_test, dims[0], generator=generator)
    x_train = _normal(n_train, dims[0], generator=generator)
    y_train = function(x_train)
    _, scale = mean_and_scale(y_train)
    y_train = y_train + noise * scale * _normal(*y_train.shape, generator=generator)
    raw = Data(
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=function(x_test),
        task="regression",
        provenance={
            "source": f"{kind} teacher",
            "dims": "-".join(map(str, dims)),
            "bottleneck_rank": min(dims),
            "hidden_width": hidden_width,
            **setting,
            "n_train": n_train,
            "n_test": n_test,
            "noise": noise,
            "seed": seed,
        },
    )
    return normalized(raw)


def part_of_kind(
    kind: TeacherKind, hidden_width: int, hidden_layers: int | None, effective_depth: float | None
) -> tuple[Part, dict[str, int | float]]:
    """Return what draws one part of a teacher, and its setting with the defaults filled in.

    Parameters
    ----------
    kind : {"fully-connected", "leaky-resnet"}
        The nets that the parts are.
    hidden_width : int
        Their width.
    hidden_layers : int or None
        Hidden layers of a fully-connected net.
    effective_depth : float or None
        Leakage of a Leaky ResNet.

    Returns
    -------
    part : callable
        A function of two dimensions and a generator that draws a function between them.
    setting : dict
        What the provenance says of it.

    Raises
    ------
    ValueError
        For an unknown kind, or a setting that is out of range or belongs to the other kind.
    """
    check_choice("kind", kind, ("fully-connected", "leaky-resnet"))
    if kind == "fully-connected":
        if effective_depth is not None:
            raise ValueError(
                "effective_depth is for kind='leaky-resnet', and it is "
                f"{effective_depth!r} with kind='fully-connected'."
            )
        layers = 1 if hidden_layers is None else hidden_layers
        check_count("hidden_layers", layers, 1)
        return partial(_fully_connected, hidden_width, layers), {"hidden_layers": layers}
    if kind == "leaky-resnet":
        if hidden_layers is not None:
            raise ValueError(
                "hidden_layers is for kind='fully-connected', and it is "
                f"{hidden_layers!r} with kind='leaky-resnet'."
            )
        leak = 1.0 if effective_depth is None else effective_depth
        check_number("effective_depth", leak)
        if not 0 < leak < _RESNET_STEPS:
            raise ValueError(
                f"effective_depth must be above 0 and below {_RESNET_STEPS}, the teacher's number "
                f"of Euler steps, not {leak!r}."
            )
        return partial(_leaky_resnet, hidden_width, leak), {"effective_depth": leak}
    raise ValueError(f"kind must be 'fully-connected' or 'leaky-resnet', not {kind!r}.")


def random_function(dims: Sequence[int], part: Part, generator: Generator) -> Function:
    """Compose random parts through `dims`, with every coordinate standardized between them.

    The statistics are those of Gaussian inputs of its own, so that the function does not depend on
    how many samples there are.

    Parameters
    ----------
    dims : sequence of int
        The dimensions.
    part : callable
        What draws one part.
    generator : Generator
        What it is drawn by.

    Returns
    -------
    callable
        A function of (sample, dims[0]) or (dims[0],) tensors. Its Jacobian has rank min(dims) at
        most.
    """
    parts: list[Function] = []
    probe = _normal(_PROBE, dims[0], generator=generator)
    for d_in, d_out in zip(dims[:-1], dims[1:], strict=True):
        step = _standardized(part(d_in, d_out, generator), probe)
        parts.append(step)
        probe = step(probe)

    def function(x: Tensor) -> Tensor:
        for step in parts:
            x = step(x)
        return x

    return function


def _standardized(net: Function, probe: Tensor) -> Function:
    """Return a net whose outputs on `probe` have mean 0 and deviation 1."""
    mean, scale = mean_and_scale(net(probe))
    return lambda x: (net(x) - mean) / scale


def _fully_connected(
    width: int, layers: int, d_in: int, d_out: int, generator: Generator
) -> Function:
    """Draw a relu net with He-scaled weights: activations of order one at every layer."""
    widths = [d_in, *[width] * layers, d_out]
    weights = [
        _normal(n_in, n_out, generator=generator) * (2 / n_in) ** 0.5
        for n_in, n_out in zip(widths[:-1], widths[1:], strict=True)
    ]
    biases = [_BIAS * _normal(n_out, generator=generator) for n_out in widths[1:]]

    def net(x: Float[Tensor, "*sample d_in"]) -> Float[Tensor, "*sample d_out"]:
        h = x @ weights[0] + biases[0]
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            h = torch.relu(h) @ weight + bias
        return h

    return net


def _leaky_resnet(
    width: int, effective_depth: float, d_in: int, d_out: int, generator: Generator
) -> Function:
    r"""Draw a Leaky ResNet with independent random layers, between orthonormal maps.

    $A_l = (1 - r) A_{l-1} + s\, [\mathrm{relu}(A_{l-1}), 1] W_l^T$, with r = L~/L the leak of one
    step. Each layer adds something independent of all before it, so $s^2 = 1 - (1 - r)^2$ holds the
    representations' norm, and the function forgets its linear part as $e^{-L~}$.
    """
    decay = 1 - effective_depth / _RESNET_STEPS
    gain = (1 - decay**2) ** 0.5
    # Inputs of order one spread over `width` neurons would be of order sqrt(d_in / width).
    into = _orthonormal(width, d_in, generator).T * (width / d_in) ** 0.5
    out = _orthonormal(width, d_out, generator)
    weights = _normal(_RESNET_STEPS, width, width, generator=generator) * (2 / width) ** 0.5
    biases = _BIAS * _normal(_RESNET_STEPS, width, generator=generator)

    def net(x: Float[Tensor, "*sample d_in"]) -> Float[Tensor, "*sample d_out"]:
        a = x @ into
        for weight, bias in zip(weights, biases, strict=True):
            a = decay * a + gain * (torch.relu(a) @ weight + bias)
        return a @ out

    return net


def _orthonormal(rows: int, columns: int, generator: Generator) -> Float[Tensor, "rows columns"]:
    """Draw a matrix with orthonormal columns."""
    return torch.linalg.qr(_normal(rows, columns, generator=generator)).Q


def _normal(*shape: int, generator: Generator) -> Tensor:
    """Draw standard normal numbers in float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=generator)
