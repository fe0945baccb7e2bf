"""`loadpath phase-diagram` of networks: what it writes and says, and that no cell is run twice."""

import contextlib
import io
import shutil

import numpy as np
import pytest
import xarray as xr
import yaml

from loadpath import cli, results
from loadpath.cli.diagrams.networks import summary
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.networks import PANELS
from loadpath.spring_block.phase_diagram import Setting

TINY = (*"--n-train 200 --epochs 2 --slopes [0,0.5] --seeds 2".split(),)
ONE = (*TINY, "--panel", "dropout", "--noise", "[0,0.2]")


def run(*arguments):
    """What a command line that succeeds prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main(["phase-diagram", *map(str, arguments)]) == 0
    return said.getvalue()


def contents(folder):
    """The files in a folder and those within it, by their paths there, and what they hold."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished diagram, not to be changed, and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return out, run(*ONE, "--out", out)


def test_it_writes_the_diagram_that_the_library_computes(finished, tmp_path):
    out, said = finished
    files = {name for name in contents(out) if not name.startswith("cells")}
    assert files == {"config.yaml", "dropout.nc", "phase_diagram.png", "accuracy.png"}
    setting = Setting("dropout", n_train=200, epochs=2)
    grid = dict(slopes=[0.0, 0.5], noises=[0.0, 0.2], seeds=range(2))
    phase_diagram.run(setting, tmp_path, **grid)
    ds = results.load(out / "dropout.nc")
    xr.testing.assert_equal(ds, phase_diagram.collect(setting, tmp_path, **grid))
    assert "dropout: 8 cells run, 0 kept\n- all epochs: 8\n" in said
    best = ds.test_accuracy.mean("seed").max().item()
    assert f"best test accuracy {best:.4f} [" in said
    found = phase_diagram.correlation(ds, kind="inverse")
    assert f"inverse: Spearman {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]" in said
    wide = phase_diagram.correlation(ds, kind="inverse", over="seeds and cells")
    assert f"[{wide.low:.3f}, {wide.high:.3f}] if cells are drawn too; Pearson" in said
    at = ds.test_accuracy.mean("seed").argmax(...)
    curves = phase_diagram.mean_curves(ds)
    for name in curves.data_vars:
        np.testing.assert_array_equal(ds[name], curves[name])
    best = {name: ds.test_accuracy.isel(at)[name] for name in ("slope", "noise")}
    bend, low, high = (
        curves[f"mean_concavity{end}"].sel(kind="trace_ratio", **best).item()
        for end in ("", "_low", "_high")
    )
    ends = f" [{low:.3f}, {high:.3f}]" if np.isfinite([low, high]).all() else ""
    assert f", {bend:.3f}{ends} (trace_ratio), " in said
    assert f"noise {best['noise'].item():g}, where the mean curve has a concavity of " in said
    for name in ("phase_diagram.png", "accuracy.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_the_config_file_starts_the_same_run_again(finished, tmp_path):
    first, _ = finished
    second = tmp_path / "second"
    run("--config", first / "config.yaml", "--out", second)
    xr.testing.assert_equal(*(results.load(f / "dropout.nc") for f in (first, second)))
    one, other = (yaml.safe_load((f / "config.yaml").read_text()) for f in (first, second))
    assert {**one, "out": str(second)} == other
    assert not {"friction", "dt", "overwrite", "resume"} & one.keys()


def test_more_seeds_and_panels_run_only_what_is_new(finished, tmp_path):
    copied = shutil.copytree(finished[0], tmp_path / "copied")
    before = {k: v for k, v in contents(copied).items() if k.startswith("cells")}
    said = run(*ONE, "--seeds", 3, "--resume", "--out", copied)
    assert "dropout: 4 cells run, 8 kept" in said
    after = contents(copied)
    assert {k: after[k] for k in before} == before
    ds, earlier = (results.load(f / "dropout.nc") for f in (copied, finished[0]))
    np.testing.assert_array_equal(ds.log_separation[:, :, :2], earlier.log_separation)
    assert ds.sizes["seed"] == 3
    said = run(*TINY, "--panel", "batch-size", "--noise", "[200,50]", "--resume", "--out", copied)
    assert "batch size: 8 cells run, 0 kept" in said
    assert results.load(copied / "batch-size.nc").noise.values.tolist() == [200, 50]


def test_nets_are_trained_on_several_subsets_of_the_data(finished, tmp_path):
    copied = shutil.copytree(finished[0], tmp_path / "copied")
    said = run(*ONE, "--data-seeds", 2, "--resume", "--out", copied)
    assert "dropout: 8 cells run, 8 kept" in said
    ds = results.load(copied / "dropout.nc")
    assert ds.data_seed.values.tolist() == [0, 0, 1, 1]
    found = phase_diagram.correlation(ds, kind="inverse")
    assert f"inverse: Spearman {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]" in said
    assert (copied / "cells" / "dropout" / "data-seed-1" / "sweep.yaml").is_file()


def test_all_panels_at_once(tmp_path):
    # Nets so small that all of them take a moment.
    tiny = "--n-train 200 --epochs 1 --slopes [0] --seeds 1 --depth 2 --width 4".split()
    said = run(*tiny, "--out", tmp_path / "all")
    counts = {name: len(panel.noises) for name, panel in PANELS.items()}
    counts["batch size"] = 7  # 200, 160, 80, ...
    for name, cells in counts.items():
        assert f"{name}: {cells} cells run, 0 kept" in said
    assert "Spearman" not in said  # one seed says nothing about others
    cells = [name for name in contents(tmp_path / "all") if name.endswith("slope=0.0.nc")]
    assert len(cells) == sum(counts.values())


def test_a_cell_that_fails_is_said_and_the_rest_is_drawn(finished, tmp_path, monkeypatch, capsys):
    measure = phase_diagram.cells.measure

    def fails_at_half(**options):
        if options["slope"] == 0.5 and options["seed"] == 2:
            raise RuntimeError("out of luck")
        return measure(**options)

    fails_at_half.__module__, fails_at_half.__qualname__ = measure.__module__, "measure"
    monkeypatch.setattr(phase_diagram.cells, "measure", fails_at_half)
    copied = shutil.copytree(finished[0], tmp_path / "copied")
    arguments = ("phase-diagram", *ONE, "--seeds", "3", "--resume", "--out", str(copied))
    assert cli.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert "- all epochs: 10, not run: 2" in captured.out or "not run: 2, all epochs: 10" in (
        captured.out
    )
    assert "2 cells failed, the first of them {'seed': 2, 'noise': 0.0, 'slope': 0.5} of dropout: "
    assert "RuntimeError: out of luck; --resume tries them again." in captured.err
    monkeypatch.undo()
    assert "dropout: 2 cells run, 10 kept" in run(*arguments[1:])


def test_a_diagram_of_0_1_0_goes_on_with_the_noise_that_it_had(tmp_path, refusal):
    out = tmp_path / "old"
    noisy = (*TINY, "--panel", "data-noise", "--noise", "[0.5]", "--out", out)
    run(*noisy, "--noise-scale", "demeaned")
    config = yaml.safe_load((out / "config.yaml").read_text())
    sweep = yaml.safe_load((out / "cells" / "data-noise" / "sweep.yaml").read_text())
    for name in (
        "noise_scale",
        "resize",
        "pseudo_inverse",
        "protocol",
    ):  # which that version did not name
        del config[name], sweep["common"][name]
    for path, held in (
        (out / "config.yaml", config),
        (out / "cells" / "data-noise" / "sweep.yaml", sweep),
    ):
        path.write_text(yaml.safe_dump(held))
    said = refusal("phase-diagram", *noisy, "--resume")
    assert "noise_scale is 'raw', but the diagram in" in said and "has 'demeaned'" in said
    said = run("--config", out / "config.yaml", "--seeds", 3, "--resume")
    assert "data noise: 2 cells run, 4 kept" in said
    assert results.load(out / "data-noise.nc").attrs["noise_scale"] == "demeaned"
    assert yaml.safe_load((out / "config.yaml").read_text())["noise_scale"] == "demeaned"
    # A file that is written by hand means today's default.
    mine = tmp_path / "mine.yaml"
    mine.write_text("n_train: 200\nepochs: 1\nslopes: [0.0]\nseeds: 1\npanel: data-noise\n")
    run("--config", mine, "--noise", "[0.5]", "--out", tmp_path / "new")
    assert results.load(tmp_path / "new" / "data-noise.nc").attrs["noise_scale"] == "raw"


def test_the_experiment_of_he_and_su_is_an_option(tmp_path):
    tiny = "--n-train 200 --epochs 2 --depth 3 --width 8 --seeds 2 --panel learning-rate".split()
    said = run(*tiny, "--protocol", "HS", "--noise", "[0.001]", "--out", tmp_path / "law")
    assert "learning rate: 2 cells run, 0 kept" in said  # of ReLU nets alone
    ds = results.load(tmp_path / "law" / "learning-rate.nc")
    assert ds.attrs["protocol"] == "HS" and ds.slope.values.tolist() == [0.0]


def test_records_along_training_are_kept_and_drawn(tmp_path):
    out = tmp_path / "along"
    said = run(*TINY, "--panel", "dropout", "--noise", "[0]", "--record-every", 1, "--out", out)
    assert f"picture: {out / 'dropout-training.png'}" in said
    assert (out / "dropout-training.png").read_bytes().startswith(b"\x89PNG")
    ds = results.load(out / "dropout.nc")
    assert ds.log_separation_recorded.sizes["recorded_epoch"] == 2
    assert np.isfinite(ds.log_separation_recorded).all()


def test_mean_curves_that_do_not_fall_are_counted(finished):
    ds = results.load(finished[0] / "dropout.nc")
    level = ds.assign(log_separation=ds["log_separation"] * 0 + ds["log_separation"].isel(layer=0))
    words = "so many do not surely fall, and may bend in any way: 4 (fuzziness), 4 (trace_ratio), 4"
    assert f"- of 4 mean curves {words} (inverse)" in summary(level)
    steep = ds["log_separation"] - 5 * ds["layer"] * xr.where(ds["kind"] == "inverse", -1, 1)
    said = summary(ds.assign(log_separation=steep))
    assert "do not surely fall" not in said
    options = dict(kind="fuzziness", method="pearson", between="cells")
    cells = phase_diagram.correlation(ds.assign(log_separation=steep), **options)
    assert f"; between cells {cells.value:.3f} [{cells.low:.3f}, {cells.high:.3f}]" in said


def test_nets_that_tell_nothing_apart_have_no_correlation(finished):
    ds = results.load(finished[0] / "dropout.nc")
    said = summary(ds.assign(test_accuracy=ds["test_accuracy"] * 0 + 0.5))
    reason = "no correlation, since test_accuracy must not be the same for all nets, got 0.5."
    assert said.count(reason) == 3


# --- refusals ---


def test_earlier_results_are_not_touched_unless_told(finished, tmp_path, refusal):
    copied = shutil.copytree(finished[0], tmp_path / "copied")
    before = contents(copied)
    said = refusal("phase-diagram", *ONE, "--out", copied)
    assert "holds earlier results" in said and "--resume" in said
    said = refusal("phase-diagram", *ONE, "--overwrite", "--out", copied)
    assert "overwrite must not be set for networks, got True" in said
    said = refusal("phase-diagram", *ONE, "--resume", "--depth", 4, "--out", copied)
    assert "depth is 4, but the diagram in" in said
    assert contents(copied) == before


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--friction [0,1]", "friction must not be set for networks, got (0.0, 1.0)"),
        ("--n-blocks 3", "n_blocks must not be set for networks, got 3"),
        ("--seeds 0", "seeds must be a whole number of at least 1, not 0"),
        ("--workers 0", "workers must be a whole number of at least 1, not 0"),
        ("--panel all", "noise must not be set for all panels at once"),
        ("--noise [0.1,1]", "dropout must lie in [0, 1), got 1.0"),
        ("--noise [0.1,0.1]", "noises must be different values"),
        ("--slopes [2]", "slope must lie in [0, 1], got 2.0"),
        ("--panel batch-size --noise [300]", "at most the 200 training samples, got 300"),
        ("--data mnist", "folder must name where the files of mnist are"),
        ("--data mnist --folder nowhere", "'nowhere'"),
        ("--n-train 20000", "n_train must leave some of the 1797 digits"),
        ("--panel heat", "--panel must be"),
        ("--config-version 0", "config_version must be 1"),
        ("--scheduler nonsense --workers 2", "workers must not be given beside a scheduler"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(options, reason, tmp_path, refusal):
    out = tmp_path / "out"
    assert reason in refusal("phase-diagram", *ONE, *options.split(), "--out", out)
    assert contents(tmp_path) == {}
