"""Classifiers of [SB], the noises that shake their training, and engines that train many."""

from loadpath.classifiers.cells import Cell, train_all
from loadpath.classifiers.networks import CNN, MLP
from loadpath.classifiers.outcome import Trained, separation
from loadpath.classifiers.recipe import (
    PANELS,
    BatchSize,
    DataNoise,
    Dropout,
    LearningRate,
    Recipe,
)
from loadpath.classifiers.training import train

__all__ = [
    "CNN",
    "MLP",
    "PANELS",
    "BatchSize",
    "Cell",
    "DataNoise",
    "Dropout",
    "LearningRate",
    "Recipe",
    "Trained",
    "separation",
    "train",
    "train_all",
]
