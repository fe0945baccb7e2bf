"""LeakyResNet: networks between ResNets and fully-connected nets, as plain nn.Modules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from loadpath.checks import check_above_zero, check_count, check_number
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.record import ACTIVATIONS


def orthonormal_map(n_in: int, n_out: int, generator: torch.Generator) -> Tensor:
    """Random (n_in, n_out) float64 matrix: orthonormal rows, or columns if n_in > n_out."""
    shape = (max(n_in, n_out), min(n_in, n_out))
    q, r = torch.linalg.qr(torch.randn(shape, generator=generator, dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r))  # Haar measure, and no dependence on LAPACK's signs
    return (q if n_in > n_out else q.T).contiguous()  # as L-BFGS wants its parameters


class LeakyResNet(nn.Module):
    r"""A Leaky ResNet, $\partial_p A = -\tilde L A + S W^\top$, in `depth` steps.

    $A_0 = s\,x P_{in}$, $A_l = d_l A_{l-1} + g_l S_{l-1} W_l^\top$ with $S = [\phi(A), 1]$, and
    $f(x) = A_L P_{out} / s$. Euler step: $d = 1 - \rho \tilde L$, $g = \rho$. Exponential step,
    which treats the leakage exactly: $d = e^{-\rho\tilde L}$,
    $g = (1 - e^{-\rho\tilde L})/\tilde L$. At `effective_depth` 0 it is a ResNet: $d = 1$,
    $g = \rho$ for both.

    Parameters
    ----------
    in_features, out_features: sizes of x and of the output.
    width: size w of the representations A_l.
    depth: number L of layers.
    effective_depth: the leakage L~ >= 0.
    layer_steps: (depth,) positive numbers of sum 1; equidistant if None.
    step: "euler" or "exponential".
    activation: one of relu, leaky_relu (slope 0.1), tanh, softplus, identity.
    bias: whether S has its column of ones.
    input_map, output_map: "orthonormal" (fixed, drawn once) or "learned" (starting there).
    scale: s above, the size of representations against the 1 that multiplies the bias. Where it
        is large the net carries the mean of a representation through its weights, as one
        dimension more than the bottleneck needs, and where it is small the bias does that.
    seed: of the weights and maps; the same numbers for any dtype and device.

    The parameter `weights` is (depth, width, width + 1), the last column of each layer its bias;
    (depth, width, width) without bias.

    Initialization. Weights are independent Gaussians whose variance keeps the mean square of the
    representations steady from layer to layer, $\sigma_l^2 = (1 - d_l^2) / (g_l^2 w E[\phi^2])$
    (at small leakage at least what lets it grow by half over the whole path); biases are 0.

    Raises: ValueError that names the argument, for sizes that are not whole numbers of at least 1,
    a negative or infinite `effective_depth`, a `scale` that is not positive, unknown words, and
    layer steps that the net cannot take.
    Source: Jacot and Kaiser, arXiv:2405.17573, sections 1 and 2; the exponential step and the
    initialization are ours.
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
        activation: Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] = "relu",
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
        check_above_zero("scale", scale)
        words: list[tuple[str, str, tuple[str, ...]]] = [
            ("step", step, ("euler", "exponential")),
            ("activation", activation, tuple(ACTIVATIONS)),
            ("input_map", input_map, ("orthonormal", "learned")),
            ("output_map", output_map, ("orthonormal", "learned")),
        ]
        for name, word, known in words:
            if word not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {word!r}.")
        self.in_features, self.out_features = in_features, out_features
        self.width, self.depth, self.effective_depth = width, depth, float(effective_depth)
        self.step, self.activation, self.bias = step, activation, bias
        dtype = dtype or torch.get_default_dtype()
        steps = meshes.equidistant(depth) if layer_steps is None else layer_steps
        self.register_buffer("layer_steps", torch.empty(depth, dtype=torch.float64, device=device))
        self.set_layer_steps(steps)

        generator = torch.Generator().manual_seed(seed)
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
        """The activation, elementwise."""
        return ACTIVATIONS[self.activation].forward

    def settings(self) -> dict[str, int | float | str | bool]:
        """What results about this net say of it: sizes, effective depth, step and activation."""
        return {
            "width": self.width,
            "depth": self.depth,
            "effective_depth": self.effective_depth,
            "step_kind": self.step,
            "activation": self.activation,
            "bias": self.bias,
        }

    def _steady_deviation(self) -> Float[Tensor, " depth"]:
        decay, gain = self.coefficients()
        # Without leakage nothing needs replacing: let the mean square grow by half in all.
        growth = torch.maximum(1 - decay**2, 0.5 * self.layer_steps.cpu())
        return (growth / (self.width * ACTIVATIONS[self.activation].gain)).sqrt() / gain

    def set_layer_steps(self, layer_steps: Tensor) -> None:
        """Give the net another mesh of the same depth; ValueError if it cannot take it."""
        steps = meshes.check(
            layer_steps, depth=self.depth, effective_depth=self.effective_depth, step=self.step
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
        """Return a copy of the net with other layers, however many, and its own maps.

        `effective_depth` None keeps its own. ValueError if the steps do not suit the net, or
        `weights` are not one layer of the net's shape for each step.
        """
        shape = (len(layer_steps), *self.weights.shape[1:])
        if tuple(weights.shape) != shape:
            raise ValueError(f"weights must have shape {shape}, got {tuple(weights.shape)}.")
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
        """Positions of the nodes A_0, ..., A_L on the path: (depth + 1,), from 0 to 1, float64."""
        steps = self.layer_steps.detach().double().cpu()
        return torch.cat([steps.new_zeros(1), steps.cumsum(0)])

    @property
    def coupling(self) -> float:
        """The c of the regularizer's prefactor 1/(2c): L~, and 1 for a plain ResNet (L~ = 0)."""
        return self.effective_depth or 1.0

    def coefficients(self) -> tuple[Float[Tensor, " depth"], Float[Tensor, " depth"]]:
        """Decay d_l and gain g_l of every layer, (depth,) each, float64 on the CPU."""
        steps = self.layer_steps.detach().double().cpu()
        if self.step == "euler" or self.effective_depth == 0:
            return 1 - steps * self.effective_depth, steps
        leak = -steps * self.effective_depth
        return leak.exp(), -leak.expm1() / self.effective_depth

    def features(self, A: Float[Tensor, "sample width"]) -> Float[Tensor, "sample feature"]:
        """S = [phi(A), 1]: activations with the homogeneous column, if the net has biases."""
        S = self.phi(A)
        return torch.cat([S, S.new_ones(len(S), 1)], dim=1) if self.bias else S

    def path(self, x: Float[Tensor, "sample in"]) -> list[Float[Tensor, "sample width"]]:
        """Representations [A_0, ..., A_L] of x in the dtype of the net, differentiable."""
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(f"x must be (sample, {self.in_features}), got {tuple(x.shape)}.")
        return self.path_from(x.to(self.input_map) @ self.input_map)

    def path_from(self, A: Float[Tensor, "sample width"]) -> list[Float[Tensor, "sample width"]]:
        """Representations [A_0, ..., A_L] that start at A_0 = A."""
        path = [A]
        decays, gains = (c.tolist() for c in self.coefficients())
        for W, decay, gain in zip(self.weights, decays, gains, strict=True):
            bias = W[:, -1] if self.bias else None
            A = decay * A + gain * nn.functional.linear(self.phi(A), W[:, : self.width], bias)
            path.append(A)
        return path

    def forward(self, x: Float[Tensor, "sample in"]) -> Float[Tensor, "sample out"]:
        """Outputs of the net for x."""
        return self.path(x)[-1] @ self.output_map

    def regularizer(self) -> Float[Tensor, ""]:
        r"""Action of the path, $\frac{1}{2c} \sum_l \rho_l \|W_l\|_F^2$, with c the `coupling`.

        Its integrand is what moving along the path costs; multiply by the weight decay lambda.
        """
        squares = self.weights.square().sum((1, 2))
        return (self.layer_steps.to(squares) * squares).sum() / (2 * self.coupling)
