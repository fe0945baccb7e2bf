"""Settings: the paper's recipes, the data they read, plain refusals, and no net before its time."""

from dataclasses import asdict, astuple, replace

import numpy as np
import pytest

from loadpath.data import mnist
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.networks import CNN, MLP, PANELS, BatchSize, Recipe
from loadpath.spring_block.phase_diagram import Setting
from loadpath.spring_block.phase_diagram.levels import make_noise

SMALL = dict(n_train=200, epochs=3)


def setting(panel="data noise", **options):
    return Setting(panel, **{**SMALL, **options})


@pytest.mark.parametrize(
    "panel, level, recipe",
    [
        ("data noise", 0.3, Recipe(data_noise=0.3)),
        ("learning rate", 0.01, Recipe(epochs=200, rate=0.01)),
        ("dropout", 0.1, Recipe(dropout=0.1)),
        ("batch size", 40, Recipe(batch_size=40)),
    ],
)
def test_panels_are_those_of_the_paper(panel, level, recipe):
    chosen = Setting(panel)
    assert chosen.recipe(level) == recipe
    levels = [astuple(noise)[0] for noise in PANELS[panel].noises]
    if panel != "batch size":
        assert phase_diagram.axes(chosen)["noise"] == levels
    assert phase_diagram.axes(chosen)["slope"] == list(PANELS[panel].slopes)
    assert len(phase_diagram.axes(chosen)["seed"]) == 10


def test_batches_are_at_most_as_large_as_the_data():
    assert phase_diagram.axes(setting("batch size"))["noise"] == [200, 160, 80, 40, 20, 10, 5]
    assert make_noise("batch size", 40) == BatchSize(40)


def test_other_data_under_the_same_name_are_refused(tmp_path):
    archive = tmp_path / "mine.npz"
    write_npz(archive)
    chosen = Setting("dropout", data="npz", folder=str(archive), epochs=1)
    whole = chosen.checked(phase_diagram.axes(chosen, slopes=[0.0], noises=[0.0]))
    moved = tmp_path / "moved.npz"
    moved.write_bytes(archive.read_bytes())
    assert len(replace(whole, folder=str(moved)).samples().x_train) == 36
    write_npz(tmp_path / "other.npz", seed=1)
    with pytest.raises(ValueError, match="the data that the diagram was begun with"):
        replace(whole, folder=str(tmp_path / "other.npz")).samples()


def write_npz(path, seed=0, n=36, labels=None):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3) if labels is None else labels
    arrays = dict(x_train=rng.standard_normal((n, 5)), y_train=labels)
    np.savez(path, **arrays, x_test=rng.standard_normal((9, 5)), y_test=np.arange(9) % 3)


def test_images_of_a_folder_are_ten_by_ten_and_as_many_as_in_the_paper(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7_600, 12, 12), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.arange(7_600) % 4)
    data = Setting("dropout", data="mnist", folder=str(tmp_path)).samples()
    assert data.x_train.shape == (2560, 100) and data.x_test.shape == (5000, 100)
    chosen = Setting(
        "dropout", data="fashion-mnist", folder=str(tmp_path), n_train=40, n_test=20, image_size=6
    )
    assert chosen.samples().x_train.shape == (40, 36) and len(chosen.samples().x_test) == 20


def test_images_are_resized_and_noise_is_scaled_as_the_setting_says(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 12, 12), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.arange(400) % 4)
    options = dict(data="mnist", folder=str(tmp_path), n_train=200, n_test=20)
    for resize in ("bilinear", "bilinear-antialiased"):
        chosen = Setting("data noise", resize=resize, **options)
        mine = mnist(tmp_path, n_train=200, n_test=20, image_size=10, resize=resize)
        assert np.array_equal(chosen.samples().x_train, mine.x_train)
    assert Setting("data noise").recipe(0.3).noise_scale == "raw"
    old = Setting("data noise", noise_scale="demeaned")
    assert old.recipe(0.3) == Recipe(data_noise=0.3, noise_scale="demeaned")


@pytest.mark.parametrize(
    "options, said",
    [
        (dict(panel="heat"), "panel must be one of data noise, learning rate, dropout, batch size"),
        (dict(data="cats"), "data must be one of digits, mnist, fashion-mnist, cifar10, npz"),
        (dict(network="RNN"), "network must be one of MLP, CNN, got 'RNN'"),
        (dict(data="mnist"), "folder must name where the files of mnist are, got nothing"),
        (dict(folder="here"), "folder must not be set for digits, got 'here'"),
        (dict(data="npz", folder="x", image_size=4), "image_size must not be set for npz, got 4"),
        (dict(protocol="XY"), "protocol must be one of SB, HS, got 'XY'"),
        (dict(protocol="HS", network="CNN"), "network must be MLP for protocol HS, got 'CNN'"),
        (dict(noise_scale="pixels"), "noise_scale must be one of raw, demeaned, got 'pixels'"),
        (dict(resize="cubic"), "resize must be one of area, bilinear, bilinear-antialiased, got"),
        (dict(resize="bilinear"), "resize must not be set for digits, got 'bilinear'"),
        (dict(epochs=0), "epochs must be a whole number of at least 1, not 0"),
        (dict(record_every=0), "record_every must be a whole number of at least 1, not 0"),
    ],
)
def test_bad_settings_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        Setting(**{"panel": "dropout", **options})


@pytest.mark.parametrize("network", [MLP, CNN])
def test_no_net_is_built_to_know_that_cells_can_run(network, monkeypatch):
    def build(*args, **options):
        raise AssertionError("a net was built")

    chosen = setting("dropout", network=network.__name__)
    monkeypatch.setattr(network, "__init__", build)
    whole = chosen.checked(phase_diagram.axes(chosen))
    assert (whole.width, whole.epochs) == ((100, 3) if network is MLP else (20, 3))
    assert whole.engine == ("compiled" if network is MLP else "plain")
    with pytest.raises(AssertionError, match="a net was built"):
        phase_diagram.measure(slope=0.2, noise=0.0, seed=0, **asdict(whole))


def test_archives_without_a_split_are_refused(tmp_path):
    np.savez(tmp_path / "half.npz", x_train=np.ones((4, 2)), y_train=np.array([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="must hold x_train, y_train, x_test, y_test; no x_test"):
        Setting("dropout", data="npz", folder=str(tmp_path / "half.npz")).samples()
