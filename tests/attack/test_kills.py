"""Commands that are killed at random moments: nothing is lost, repeated or changed by it.

By default a handful of kills; `make attack` makes as many as LOADPATH_KILLS says, and prints the
numbers. A failure names its seed: LOADPATH_SEED repeats the moments, but for what the machine does.
"""

import itertools
import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress

import attacked_commands as attacked
import pytest
import yaml
from safetensors.torch import load_file

from loadpath import results
from loadpath.storage.locks import LOCK

SEED = int(os.environ.get("LOADPATH_SEED", random.SystemRandom().randrange(2**32)))
SHARES = {"sweep": 10, "train": 4, "chain": 6, "phase-diagram": 4}
"""Of every kind of command a share of the kills; one where nothing is said."""
IN_A_ROW = 6
"""How often one run is killed at most, before it may end."""
CLOCK = {"created", "seconds", "python_version", "parameters"}
"""What says when a result was made, or where."""
OTHERWISE = {"diagnose": ("--level", "0.5"), "laws": ("--level", "0.5")}
"""Options that change results, where a seed does not."""
RESUMED = {"train", "networks", "demo"}
"""Commands that go on with what a killed one left; the others begin again."""


def numbers(folder):
    """All that was computed, from every file of a folder: names and bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".nc":
            ds = results.load(path)
            found[name] = {k: v.values.tobytes() for k, v in ds.variables.items() if k not in CLOCK}
        elif path.name == "model.safetensors":
            found[name] = {k: v.numpy().tobytes() for k, v in load_file(path).items()}
        elif path.name == "config.yaml":
            yaml.safe_load(path.read_text())
            found[name] = {}
        elif path.is_file() and path.suffix in (".png", ".html", ".safetensors"):
            assert path.stat().st_size > 0
            found[name] = {}
    return found


def assert_whole(folder):
    """Every file that is there under its name can be read."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix == ".nc":
            results.load(path)
        elif not hidden and path.suffix == ".safetensors":
            load_file(path)
        elif not hidden and path.suffix == ".yaml":
            assert isinstance(yaml.safe_load(path.read_text()), dict)


class Clock:
    """How long a function takes in a process of its own, as the machine is just now."""

    def __init__(self, function, *arguments, output):
        attacked.finish(int)  # so that the server has started
        began = time.perf_counter()
        assert attacked.finish(function, *arguments, output=output) == 0, output.read_text()
        self.seconds = time.perf_counter() - began

    def killed(self, rng, function, *arguments, output):
        """Run a function, kill its process at a random moment, and say whether it was."""
        # Squared, for what goes on with a killed run takes less time than the whole.
        wait, began = self.seconds * rng.random() ** 2, time.perf_counter()
        with attacked.forked(function, *arguments, output=output) as process:
            process.join(wait)
            took = time.perf_counter() - began
            process.kill()
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL), output.read_text()
            if process.exitcode == 0 and took < wait:
                self.seconds = (self.seconds + took) / 2
            return process.exitcode != 0


class Sweep:
    """A sweep whose cells write down that they are measured."""

    def __init__(self, folder, tally):
        self.folder, self.tally, self.count = folder, tally, itertools.count()
        self.output = folder / "output"
        first = folder / "reference"
        self.clock = Clock(*self.command(first), output=self.output)
        self.reference = numbers(first / "cells")

    def command(self, folder):
        return attacked.run_sweep, folder / "cells", folder / "log"

    def attack(self, rng):
        """Kill a sweep a few times, let it end, and count what was lost or repeated."""
        folder = self.folder / str(next(self.count))
        finished = {}
        for _ in range(IN_A_ROW):
            if not self.clock.killed(rng, *self.command(folder), output=self.output):
                break
            self.tally["kills"] += 1
            self.check(folder, finished)
        assert attacked.finish(*self.command(folder), output=self.output) == 0
        self.check(folder, finished)
        assert numbers(folder / "cells") == self.reference
        self.tally["bitwise equal"] += 1
        assert [path.name for path in (folder / "cells").glob(".*")] == []
        shutil.rmtree(folder)

    def check(self, folder, finished):
        """See that cells that were there once are still there, and were not measured again."""
        cells, log = folder / "cells", folder / "log"
        assert_whole(folder)
        measured = Counter(log.read_text().split() if log.exists() else [])
        there = {path.stem for path in cells.glob("*.nc")}
        self.tally["lost"] += len(finished.keys() - there)
        self.tally["repeated"] += sum(measured[name] > n for name, n in finished.items())
        finished.update({name: measured[name] for name in there})


