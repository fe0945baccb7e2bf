"""Speed of one training step: Loadpath's, plain eager autograd's, and bare matrix products'.

Run `python benchmarks/train_step.py`: one to two minutes; `--device cuda` on a GPU. All three are
counted as the 6 N w (w + 1) L operations of the three products a layer (forward, gradient of the
weights, gradient of the activations), and take turns, so that a busy moment hits all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from threadpoolctl import threadpool_info
from torch import nn

from loadpath import LeakyResNet
from loadpath.leaky_resnet import Adjoint
from loadpath.leaky_resnet.products import by_numpy
from loadpath.threads import torch_threads

SIZES = ((1000, 100, 20), (4000, 512, 20))
FEATURES, EFFECTIVE_DEPTH, WEIGHT_DECAY = 30, 7.0, 0.21
LEAST_SECONDS = 0.1
"""A turn repeats a short step for at least this long."""

Step = Callable[[], object]


def net(width: int, depth: int, device: torch.device) -> LeakyResNet:
    """Where all of them start."""
    return LeakyResNet(
        FEATURES,
        FEATURES,
        width=width,
        depth=depth,
        effective_depth=EFFECTIVE_DEPTH,
        device=device,
    )


def loadpath_step(x: torch.Tensor, y: torch.Tensor, width: int, depth: int) -> Step:
    """One step of `fit`: `Adjoint.evaluate` and fused Adam."""
    model = net(width, depth, x.device)
    adjoint = Adjoint(model, len(x))
    adjoint.load(x, y)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    @torch_threads(1)  # as in `fit`: `Adjoint` has threads of its own
    def step() -> None:
        adjoint.evaluate(WEIGHT_DECAY)
        optimizer.step()

    return step


class EagerNet(nn.Module):
    """The same net as one would write it in PyTorch without further thought."""

    def __init__(self, start: LeakyResNet) -> None:
        super().__init__()
        width = start.width
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(start.depth))
        with torch.no_grad():
            for layer, W in zip(self.layers, start.weights, strict=True):
                layer.weight.copy_(W[:, :width])
                layer.bias.copy_(W[:, width])
        self.register_buffer("input_map", start.input_map)
        self.register_buffer("output_map", start.output_map)
        self.leak, self.rho = start.effective_depth, 1 / start.depth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs for x."""
        A = x @ self.input_map
        for layer in self.layers:
            A = (1 - self.rho * self.leak) * A + self.rho * layer(torch.relu(A))
        return A @ self.output_map

    def regularizer(self) -> torch.Tensor:
        """(1 / 2 L~) sum_l rho ||W_l||^2, biases included."""
        squares = sum(parameter.square().sum() for parameter in self.parameters())
        return self.rho * squares / (2 * self.leak)


def eager_step(x: torch.Tensor, y: torch.Tensor, width: int, depth: int) -> Step:
    """Autograd and torch's Adam as it comes."""
    model = EagerNet(net(width, depth, x.device)).to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss = (model(x) - y).square().sum(1).mean() + WEIGHT_DECAY * model.regularizer()
        loss.backward()
        optimizer.step()

    return step


def matmul_step(n: int, width: int, depth: int, device: torch.device) -> Step:
    """The products alone, S W^T, G^T S and G W, into buffers that are there."""
    shapes = ((n, width + 1), (width, width + 1), (n, width), (width, width))
    S, W, G, V = (torch.randn(shape, device=device) for shape in shapes)
    A, gradient = torch.empty_like(G), torch.empty_like(W)

    def step() -> None:
        for _ in range(depth):
            torch.mm(S, W.T, out=A)
            torch.mm(G.T, S, out=gradient)
            torch.mm(G, V, out=A)

    return step


def seconds_each(step: Step, times: int) -> float:
    """Mean time of one of `times` steps; a GPU's work is waited for."""
    start = time.perf_counter()
    for _ in range(times):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


def measure(
    n: int, width: int, depth: int, repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """GFLOP/s of the three in each of `repeats` turns, by name."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, FEATURES, generator=generator).to(device) for _ in range(2))
    steps = {
        "loadpath": loadpath_step(x, y, width, depth),
        "eager": eager_step(x, y, width, depth),
        "matmul": matmul_step(n, width, depth, device),
    }
    warm = max(seconds_each(step, 2) for step in steps.values())
    times = max(1, round(LEAST_SECONDS / warm))
    operations = 6e-9 * n * width * (width + 1) * depth
    speeds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            speeds[name].append(operations / seconds_each(step, times))
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="turns at each size")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--device", type=torch.device, default="cpu", help="cpu, cuda, cuda:1, ...")
    options = parser.parse_args()
    if options.repeats < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--repeats and --threads must be at least 1")
    if options.threads:
        torch.set_num_threads(options.threads)
    blas = [
        f"{library['internal_api']} {library['version']} ({library.get('architecture')})"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32, GFLOP/s")
    if options.device.type == "cuda":
        print(f"on {torch.cuda.get_device_name(options.device)}")
    print(f"NumPy's BLAS: {', '.join(blas)}")
    whose = "NumPy's BLAS" if by_numpy(torch.empty(0)) else "torch's MKL"
    print(f"{whose} multiplies here for loadpath")
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: these may not be the kernels of this processor")
    for n, width, depth in SIZES:
        speeds = measure(n, width, depth, options.repeats, options.device)
        print(f"\nN = {n}, w = {width}, L = {depth}    best  median of {options.repeats}")
        for name, values in speeds.items():
            print(f"  {name:<24} {max(values):7.1f} {statistics.median(values):7.1f}")
        for other in ("eager", "matmul"):
            best = max(speeds["loadpath"]) / max(speeds[other])
            pairs = zip(speeds["loadpath"], speeds[other], strict=True)
            median = statistics.median(a / b for a, b in pairs)
            print(f"  {'loadpath / ' + other:<24} {best:7.2f} {median:7.2f}")


if __name__ == "__main__":
    main()
