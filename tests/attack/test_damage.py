"""Damage to any byte of any file: the right numbers or one sentence, and never anything else.

A few dozen tries a kind by default. `make attack` asks for more: LOADPATH_ATTACK is their number a
kind, LOADPATH_SEED the seed, which stands in every failure.
"""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import damaged_files
import pytest

TRIES = int(os.environ.get("LOADPATH_ATTACK", 27))
SEED = int(os.environ.get("LOADPATH_SEED", 0))
SCRIPT = Path(damaged_files.__file__)
SECONDS_A_TRY = 2
"""Longer than any try takes on a busy machine, and far shorter than a hang."""


pytestmark = pytest.mark.xdist_group("damage")  # what they share takes seconds to make


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """What came of every try, and what was printed to the error stream, from one process."""
    place = tmp_path_factory.mktemp("damage") / "files"
    command = [sys.executable, str(SCRIPT), str(place), str(SEED), str(TRIES)]
    limit = 60 + SECONDS_A_TRY * TRIES * len(damaged_files.KINDS)
    with (place.parent / "out").open("w+") as out, (place.parent / "err").open("w+") as err:
        # A time limit, and not an alarm inside: HDF5 is deaf to signals when it loops.
        ended = subprocess.run(command, stdout=out, stderr=err, timeout=limit)
        for stream in (out, err):
            stream.seek(0)
        lines, said = [json.loads(line) for line in out], err.read()
    assert ended.returncode == 0, f"seed {SEED}: died of {ended.returncode} at {lines[-1:]}: {said}"
    tries, outcomes = lines[::2], lines[1::2]
    return [t | o for t, o in zip(tries, outcomes, strict=True)], said


@pytest.mark.parametrize("kind", damaged_files.KINDS)
def test_damage_gives_the_right_numbers_or_one_sentence(kind, attacked):
    found = [each for each in attacked[0] if each["kind"] == kind]
    assert len(found) > 0.9 * TRIES  # some damage changes nothing
    bad = [each for each in found if each["outcome"] not in ("right", "sentence")]
    assert bad == [], f"seed {SEED}, {len(bad)} of {len(found)}"
    counts = collections.Counter(each["outcome"] for each in found)
    wanted = "right" if kind == "cell run again" else "sentence"
    assert counts[wanted] > 0.6 * len(found)  # a reader that looks away would find all right


def test_nothing_is_printed_by_interpreter_or_libraries(attacked):
    ours = ("was damaged: it is ", "has no digest, as files of loadpath 0.1.0 have none")
    lines = attacked[1].splitlines()
    assert [line for line in lines if not any(words in line for words in ours)] == []


def test_the_attack_sees_a_reader_that_looks_away(tmp_path, monkeypatch):
    """Numbers in plain text, read as they stand: damage to them must show as such."""
    path = tmp_path / "plain.txt"
    monkeypatch.setitem(
        damaged_files.KINDS, "plain", (lambda _: path, lambda path: path.read_text("latin-1"))
    )
    path.write_text("0.5 " * 100)
    make, read = damaged_files.KINDS["plain"]
    right = read(make(tmp_path))
    path.write_text("0.6 " * 100)
    assert damaged_files.outcome(path, read, right) == "other numbers"
    assert damaged_files.outcome(path, lambda _: 1 / 0, right).startswith("ZeroDivisionError")
    assert damaged_files.outcome(path, lambda _: int("x"), right).startswith("ValueError: invalid")
