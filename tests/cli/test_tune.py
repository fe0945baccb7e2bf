"""`loadpath tune`: what it writes and says, that it goes on, and what it refuses."""

import pytest
import yaml

import loadpath as lp
from loadpath import cli
from loadpath.cli.folders import TUNING_FILES
from tests.report.test_page import text_of

TINY = (
    *("--n-train", "60", "--width", "6", "--depth", "4", "--epochs", "3"),
    *("--n-levels", "2", "--seeds", "2"),
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_result_figure_and_page_are_written_and_a_tuning_goes_on(tmp_path, capsys, refusal):
    assert cli.main(["tune", *TINY, "--knob", "dropout", "--out", "out"]) == 0
    said, out = capsys.readouterr().out, tmp_path / "out"
    assert {path.name for path in out.iterdir()} >= {*TUNING_FILES, "nets"}
    ds = lp.load(out / "tuning.nc")
    assert ds.attrs["words"].splitlines()[-1] in said and "report: out/" in said
    text = text_of(out / "report.html")
    assert "Tuning of dropout: digits" in text and ds.attrs["verdict"] in text
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["knob"] == "dropout" and config["n_levels"] == 2

    assert "pass --resume to go on" in refusal("tune", *TINY, "--out", "out")
    wider = ("tune", *TINY, "--width", "7", "--out", "out", "--resume")
    assert "width is 7, but the tuning in 'out' has 6" in refusal(*wider)
    nets = sorted((out / "nets").glob("*.nc"))
    nets[0].unlink()
    kept = {path: path.stat().st_mtime_ns for path in nets[1:]}
    assert cli.main(["tune", "--config", "out/config.yaml", "--resume"]) == 0
    again = lp.load(out / "tuning.nc")
    assert again["log_separation"].identical(ds["log_separation"])
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    (out / "report.html").unlink()
    assert cli.main(["report", "out"]) == 0
    assert "Tuning of dropout: digits" in text_of(out / "report.html")


@pytest.mark.parametrize(
    "words, said",
    [
        (["--knob", "width"], "knob"),
        (["--data", "teacher"], "--data must be one of digits"),
        (["--n-levels", "1"], "n_levels must be a whole number of at least 2"),
        (["--level", "95"], "level must be between 0 and 1"),
        (["--low", "0.4"], "high must be finite and above 0.4"),
        (["--data", "mnist"], "folder must name where the files of mnist are"),
    ],
)
def test_what_does_not_go_is_said_in_a_sentence(words, said, refusal, tmp_path):
    assert said in refusal("tune", *TINY, *words, "--out", "out")
    assert not (tmp_path / "out").exists()
