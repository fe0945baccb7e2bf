"""Classifiers of [SB], the noises that shake their training, and engines that train many."""

from loadpath.spring_block.networks.classifiers import CNN, MLP, Classifier, build_classifier
from loadpath.spring_block.networks.engines import Engine
from loadpath.spring_block.networks.engines import choose_engine as choose_engine
from loadpath.spring_block.networks.jobs import TrainingJob, train_all
from loadpath.spring_block.networks.recipe import (
    PANELS,
    SLOPES,
    BatchSize,
    DataNoise,
    Dropout,
    LearningRate,
    Noise,
    NoiseScale,
    Recipe,
)
from loadpath.spring_block.networks.shapes import CNNShape, MLPShape, Shape
from loadpath.spring_block.networks.trained import Trained
from loadpath.spring_block.networks.trained import separation as separation
from loadpath.spring_block.networks.training import check_job as check_job
from loadpath.spring_block.networks.training import train

__all__ = [
    "BatchSize",
    "CNN",
    "CNNShape",
    "Classifier",
    "DataNoise",
    "Dropout",
    "Engine",
    "LearningRate",
    "MLP",
    "MLPShape",
    "Noise",
    "NoiseScale",
    "PANELS",
    "Recipe",
    "SLOPES",
    "Shape",
    "Trained",
    "TrainingJob",
    "build_classifier",
    "train",
    "train_all",
]
