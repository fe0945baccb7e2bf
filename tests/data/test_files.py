"""Image files as they come: IDX, NumPy archives, CIFAR-10; and damaged or foreign ones."""

import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import (
    IDX_NAMES,
    assert_holds,
    cifar_batches,
    idx_bytes,
    image_set,
    write_cifar,
    write_idx,
)

from loadpath import data as lp_data


@pytest.mark.parametrize("loader", [lp_data.mnist, lp_data.fashion_mnist])
@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_files_are_read_gzipped_or_not(tmp_path, loader, gzipped, dotted):
    sets = image_set()
    write_idx(tmp_path, sets, gzipped=gzipped, dotted=dotted)
    assert_holds(loader(tmp_path, seed=3), sets)
    assert_holds(loader(str(tmp_path)), sets)


@pytest.mark.parametrize("as_file", [False, True])
def test_an_npz_archive_of_two_sets_is_read(tmp_path, as_file):
    sets = image_set()
    np.savez_compressed(tmp_path / "mnist.npz", **sets)
    assert_holds(lp_data.mnist(tmp_path / "mnist.npz" if as_file else tmp_path), sets)


def test_the_binary_version_of_cifar_10_is_read(tmp_path):
    batches = cifar_batches()
    write_cifar(tmp_path, batches)
    train = batches[:5].reshape(-1, 3073)
    data = lp_data.cifar10(tmp_path)
    assert data.x_train.shape == (200, 3072)
    sets = {"x_train": train[:, 1:], "y_train": train[:, 0]}
    assert_holds(data, sets | {"x_test": batches[5][:, 1:], "y_test": batches[5][:, 0]})

    # Smaller, each colour on its own.
    colours = batches[5][:, 1:].reshape(-1, 3, 4, 8, 4, 8).mean((3, 5)).reshape(-1, 48)
    small = train[:, 1:].reshape(-1, 3, 4, 8, 4, 8).mean((3, 5)).reshape(-1, 48)
    sets = {"x_train": small, "y_train": train[:, 0], "x_test": colours}
    assert_holds(lp_data.cifar10(tmp_path, image_size=4), sets | {"y_test": batches[5][:, 0]})


@pytest.mark.parametrize(
    "loader, wanted, source",
    [
        (lp_data.mnist, "train-images-idx3-ubyte", "yann.lecun.com/exdb/mnist"),
        (lp_data.fashion_mnist, "t10k-labels-idx1-ubyte", "dataset-fashion-mnist"),
        (lp_data.cifar10, "data_batch_1.bin", "www.cs.toronto.edu/~kriz/cifar.html"),
    ],
)
def test_a_missing_folder_or_file_is_one_sentence_with_the_files_wanted(
    tmp_path, loader, wanted, source
):
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            loader(folder)
        message = str(caught.value)
        assert str(folder) in message and wanted in message and source in message
        assert "\n" not in message and message.endswith(".")


def test_an_incomplete_set_is_a_missing_one(tmp_path):
    sets = image_set()
    del sets["y_test"]
    write_idx(tmp_path, sets)
    with pytest.raises(FileNotFoundError, match="an incomplete set .* t10k-labels-idx1-ubyte"):
        lp_data.mnist(tmp_path)
    write_cifar(tmp_path, cifar_batches()[:5])
    with pytest.raises(FileNotFoundError, match="has no test_batch.bin"):
        lp_data.cifar10(tmp_path)


def test_two_archives_are_not_guessed_between(tmp_path):
    np.savez(tmp_path / "a.npz", **image_set())
    np.savez(tmp_path / "b.npz", **image_set())
    with pytest.raises(FileNotFoundError, match="2 .npz archives"):
        lp_data.mnist(tmp_path)


@given(cut=st.integers(0, 16 + 40 * 16 - 1), gzipped=st.booleans())
def test_a_cut_idx_file_is_named_wherever_it_is_cut(tmp_path_factory, cut, gzipped):
    folder = tmp_path_factory.mktemp("idx")
    sets = image_set()
    write_idx(folder, sets)
    whole = idx_bytes(sets["x_train"])
    path = folder / IDX_NAMES["x_train"]
    if gzipped:
        path.unlink()
        path = path.with_suffix(".gz")
        packed = gzip.compress(whole)
        whole, cut = packed, cut % len(packed)
    path.write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=path.name) as caught:
        lp_data.mnist(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key, content, message",
    [
        ("x_train", b"\x00\x00\x0d\x03" + bytes(12), "not an IDX file .* begins with 00000d03"),
        ("x_train", b"", "not an IDX file .* begins with nothing"),
        ("x_train", b"\x00\x00\x08\x03\x00", "cut short: its IDX header is not whole"),
        ("x_train", b"\x00\x00\x08\x03" + b"\xff" * 12, "its header tells of 792281\\d+ bytes"),
        ("x_train", idx_bytes(np.zeros((40, 4, 4), np.uint8)) + b"0", "has 641"),
        ("x_train", idx_bytes(np.zeros(40, np.uint8)), r"must hold images .* shape \(40,\)"),
        ("x_train", idx_bytes(np.zeros((0, 4, 4), np.uint8)), r"must hold images .* \(0, 4, 4\)"),
        (
            "y_train",
            idx_bytes(np.zeros((40, 2), np.uint8)),
            r"must hold integer labels .*\(40, 2\)",
        ),
        ("y_train", idx_bytes(np.zeros(39, np.uint8)), "holds 40 images, but there are 39 labels"),
        ("y_train", idx_bytes(np.full(40, 7, np.uint8)), "y_train must hold the classes 0 to k-1"),
    ],
)
def test_a_wrong_idx_file_is_one_sentence(tmp_path, key, content, message):
    write_idx(tmp_path, image_set())
    (tmp_path / IDX_NAMES[key]).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        lp_data.mnist(tmp_path)


