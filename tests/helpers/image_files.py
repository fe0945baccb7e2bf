"""Image sets written to disk as MNIST, NumPy and CIFAR-10 have them."""

import gzip
import struct

import numpy as np

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def image_set(n_train=40, n_test=20, side=4):
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (n_train, side, side), dtype=np.uint8),
        "y_train": (np.arange(n_train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (n_test, side, side), dtype=np.uint8),
        "y_test": (np.arange(n_test) % 10).astype(np.uint8),
    }


def idx_bytes(array):
    return (
        b"\x00\x00\x08" + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + bytes(array)
    )


def write_idx(folder, sets, *, gzipped=False, dotted=False):
    for key, array in sets.items():
        name = IDX_NAMES[key].replace("-idx", ".idx") if dotted else IDX_NAMES[key]
        content = idx_bytes(array)
        path = folder / (f"{name}.gz" if gzipped else name)
        path.write_bytes(gzip.compress(content) if gzipped else content)


def assert_holds(data, sets):
    """Training and test samples are those of `sets`, in some order, after one affine map."""
    x_train, x_test = (
        sets[k].reshape(len(sets[k]), -1).astype(float) for k in ("x_train", "x_test")
    )
    mean = x_train.mean(0)
    scale = np.sqrt(np.square(x_train - mean).mean())
    for x, raw, y, labels in (
        (data.x_train, x_train, data.y_train, sets["y_train"]),
        (data.x_test, x_test, data.y_test, sets["y_test"]),
    ):
        found = np.column_stack([x.numpy() * scale + mean, y.numpy()])
        wanted = np.column_stack([raw, labels])
        found, wanted = (rows[np.lexsort(rows.round(6).T)] for rows in (found, wanted))
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def cifar_batches(n=40):
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 256, (6, n, 3073), dtype=np.uint8)
    batch[:, :, 0] = np.arange(n) % 10
    return batch


def write_cifar(folder, batches):
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name, batch in zip(names, batches, strict=False):
        (folder / f"{name}.bin").write_bytes(batch.tobytes())
