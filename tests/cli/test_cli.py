"""The command line: what it writes, that it never loses a run, and what it says of bad input."""

import dataclasses
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import yaml
from safetensors.torch import load_file

from loadpath import cli, results
from loadpath import papers as experiments
from loadpath.cli import demo
from loadpath.cli import train as train_module
from loadpath.cli.folders import RUN_FILES
from loadpath.cli.options import COMMANDS, TrainOptions
from loadpath.cli.preparation import load_data
from loadpath.cli.train import MAY_CHANGE, build_model, stages
from loadpath.leaky_resnet import layer_steps, mechanics
from loadpath.leaky_resnet.training import fit, paper_stages
from loadpath.papers import EXPERIMENTS, FIGURES
from loadpath.papers.runs import EFFECTIVE_DEPTHS
from loadpath.results import Status

NET = ("--width", "12", "--depth", "5", "--effective_depth", "2", "--threads", "1")
DATA = ("--dims", "[6,2,6]", "--n_train", "60", "--n_test", "30")
TINY = (*NET, *DATA, "--adam_steps", "40", "--lbfgs_steps", "20")


@pytest.fixture
def no_page(monkeypatch):
    """Leave out the page, which takes most of the time of a tiny run."""
    monkeypatch.setattr(train_module, "write_report", lambda folder: "none")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "first"
    assert cli.main(["train", *TINY, "--out", str(out)]) == 0
    return out


@pytest.fixture
def copied(finished, tmp_path):
    """A folder with a finished run of the test's own."""
    return shutil.copytree(finished, tmp_path / "copied")


@pytest.fixture
def parsed(monkeypatch):
    """Parse a command line of `train`, without doing anything."""
    seen = []
    monkeypatch.setattr(train_module, "run", seen.append)

    def parse(*arguments):
        assert cli.main(["train", *map(str, arguments)]) == 0
        return seen.pop()

    return parse


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same_numbers(one, other):
    """Same weights, history and mechanics, bit for bit; only the clock may differ."""
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("history.nc", "profile.nc"):
        ds, ds_other = (
            results.load(folder / name).drop_vars("seconds", errors="ignore")
            for folder in (one, other)
        )
        xr.testing.assert_equal(ds, ds_other)


# --- what train writes ---


def test_train_writes_its_results(finished):
    assert set(contents(finished)) == set(RUN_FILES)
    history, profile = (results.load(finished / f"{name}.nc") for name in ("history", "profile"))
    assert history.attrs["status"] == "finished all steps"
    assert int(history["iteration"][-1]) == 60
    assert profile.sizes["layer"] == 6 and profile.attrs["effective_depth"] == 2.0
    # The weights are those that the results are about.
    config = yaml.safe_load((finished / "config.yaml").read_text())
    run = TrainOptions(**{**config, "dims": tuple(config["dims"])})
    data = load_data(run)
    model = build_model(run, data)
    model.load_state_dict(load_file(finished / "model.safetensors"))
    error = (model(data.x_test.float()) - data.y_test).detach().square().sum(1).mean()
    assert float(error) == pytest.approx(float(history["test_error"][-1]), rel=1e-5)
    np.testing.assert_allclose(
        torch.linalg.vector_norm(model.weights.detach().double(), dim=(1, 2)),
        profile["weight_norm"],
    )
    page = (finished / "report.html").read_text()
    assert "Run in first" in page and "bottleneck rank" in page.lower()


def test_the_config_file_starts_the_same_run_again(finished, tmp_path, no_page):
    other = tmp_path / "other"
    assert cli.main(["train", "--config", str(finished / "config.yaml"), "--out", str(other)]) == 0
    assert_same_numbers(finished, other)
    first, second = (yaml.safe_load((f / "config.yaml").read_text()) for f in (finished, other))
    assert {**first, "out": str(other)} == second
    assert not {"resume", "overwrite"} & set(first)  # what to do once is no part of a run


