"""Folders of sweeps and of runs, through any sequence of what may happen to them.

A kill is a SIGKILL just before the n-th call that changes the disk, so that a failure that
Hypothesis finds can be repeated and made short.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import attacked_commands as attacked
import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loadpath import results, sweep
from loadpath.storage.locks import LOCK
from tests.attack.test_kills import numbers

KILLED = -9
LONG = attacked.KILLS > 0
SETTINGS = {"deadline": None, "print_blob": True}


class Folder(RuleBasedStateMachine):
    """A folder that is written to by processes, which may be killed."""

    def __init__(self):
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.folder, self.output = self.place / "folder", self.place / "output"

    def teardown(self):
        shutil.rmtree(self.place)

    def finish(self, *call, die_at=None):
        """Return the exit code of a call in a process of its own, and what it said."""
        self.output.write_text("")
        if die_at is not None:
            call = attacked.die_at, die_at, *call
        code = attacked.finish(*call, output=self.output)
        return code, self.output.read_text()

    def refused(self, code, said):
        """Whether a call was refused; in one sentence then."""
        if code == 0:
            return False
        assert code == 2 and "Traceback" not in said, (code, said)
        assert said.splitlines()[-1].endswith("."), said
        return True

    def contents(self):
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if path.name != LOCK}

    def while_held(self, *call):
        """Refuse a call while another process writes to the folder."""
        until = self.place / "until"
        with attacked.forked(attacked.hold, self.folder, until) as holder:
            while not Path(f"{until}.held").exists():
                assert holder.is_alive()
            before = self.contents()
            code, said = self.finish(*call)
            assert code == 2 and said.count("\n") == 1, said
            assert f"is being written to by process {holder.pid} of " in said
            assert self.contents() == before
            until.touch()
            holder.join()
            assert holder.exitcode == 0
        until.unlink()
        Path(f"{until}.held").unlink()


class SweepFolder(Folder):
    """The folder of a sweep: cells that were saved are kept, and never measured again."""

    def __init__(self):
        super().__init__()
        self.log = self.place / "log"
        self.saved = {}  # cells that are there and whole, with how often they were measured

    def measured(self):
        return Counter(self.log.read_text().split() if self.log.exists() else [])

    def there(self):
        return {path.stem for path in self.folder.glob("*.nc")}

    @rule(seeds=st.integers(1, 3), die_at=st.none() | st.integers(1, 60))
    def run(self, seeds, die_at):
        cells = sweep.product({"alpha": (0.5, 1.0), "seed": range(seeds)})
        call = attacked.run_sweep, self.folder, self.log, cells
        code, said = self.finish(*call, die_at=die_at)
        assert code in (0, KILLED), said
        if code == 0:
            assert {f"alpha={c['alpha']},seed={c['seed']}" for c in cells} <= self.there()
            assert not list(self.folder.glob(".*"))
        measured = self.measured()
        assert all(measured[name] == times for name, times in self.saved.items())
        self.saved = {name: measured[name] for name in self.there()}

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def damage(self, data):
        """One wrong bit anywhere in a cell: it is set aside and measured again."""
        name = data.draw(st.sampled_from(sorted(self.saved)))
        path = self.folder / f"{name}.nc"
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        del self.saved[name]
        alpha, seed = (part.split("=")[1] for part in name.split(","))
        cells = [{"alpha": float(alpha), "seed": int(seed)}]
        before = self.measured()
        code, said = self.finish(attacked.run_sweep, self.folder, self.log, cells)
        assert code == 0 and "was damaged" in said, said
        assert self.measured() == before + Counter([name])
        self.saved[name] = before[name] + 1

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def delete(self, data):
        name = data.draw(st.sampled_from(sorted(self.saved)))
        (self.folder / f"{name}.nc").unlink()
        del self.saved[name]

    @rule()
    def delete_all(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.saved = {}

    @rule()
    def two_writers(self):
        self.while_held(attacked.run_sweep, self.folder, self.log)

    @invariant()
    def what_was_saved_is_there(self):
        assert self.saved.keys() <= self.there()
        for name in self.saved:
            assert results.load(self.folder / f"{name}.nc").sizes == {"layer": 50}


class RunFolder(Folder):
    """The folder of a training: what is there when a command ends well is that command's."""

    references = {}

    def __init__(self):
        super().__init__()
        self.seed = None  # of the run that is finished in the folder

    def command(self, seed, *options):
        words = attacked.WORDS["train"]
        return attacked.run_command, *words, "--seed", seed, "--out", self.folder, *options

    def reference(self, seed):
        if seed not in self.references:
            with tempfile.TemporaryDirectory() as place:
                words = attacked.WORDS["train"]
                call = attacked.run_command, *words, "--seed", seed, "--out", f"{place}/run"
                assert attacked.finish(*call) == 0
                self.references[seed] = numbers(Path(place) / "run")
        return self.references[seed]

    @rule(
        seed=st.integers(0, 1),
        option=st.sampled_from(["", "--resume", "--overwrite"]),
        die_at=st.none() | st.integers(1, 60),
    )
    def run(self, seed, option, die_at):
        call = self.command(seed, *filter(None, [option]))
        code, said = self.finish(*call, die_at=die_at)
        if code == KILLED:
            if self.seed is not None and not (self.folder / ".new-whole").is_dir():
                assert {*self.reference(self.seed)} <= {p.name for p in self.folder.iterdir()}
            self.seed = None
        elif not self.refused(code, said):
            self.seed = seed

    @precondition(lambda self: self.seed is not None)
    @rule(data=st.data())
    def damage(self, data):
        """One wrong bit: the page about the run is not written, or it is the same."""
        name = data.draw(st.sampled_from(["config.yaml", "history.nc", "profile.nc"]))
        path = self.folder / name
        whole = path.read_bytes()
        content = bytearray(whole)
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        code, said = self.finish(attacked.run_command, "report", self.folder, "--overwrite")
        assert self.refused(code, said) and name in said, said
        path.write_bytes(whole)

    @rule()
    def delete_all(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.seed = None

    @rule()
    def two_writers(self):
        self.while_held(*self.command(0, "--overwrite"))

    @invariant()
    def what_is_finished_is_right(self):
        if self.seed is not None:
            assert numbers(self.folder) == self.reference(self.seed)


TestSweepFolder = SweepFolder.TestCase
TestSweepFolder.settings = settings(
    max_examples=40 if LONG else 3, stateful_step_count=20 if LONG else 6, **SETTINGS
)
TestRunFolder = RunFolder.TestCase
TestRunFolder.settings = settings(
    max_examples=25 if LONG else 2, stateful_step_count=12 if LONG else 5, **SETTINGS
)
