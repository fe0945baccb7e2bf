"""Options of `loadpath phase-diagram` that are about networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NetworkOptions:
    """Options about networks: what they learn, which they are, and the cells of their diagrams."""

    data: str = "digits"
    """what networks learn: digits; mnist, fashion-mnist or cifar10 from --folder; or a file of
    yours, .npz, .csv or .parquet, whose target are classes"""
    target: str | None = None
    """column of a file that holds the classes; all other columns are inputs"""
    folder: str | None = None
    """where the files of the data are, or the archive itself"""
    panel: Literal["data-noise", "learning-rate", "dropout", "batch-size", "all"] = "all"
    """which noise shakes the training, one picture for each"""
    protocol: Literal["SB", "HS"] = "SB"
    """whose experiment it is, where options do not say otherwise: that of the spring-block theory,
    or that of He and Su on their law of equal separation (100 images of each class, 600 epochs of
    Adam with weight decay, ReLU nets without BatchNorm on their inputs, classes counted alike)"""
    slopes: tuple[float, ...] | None = None
    """slopes of the activation below 0, from 0, a ReLU, to 1, a linear net; [0,0.2,0.4,0.6,0.8,1]
    if not given, [0] for HS"""
    seeds: int = 10
    """how many nets in every cell, the first one's seed being that of --seed"""
    image_size: int | None = None
    """make images smaller, to this many pixels a side; 10 if not given, digits have 8"""
    resize: Literal["area", "bilinear", "bilinear-antialiased"] = "area"
    """how images are made smaller: means over areas, or bilinear interpolation, which the paper's
    code has; not for digits and npz"""
    n_train: int | None = None
    """training samples; 2560 if not given, 1437 of digits, 1000 for HS"""
    n_test: int | None = None
    """test samples; 5000 if not given, what is left of digits"""
    data_seed: int = 0
    """seed of the choice of samples, or of the first choice"""
    data_seeds: int = 1
    """how many choices of samples: every net is trained on each, and intervals are about both"""
    noise_scale: Literal["raw", "demeaned"] = "raw"
    """unit of the noise on inputs in data-noise: the standard deviation of the pixels as they were,
    as in the paper, or of the demeaned inputs, as up to version 0.1.0"""
    network: Literal["MLP", "CNN"] = "MLP"
    """fully-connected or convolutional"""
    width: int | None = None
    """features of a layer, 100 if not given; channels of a CNN, 20"""
    depth: int = 8
    """layers with weights"""
    batch_norm: bool = True
    """whether networks have BatchNorm"""
    epochs: int | None = None
    """the most there are; 100 if not given, 200 for learning-rate, 2000 for a CNN, 600 for HS"""
    pseudo_inverse: Literal["exact", "float32"] = "exact"
    """what pseudo-inverses leave out in the separation: rounding alone, or what float32 does not
    tell from 0, as in the paper's code, to compare numbers with it"""
    record_every: int | None = None
    """epochs between records of the load curve along training, which add <panel>-training.png;
    none if not given"""
    kind: Literal["fuzziness", "trace_ratio", "inverse"] = "fuzziness"
    """convention of the separation in pictures; results hold all"""
    beside_chain: bool = False
    """fit the spring-block chain to each diagram: <panel>-beside-chain.nc and .png"""
    workers: int = 1
    """processes, each training on one thread; the numbers do not depend on it"""
    scheduler: str | None = None
    """address of a Dask scheduler whose workers are to train"""
    resume: bool = False
    """go on with the diagrams in the folder: only cells that are not there are run"""
