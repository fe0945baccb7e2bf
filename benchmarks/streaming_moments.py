"""Memory and speed of streamed second moments: `python benchmarks/streaming_moments.py`.

For every N a fresh process draws batches of (A, dA) of width 100, keeps none, and streams them into
`Moments`; the energies then come from the moments alone. Printed: the peak resident memory of the
process, before the first batch and at the end, and the speed of the updates in GFLOP/s (2 N n^2 for
n = 1 + 3 w columns) beside that of bare float64 products Z^T Z of the same shapes, taken in turn,
both on one thread.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import torch

from loadpath.leaky_resnet import mechanics
from loadpath.record import Moments

HEADER = "         N   peak before    peak after   moments    matmul   ratio      COI"


def peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def run(n_samples: int, width: int, batch: int, seed: int) -> str:
    """Stream `n_samples` drawn samples and return one line of the table."""
    torch.set_num_threads(1)  # as `Moments.update` does for itself
    generator = torch.Generator().manual_seed(seed)
    moments = Moments(width)
    Z = torch.randn(batch, moments.factor.shape[1], dtype=torch.float64, generator=generator)
    product = Z.T @ Z
    before, spent, bare = peak_megabytes(), 0.0, 0.0
    for start in range(0, n_samples, batch):
        n = min(batch, n_samples - start)
        A = torch.randn(n, width, generator=generator, dtype=torch.float64)
        dA = torch.randn(n, width, generator=generator, dtype=torch.float64)
        began = time.perf_counter()
        moments.update(A, dA)
        spent += time.perf_counter() - began
        began = time.perf_counter()
        torch.mm(Z[:n].T, Z[:n], out=product)
        bare += time.perf_counter() - began
    # K grows in proportion to N, so gamma does too.
    COI = mechanics.energies_from_moments(
        moments, effective_depth=7.0, gamma=n_samples
    ).cost_of_identity
    work = 2e-9 * n_samples * Z.shape[1] ** 2
    return (
        f"{n_samples:10,d} {before:10.0f} MB {peak_megabytes():10.0f} MB "
        f"{work / spent:9.1f} {work / bare:9.1f} {bare / spent:7.2f} {float(COI):8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", action="store_true", help="run in this process, one N")
    options = parser.parse_args()
    if options.here:
        print(run(options.samples[0], options.width, options.batch, options.seed))
        return
    print(f"width {options.width}, batch {options.batch}; GFLOP/s on one thread")
    print(HEADER, flush=True)
    for n_samples in options.samples:
        arguments = [str(n_samples), "--width", str(options.width), "--batch", str(options.batch)]
        arguments += ["--seed", str(options.seed), "--here"]
        subprocess.run([sys.executable, __file__, "--samples", *arguments], check=True)


if __name__ == "__main__":
    main()
