"""Classifiers of [SB], the noises that shake their training, and engines that train many."""

from loadpath.spring_block.networks.classifiers import CNN, MLP, Classifier, build_classifier
from loadpath.spring_block.networks.engines import Engine, choose_engine
from loadpath.spring_block.networks.jobs import TrainingJob, train_all
from loadpath.spring_block.networks.recipe import (
    PANELS,
    SLOPES,
    BatchSize,
    DataNoise,
    Dropout,
    LearningRate,
    Noise,
    Recipe,
)
from loadpath.spring_block.networks.shapes import CNNShape, MLPShape, Shape
from loadpath.spring_block.networks.trained import Trained, separation
from loadpath.spring_block.networks.training import check_job, train

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
    "PANELS",
    "Recipe",
    "SLOPES",
    "Shape",
    "Trained",
    "TrainingJob",
    "build_classifier",
    "check_job",
    "choose_engine",
    "separation",
    "train",
    "train_all",
]
