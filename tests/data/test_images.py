"""Images as data: drawn by the seed, averaged down, normalized."""

from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import (
    assert_holds,
    image_set,
    write_idx,
)

from loadpath import data as lp_data

MNIST_10K = Path(__file__).parents[3] / "shared" / "data" / "mnist10k.npz"


def test_the_shipped_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    oracle = load_digits()
    with np.load(Path(lp_data.__file__).with_name("digits.npz"), allow_pickle=False) as shipped:
        np.testing.assert_array_equal(shipped["images"], oracle.images)
        np.testing.assert_array_equal(shipped["labels"], oracle.target)
    assert "CC BY 4.0" in Path(lp_data.__file__).with_name("digits.LICENSE.md").read_text()


def test_digits_are_split_without_overlap_and_share_one_scale():
    from sklearn.datasets import load_digits

    data = lp_data.digits(seed=4)
    assert (data.task, data.in_features, data.out_features) == ("classification", 64, 10)
    assert (len(data.x_train), len(data.x_test)) == (1437, 360)
    assert data.x_train.mean(0).abs().max() < 1e-12
    torch.testing.assert_close(data.x_train.square().sum(1).mean().item(), 64.0)

    # Undo the affine map: every original image must be there exactly once, with its own label.
    oracle = load_digits()
    x = torch.cat([data.x_train, data.x_test])
    labels = torch.cat([data.y_train, data.y_test]).numpy()
    scale = (oracle.data.max(0) - oracle.data.min(0)) / np.ptp(x.numpy(), axis=0).clip(1e-9)
    scale = np.median(scale[np.ptp(oracle.data, axis=0) > 0])
    pixels = np.rint((x.numpy() - x.numpy().min(0)) * scale) + oracle.data.min(0)
    found = sorted(map(tuple, np.column_stack([pixels, labels]).astype(int).tolist()))
    wanted = np.column_stack([oracle.data, oracle.target]).astype(int).tolist()
    assert found == sorted(map(tuple, wanted))


def test_digits_are_shuffled_by_the_seed():
    first, again, other = (lp_data.digits(n_train=100, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.x_train, again.x_train)
    assert not torch.equal(first.y_train, other.y_train)


def test_one_hot_digits_are_normalized_outputs_that_keep_their_labels():
    data = lp_data.digits(targets="onehot")
    labels = lp_data.digits()
    assert (data.task, data.out_features) == ("regression", 10)
    assert torch.equal(data.labels_train, labels.y_train)
    assert torch.equal(data.labels_test, labels.y_test)
    assert torch.equal(data.x_train, labels.x_train)
    assert torch.equal(data.y_train.argmax(1), data.labels_train)
    assert torch.equal(data.y_test.argmax(1), data.labels_test)
    assert data.y_train.mean(0).abs().max() < 1e-12
    assert (data.y_train.std(0, correction=0) - 1).abs().max() < 1e-12


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"targets": "logits"}, "targets must be one of labels, onehot, got 'logits'"),
        ({"n_train": 1797}, "n_train must leave some of the 1797 digits for testing, not 1797"),
        ({"n_train": 1}, "n_train must be a whole number of at least 2, not 1"),
        ({"n_train": 10}, "n_train must be large enough for 2 samples of every class"),
        ({"seed": 0.5}, "seed must be a whole number of at least 0, not 0.5"),
    ],
)
def test_digits_refuse_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        lp_data.digits(**arguments)


def test_an_npz_archive_of_one_set_is_split_by_the_seed(tmp_path):
    sets = image_set(n_train=100)
    np.savez(tmp_path / "one.npz", images=sets["x_train"], labels=sets["y_train"])
    data, again, other = (lp_data.mnist(tmp_path, seed=s) for s in (0, 0, 1))
    assert (len(data.x_train), len(data.x_test)) == (80, 20)
    assert torch.equal(data.x_test, again.x_test)
    assert not torch.equal(data.y_test, other.y_test)
    every = torch.cat([data.y_train, data.y_test])
    assert torch.equal(every.bincount(), torch.full((10,), 10))
    data = lp_data.mnist(tmp_path, n_train=90)
    assert (len(data.x_train), len(data.x_test)) == (90, 10)
    data = lp_data.mnist(tmp_path, n_train=70, n_test=30)
    assert (len(data.x_train), len(data.x_test)) == (70, 30)
    with pytest.raises(ValueError, match="must fit into the 100 samples .* 71 and 30"):
        lp_data.mnist(tmp_path, n_train=71, n_test=30)


