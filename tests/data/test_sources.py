"""One table from a name to its reader."""

import numpy as np
import pytest
import torch

from loadpath import data as lp_data
from loadpath.data import READERS, check_options, load


def write_archive(path, **changes):
    rng = np.random.default_rng(0)
    arrays = dict(
        x_train=rng.normal(size=(8, 3)),
        y_train=np.arange(8) % 2,
        x_test=rng.normal(size=(4, 3)),
        y_test=np.arange(4) % 2,
    )
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return arrays | changes


def same(one, other):
    return (
        torch.equal(one.x_train, other.x_train)
        and torch.equal(one.y_train, other.y_train)
        and torch.equal(one.x_test, other.x_test)
        and torch.equal(one.y_test, other.y_test)
        and one.provenance == other.provenance
    )


def test_a_source_is_read_as_its_own_reader_reads_it():
    assert same(
        load("teacher", dims=(4, 2, 3), n_train=20, n_test=10, seed=3),
        lp_data.teacher((4, 2, 3), n_train=20, n_test=10, seed=3),
    )
    assert same(load("digits", n_train=1000, seed=3), lp_data.digits(n_train=1000, seed=3))
    assert same(load("digits"), lp_data.digits())


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_images_are_read_from_their_folder(tmp_path, name):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "some.npz", images=rng.random((60, 4, 4)), labels=np.arange(60) % 3)
    options = dict(targets="onehot", n_train=30, n_test=12, image_size=2, seed=2)
    assert same(load(name, tmp_path, **options), READERS[name](tmp_path, **options))


def test_an_archive_of_ones_own_is_read_whatever_the_seed(tmp_path):
    arrays = write_archive(tmp_path / "mine.npz")
    expected = lp_data.from_arrays(*arrays.values())
    for seed in (0, 1):
        assert same(load("npz", tmp_path / "mine.npz", seed=seed), expected)
    plain = load("npz", str(tmp_path / "mine.npz"), normalize=False)
    assert np.array_equal(plain.x_train.numpy(), arrays["x_train"])


def test_an_archive_that_lacks_an_array_is_one_sentence(tmp_path):
    write_archive(tmp_path / "mine.npz", y_test=None)
    with pytest.raises(ValueError, match="must hold x_train, y_train, x_test, y_test; no y_test"):
        load("npz", tmp_path / "mine.npz")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load("npz", tmp_path / "none.npz")


def test_an_option_that_is_none_is_not_given():
    assert same(load("digits", image_size=None, n_test=None, n_train=None), lp_data.digits())


@pytest.mark.parametrize(
    "name, folder, options, message",
    [
        (
            "letters",
            None,
            {},
            r"name must be one of teacher, digits, .* npz, or a file .*, got 'letters'",
        ),
        ("teacher", "x", {}, "folder must not be set for teacher, got 'x'"),
        ("teacher", None, dict(image_size=8), "image_size must not be set for teacher, got 8"),
        ("teacher", None, dict(targets="onehot"), "targets must not be set for teacher"),
        ("digits", "x", {}, "folder must not be set for digits, got 'x'"),
        ("digits", None, dict(n_test=30), "n_test must not be set for digits, got 30"),
        ("digits", None, dict(dims=(3, 3)), r"dims must not be set for digits, got \(3, 3\)"),
        ("mnist", None, {}, "folder must name where the files of mnist are, got nothing"),
        ("npz", None, {}, "folder must name where the files of npz are, got nothing"),
        ("npz", "x", dict(n_train=5), "n_train must not be set for npz, got 5"),
    ],
)
def test_what_a_source_does_not_have_is_refused_before_anything_is_read(
    name, folder, options, message
):
    for refuse in (load, check_options):
        with pytest.raises(ValueError, match=message):
            refuse(name, folder, **options)


@pytest.mark.parametrize("name", READERS)
def test_every_source_takes_what_it_has(name):
    check_options(name, "x" if name not in ("teacher", "digits") else None)
