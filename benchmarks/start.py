"""How long the front door takes to open, and how much memory, against `import torch`.

Prints, for each way in, the median over the turns of its time and its peak memory, and of their
ratios to `import torch` of the same turn. Every measurement is a fresh process, and the ways take
turns, so that whatever else the machine does touches all of them alike.

    python benchmarks/start.py [--turns 7]
"""

import argparse
import os
import statistics
import sys
import time

TORCH = "import torch"
WAYS = {
    TORCH: ["-c", "import torch"],
    "import loadpath": ["-c", "import loadpath"],
    "loadpath --help": ["-m", "loadpath", "--help"],
    "loadpath --version": ["-m", "loadpath", "--version"],
    "loadpath --wrong": ["-m", "loadpath", "--wrong"],
    "loadpath trian": ["-m", "loadpath", "trian"],
    "loadpath train --help": ["-m", "loadpath", "train", "--help"],
    "loadpath train --wrong": ["-m", "loadpath", "train", "--wrong"],
    "loadpath train --depth 0": ["-m", "loadpath", "train", "--depth", "0"],
    "lp.fit": ["-c", "import loadpath as lp; lp.fit"],
    "lp.diagnose": ["-c", "import loadpath as lp; lp.diagnose"],
}
"""What is measured, and the words after `python` that do it."""


def measure(words: list[str]) -> tuple[float, float]:
    """Return the seconds and the peak memory, in MB, of a fresh Python with these words."""
    started = time.perf_counter()
    null = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (1, 2)]
    pid = os.posix_spawn(
        sys.executable, [sys.executable, *words], dict(os.environ), file_actions=actions
    )
    _, _, used = os.wait4(pid, 0)  # the peak of this process alone, not of all children so far
    os.close(null)
    return time.perf_counter() - started, used.ru_maxrss / 1024


def main() -> dict[str, tuple[float, float, float, float]]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7, help="how often each way is measured")
    turns = parser.parse_args().turns
    for words in WAYS.values():  # so that no turn has to read the disk or compile
        measure(words)
    taken = [{way: measure(words) for way, words in WAYS.items()} for _ in range(turns)]
    rows = {}
    print(f"{'median of ' + str(turns) + ' turns':<26}{'s':>7}{'ratio':>8}{'MB':>7}{'ratio':>8}")
    for way in WAYS:
        median = [statistics.median(turn[way][i] for turn in taken) for i in (0, 1)]
        ratio = [statistics.median(turn[way][i] / turn[TORCH][i] for turn in taken) for i in (0, 1)]
        rows[way] = (median[0], ratio[0], median[1], ratio[1])
        print(f"{way:<26}{median[0]:>7.2f}{ratio[0]:>8.2f}{median[1]:>7.0f}{ratio[1]:>8.2f}")
    return rows


if __name__ == "__main__":
    main()
