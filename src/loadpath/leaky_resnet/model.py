"""`LeakyResNet`: networks between ResNets and fully-connected nets, as plain nn.Modules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from loadpath.checks import (
    as_device,
    as_layer_steps,
    as_tensor,
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_seed,
    check_type,
)
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.record import ActivationLike, as_activation


def orthonormal_map(n_in: int, n_out: int, generator: torch.Generator) -> Tensor:
    """Return a random matrix of orthonormal rows, or of orthonormal columns if n_in > n_out.

    Parameters
    ----------
    n_in, n_out : int
        The shape.
    generator : torch.Generator
        Where the randomness comes from; on the CPU.

    Returns
    -------
    Tensor
        (n_in, n_out), float64.
    """
    shape = (max(n_in, n_out), min(n_in, n_out))
    q, r = torch.linalg.qr(torch.randn(shape, generator=generator, dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r))  # Haar measure, and no dependence on LAPACK's signs
    return (q if n_in > n_out else q.T).contiguous()  # as L-BFGS wants its parameters


class LeakyResNet(nn.Module):
    r"""A Leaky ResNet: a ResNet whose representation leaks away along its path.

    The path of representations $A_0, \dots, A_L$ follows $\partial_p A = -\tilde L A + S W_p^\top$
    for p from 0 to 1, in `depth` steps, with $S = [\phi(A), 1]$. The leakage $\tilde L$, the
    effective depth, leads from a ResNet (0) to something like a deep fully-connected net.

    Parameters
    ----------
    in_features, out_features : int
        Numbers of inputs and of outputs.
    width : int
        Size w of the representations.
    depth : int
        Number L of layers.
    effective_depth : float
        The leakage $\tilde L \geq 0$.
    layer_steps : Tensor, optional
        (depth,): the part of the path that each layer covers. Positive numbers of sum 1;
        equal ones if left out.
    step : {"euler", "exponential"}
        How a layer follows the differential equation; the exponential step treats the leakage
        exactly.
    largest_leak : float
        What every $\rho_l \tilde L$ must stay below under the Euler step, from 1 to 2. From 1 on a
        layer turns the sign of what it does not renew, and from 2 on it makes that grow; both do
        no harm where a representation rests (`layer_steps.overshoots`).
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The $\phi$, elementwise; leaky_relu has slope 0.1 below 0. A function of your own takes a
        tensor, has no parameters, and is differentiated by autograd. It is treated as smooth: where
        it has kinks is not known, so that certificates look for no subgradient there, and neither
        is whether it is homogeneous, so that `balancedness` is absent. Files hold its name and the
        weights; to load them, make the net with the function again.
    bias : bool
        Whether S has its column of ones.
    input_map, output_map : {"orthonormal", "learned"}
        How x enters and the outputs leave: by a fixed orthonormal matrix, or by one that starts
        there and is learned.
    scale : float
        Size of the representations, against the 1 that multiplies the bias. Where it is large, the
        net carries the mean of a representation through its weights, as one dimension more than
        the bottleneck needs; where it is small, the bias does that.
    seed : int
        Seed of weights and maps; it gives the same numbers for any dtype and device.
    dtype : torch.dtype, optional
        Of all numbers but the layer steps, which are float64; torch's default if left out.
    device : torch.device or str, optional
        Where the net is; torch's default if left out.

    Attributes
    ----------
    weights : torch.nn.Parameter
        (depth, width, width + 1): one matrix for each layer, whose last column is the bias;
        (depth, width, width) without bias.
    layer_steps : Tensor
        (depth,), float64: a buffer.
    input_map, output_map : Tensor
        (in_features, width) and (width, out_features): buffers, or parameters if they are learned.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, `effective_depth` is negative or infinite,
        `scale` is not above 0, `largest_leak` is outside [1, 2], a word is unknown, or the net
        cannot take the layer steps; with the Euler step every $\rho_l \tilde L$ must be below
        `largest_leak`.

    Notes
    -----
    $A_0 = s\,x P_{in}$, $A_l = d_l A_{l-1} + g_l S_{l-1} W_l^\top$ and $f(x) = A_L P_{out} / s$,
    with s the `scale`. The Euler step has $d = 1 - \rho \tilde L$ and $g = \rho$, the exponential
    step $d = e^{-\rho\tilde L}$ and $g = (1 - e^{-\rho\tilde L})/\tilde L$. At effective depth 0
    both have $d = 1$ and $g = \rho$.

    The initial weights are independent Gaussians, whose variance keeps the mean square of the
    representations steady from layer to layer: $\sigma_l^2 = (1 - d_l^2) / (g_l^2 w E[\phi^2])$,
    and at small leakage at least what lets the mean square grow by half over the whole path.
    Biases start at 0.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, sections 1 and 2. The exponential step and the initial
    weights are ours.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> net = lp.LeakyResNet(5, 2, width=16, depth=8, effective_depth=3.0)
    >>> x = torch.ones(10, 5)
    >>> net(x).shape
    torch.Size([10, 2])
    >>> [tuple(A.shape) for A in net.path(x)][:2], len(net.path(x))
    ([(10, 16), (10, 16)], 9)
    >>> net.weights.shape
    torch.Size([8, 16, 17])
    """

    layer_steps: Tensor
    input_map: Tensor
    output_map: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        width: int = 100,
        depth: int = 20,
        effective_depth: float,
        layer_steps: Tensor | None = None,
        step: Literal["euler", "exponential"] = "euler",
        largest_leak: float = 1.0,
        activation: ActivationLike = "relu",
        bias: bool = True,
        input_map: Literal["orthonormal", "learned"] = "orthonormal",
        output_map: Literal["orthonormal", "learned"] = "orthonormal",
        scale: float = 0.3,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """Check the arguments, then draw weights and maps from `seed`."""
        super().__init__()
        sizes = dict(in_features=in_features, out_features=out_features, width=width, depth=depth)
        for name, size in sizes.items():
            check_count(name, size, 1)
        check_number("effective_depth", effective_depth, least=0)
        check_number("scale", scale, above=0)
        if not 1e-30 <= scale <= 1e30:  # float32 holds neither the map nor its inverse beyond
            raise ValueError(f"scale must be from 1e-30 to 1e30, got {scale:g}.")
        check_choice("step", step, ("euler", "exponential"))
        check_number("largest_leak", largest_leak, least=1, most=2)
        if not isinstance(activation, str):
            activation = as_activation(activation)
        as_activation(activation)
        check_flag("bias", bias)
        check_choice("input_map", input_map, ("orthonormal", "learned"))
        check_choice("output_map", output_map, ("orthonormal", "learned"))
        check_seed("seed", seed)
        if dtype is not None:
            check_type("dtype", dtype, torch.dtype, "a torch.dtype")
            if not dtype.is_floating_point:
                raise ValueError(f"dtype must be of floating-point numbers, got {dtype}.")
        if device is not None:
            device = as_device("device", device)
        self.in_features, self.out_features = in_features, out_features
        self.width, self.depth, self.effective_depth = width, depth, float(effective_depth)
        self.step, self.activation, self.bias = step, activation, bias
        self.largest_leak = float(largest_leak)
        dtype = dtype or torch.get_default_dtype()
        steps = meshes.equidistant(depth) if layer_steps is None else layer_steps
        self.register_buffer("layer_steps", torch.empty(depth, dtype=torch.float64, device=device))
        self.set_layer_steps(steps)

        generator = torch.Generator().manual_seed(int(seed))
        maps = {
            "input_map": (input_map, scale * orthonormal_map(in_features, width, generator)),
            "output_map": (output_map, orthonormal_map(width, out_features, generator) / scale),
        }
        for name, (kind, value) in maps.items():
            value = value.to(device=device, dtype=dtype)
            if kind == "learned":
                setattr(self, name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)
        weights = torch.zeros(depth, width, width + bias, dtype=torch.float64)
        noise = torch.randn(depth, width, width, generator=generator, dtype=torch.float64)
        weights[:, :, :width] = self._steady_deviation()[:, None, None] * noise
        self.weights = nn.Parameter(weights.to(device=device, dtype=dtype))

    @property
    def phi(self) -> Callable[[Tensor], Tensor]:
        """The activation, as a function of a tensor that works elementwise."""
        return as_activation(self.activation).forward

    def extra_repr(self) -> str:
        """Return what stands between the brackets where the net is printed.

        Returns
        -------
        str
            The settings that tell nets apart.
        """
        return (
            f"{self.in_features}, {self.out_features}, width={self.width}, depth={self.depth}, "
            f"effective_depth={self.effective_depth:g}, step={self.step!r}, "
            f"activation={str(self.activation)!r}, bias={self.bias}"
        )

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what results about this net say of it.

        Returns
        -------
        dict
            Sizes, effective depth, kind of step, activation, and whether there are biases.
        """
        return {
            "width": self.width,
            "depth": self.depth,
            "effective_depth": self.effective_depth,
            "step_kind": self.step,
            "activation": str(self.activation),
            "bias": self.bias,
        }

    def _steady_deviation(self) -> Float[Tensor, " depth"]:
        """Return the standard deviation of every layer's initial weights."""
        decay, gain = self.coefficients()
        # Without leakage nothing needs replacing: let the mean square grow by half in all.
        growth = torch.maximum(1 - decay**2, 0.5 * self.layer_steps.cpu())
        return (growth / (self.width * as_activation(self.activation).gain)).sqrt() / gain

    def set_layer_steps(self, layer_steps: Tensor) -> None:
        r"""Give the net other layer steps, as many as it has.

        Parameters
        ----------
        layer_steps : Tensor
            (depth,): positive numbers of sum 1.

        Raises
        ------
        ValueError
            If they are not, or break the Euler condition $\rho_l \tilde L <$ `largest_leak`; the
            net is then left as it was.
        """
        steps = meshes.check(
            layer_steps,
            depth=self.depth,
            effective_depth=self.effective_depth,
            step=self.step,
            largest_leak=self.largest_leak,
        )
        with torch.no_grad():
            self.layer_steps.copy_(steps)

    @torch.no_grad()
    def with_layers(
        self,
        layer_steps: Tensor,
        weights: Float[Tensor, "depth width feature"],
        *,
        effective_depth: float | None = None,
    ) -> LeakyResNet:
        """Return a copy of the net with other layers, however many, and with its own maps.

        Parameters
        ----------
        layer_steps : Tensor
            (depth,): positive numbers of sum 1, one for each new layer.
        weights : Tensor
            (depth, width, width + 1), or (depth, width, width) without bias.
        effective_depth : float, optional
            Another leakage; that of the net if left out.

        Returns
        -------
        LeakyResNet
            The copy, of the same dtype and on the same device.

        Raises
        ------
        ValueError
            If the net cannot take the steps, or `weights` are not one layer of the net's shape for
            each step.
        """
        layer_steps = as_layer_steps("layer_steps", layer_steps)
        weights = as_tensor("weights", weights)
        shape = (len(layer_steps), *self.weights.shape[1:])
        if tuple(weights.shape) != shape:
            raise ValueError(f"weights must have shape {shape}, got {tuple(weights.shape)}.")
        if effective_depth is not None:
            check_number("effective_depth", effective_depth, least=0)
        net = copy.deepcopy(self)
        net.depth = len(layer_steps)
        net.effective_depth = float(
            self.effective_depth if effective_depth is None else effective_depth
        )
        net.layer_steps = self.layer_steps.new_empty(net.depth)
        net.set_layer_steps(layer_steps)
        learned = self.weights.requires_grad
        # A copy, for `to` may give the tensor itself.
        net.weights = nn.Parameter(weights.detach().to(self.weights).clone(), requires_grad=learned)
        return net

    @property
    def p(self) -> Float[Tensor, " node"]:
        """Positions of the nodes A_0, ..., A_L on the path, (depth + 1,), from 0 to 1; float64."""
        steps = self.layer_steps.detach().double().cpu()
        return torch.cat([steps.new_zeros(1), steps.cumsum(0)])

    @property
    def coupling(self) -> float:
        """The c in the regularizer's prefactor 1/(2c): L~, or 1 for a plain ResNet (L~ = 0)."""
        return self.effective_depth or 1.0

    def coefficients(self) -> tuple[Float[Tensor, " depth"], Float[Tensor, " depth"]]:
        """Return the decay and the gain of every layer.

        Returns
        -------
        decay, gain : Tensor
            d_l and g_l, (depth,) each; float64, on the CPU.
        """
        steps = self.layer_steps.detach().double().cpu()
        return meshes.coefficients(steps, effective_depth=self.effective_depth, kind=self.step)

    def gain_ratios(self) -> Float[Tensor, " depth"]:
        r"""Return $r_l = g_l / \rho_l$ of every layer: how far its gain falls short of its step.

        Returns
        -------
        Tensor
            (depth,), float64, on the CPU: $(1 - e^{-\rho\tilde L}) / (\rho\tilde L)$ for
            exponential steps, exactly 1 for Euler steps. At a stationary point
            $W_l = c\, r_l B_l^\top S_{l-1}$.
        """
        steps = self.layer_steps.detach().double().cpu()
        return meshes.gain_ratios(steps, effective_depth=self.effective_depth, kind=self.step)

    def features(self, A: Float[Tensor, "sample width"]) -> Float[Tensor, "sample feature"]:
        """Return S = [phi(A), 1], the activations and, if the net has biases, a column of ones.

        Parameters
        ----------
        A : Tensor
            (sample, width): a representation.

        Returns
        -------
        Tensor
            (sample, width + 1), or (sample, width) without bias.
        """
        S = self.phi(A)
        return torch.cat([S, S.new_ones(len(S), 1)], dim=1) if self.bias else S

    def path(self, x: Any) -> list[Float[Tensor, "sample width"]]:
        """Return the representations of x along the path.

        Parameters
        ----------
        x : Tensor or array_like
            (sample, in_features), of any dtype and on any device.

        Returns
        -------
        list of Tensor
            A_0, ..., A_L, each (sample, width), in the dtype of the net; differentiable.

        Raises
        ------
        ValueError
            If x is of another shape.
        """
        x = as_tensor("x", x)
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(f"x must be (sample, {self.in_features}), got {tuple(x.shape)}.")
        return self.path_from(x.to(self.input_map) @ self.input_map)

    def path_from(self, A: Float[Tensor, "sample width"]) -> list[Float[Tensor, "sample width"]]:
        """Return the path that starts at a representation.

        Parameters
        ----------
        A : Tensor
            (sample, width): A_0.

        Returns
        -------
        list of Tensor
            A_0, ..., A_L, each (sample, width); differentiable.
        """
        path = [A]
        decays, gains = (c.tolist() for c in self.coefficients())
        for W, decay, gain in zip(self.weights, decays, gains, strict=True):
            bias = W[:, -1] if self.bias else None
            A = decay * A + gain * nn.functional.linear(self.phi(A), W[:, : self.width], bias)
            path.append(A)
        return path

    def forward(self, x: Any) -> Float[Tensor, "sample out"]:
        """Return the outputs of the net.

        Parameters
        ----------
        x : Tensor or array_like
            (sample, in_features).

        Returns
        -------
        Tensor
            (sample, out_features), in the dtype of the net.

        Raises
        ------
        ValueError
            If x is of another shape.
        """
        return self.path(x)[-1] @ self.output_map

    def regularizer(self) -> Float[Tensor, ""]:
        r"""Return the action of the path, which the weight decay multiplies in the objective.

        Returns
        -------
        Tensor
            $\frac{1}{2c} \sum_l \rho_l \|W_l\|_F^2$ with c the `coupling`; 0-d, differentiable.
        """
        squares = self.weights.square().sum((1, 2))
        return (self.layer_steps.to(squares) * squares).sum() / (2 * self.coupling)
