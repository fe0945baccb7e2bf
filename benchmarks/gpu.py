"""Everything that needs a GPU, in under five minutes: results equal to the CPU's, and the speed.

Run `make gpu`. Without a CUDA device it says so in one sentence and does nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
COMMANDS = (
    ("-m", "pytest", "-q", "-m", "cuda", "tests/test_cuda.py"),
    ("benchmarks/train_step.py", "--device", "cuda", "--repeats", "7"),
)


def main() -> int:
    """Run the tests, then the benchmark; the exit code of the first that fails."""
    if not torch.cuda.is_available():
        print("No CUDA device is here: nothing was run.")
        return 0
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    for command in COMMANDS:
        done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
