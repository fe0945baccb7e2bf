"""Settings come back as written; what was changed, is too large or names itself is one sentence."""

import hashlib
import logging
import time

import numpy as np
import pytest
import yaml

from loadpath.storage import check_settings_file, read_settings_file, write_settings_file

SETTINGS = {"width": 100, "rate": 0.1, "layers": [1, 2], "name": "γ: yes", "none": None, "on": True}


def test_settings_come_back_and_any_reader_of_yaml_reads_them(tmp_path, caplog):
    path = write_settings_file(tmp_path / "config.yaml", SETTINGS)
    assert read_settings_file(path) == SETTINGS == yaml.safe_load(path.read_text("utf-8"))
    check_settings_file(path)
    assert caplog.records == []
    with pytest.raises(FileExistsError):
        write_settings_file(path, SETTINGS)
    body, last = path.read_bytes()[:-1].rsplit(b"\n", 1)
    digest = hashlib.sha256(body + b"\n").hexdigest()
    assert last.decode() == f"# loadpath-sha256 {digest}"


def test_values_that_stand_twice_are_written_twice(tmp_path):
    steps = [0.5, 0.5]
    path = write_settings_file(tmp_path / "config.yaml", {"a": steps, "b": steps})
    assert read_settings_file(path) == {"a": steps, "b": steps}


def test_every_changed_byte_is_seen(tmp_path):
    path = write_settings_file(tmp_path / "config.yaml", {"width": 100})
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"config.yaml' is damaged.*\.$"):
            read_settings_file(path)


def test_a_change_by_hand_is_asked_about_and_read_without_a_digest(tmp_path, caplog):
    path = write_settings_file(tmp_path / "config.yaml", {"width": 100})
    changed = path.read_text().replace("100", "50")
    path.write_text(changed)
    with pytest.raises(ValueError, match="if the change is meant, delete its first and its last"):
        check_settings_file(path)
    path.write_text("".join(changed.splitlines(keepends=True)[1:-1]))
    check_settings_file(path)
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, "loadpath"):
        assert read_settings_file(path) == read_settings_file(path) == {"width": 50}
    assert [record.getMessage() for record in caplog.records] == [
        f"{str(path)!r} has no digest, as files of loadpath 0.1.0 have none: damage to it would "
        "not show."
    ]


def test_damage_to_the_first_and_the_last_line_hides_no_other(tmp_path):
    path = write_settings_file(tmp_path / "config.yaml", {"width": 100})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        changed = bytearray(whole.replace(b"100", b"900"))
        for place in (*rng.integers(2, 80, 10), *rng.integers(-80, -2, 10)):
            changed[place] = rng.integers(33, 127)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="config.yaml' is damaged, or was changed since"):
            read_settings_file(path)
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="config.yaml' is damaged"):
            check_settings_file(path)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    "text, reason",
    [
        (BOMB, "it has values that are names for others"),
        ("&a {x: *a}", "it has values that are names for others"),
        ("[" * 1000 + "]" * 1000, "it nests more than 50 lists and mappings"),
        ("{x: " * 1000, "it nests more than 50 lists and mappings"),
        ("x: " + ":".join(["59"] * 9000), "it has a value of more than 10,000 characters"),
        ("x: " + "9" * 5000, "Exceeds the limit"),
        ("x: 2020-99-99", "month must be in 1..12"),
        ("x: [1", "it is no YAML at line 1"),
        ("x: 1\n---\nx: 2", "it is no YAML at line 2"),
        ("x: !!python/object:os.system {}", "it is no YAML at line 1"),
        ("{[1]: 2}", "it is no YAML at line 1"),
        ("x: \0", "it is no YAML"),
    ],
)
def test_what_no_run_writes_is_refused_at_once(text, reason, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    started = time.process_time()
    for read in (read_settings_file, check_settings_file):
        with pytest.raises(ValueError, match=f"config.yaml' is damaged: {reason}.*\\.$") as caught:
            read(path)
        assert str(caught.value).count("\n") == 0
    assert time.process_time() - started < 2


def test_size_and_encoding_are_looked_at(tmp_path):
    path = tmp_path / "config.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk, and none in the memory
    with pytest.raises(ValueError, match="is too large for a file of settings: 1,099,511,627,776 "):
        read_settings_file(path)
    path.write_bytes(b"x: \xff")
    with pytest.raises(ValueError, match="config.yaml' is damaged: it is not UTF-8.$"):
        read_settings_file(path)
    with pytest.raises(FileNotFoundError, match="There is no file of settings '.*none'.$"):
        read_settings_file(tmp_path / "none")
    with pytest.raises(OSError, match=r"' cannot be read \(Is a directory\)\.$"):
        read_settings_file(tmp_path)
