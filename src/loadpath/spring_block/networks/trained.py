"""What training a classifier came to: how it ended, accuracies, log separations of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from loadpath.measures.separation import (
    KINDS,
    ClassMoments,
    ClassWeights,
    PseudoInverse,
    SeparationKind,
    equal_class_scatter,
)
from loadpath.record import evaluation_mode
from loadpath.results import Shown, Status, stamp
from loadpath.spring_block.networks.classifiers import Classifier

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Trained(Shown):
    """A trained classifier, and what is measured of it in evaluation mode, without noise."""

    network: Classifier
    """The net that was passed, trained."""
    status: Status
    """How training ended: "stopped at loss", "stopped at change", "all epochs", or "diverged",
    after an epoch whose loss is not finite."""
    losses: Array
    """Loss of every epoch that was run, (epoch,), in nats: the cross-entropy in training mode and
    under noise, as a mean over the samples."""
    train_accuracy: float
    """Share of the training samples that are classified rightly; NaN if a logit is not finite."""
    test_accuracy: float
    """Share of the test samples that are classified rightly; NaN if a logit is not finite."""
    log_separation: dict[SeparationKind, Array]
    """Log separation $D_l$ of the training set by each convention, (layer,), in nats; NaN for a
    layer whose features are not finite."""
    recorded: dict[SeparationKind, Array]
    """Log separation along training, (record, layer)."""
    recorded_epochs: Array
    """Epochs that were done at each record, (record,), 0 for the initial weights."""
    recorded_test_accuracy: Array
    """Share of the test samples that are classified rightly at each record, (record,)."""
    settings: dict[str, object]
    """Net, recipe and seed: what makes the same numbers again."""

    @property
    def epochs(self) -> int:
        """Number of epochs that were run."""
        return len(self.losses)

    def dataset(self) -> xr.Dataset:
        """Return all but the net as a Dataset.

        Returns
        -------
        xarray.Dataset
            Stamped, with the status, accuracies and number of epochs, loss (epoch,),
            log_separation (kind, layer), and what was recorded along training:
            log_separation_recorded (kind, record, layer) and test_accuracy_recorded (record,).
        """
        kinds = list(self.log_separation)
        nats = {"units": "nats", "long_name": "log separation of the training set"}
        final = np.array([self.log_separation[kind] for kind in kinds])
        along = np.array([self.recorded[kind] for kind in kinds])
        ds = xr.Dataset(
            {
                "status": ((), str(self.status)),
                "epochs": ((), self.epochs, {"units": "1"}),
                "train_accuracy": ((), self.train_accuracy, {"units": "1"}),
                "test_accuracy": ((), self.test_accuracy, {"units": "1"}),
                "loss": ("epoch", self.losses, {"units": "nats"}),
                "log_separation": (("kind", "layer"), final, nats),
                "log_separation_recorded": (("kind", "record", "layer"), along, nats),
                "test_accuracy_recorded": ("record", self.recorded_test_accuracy, {"units": "1"}),
                "recorded_epoch": ("record", self.recorded_epochs, {"units": "1"}),
            },
            coords={
                "kind": np.array(kinds, dtype=object),
                "layer": np.arange(final.shape[1]),
                "epoch": np.arange(1, self.epochs + 1),
            },
        )
        return stamp(ds, **self.settings)


def separation(
    network: Classifier,
    x: Float[Tensor, "sample inputs"],
    labels: Int[Tensor, " sample"],
    kinds: Sequence[SeparationKind] = KINDS,
    *,
    class_weights: ClassWeights = "samples",
    pseudo_inverse: PseudoInverse = "exact",
) -> dict[SeparationKind, Array]:
    """Return the log separation of every layer in evaluation mode.

    Parameters
    ----------
    network : MLP or CNN
        The net; its mode is restored.
    x : Tensor
        Samples, (sample, inputs).
    labels : Tensor
        Class of every sample, (sample,), from 0.
    kinds : sequence of str
        Conventions of the log separation.
    class_weights, pseudo_inverse
        What a class counts, and what pseudo-inverses leave out, as of
        `loadpath.separation.log_separation`.

    Returns
    -------
    dict
        For each convention the log separations (layer,), in nats; NaN for a layer whose features
        are not finite.

    Raises
    ------
    ValueError
        If a kind is unknown or the labels do not suit, as `loadpath.separation.log_separation`.
    """
    with evaluation_mode(network):
        path = network.path(x)
    columns = [_layer_separation(h, labels, kinds, class_weights, pseudo_inverse) for h in path]
    return {kind: np.array([column[k] for column in columns]) for k, kind in enumerate(kinds)}


def _layer_separation(
    h: Tensor,
    labels: Tensor,
    kinds: Sequence[SeparationKind],
    class_weights: ClassWeights,
    pseudo_inverse: PseudoInverse,
) -> list[float]:
    """Log separation of one layer by each convention."""
    if not bool(h.isfinite().all()):
        return [np.nan] * len(kinds)
    if class_weights == "equal":
        scatter = equal_class_scatter(h, labels)
    else:
        scatter = ClassMoments.from_features(h, labels).scatter()
    return [scatter.log_separation(kind, pseudo_inverse=pseudo_inverse) for kind in kinds]


def accuracy(network: Classifier, x: Tensor, labels: Tensor) -> float:
    """Return the share of samples that the net classifies rightly in evaluation mode.

    Parameters
    ----------
    network : MLP or CNN
        The net; its mode is restored.
    x : Tensor
        Samples, (sample, inputs).
    labels : Tensor
        Class of every sample, (sample,).

    Returns
    -------
    float
        A share, dimensionless; NaN if a logit is not finite.
    """
    with evaluation_mode(network):
        logits = network(x)
    if not bool(logits.isfinite().all()):
        return np.nan
    return float((logits.argmax(1) == labels).double().mean())
