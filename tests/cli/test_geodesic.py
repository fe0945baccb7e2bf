"""`loadpath geodesic`: what it writes and says, and that it never loses an earlier run."""

import contextlib
import io
import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from loadpath import cli, results
from loadpath.cli import geodesic as module
from loadpath.cli.folders import GEODESIC_FILES, RUN_FILES
from loadpath.cli.geodesic import MEANINGS
from loadpath.leaky_resnet import geodesic, layer_steps
from tests.cli.test_cli import contents
from tests.report.test_page import images_of, text_of

NET = ("--width", "4", "--depth", "4", "--effective-depth", "2", "--threads", "1")
TINY = (*NET, "--dims", "[4,1,4]", "--n-train", "30")
LINEAR = (*TINY, "--activation", "identity")  # a path of that kind takes a tenth of the time


@pytest.fixture
def no_page(monkeypatch):
    """Leave out the page, which takes most of the time of a tiny run."""
    monkeypatch.setattr(module, "write_report", lambda folder: "none")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, not to be changed, and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "first"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main(["geodesic", *TINY, "--out", str(out)]) == 0
    return out, said.getvalue()


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Parse a command line of `geodesic` up to `solve`, and return what that is asked for."""
    seen = {}

    def solve(x, y, **options):
        seen.update(options, x=x, y=y)
        raise ValueError("far enough.")

    def run(*arguments):
        seen.clear()
        assert cli.main(["geodesic", *map(str, arguments)]) == 2
        return dict(seen)

    monkeypatch.setattr(geodesic, "solve", solve)
    monkeypatch.chdir(tmp_path)  # the default folder has one writer, and tests run side by side
    return run


def pair(folder, n=12, width=3, seed=0, **changes):
    """An archive with x and y of a linear path: y = x M with det M > 0."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, width))
    M = np.eye(width) + 0.2 * rng.standard_normal((width, width))
    arrays = {"x": x, "y": x @ M, **changes}
    np.savez(folder / "pair.npz", **arrays)
    return folder / "pair.npz"


FIXED = ("--data arrays --endpoint fixed --activation identity --bias false --width 3 --depth 6 "
         "--effective-depth 2 --tolerance 1e-6 --threads 1").split()  # fmt: skip


# --- what it writes and says ---


def test_it_writes_its_results_and_a_page_with_the_certificate(finished):
    out, said = finished
    assert set(contents(out)) == set(GEODESIC_FILES)
    ds, history = (results.load(out / f"{name}.nc") for name in ("geodesic", "history"))
    assert ds.attrs["status"] == history.attrs["status"] == "converged"
    assert ds.sizes["step"] == 4 and ds["least_norm_residual"].max() <= 0.01
    weights = load_file(out / "model.safetensors")["weights"]
    assert weights.dtype == torch.float64
    np.testing.assert_allclose(torch.linalg.vector_norm(weights, dim=(1, 2)), ds["weight_norm"])
    sentences = ds["least_norm_residual"].attrs["words"].splitlines()
    assert len(sentences) >= 4 and "status: converged\n" in said
    for sentence in sentences:
        assert f"- {sentence}\n" in said
    assert said.endswith(f"report: {out / 'report.html'}\n")
    text = text_of(out / "report.html")
    assert "Certificate" in text and all(sentence in text for sentence in sentences)
    pictures = images_of((out / "report.html").read_text())
    assert "Balance, layer by layer" in pictures and len(pictures) == 11


def test_the_config_file_starts_the_same_run_again(tmp_path, no_page):
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli.main(["geodesic", *LINEAR, "--out", str(first)]) == 0
    config = str(first / "config.yaml")
    assert cli.main(["geodesic", "--config", config, "--out", str(second)]) == 0
    assert contents(first)["model.safetensors"] == contents(second)["model.safetensors"]
    one, other = (yaml.safe_load((f / "config.yaml").read_text()) for f in (first, second))
    assert {**one, "out": str(second)} == other and "overwrite" not in one


