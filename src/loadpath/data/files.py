"""Image sets from local files: IDX, NumPy archives, CIFAR-10's binary records. Nothing unpickled.

Every reader returns (images, labels) pairs of NumPy arrays; a file that is missing, cut short
or not what it should be is one FileNotFoundError or ValueError that names it.
"""

import gzip
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from loadpath.checks import as_path
from loadpath.storage import TooLargeError, check_unpacked

Pair = tuple[np.ndarray, np.ndarray]  # images (sample, channel, height, width), labels (sample,)

_DAMAGED = (EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads the header of an array, by its version."""
_CIFAR_RECORD = 1 + 3 * 32 * 32


class _FaultyFileError(ValueError):
    """A file is not what it should be, in a sentence of ours and not of a library's."""


def read_idx_or_npz(folder: str | Path, *, wanted: str) -> tuple[Pair, Pair | None]:
    """Read training and test pairs from a folder of four IDX files, or from one .npz archive.

    Parameters
    ----------
    folder : str or Path
        The archive itself, or a folder that holds it or the IDX files.
    wanted : str
        The end of the sentence of the FileNotFoundError: which files are wanted, and from where.

    Returns
    -------
    train : Pair
        Training images and labels, or all there are.
    test : Pair or None
        Test images and labels; None where an archive holds one set.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    ValueError
        If a file is damaged or not what it should be.
    """
    path = as_path("folder", folder)
    if path.is_file():
        return read_npz(path)
    _check_folder(path, wanted)
    parts = [_find_idx(path, part) for part in ("train", "t10k")]
    train, test = parts
    if train and test:
        return _idx_pair(*train), _idx_pair(*test)
    archives = sorted(path.glob("*.npz"))
    if len(archives) == 1:
        return read_npz(archives[0])
    found = f"{len(archives)} .npz archives" if archives else "an incomplete set or none of them"
    raise FileNotFoundError(f"the folder {str(path)!r} holds {found}: {wanted}.")


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a NumPy archive.

    Parameters
    ----------
    path : Path
        The .npz file.

    Returns
    -------
    dict of str to ndarray
        The arrays by their names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, holds objects, or unpacks to far more than its size.

    Notes
    -----
    NumPy asks for the memory that an array's header tells of, before it reads the array. So the
    headers are compared with the sizes in the archive first; these bound what is unpacked, and
    where they agree each array is read to its end, where the archive has a checksum.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    try:
        # np.load leaves a file open that it opened itself and could not read.
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as members:
                check_unpacked(path, sum(info.file_size for info in members.infolist()))
                for info in members.infolist():
                    _check_member(members, info)
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
    except TooLargeError:
        raise
    except Exception as error:  # of whatever kind: zipfile and NumPy have many for one fault
        raise ValueError(
            f"the file {str(path)!r} cannot be read as a whole NumPy .npz archive of plain arrays."
        ) from error


def _check_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse what is no array, or tells of another size in its header than in the archive's."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename!r} is packed in another way than NumPy's.")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        shape, _, dtype = _HEADERS[version](member)
        size = member.tell() + math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or size != info.file_size:
        raise ValueError(f"{info.filename!r} is not as large as it tells.")


def read_npz(path: Path) -> tuple[Pair, Pair | None]:
    """Read one image set (images, labels) or two (x_train, ..., y_test) from an archive.

    Parameters
    ----------
    path : Path
        The .npz file.

    Returns
    -------
    train : Pair
        Training images and labels, or all there are.
    test : Pair or None
        Test images and labels; None where the archive holds one set.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or holds other arrays.
    """
    arrays = read_archive(path)
    if {"images", "labels"} <= arrays.keys():
        return _checked(path, arrays["images"], arrays["labels"]), None
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        return (
            _checked(path, arrays["x_train"], arrays["y_train"]),
            _checked(path, arrays["x_test"], arrays["y_test"]),
        )
    raise ValueError(
        f"the file {str(path)!r} must hold the arrays images, labels or x_train, y_train, x_test, "
        f"y_test, and it holds {', '.join(sorted(arrays)) or 'none'}."
    )


def read_idx(path: Path) -> np.ndarray:
    """Read the unsigned bytes of one IDX file, gzip or not.

    Parameters
    ----------
    path : Path
        The file; its name ends with .gz if it is compressed.

    Returns
    -------
    ndarray
        Its bytes, in the shape that its header tells.

    Raises
    ------
    ValueError
        If it is cut short, or no IDX file of unsigned bytes.

    Notes
    -----
    The format: two zero bytes, the type (8: unsigned byte), the number of dimensions, every
    dimension as a big-endian 32-bit integer, then the entries, last dimension fastest.
    """
    try:
        packed = path.suffix == ".gz"
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(4)
            if start[:3] != b"\x00\x00\x08" or len(start) < 4:
                raise _FaultyFileError(
                    f"the file {str(path)!r} is not an IDX file of unsigned bytes: it begins with "
                    f"{start.hex() or 'nothing'}, not 000008."
                )
            lengths = file.read(4 * start[3])
            if len(lengths) < 4 * start[3]:
                raise _FaultyFileError(
                    f"the file {str(path)!r} is cut short: its IDX header is not whole."
                )
            shape = tuple(int(n) for n in np.frombuffer(lengths, dtype=">u4"))
            wanted = math.prod(shape)
            if packed:
                check_unpacked(path, wanted)
            # One more, to come by the end and the checksum there.
            content = file.read(wanted + 1) if packed else file.read()
    except (TooLargeError, _FaultyFileError):
        raise
    except _DAMAGED as error:
        raise ValueError(
            f"the file {str(path)!r} cannot be read to its end: it is damaged or cut short."
        ) from error
    if len(content) != wanted:
        held = "more" if packed and len(content) > wanted else len(content)
        raise ValueError(
            f"the file {str(path)!r} is cut short or too long: its header tells of {wanted} bytes "
            f"of data, and it has {held}."
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def read_cifar10(folder: str | Path, *, wanted: str) -> tuple[Pair, Pair]:
    """Read training and test pairs from the six files of the binary version.

    Parameters
    ----------
    folder : str or Path
        The folder of the files.
    wanted : str
        The end of the sentence of the FileNotFoundError: which files are wanted, and from where.

    Returns
    -------
    train, test : Pair
        Images and labels.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a file is cut short, or of another version.

    Notes
    -----
    A record is one label byte, then 1024 red, 1024 green and 1024 blue bytes, rows first.
    """
    path = as_path("folder", folder)
    _check_folder(path, wanted)
    files = [path / f"data_batch_{i}.bin" for i in range(1, 6)] + [path / "test_batch.bin"]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"the folder {str(path)!r} has no {file.name}: {wanted}.")
    batches = [_cifar_batch(file) for file in files]
    images, labels = zip(*batches[:5], strict=True)
    return (np.concatenate(images), np.concatenate(labels)), batches[5]


def _cifar_batch(path: Path) -> Pair:
    """Read one file of the binary version."""
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    if len(content) == 0 or len(content) % _CIFAR_RECORD:
        raise ValueError(
            f"the file {str(path)!r} is cut short or not of CIFAR-10's binary version: its "
            f"{len(content)} bytes are not whole records of {_CIFAR_RECORD}."
        )
    records = content.reshape(-1, _CIFAR_RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise ValueError(
            f"the file {str(path)!r} is not of CIFAR-10's binary version: it has a label "
            f"{labels.max()}, and there are only 0 to 9."
        )
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def _find_idx(folder: Path, part: str) -> tuple[Path, Path] | None:
    """Return the images and labels files of "train" or "t10k", under any of their usual names."""
    found = [
        file
        for stem in (f"{part}-images{{}}idx3-ubyte", f"{part}-labels{{}}idx1-ubyte")
        for name in (stem.format("-"), stem.format("."))
        for file in (folder / name, folder / f"{name}.gz")
        if file.is_file()
    ]
    images = [file for file in found if "images" in file.name]
    labels = [file for file in found if "labels" in file.name]
    return (images[0], labels[0]) if images and labels else None


def _idx_pair(images: Path, labels: Path) -> Pair:
    """Read an image and a label file, and check that they belong together."""
    return _checked(images, read_idx(images), read_idx(labels), labels_from=labels)


def _checked(
    path: Path, images: np.ndarray, labels: np.ndarray, *, labels_from: Path | None = None
) -> Pair:
    """Return the pair with a channel axis, once it is known to be grey images and their labels."""
    if images.ndim != 3 or images.size == 0 or images.dtype.kind not in "uif":
        raise ValueError(
            f"the file {str(path)!r} must hold images (sample, height, width), and it holds "
            f"{images.dtype} of shape {images.shape}."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise ValueError(f"the file {str(path)!r} holds images with entries that are not finite.")
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise ValueError(
            f"the file {str(labels_from or path)!r} must hold integer labels (sample,), and it "
            f"holds {labels.dtype} of shape {labels.shape}."
        )
    if len(images) != len(labels):
        raise ValueError(
            f"the file {str(path)!r} holds {len(images)} images, but there are {len(labels)} "
            f"labels{f' in {str(labels_from)!r}' if labels_from else ''}."
        )
    return images[:, None], labels


def _check_folder(path: Path, wanted: str) -> None:
    """Refuse a folder that is not there."""
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path)!r}: {wanted}.")
