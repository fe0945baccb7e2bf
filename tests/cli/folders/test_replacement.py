"""New results take the place of older ones together, and a kill at any step loses neither."""

import contextlib
import functools
import os

import pytest

from loadpath import cli
from loadpath.cli import train
from loadpath.cli.folders import UNFINISHED, final_folder, place_for
from loadpath.cli.folders.replacement import WHOLE, finish_replacing
from loadpath.report import page as pages

NET = ("--width", "4", "--depth", "3", "--effective-depth", "1", "--threads", "1")
DATA = ("--dims", "[4,2,4]", "--n-train", "30", "--n-test", "10", "--adam-steps", "5")
TRAIN = ("train", *NET, *DATA, "--lbfgs-steps", "0")
OLD = {"config.yaml": "old", "chain.nc": "old", "skipped.nc": "old"}


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def write(place, *names):
    for name in names:
        (place / name).write_text("new")


@pytest.fixture
def out(tmp_path):
    for name, text in (OLD | {"notes.txt": "the user's own"}).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_folder_without_older_results_is_written_to_itself(tmp_path):
    with place_for(tmp_path, []) as place:
        assert place == final_folder(place) == tmp_path


def test_old_results_stay_until_the_new_are_whole(out):
    with place_for(out, OLD) as place:
        write(place, "config.yaml", "chain.nc", "report.html")
        assert contents(out) == OLD | {"notes.txt": "the user's own"}
        assert final_folder(place) == out
    new = dict.fromkeys(("config.yaml", "chain.nc", "report.html"), "new")
    assert contents(out) == new | {"notes.txt": "the user's own"}
    assert not any(path.is_dir() for path in out.iterdir())


def test_what_fails_changes_nothing(out):
    with pytest.raises(OSError, match="full") as failed:
        with place_for(out, OLD) as place:
            write(place, "config.yaml")
            raise OSError("full")
    said = f"The older results stand, and what there is of the new is in {out / '.new'}."
    assert failed.value.__notes__ == [said]  # the command says it behind its sentence
    assert contents(out) == OLD | {"notes.txt": "the user's own"}
    assert contents(out / UNFINISHED) == {"config.yaml": "new"}


def test_what_can_be_resumed_is_kept_and_gone_on_with(out):
    with pytest.raises(KeyboardInterrupt):
        with place_for(out, OLD) as place:
            write(place, "config.yaml")
            raise KeyboardInterrupt
    with place_for(out, OLD, resume=True) as place:
        assert contents(place) == {"config.yaml": "new"}
        write(place, "chain.nc")
    assert contents(out) == {"config.yaml": "new", "chain.nc": "new", "notes.txt": "the user's own"}
    with place_for(out, ["config.yaml"], resume=True) as place:
        assert place == out  # nothing was begun: the run itself is gone on with
    with place_for(out, ["config.yaml"]) as place:
        assert contents(place) == {}


class Killed:
    """Stands for `os.replace` and `os.unlink`, and raises in place of the call of this number."""

    def __init__(self, monkeypatch, number):
        self.left, self.monkeypatch = number, monkeypatch
        self.own = {name: getattr(os, name) for name in ("replace", "unlink")}

    def begin(self):
        for name, call in self.own.items():
            self.monkeypatch.setattr(os, name, functools.partial(self.count, call))

    def count(self, call, *arguments, **options):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return call(*arguments, **options)

    def end(self):
        for name, call in self.own.items():
            self.monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("number", range(8))
def test_a_kill_while_results_are_moved_is_made_good_by_the_next_command(number, out, monkeypatch):
    """One of 6 steps is the last: the rename that counts, 3 files moved, an old one, its mark."""
    killed = Killed(monkeypatch, number)
    with contextlib.suppress(KeyboardInterrupt):
        with place_for(out, OLD) as place:
            write(place, "config.yaml", "chain.nc", "report.html")
            killed.begin()
    killed.end()
    counted = (out / WHOLE).exists()
    assert counted == (1 <= number < 6)
    finish_replacing(out)
    new = dict.fromkeys(("config.yaml", "chain.nc", "report.html"), "new")
    assert contents(out) == (OLD if number == 0 else new) | {"notes.txt": "the user's own"}
    with place_for(out, []):  # clears what was begun and is not resumed
        assert not any(path.is_dir() for path in out.iterdir())


def test_a_training_over_an_older_one_is_gone_on_with_and_then_takes_its_place(
    tmp_path, monkeypatch, refusal
):
    monkeypatch.setattr(pages, "draw_figures", lambda *_: [])
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert cli.main([*TRAIN, "--out", str(out)]) == 0
    assert cli.main([*TRAIN, "--seed", "1", "--out", str(fresh)]) == 0
    old = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.mechanics, "profile", interrupted)
        assert cli.main([*TRAIN, "--seed", "1", "--out", str(out), "--overwrite"]) == 130
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == old
    assert (out / UNFINISHED / "checkpoint.safetensors").exists()
    said = refusal(*TRAIN, "--seed", "2", "--out", out, "--resume")
    assert "seed is 2, but the run in" in said and "has 1" in said
    assert cli.main([*TRAIN, "--seed", "1", "--out", str(out), "--resume"]) == 0
    assert {path.name for path in out.iterdir()} == old.keys()
    model = (out / "model.safetensors").read_bytes()
    assert model == (fresh / "model.safetensors").read_bytes() != old["model.safetensors"]


def test_a_config_that_unpacks_to_more_than_the_memory_is_refused_at_once(tmp_path, refusal):
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for one, two in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{two}: &{two} [{','.join(['*' + one] * 9)}]")
    for text in ("\n".join(lines), "dims: &a [*a]", "width: 5\ndims: " + "[" * 3000):
        (tmp_path / "config.yaml").write_text(text)
        said = refusal("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "out")
        assert "config.yaml' is damaged: it " in said