def test_a_part_of_a_set_is_drawn_by_the_seed(tmp_path):
    write_idx(tmp_path, image_set(n_train=400))
    data, again, other = (lp_data.mnist(tmp_path, n_train=100, n_test=5, seed=s) for s in (0, 0, 1))
    assert data.x_train.shape == (100, 16) and data.x_test.shape == (5, 16)
    assert torch.equal(data.x_train, again.x_train)
    assert not torch.equal(data.y_train, other.y_train)
    assert data.provenance["n_train"] == 100
    with pytest.raises(
        ValueError, match="n_train must be at most the 400 samples there are, not 401"
    ):
        lp_data.mnist(tmp_path, n_train=401)
    with pytest.raises(ValueError, match="n_test must be at most the 20 samples there are, not 21"):
        lp_data.mnist(tmp_path, n_test=21)


def test_size_averages_blocks_of_pixels(tmp_path):
    sets = image_set(side=4)
    write_idx(tmp_path, sets)
    for part in ("x_train", "x_test"):
        sets[part] = sets[part].reshape(-1, 2, 2, 2, 2).mean((2, 4))
    data = lp_data.mnist(tmp_path, image_size=2)
    assert_holds(data, sets)
    assert data.provenance["size"] == 2
    for size, message in (
        (0, "image_size must be a whole .* 0"),
        (5, "image_size must be at most .* 4, not 5"),
    ):
        with pytest.raises(ValueError, match=message):
            lp_data.mnist(tmp_path, image_size=size)


def test_one_hot_images_from_files(tmp_path):
    write_idx(tmp_path, image_set())
    data = lp_data.fashion_mnist(tmp_path, targets="onehot")
    assert (data.task, data.in_features, data.out_features) == ("regression", 16, 10)
    assert torch.equal(data.y_train.argmax(1), data.labels_train)


@pytest.mark.skipif(not MNIST_10K.is_file(), reason="real MNIST is not at ../shared/data")
def test_real_mnist():
    data = lp_data.mnist(MNIST_10K, n_train=2560, n_test=1000, image_size=10)
    assert (data.in_features, data.out_features) == (100, 10)
    torch.testing.assert_close(data.x_train.square().sum(1).mean().item(), 100.0)
    # Digits with the right labels: the nearest class mean already tells most of them.
    means = torch.stack([data.x_train[data.y_train == k].mean(0) for k in range(10)])
    accuracy = (torch.cdist(data.x_test, means).argmin(1) == data.y_test).double().mean()
    assert accuracy > 0.75


def triangle(size, side, support):
    """Weights (new pixel, old pixel) of bilinear interpolation along one axis, written out.

    A new pixel's middle lies at (i + 1/2) side / size; an old one counts by how far its middle is
    from there: 1 at no distance, 0 from `support` pixels on.
    """
    weights = np.zeros((size, side))
    for i in range(size):
        middle = (i + 0.5) * side / size
        if support == 1:  # never beyond the middle of the first and the last pixel
            middle = min(max(middle, 0.5), side - 0.5)
        for j in range(side):
            weights[i, j] = max(0.0, 1 - abs(j + 0.5 - middle) / support)
        weights[i] /= weights[i].sum()
    return weights


@pytest.mark.parametrize("side, size", [(28, 10), (12, 10), (8, 3), (6, 6)])
def test_bilinear_resizing_is_the_interpolation_written_out(tmp_path, side, size):
    sets = image_set(side=side)
    write_idx(tmp_path, sets)
    for resize, support in (("bilinear", 1), ("bilinear-antialiased", max(1, side / size))):
        W = triangle(size, side, support)
        images = {part: sets[part].reshape(-1, side, side) for part in ("x_train", "x_test")}
        expected = {**sets, **{part: W @ each @ W.T for part, each in images.items()}}
        data = lp_data.mnist(tmp_path, image_size=size, resize=resize)
        assert_holds(data, expected)
        assert data.provenance["resize"] == resize
    assert "resize" not in lp_data.mnist(tmp_path, image_size=size).provenance


