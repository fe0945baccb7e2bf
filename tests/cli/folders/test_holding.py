"""One command at a time writes to a folder, and what is said of it when it is interrupted."""

import os
from argparse import Namespace

import pytest

from loadpath import cli
from loadpath.cli import chain
from loadpath.cli.folders import held_folder, what_is_kept
from loadpath.storage.locks import LOCK
from loadpath.storage.writers import start_of, this_process

COMMANDS = ["demo", "train", "geodesic", "chain", "phase-diagram", "phase-diagram --chain"]
COMMANDS += ["tune"]


def hold(folder, **changes):
    """Let another process hold a folder: the one that started this one."""
    from dataclasses import replace

    pid = os.getppid()
    writer = replace(this_process("0" * 16), **{"pid": pid, "start": start_of(pid), **changes})
    (folder / LOCK).write_bytes(writer.as_bytes())


@pytest.mark.parametrize("command", [*COMMANDS, "diagnose no_such:model", "laws no_such:model"])
@pytest.mark.parametrize("option", ["", "--overwrite", "--resume"])
def test_a_folder_that_another_process_writes_to_is_refused(command, option, tmp_path, refusal):
    if option == "--resume" and command.split()[0] in ("geodesic", "chain", "diagnose", "laws"):
        return
    if option == "--overwrite" and command == "tune":
        return
    if option and "phase-diagram" in command:
        return
    hold(tmp_path)
    said = refusal(*command.split(), *option.split(), "--out", tmp_path)
    assert f"{str(tmp_path)!r} is being written to by process {os.getppid()} of " in said
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_page_is_not_written_into_a_folder_that_is_being_written_to(tmp_path, refusal):
    hold(tmp_path)
    assert "is being written to by process" in refusal("report", tmp_path)
    said = refusal("report", tmp_path, "--out", tmp_path / "elsewhere.html")
    assert "is being written to" not in said


def test_a_folder_of_another_machine_is_refused_with_what_to_do(tmp_path, refusal):
    hold(tmp_path, host="elsewhere")
    said = refusal("chain", "--out", tmp_path)
    assert "of 'elsewhere' since " in said and f"remove {str(tmp_path / LOCK)!r}.\n" in said


def test_a_folder_that_is_deleted_meanwhile_is_said(tmp_path, monkeypatch, refusal):
    out = tmp_path / "out"

    def deleted(options):
        out.rename(tmp_path / "moved")

    monkeypatch.setattr(chain, "run", deleted)
    said = refusal("chain", "--out", out)
    assert said == (
        f"loadpath chain: {str(out)!r} was deleted or moved while it was written to: what is there "
        "now was written after that.\n"
    )


def test_a_refused_command_leaves_no_folder(tmp_path, monkeypatch, refusal):
    refusal("chain", "--out", tmp_path / "a" / "b", "--beside", "[nowhere]")
    assert list(tmp_path.iterdir()) == []


def test_what_a_command_holds(tmp_path):
    assert held_folder("train", Namespace(out="x")).name == "x"
    assert held_folder("figures", Namespace(out="x")) is None
    assert held_folder("report", Namespace(out=None, run_folder=str(tmp_path))) == tmp_path
    assert held_folder("report", Namespace(out="x.html", run_folder=str(tmp_path))) is None
    assert held_folder("report", Namespace(out=None, run_folder=str(tmp_path / "no"))) is None


@pytest.mark.parametrize(
    "command, files, said",
    [
        ("train", [], "nothing was saved yet"),
        ("train", ["checkpoint.safetensors"], "the last checkpoint in '{out}' is kept, and --resu"),
        ("train", [".new/checkpoint.safetensors"], "the last checkpoint in '{out}' is kept, and"),
        ("demo", ["digits/checkpoint.safetensors"], "the last checkpoint in '{out}' is kept, and"),
        ("chain", ["checkpoint.safetensors", "chain.nc"], "what was in '{out}' is whole (checkpoi"),
        ("chain", ["chain.nc", "other.txt"], "what was in '{out}' is whole (chain.nc)"),
        (
            "phase-diagram",
            ["cells/dropout/sweep.yaml"],
            "the cells that were saved are kept, and -",
        ),
        ("figures", [], "the cells that were saved are kept, and the same command goes on with"),
    ],
)
def test_what_is_kept_is_said(command, files, said, tmp_path):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    kept = what_is_kept(command, Namespace(out=str(tmp_path)))
    assert kept.startswith(said.format(out=tmp_path))


def test_a_page_elsewhere_is_not_there_after_an_interrupt():
    kept = what_is_kept("report", Namespace(out="x.html", run_folder="run"))
    assert kept == "the page was not written"


def test_the_command_line_holds_its_folder(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(chain, "run", lambda options: seen.append(os.listdir(options.out)))
    assert cli.main(["chain", "--out", str(tmp_path)]) == 0
    assert seen == [[LOCK]] and os.listdir(tmp_path) == []
