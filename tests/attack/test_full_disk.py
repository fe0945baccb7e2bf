"""On a full disk every writer says one sentence, and what was there before is what is there after.

A process that crashes takes its line with it: 0.1.0 did in 179 of 183 tries.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import full_disk
import pytest

EVERY = ["every"] if "LOADPATH_ATTACK" in os.environ else []


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX")
def test_a_full_disk_is_one_sentence_and_nothing_old_is_lost(tmp_path):
    command = [sys.executable, full_disk.__file__, str(tmp_path / "place"), *EVERY]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (ended.returncode, ended.stderr) == (0, "")
    tries = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each for each in tries if not each["right"]] == []
    done = {each["what"] for each in tries}
    assert {Path(name).suffix for name in done} == {".nc", ".safetensors", ".yaml", ".html", ""}
    assert done > full_disk.COMMANDS.keys()
    assert len(tries) >= 26