def test_the_mesh_moves_when_told_to(tmp_path, no_page):
    out = tmp_path / "out"
    assert cli.main(["train", *TINY, "--layer-steps", "adaptive", "--out", str(out)]) == 0
    steps = results.load(out / "history.nc")["layer_steps"]
    assert np.allclose(steps[0], 0.2) and not np.allclose(steps[-1], 0.2, rtol=1e-3)
    np.testing.assert_array_equal(results.load(out / "profile.nc")["layer_step"], steps[-1])


def test_a_net_of_one_layer_has_no_middle_to_speak_of(tmp_path, capsys, no_page):
    options = [*TINY, "--depth", "1", "--effective_depth", "0.5", "--lbfgs_steps", "0"]
    assert cli.main(["train", *options, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "status: finished all steps after 40 iterations" in said and "nan" not in said


@pytest.mark.parametrize("status", ["collapsed", "diverged"])
def test_a_run_that_must_not_be_read_says_so_first_and_everywhere(
    status, tmp_path, capsys, monkeypatch
):
    def lost(*arguments, **options):
        run = fit(*arguments, **options)
        ended = run.history.assign_attrs(status="diverged")
        return dataclasses.replace(run, status=Status.DIVERGED, history=ended)

    out, fault = tmp_path / "out", []
    if status == "collapsed":
        fault = ["--weight_decay", "100"]
    else:
        monkeypatch.setattr(train_module, "fit", lost)
    assert cli.main(["train", *TINY, *fault, "--out", str(out)]) == 3
    said = capsys.readouterr().out
    assert said.startswith("This run must not be read: its ")
    assert "rank" not in said and "verdict" not in said
    page = (out / "report.html").read_text()
    assert page.index("This run must not be read") < page.index("A network carries its data")
    assert not re.search(r"<dt>Bottleneck|Energies along|Yes, nearly", page)
    assert cli.main(["report", str(out), "--overwrite"]) == 3
    assert "This run must not be read" in capsys.readouterr().out


def test_the_verdict_comes_first_and_errors_have_their_baselines(
    finished, tmp_path, capsys, no_page
):
    config = str(finished / "config.yaml")
    assert cli.main(["train", "--config", config, "--out", str(tmp_path / "out")]) == 0
    first, *_ = lines = capsys.readouterr().out.splitlines()
    assert first.startswith("verdict: no geodesic: layer ")
    told = {line.split(":")[0]: line for line in lines}
    for name in ("test error", "training error"):
        assert re.search(
            r"R\^2 \S+; \S+ \(squared output, summed over outputs\), where", told[name]
        )


def test_what_was_trained_is_kept_if_it_cannot_be_measured(finished, tmp_path, capsys, no_page):
    def profile(*arguments, **options):
        raise ValueError("gamma must be larger.")

    out = tmp_path / "out"
    options = ["train", "--config", str(finished / "config.yaml"), "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mechanics, "profile", profile)
        assert cli.main(options) == 2
    captured = capsys.readouterr()
    assert "status: finished all steps" in captured.out and "gamma must be" in captured.err
    assert set(contents(out)) == {*RUN_FILES} - {"profile.nc", "report.html"}
    assert cli.main([*options, "--resume"]) == 0
    assert_same_numbers(finished, out)


# --- earlier runs ---


def test_an_earlier_run_is_not_touched_unless_told(copied, refusal):
    before = contents(copied)
    said = refusal("train", *TINY, "--out", copied)
    assert "holds an earlier run" in said and "--resume" in said and "--overwrite" in said
    assert contents(copied) == before
    (copied / "checkpoint.safetensors").unlink()  # nor is part of one
    refusal("train", *TINY, "--seed", "1", "--out", copied)
    assert contents(copied) == {k: v for k, v in before.items() if not k.startswith("checkpoint")}


def test_overwrite_replaces_the_run_and_nothing_else(copied, tmp_path, no_page):
    (copied / "notes.txt").write_text("mine")
    fresh = tmp_path / "fresh"
    for out, options in ((copied, ["--overwrite"]), (fresh, [])):
        assert cli.main(["train", *TINY, "--seed", "1", "--out", str(out), *options]) == 0
    assert_same_numbers(copied, fresh)
    assert set(contents(copied)) == {*contents(fresh), "notes.txt"}


def test_bad_input_does_not_cost_the_run_that_was_to_be_overwritten(copied, refusal):
    before = contents(copied)
    for bad in (("--weight_decay", "0"), ("--adam_steps", "0"), ("--effective_depth", "7")):
        refusal("train", *TINY, *bad, "--out", copied, "--overwrite")
    assert "exclude each other" in refusal(
        "train", *TINY, "--out", copied, "--overwrite", "--resume"
    )
    assert contents(copied) == before


def test_resuming_a_finished_run_changes_nothing(finished, copied, no_page):
    before = contents(copied)
    config = str(copied / "config.yaml")
    assert cli.main(["train", "--config", config, "--out", str(copied), "--resume"]) == 0
    assert_same_numbers(finished, copied)
    for name in ("model.safetensors", "report.html"):
        assert contents(copied)[name] == before[name]
    assert set(contents(copied)) == set(before)
    seconds = [results.load(folder / "history.nc")["seconds"] for folder in (finished, copied)]
    xr.testing.assert_equal(*seconds)


def test_only_the_same_run_is_resumed(copied, refusal):
    before = contents(copied)
    for option, value in (("width", 13), ("scale", 0.5), ("n_train", 50), ("seed", 1)):
        said = refusal("train", *TINY, f"--{option}", value, "--out", copied, "--resume")
        assert f"{option} is {value}, but the run in {str(copied)!r} has" in said
    assert contents(copied) == before
    assert {field.name for field in dataclasses.fields(TrainOptions)} > MAY_CHANGE


def test_resume_starts_where_there_is_nothing(tmp_path, finished, no_page):
    out = tmp_path / "out"
    assert cli.main(["train", *TINY, "--out", str(out), "--resume"]) == 0
    assert_same_numbers(finished, out)


def test_a_damaged_checkpoint_is_named(copied, refusal):
    path = copied / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    before = contents(copied)
    config = copied / "config.yaml"
    assert "checkpoint" in refusal("train", "--config", config, "--out", copied, "--resume")
    assert {k: v for k, v in contents(copied).items() if k != "config.yaml"} == {
        k: v for k, v in before.items() if k != "config.yaml"
    }


def test_out_of_time_goes_on_to_the_same_numbers(finished, tmp_path, capsys, no_page):
    out = tmp_path / "out"
    assert cli.main(["train", *TINY, "--out", str(out), "--max_seconds", "1e-6"]) == 0
    assert "status: out of time after" in capsys.readouterr().out
    assert results.load(out / "history.nc").attrs["status"] == "out of time"
    resume = ["train", "--config", str(out / "config.yaml"), "--resume"]
    assert cli.main(resume) == 0  # for as little time again
    assert "status: out of time after" in capsys.readouterr().out
    assert cli.main([*resume, "--max_seconds", "null"]) == 0
    assert_same_numbers(finished, out)


# --- options and config files ---


def test_dashes_and_underscores_are_the_same(parsed):
    dashed = parsed("--effective-depth", "3", "--n-train=50", "--layer-steps", "irregular")
    underscored = parsed("--effective_depth", "3", "--n_train=50", "--layer_steps", "irregular")
    assert (
        dashed
        == underscored
        == TrainOptions(effective_depth=3.0, n_train=50, layer_steps="irregular")
    )
    assert (
        parsed("--out", "a-b", "--activation", "leaky_relu").out == "a-b"
    )  # values are left alone


def test_options_win_over_the_config_file_wherever_they_stand(parsed, tmp_path):
    file = tmp_path / "some-config.yaml"
    file.write_text("width: 7\nout: old\ndims: [5, 1, 5]\n")
    asked = TrainOptions(width=8, out="new", dims=(5, 1, 5), resume=True)
    assert parsed("--out", "new", "--config", file, "--resume", "--width", "8") == asked
    assert parsed("--width", "8", "--out", "new", "--resume", f"--config={file}") == asked


def test_a_printed_config_is_a_config(parsed, capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        cli.main(["train", "--print_config", "--width", "9", "--dims", "[4,1]"])
    assert left.value.code == 0
    file = tmp_path / "printed.yaml"
    file.write_text(capsys.readouterr().out)
    assert parsed("--config", file) == TrainOptions(width=9, dims=(4, 1))


def test_options_reach_the_net_and_its_training():
    run = TrainOptions(
        **dict(dims=(4, 1, 3), n_train=9, n_test=8, width=6, depth=4, effective_depth=2.0),
        **dict(layer_steps="irregular", irregularity=0.5, step="exponential", activation="tanh"),
        **dict(bias=False, maps="learned", scale=0.7, dtype="float64", recipe="paper", seed=3),
    )
    data = load_data(run)
    assert (data.x_train.shape, data.x_test.shape, data.y_test.shape) == ((9, 4), (8, 4), (8, 3))
    assert data.provenance["seed"] == 3 and data.provenance["bottleneck_rank"] == 1
    model = build_model(run, data)
    assert model.weights.shape == (4, 6, 6) and model.weights.dtype == torch.float64
    assert (model.step, model.activation, model.effective_depth) == ("exponential", "tanh", 2.0)
    torch.testing.assert_close(model.layer_steps, layer_steps.irregular(4, 0.5))
    assert len(list(model.parameters())) == 3
    torch.testing.assert_close(model.input_map @ model.input_map.T, 0.49 * torch.eye(4).double())
    assert stages(run) == paper_stages()


def test_images_are_read_as_the_options_say(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 12, 12), dtype=np.uint8)
    np.savez(tmp_path / "some.npz", images=images, labels=np.arange(80) % 4)
    options = dict(data="mnist", folder=str(tmp_path), image_size=6, n_train=50, n_test=20)
    assert load_data(TrainOptions(**options)).x_train.shape == (50, 36)
    regression = load_data(TrainOptions(**options, targets="onehot"))
    assert regression.task == "regression" and regression.y_test.shape == (20, 4)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("widht: 3\n", "'widht'"),
        ("width: [3\n", "config.yaml' is damaged: it is no YAML at line 2."),
        ("only words\n", "Unexpected config"),
        ("width: wide\n", "--width must be"),
        ("config_version: 2\n", "config_version must be 1 for this loadpath, got 2"),
    ],
)
def test_a_bad_config_file_is_one_line(text, reason, tmp_path, refusal):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert reason in refusal("train", "--config", file, "--out", tmp_path / "out")
    assert set(contents(tmp_path)) == {"config.yaml"}


def test_a_missing_config_file_is_one_line(tmp_path, refusal):
    missing = tmp_path / "none.yaml"
    assert str(missing) in refusal("train", "--config", missing, "--out", tmp_path / "out")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--effective_depth -1", "effective_depth must be finite and at least 0, got -1.0"),
        ("--effective_depth 7", "effective_depth=7; use more layers or step='exponential'"),
        ("--effective_depth nan", "--effective_depth must be"),
        ("--weight_decay 0", "weight_decay must be finite and above 0, got 0.0"),
        ("--tolerance -1", "tolerance must be finite and above 0, got -1.0"),
        ("--max_seconds 0", "max_seconds must be finite and above 0, got 0.0"),
        ("--gamma0 0", "gamma0 must be finite and above 0, got 0.0"),
        ("--checkpoint_seconds -1", "checkpoint_seconds must be at least 0, got -1.0"),
        ("--scale 0", "scale must be finite and above 0, got 0.0"),
        ("--width 0", "width must be a whole number of at least 1, not 0"),
        ("--width 1.5", "--width must be"),
        ("--depth 0", "depth must be a whole number of at least 1, not 0"),
        ("--threads 0", "threads must be a whole number of at least 1, not 0"),
        ("--batch_size 0", "batch_size must be a whole number of at least 1, not 0"),
        ("--adam_steps 0", "adam_steps must be a whole number of at least 1, not 0"),
        ("--lbfgs_steps -1", "lbfgs_steps must be a whole number of at least 0, not -1"),
        ("--irregularity 1", "irregularity must lie in [0, 1), got 1.0"),
        ("--seed -1", "seed must be at least 0 and below 2**32, got -1"),
        ("--seed 4294967296", "seed must be at least 0 and below 2**32, got 4294967296"),
        ("--n_train 0", "n_train must be a whole number of at least 2, not 0"),
        ("--dims [6]", "dims must list at least an input and an output dimension, not (6,)"),
        ("--dims [6,0,6]", "every entry of dims must be a whole number of at least 1, not 0"),
        ("--dtype float16", "--dtype must be"),
        ("--activation sine", "--activation must be"),
        ("--device nonsense", "device must be one that torch has here, got 'nonsense'"),
        ("--device meta", "device must be one that torch has here, got 'meta'"),
        ("--device cuda:99", "device must be one that torch has here, got 'cuda:99'"),
        ("--targets onehot", "targets must not be set for teacher, got 'onehot'"),
        ("--folder somewhere", "folder must not be set for teacher, got 'somewhere'"),
        ("--image_size 8", "image_size must not be set for teacher, got 8"),
        ("--data digits --image_size 4", "image_size must not be set for digits, got 4"),
        ("--data digits", "n_test must not be set for digits, got 30"),
        ("--data mnist", "folder must name where the files of mnist are, got nothing"),
        ("--data mnist --folder none", "train-images-idx3-ubyte"),
        ("--data fashion-mnist --folder none", "no folder 'none'"),
        ("--data cifar10 --folder none", "data_batch_1.bin"),
        ("--no_such_option 1", "--no_such_option"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(options, reason, tmp_path, refusal):
    said = refusal("train", *TINY, *options.split(), "--out", tmp_path / "out")
    assert reason in said
    assert contents(tmp_path) == {}


def test_a_command_is_needed(refusal):
    assert "one of {demo,train,geodesic," in refusal()
    assert "'trian'" in refusal("trian")


# --- report ---


def test_report_writes_the_page_again(copied, capsys, refusal, tmp_path):
    (copied / "report.html").write_text("mine")
    assert "exists already" in refusal("report", copied)
    assert (copied / "report.html").read_text() == "mine"
    page = tmp_path / "pages" / "page.html"
    assert cli.main(["report", str(copied), "--out", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert "Run in copied" in page.read_text()
    (copied / "report.html").unlink()


def test_report_says_what_is_wrong_with_a_folder(copied, tmp_path, refusal):
    assert "has no config.yaml" in refusal("report", tmp_path / "none", "--overwrite")
    before = contents(copied)
    (copied / "profile.nc").write_bytes(before["profile.nc"][:3000])
    assert "profile.nc' is cut short or damaged" in refusal("report", copied, "--overwrite")
    (copied / "profile.nc").unlink()
    assert "There is no result file" in refusal("report", copied, "--overwrite")
    (copied / "profile.nc").write_bytes(before["profile.nc"])
    for text in (b"a: [", b"words", b"\xff\xfe\x00"):
        (copied / "config.yaml").write_bytes(text)
        assert "config.yaml' is damaged" in refusal("report", copied, "--overwrite")
    assert contents(copied)["report.html"] == before["report.html"]


# --- demo and figures ---


def test_demo_trains_both_and_puts_them_on_one_page(tmp_path, capsys, monkeypatch, no_page):
    small = dict(width=12, depth=5, effective_depth=2.0, adam_steps=3, lbfgs_steps=0, threads=1)
    monkeypatch.setattr(
        demo, "TrainOptions", lambda **options: TrainOptions(**{**options, **small})
    )
    out = tmp_path / "demo"
    assert cli.main(["demo", "--out", str(out)]) == 0
    assert str(out / "report.html") in capsys.readouterr().out.splitlines()[-1]
    page = (out / "report.html").read_text()
    titles = ("Teacher of bottleneck rank 3", "Real handwritten digits")
    assert all(re.search(rf"<h2[^>]*>{title}</h2>", page) for title in titles)
    histories = [results.load(out / name / "history.nc") for name in ("teacher", "digits")]
    assert [ds.attrs["loss"] for ds in histories] == ["mse", "cross-entropy"]


def test_demo_keeps_an_earlier_one(tmp_path, refusal):
    (tmp_path / "report.html").write_text("mine")
    said = refusal("demo", "--out", tmp_path)
    assert "holds an earlier demo; pass --overwrite" in said
    assert contents(tmp_path) == {"report.html": b"mine"}


def test_figures_draws_what_is_asked_for(tmp_path, monkeypatch, capsys):
    asked = []

    def draw(name, out, *, seeds, workers, scheduler):
        asked.append((name, out, list(seeds), workers, scheduler))
        if experiments.FIGURES[name].summarize:  # these make tables of their own
            return out / f"{name}.png", pd.DataFrame({"gap": [1.0]})
        settings = EXPERIMENTS[FIGURES[name].experiment].cells([1, 2])
        runs = [{**cell, "gap": 2.0 * cell["seed"], "status": "converged"} for cell in settings]
        return out / f"{name}.png", pd.DataFrame(runs)

    monkeypatch.setattr(experiments, "draw", draw)
    options = ["--out", str(tmp_path), "--seeds", "2", "--seed", "1", "--workers", "3"]
    assert cli.main(["figures", "1a", *options]) == 0
    assert asked.pop() == ("1a", tmp_path, [1, 2], 3, None)
    *table, last, _ = capsys.readouterr().out.split("\n")[:-1]
    assert last == f"means over seeds; {tmp_path / '1a.png'}"
    assert len(table) == 2 + len(EFFECTIVE_DEPTHS) and table[-1].split() == ["10.0", "3.0"]
    assert cli.main(["figures", "all"]) == 0
    assert [name for name, *_ in asked] == list(experiments.FIGURES)
    assert [len(seeds) for _, _, seeds, *_ in asked] == [
        figure.seeds for figure in experiments.FIGURES.values()
    ]


@pytest.mark.parametrize(
    "options, reason",
    [
        ("4d", "figure must be one of 1a, 1a-certified, 1a-limit, 1b"),
        ("1a --seeds 0", "seeds must be a whole number of at least 1, not 0"),
        ("1a --seed -1", "seed must be a whole number of at least 0, not -1"),
        ("1a --workers 0", "workers must be a whole number of at least 1, not 0"),
        ("1a --workers 2 --scheduler tcp://host:1", "workers must not be given beside a scheduler"),
        ("1a --scheduler host", "none answers at 'host'"),
        ("2b --seed 1", "seeds must hold 0, the one of figure 2b, got [1]"),
        ("", "figure"),
    ],
)
def test_figures_refuses_bad_options_in_one_line(options, reason, tmp_path, refusal):
    assert reason in refusal("figures", *options.split(), "--out", tmp_path / "out")
    assert contents(tmp_path) == {}


# --- help ---


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_option(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    command = COMMANDS[name]
    assert command.__doc__.splitlines()[0] in text
    listed = text.partition(command.__doc__.splitlines()[0])[2]
    for field in dataclasses.fields(command):
        described = rf"(--|arguments: ){field.name} (\{{\S+\}} |\[ITEM,...\] |[A-Z_0-9]+ )?[A-Za-z]"
        assert re.search(described, listed), field.name


def test_help_names_every_command_and_figure(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for arguments, names in (
        (["--help"], COMMANDS),
        (["figures", "--help"], experiments.FIGURES),
    ):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        text = capsys.readouterr().out
        assert all(re.search(rf"\b{name}\b", text) for name in names)


# --- completion ---


def test_a_shell_gets_a_script_that_completes_commands_and_words(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--print-completion", "shtab-bash"])
    assert left.value.code == 0
    script = capsys.readouterr().out
    assert f"({' '.join(COMMANDS)})" in script
    assert "--effective_depth" in script and "equidistant irregular adaptive" in script


def test_completion_says_what_to_install(monkeypatch, refusal):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refusal("--print_completion=shtab-bash") == (
        "loadpath: shell completion needs shtab: pip install 'loadpath[completion]'.\n"
    )