def test_a_file_that_only_claims_to_be_gzip_is_named(tmp_path):
    write_idx(tmp_path, image_set(), gzipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"plain text")
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte.gz' cannot be read to its end"):
        lp_data.mnist(tmp_path)


@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_cut_npz_archive_is_named(tmp_path_factory, fraction):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **image_set())
    whole = buffer.getvalue()
    path = tmp_path_factory.mktemp("npz") / "cut.npz"
    path.write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(ValueError, match="cut.npz' cannot be read as a whole NumPy .npz archive"):
        lp_data.mnist(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"x_train": np.zeros((40, 4))}, r"must hold images .* float64 of shape \(40, 4\)"),
        ({"x_test": np.full((20, 4, 4), np.nan)}, "images with entries that are not finite"),
        ({"y_train": np.zeros(40)}, "must hold integer labels .* float64"),
        ({"y_test": np.zeros(3, dtype=int)}, "holds 20 images, but there are 3 labels"),
        ({"y_test": None}, "cannot be read as a whole NumPy .npz archive of plain arrays"),
    ],
)
def test_a_wrong_npz_archive_is_one_sentence(tmp_path, changes, message):
    path = tmp_path / "wrong.npz"
    np.savez(path, **(image_set() | changes))  # None is stored as a pickled object
    with pytest.raises(ValueError, match=message) as caught:
        lp_data.mnist(path)
    assert str(path) in str(caught.value)


def test_other_keys_and_a_lone_array_are_refused(tmp_path):
    np.savez(tmp_path / "keys.npz", x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(ValueError, match="must hold the arrays images, labels .* it holds x, y"):
        lp_data.mnist(tmp_path / "keys.npz")
    np.save(tmp_path / "lone.npy", np.zeros(3))
    with pytest.raises(ValueError, match="lone.npy' cannot be read as a whole NumPy .npz"):
        lp_data.mnist(tmp_path / "lone.npy")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    np.savez(tmp_path / "bomb.npz", images=np.array([Bomb()], dtype=object), labels=np.zeros(1))
    with pytest.raises(ValueError, match="bomb.npz"):
        lp_data.mnist(tmp_path / "bomb.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "0 bytes are not whole records of 3073"),
        (bytes(3073 * 2 - 1), "data_batch_3.bin' is cut short .* 6145 bytes"),
        (b"\x0b" + bytes(3072), "data_batch_3.bin' .* it has a label 11"),
    ],
)
def test_a_wrong_cifar_file_is_one_sentence(tmp_path, content, message):
    write_cifar(tmp_path, cifar_batches())
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        lp_data.cifar10(tmp_path)


def archive_of(path, *, header, content=b"", name="x.npy", compress=zipfile.ZIP_DEFLATED):
    """A NumPy archive whose one array has this header."""
    text = (header + " " * (-(len(header) + 11) % 64) + "\n").encode()
    with zipfile.ZipFile(path, "w", compress) as archive:
        start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
        archive.writestr(name, start + text + content)


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(
    "header",
    [
        HEADER.format("<f8", (2**40,)),  # NumPy would ask for 8 TiB
        HEADER.format("<f8", (2**40, 2**40)),
        HEADER.format("<f8", (-1,)),
        HEADER.format("|V0", (3,)),
        HEADER.format("<f8", (3,)),  # and has two
        HEADER.format("<U999999999", (3,)),
        HEADER.format("|O", (2,)),
        HEADER.format("<f8", ("x",)),
        "{" * 60,
        "",
    ],
)
def test_an_array_that_is_not_as_large_as_it_tells_is_refused_before_memory_is_asked_for(
    header, tmp_path
):
    archive_of(tmp_path / "x.npz", header=header, content=bytes(16))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="x.npz' cannot be read as a whole NumPy .npz archive"):
            lp_data.from_npz(tmp_path / "x.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused_unread(tmp_path):
    shape = (2**25 + 1,)  # 256 MiB of zeros, in a quarter of one
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w") as member:
            np.lib.format.write_array_header_1_0(
                member, {"descr": "<f8", "fortran_order": False, "shape": shape}
            )
            for _ in range(2**5):
                member.write(bytes(2**23))
            member.write(bytes(8))
    with pytest.raises(ValueError, match=r"bomb.npz' says that its [\d,]+ bytes unpack to 268,43"):
        lp_data.from_npz(path)


def test_idx_files_that_unpack_to_far_more_than_they_tell_are_refused(tmp_path):
    sets = image_set()
    write_idx(tmp_path, sets, gzipped=True)
    path = tmp_path / f"{IDX_NAMES['x_train']}.gz"
    whole = idx_bytes(sets["x_train"])
    path.write_bytes(gzip.compress(whole + bytes(2**24)))
    with pytest.raises(ValueError, match="its header tells of 640 bytes of data, and it has more"):
        lp_data.mnist(tmp_path)
    told = b"\x00\x00\x08\x03" + (2**12).to_bytes(4, "big") * 3
    path.write_bytes(gzip.compress(told + bytes(100)))
    with pytest.raises(
        ValueError, match=r"says that its \d+ bytes unpack to 68,719,476,736, which"
    ):
        lp_data.mnist(tmp_path)


def test_an_archive_packed_in_another_way_is_one_sentence(tmp_path):
    header = HEADER.format("<f8", (2,))
    archive_of(tmp_path / "x.npz", header=header, content=bytes(16), compress=zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match="x.npz' cannot be read as a whole NumPy .npz archive"):
        lp_data.from_npz(tmp_path / "x.npz")