def test_two_given_ends_are_joined(tmp_path, capsys, no_page):
    out, file = tmp_path / "out", pair(tmp_path)
    assert cli.main(["geodesic", *FIXED, "--file", str(file), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "status: converged\naction: " in said and "distance from the end: " in said
    assert "The path ends at y but for" in said and "data term" not in said
    ds = results.load(out / "geodesic.nc")
    assert ds.attrs["endpoint"] == "fixed" and ds.attrs["end_error"] < 1e-5


def test_out_of_time_is_said_and_the_best_point_is_kept(tmp_path, capsys, no_page):
    out = tmp_path / "out"
    options = ["geodesic", *TINY, "--max-seconds", "1e-6", "--out", str(out)]
    assert cli.main(options) == 0
    said = capsys.readouterr().out
    assert f"status: out of time: {MEANINGS['out of time']}\n" in said and "Not converged" in said
    history, ds = (results.load(out / f"{name}.nc") for name in ("history", "geodesic"))
    assert history.attrs["status"] == "out of time"
    # Of float32 weights, whose objective was summed in float32.
    assert float(ds["objective"]) == pytest.approx(float(history["objective"].min()), rel=1e-5)


def test_what_was_solved_is_kept_if_it_cannot_be_measured(tmp_path, capsys, no_page, monkeypatch):
    def dataset(self, **options):
        raise ValueError("gamma must be larger.")

    monkeypatch.setattr(geodesic.Geodesic, "dataset", dataset)
    out = tmp_path / "out"
    assert cli.main(["geodesic", *LINEAR, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert "status: converged" in captured.out and "gamma must be" in captured.err
    assert set(contents(out)) == {*GEODESIC_FILES} - {"geodesic.nc", "report.html"}


def test_report_draws_the_page_again(finished, tmp_path, capsys):
    copied = shutil.copytree(finished[0], tmp_path / "first")
    before = (copied / "report.html").read_text()
    (copied / "report.html").unlink()
    assert cli.main(["report", str(copied)]) == 0
    assert (copied / "report.html").read_text() == before


# --- earlier runs ---


def test_an_earlier_run_is_not_touched_unless_told(finished, tmp_path, refusal):
    copied = shutil.copytree(finished[0], tmp_path / "copied")
    before = contents(copied)
    assert "holds an earlier run" in refusal("geodesic", *TINY, "--out", copied)
    # Nor is one of training, or one that is to be replaced by what cannot be solved.
    assert "geodesic.nc" in refusal("train", *TINY, "--out", copied)
    bad = ("--effective-depth", "7", "--overwrite")
    assert "layer_steps" in refusal("geodesic", *TINY, *bad, "--out", copied)
    assert contents(copied) == before


def test_overwrite_replaces_the_run_and_nothing_else(tmp_path, no_page):
    for name in ("notes.txt", *RUN_FILES):
        (tmp_path / name).write_text("old")
    assert cli.main(["geodesic", *LINEAR, "--out", str(tmp_path), "--overwrite"]) == 0
    files = contents(tmp_path)
    assert set(files) == {*GEODESIC_FILES, "notes.txt"} - {"report.html"}
    assert files.pop("notes.txt") == b"old" and b"old" not in files.values()


# --- options ---


def test_options_reach_the_solver(asked, tmp_path):
    given = {
        **dict(effective_depth=2.0, weight_decay=0.2, width=6, depth=4, endpoint="fixed"),
        **dict(activation="tanh", bias=False, step="exponential", scale=0.7, tolerance=0.02),
        **dict(kink_width=0.01, refinements=2, max_seconds=9.0, seed=3, threads=1, device="cpu"),
    }
    typed = [f"--{name}={str(value).lower()}" for name, value in given.items()]
    seen = asked(*typed, "--dims", "[5,2,4]", "--n-train", "9")
    assert {name: seen[name] for name in given} == given
    assert (seen["x"].shape, seen["y"].shape) == ((9, 5), (9, 4))
    assert seen["loss"] == "mse" and seen["layer_steps"] is None
    irregular = asked("--depth", "4", "--layer-steps", "irregular", "--irregularity", "0.5")
    torch.testing.assert_close(irregular["layer_steps"], layer_steps.irregular(4, 0.5))
    assert asked("--layer-steps", "adaptive")["layer_steps"] == "adaptive"
    assert asked("--data", "digits", "--n-train", "50")["loss"] == "cross-entropy"
    classes = pair(tmp_path, y=np.arange(12) % 3)
    assert asked("--data", "arrays", "--file", classes)["loss"] == "cross-entropy"


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--effective_depth 7", "effective_depth=7; use more layers or step='exponential'"),
        ("--max_seconds 0", "max_seconds must be finite and above 0, got 0.0"),
        ("--tolerance -1", "tolerance must be finite and above 0, got -1.0"),
        ("--kink_width 0", "kink_width must be finite and above 0, got 0.0"),
        ("--refinements -1", "refinements must be a whole number of at least 0, not -1"),
        ("--threads 0", "threads must be a whole number of at least 1, not 0"),
        ("--width 0", "width must be a whole number of at least 1, not 0"),
        ("--endpoint loose", "--endpoint must be"),
        ("--endpoint fixed --width 5", "x must have width=5 columns where endpoint='fixed', got"),
        ("--endpoint fixed --data digits --width 64", "loss must be 'mse' where endpoint='fixed'"),
        ("--file some.npz", "file must be set for arrays and nothing else, got 'some.npz'"),
        ("--data arrays", "file must be set for arrays and nothing else, got nothing"),
        ("--data arrays --file none.npz", "there is no file 'none.npz'"),
        ("--resume", "resume"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(options, reason, tmp_path, refusal):
    given = options.split()
    sample = [] if "arrays" in given or "digits" in given else ["--n-train", "30"]
    net = [*NET, "--dims", "[4,1,4]", *sample]
    assert reason in refusal("geodesic", *net, *given, "--out", tmp_path / "out")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "changes, reason",
    [
        (dict(y=np.full((12, 3), np.nan)), "y must be finite, and its entry (0, 0) is nan"),
        (dict(x=np.ones((12, 3))), "y must be equal where x is, but rows 0 and 1 start"),
        (dict(y=np.eye(12, 3)), "y must be a linear map of x where activation='identity'"),
        (dict(y=np.zeros((12, 3))), "y must have the rank of x, for a linear path keeps it"),
        (dict(y=np.ones((11, 3))), "x must be (sample, feature) and y as many"),
        (dict(y=np.ones((12, 4))), "y must have width=3 columns where endpoint='fixed'"),
        (dict(y=np.array([None])), "cannot be read as a whole NumPy .npz archive of plain arrays"),
        (dict(y=np.ones((12, 3), dtype=complex)), "y must hold real numbers"),
    ],
)
def test_ends_that_no_path_joins_are_one_line(changes, reason, tmp_path, refusal):
    file = pair(tmp_path, **changes)
    said = refusal("geodesic", *FIXED, "--file", file, "--out", tmp_path / "out")
    assert reason in said and not (tmp_path / "out").exists()


def test_a_mirror_image_is_out_of_reach_of_a_linear_path(tmp_path, refusal):
    x = np.random.default_rng(0).standard_normal((12, 3))
    file = pair(tmp_path, x=x, y=x * [-1, 1, 1])
    said = refusal("geodesic", *FIXED, "--file", file, "--out", tmp_path / "out")
    assert "y must be x times a matrix of positive determinant" in said


def test_options_of_other_data_are_refused_for_arrays(tmp_path, refusal):
    file = pair(tmp_path)
    said = refusal("geodesic", "--data", "arrays", "--file", file, "--n-train", "5")
    assert "n_train must not be set for arrays, got 5" in said
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    said = refusal("geodesic", "--data", "arrays", "--file", tmp_path / "other.npz")
    assert "must hold the arrays x and y, and it holds a" in said


def test_a_folder_that_is_a_file_is_refused_before_solving(tmp_path, refusal):
    (tmp_path / "taken").write_text("mine")
    said = refusal("geodesic", *TINY, "--out", tmp_path / "taken" / "out")
    assert "out must be a folder, but" in said


def test_a_collapsed_path_says_so_first_and_is_not_certified(tmp_path, capsys, no_page):
    options = ["geodesic", *LINEAR, "--weight-decay", "1000", "--out", str(tmp_path / "out")]
    assert cli.main(options) == 3
    said = capsys.readouterr().out
    assert said.startswith("This run must not be read: its weights have collapsed")
    assert "status: trivial minimum\n" in said and "\n- " not in said and "rank" not in said
