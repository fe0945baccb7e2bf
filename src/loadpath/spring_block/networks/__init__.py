"""Classifiers of [SB], the noises that shake their training, and engines that train many."""

from loadpath.spring_block.networks.many import TrainingJob, train_all
from loadpath.spring_block.networks.networks import CNN, MLP, Classifier
from loadpath.spring_block.networks.outcome import Trained, separation
from loadpath.spring_block.networks.recipe import (
    PANELS,
    BatchSize,
    DataNoise,
    Dropout,
    LearningRate,
    Noise,
    Recipe,
)
from loadpath.spring_block.networks.training import Engine, Plain, check_job, choose, train

__all__ = [
    "BatchSize",
    "CNN",
    "TrainingJob",
    "Classifier",
    "DataNoise",
    "Dropout",
    "Engine",
    "LearningRate",
    "MLP",
    "Noise",
    "PANELS",
    "Plain",
    "Recipe",
    "Trained",
    "check_job",
    "choose",
    "separation",
    "train",
    "train_all",
]