class Command:
    """A command line that writes results into a folder, perhaps in place of older ones."""

    def __init__(self, name, folder, tally):
        self.words, self.folder, self.tally = attacked.WORDS[name], folder, tally
        self.resumed, self.count = name in RESUMED, itertools.count()
        self.output = folder / "output"
        self.clock = Clock(*self.command(folder / "reference"), output=self.output)
        self.reference = numbers(folder / "reference")
        self.older = folder / "older"
        if name != "networks":  # a diagram is not replaced, but gone on with
            command = self.command(self.older, *OTHERWISE.get(name, ("--seed", "1")))
            assert attacked.finish(*command, output=self.output) == 0
            assert numbers(self.older) != self.reference

    def command(self, out, *options):
        return attacked.run_command, *self.words, "--out", out, *options

    def attack(self, rng):
        """Kill a command a few times, let it end, and compare with one that was left alone."""
        out = self.folder / str(next(self.count))
        replacing = self.older.exists() and rng.random() < 0.5
        if replacing:
            shutil.copytree(self.older, out)
        older = {path.name for path in out.glob("*")}
        for _ in range(IN_A_ROW):
            command = self.command(out, *self.options(out, replacing))
            if not self.clock.killed(rng, *command, output=self.output):
                break
            self.tally["kills"] += 1
            assert_whole(out)
            self.tally["lost"] += len(older - {path.name for path in out.glob("*")})
        command = self.command(out, *self.options(out, replacing))
        assert attacked.finish(*command, output=self.output) == 0, self.output.read_text()
        assert numbers(out) == self.reference
        self.tally["bitwise equal"] += 1
        assert [path.name for path in out.glob(".*")] == []
        shutil.rmtree(out)

    def options(self, out, replacing):
        """How to go on with what is there."""
        begun = any(out.glob("[!.]*")) and not replacing
        if self.resumed and (begun or (out / ".new").is_dir()):
            return ["--resume"]
        return ["--overwrite"] if any(out.glob("[!.]*")) or replacing else []


def attacks(kind, folder, tally):
    folder.mkdir()
    return Sweep(folder, tally) if kind == "sweep" else Command(kind, folder, tally)


@pytest.mark.parametrize("kind", ["sweep", *attacked.ATTACKED])
def test_a_kill_at_any_moment_loses_and_changes_nothing(kind, tmp_path, report_attack):
    print(f"LOADPATH_SEED={SEED}")
    rng, tally = random.Random(f"{SEED} {kind}"), report_attack[kind]
    every = {each: SHARES.get(each, 1) for each in ("sweep", *attacked.ATTACKED)}
    share = max(attacked.KILLS * every[kind] / sum(every.values()), 3)
    attack = attacks(kind, tmp_path / "runs", tally)
    began = time.perf_counter()
    while tally["kills"] < share:
        attack.attack(rng)
    tally["seconds"] = round(time.perf_counter() - began)
    print(kind, dict(tally))
    assert tally["lost"] == tally["repeated"] == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_any_moment_is_one_sentence(signum, tmp_path, report_attack):
    print(f"LOADPATH_SEED={SEED}")
    rng, tally = random.Random(f"{SEED} {signum}"), report_attack[signal.Signals(signum).name]
    words = attacked.WORDS["chain"]
    command = attacked.run_command, *words, "--out"
    seconds = Clock(*command, tmp_path / "reference", output=tmp_path / "output").seconds
    reference = numbers(tmp_path / "reference")
    wanted, turns = attacked.KILLS // 40 or 1, itertools.count()
    while tally["kills"] < wanted:
        turn = next(turns)
        assert turn < 20 * wanted, "it always ends before the signal"
        out, started, output = (tmp_path / f"{turn}{end}" for end in ("", ".started", ".output"))
        run = attacked.run_as_process, started, *words, "--out", out
        with attacked.forked(*run, output=output) as process:
            while not started.exists():
                time.sleep(0.001)
            time.sleep(0.01 + rng.uniform(0, seconds))
            with suppress(ProcessLookupError):  # it may have ended
                os.kill(process.pid, signum)
            process.join(30)
        said = output.read_text()
        if process.exitcode == 0:
            continue
        assert process.exitcode == 128 + signum, said
        assert said.count("interrupted by") == 1 and "Traceback" not in said, said
        assert said.splitlines()[-1].startswith("loadpath") and said.endswith(".\n")
        assert not (out / LOCK).exists() or "nothing was begun" in said
        tally["kills"] += 1
        assert_whole(out)
        assert attacked.finish(*command, out, "--overwrite", output=output) == 0, output.read_text()
        assert numbers(out) == reference
        tally["bitwise equal"] += 1
