"""What a page is written from is what it should be, and not another file of that name."""

import pytest
import torch
import xarray as xr
from safetensors.torch import load_file
from tiny_trainings import net, regression

from loadpath import fit, results, spring_block
from loadpath.cli.folders import earlier_results, read_config, save_config, save_model, section
from loadpath.leaky_resnet import mechanics
from loadpath.leaky_resnet.training import Adam


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of three steps."""
    folder, data = tmp_path_factory.mktemp("run"), regression()
    run = fit(net(data), data, weight_decay=0.05, stages=[Adam(3)], progress=False)
    results.save(run.history, folder / "history.nc")
    profile = mechanics.profile(run.model, data.x_train, data.y_train, weight_decay=0.05)
    results.save(profile, folder / "profile.nc")
    save_config({"width": 6}, folder)
    save_model(run.model, folder)
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    for path in finished.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_page_is_of_what_was_saved(copied):
    part = section(copied, "a net")
    assert part.config == {"width": 6}
    assert part.profile.identical(results.load(copied / "profile.nc"))
    assert part.history.identical(results.load(copied / "history.nc"))


@pytest.mark.parametrize(
    "name, other, said",
    [
        ("profile.nc", "history.nc", "profile of a net: it has no variable 'p'"),
        ("history.nc", "profile.nc", "history of training: it has no variable 'iteration'"),
    ],
)
def test_another_result_in_its_place_is_named(name, other, said, copied):
    (copied / name).write_bytes((copied / other).read_bytes())
    with pytest.raises(ValueError, match=f"{name}' is no {said}.$"):
        section(copied, "a net")


def test_a_result_over_other_dimensions_is_named(copied):
    ds = xr.Dataset({"iteration": ("record", [0]), "stage": ("record", ["Adam"]), "objective": 1.0})
    results.save(ds, copied / "history.nc", overwrite=True)
    with pytest.raises(ValueError, match=r"its 'objective' is over \(\), not \('record',\)\.$"):
        section(copied, "a net")


def test_a_net_is_plain_safetensors_with_the_mode_of_other_files(copied):
    tensors = load_file(copied / "model.safetensors")
    assert tensors["weights"].dtype == torch.float64 and "layer_steps" in tensors
    modes = {path.stat().st_mode for path in copied.iterdir()}
    assert len(modes) == 1


def test_a_config_that_is_none_is_named(copied):
    (copied / "config.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(ValueError, match="config.yaml' is damaged: it does not hold options"):
        read_config(copied)


def test_leftovers_of_dead_writers_are_cleared_by_the_next_command(copied):
    left = copied / ".history.nc.999999999.tmp"  # no system has so many processes
    left.write_bytes(b"part")
    assert "history.nc" in earlier_results(copied)
    assert not left.exists()


def test_a_chain_that_no_command_saved_is_named_and_not_drawn(tmp_path, refusal):
    chain = spring_block.Chain(n_blocks=2)
    ds = spring_block.simulate(chain, noise=0.0, dt=0.1, n_steps=3, n_replicas=1, seed=0)
    results.save(ds, tmp_path / "chain.nc")
    save_config({}, tmp_path)
    assert "chain.nc' is no chain of a run: it has no attribute 'label'." in refusal(
        "report", tmp_path
    )
    results.save(xr.Dataset({"load": 1.0}), tmp_path / "chain.nc", overwrite=True)
    assert "chain.nc' is no chain of a run: it has no variable" in refusal("report", tmp_path)