def test_what_antialiasing_is_for(tmp_path):
    # Stripes one pixel wide: their mean is grey, and two neighbours of every three are not.
    images = np.zeros((40, 12, 12), dtype=np.uint8)
    images[::2, :, ::3] = 255
    images[1::2, ::3, :] = 255
    np.savez(tmp_path / "stripes.npz", images=images, labels=np.arange(40) % 2)
    options = dict(n_train=20, n_test=20, image_size=4)
    means, plain, soft = (
        lp_data.mnist(tmp_path, resize=resize, **options)
        for resize in ("area", "bilinear", "bilinear-antialiased")
    )
    # Each new pixel is the middle one of three, which no stripe meets: nothing is left to see.
    assert plain.x_train.abs().max() == 0
    # Means see the same grey everywhere too; soft edges reach the stripe beyond the border or not.
    assert means.x_train.abs().max() == 0 and soft.x_train.abs().max() > 1


def test_the_raw_deviation_is_that_of_all_pixels_before_they_were_demeaned(tmp_path):
    sets = image_set(side=4)
    write_idx(tmp_path, sets)
    data = lp_data.mnist(tmp_path, image_size=2)
    blocks = np.asarray(sets["x_train"], float).reshape(-1, 2, 2, 2, 2).mean((2, 4))
    blocks = blocks.reshape(len(blocks), -1)
    common = np.sqrt(((blocks - blocks.mean(0)) ** 2).mean())
    assert data.raw_deviation == pytest.approx(blocks.std(ddof=1) / common, rel=1e-12)
    assert lp_data.fashion_mnist(tmp_path, targets="onehot").raw_deviation is not None
    # Pixels of digits differ from place to place, which demeaning takes away.
    assert lp_data.digits().raw_deviation > 1.2
    arrays = [[0.0], [2.0], [4.0], [6.0]], [0, 1, 0, 1], [[3.0]], [1]
    assert lp_data.from_arrays(*arrays).raw_deviation is None


def test_balanced_draws_have_as_many_of_each_class(tmp_path):
    rng = np.random.default_rng(3)
    labels = rng.choice(3, 200, p=[0.2, 0.3, 0.5])
    images = np.arange(200 * 4, dtype=np.uint8).reshape(200, 2, 2)
    np.savez(tmp_path / "some.npz", images=images, labels=labels)
    data, again, other = (
        lp_data.mnist(tmp_path, n_train=60, n_test=100, balanced=True, seed=s) for s in (0, 0, 1)
    )
    assert data.y_train.bincount().tolist() == [20, 20, 20] and len(data.y_test) == 100
    assert torch.equal(data.x_train, again.x_train)
    assert not torch.equal(data.y_train, other.y_train)
    assert data.provenance["balanced"] == "true"
    digits = lp_data.digits(n_train=1000, balanced=True, seed=2)
    assert digits.y_train.bincount().tolist() == [100] * 10 and len(digits.y_test) == 797
    # No digit is trained on and tested on: 1,797 images, of which few are alike.
    both = torch.cat([digits.x_train, digits.x_test])
    assert len(both.unique(dim=0)) == len(
        torch.cat([lp_data.digits().x_train, lp_data.digits().x_test]).unique(dim=0)
    )


@pytest.mark.parametrize(
    "options, said",
    [
        (dict(image_size=2, resize="cubic"), "resize must be one of area, bilinear, bilinear-anti"),
        (dict(resize="bilinear"), "resize must not be set without image_size, got 'bilinear'"),
        (dict(balanced=True), "n_train must be a multiple of the 10 classes where balanced"),
        (dict(balanced=True, n_train=25), "n_train must be a multiple of .* got 25"),
        (dict(balanced=True, n_train=400), "n_train must leave 40 samples .* 9 there are 36"),
        (dict(balanced="yes", n_train=20), "balanced must be True or False"),
    ],
)
def test_bad_ways_to_draw_and_to_resize_are_one_sentence(tmp_path, options, said):
    sets = image_set(n_train=400)
    sets["y_train"] = np.where(np.arange(400) < 364, np.arange(400) % 9, 9).astype(np.uint8)
    write_idx(tmp_path, sets)
    with pytest.raises(ValueError, match=said):
        lp_data.mnist(tmp_path, **options)
