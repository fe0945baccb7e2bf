"""What training a classifier came to: how it ended, accuracies, log separation of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from loadpath.measures.separation import KINDS, ClassMoments, SeparationKind
from loadpath.record import evaluation_mode
from loadpath.results import stamp
from loadpath.spring_block.networks.networks import Classifier

Array = NDArray[np.float64]
Status = Literal["stopped at loss", "stopped at change", "all epochs", "diverged"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained classifier, and what is measured of it in evaluation mode, without noise."""

    network: Classifier
    """The net that was passed, trained."""
    status: Status
    """How training ended; "diverged": a loss that is not finite, after which it stopped."""
    losses: Array
    """Loss of every epoch that was run, (epoch,): cross-entropy in training mode, under noise,
    mean over the samples; nats."""
    train_accuracy: float
    """Share of the training samples that are classified rightly; NaN for logits not finite."""
    test_accuracy: float
    """Share of the test samples."""
    log_separation: dict[SeparationKind, Array]
    """$D_l$ of the training set for each convention, (layer,); NaN for features not finite."""
    recorded: dict[SeparationKind, Array]
    """The same along training, (record, layer)."""
    recorded_epochs: Array
    """Epochs that were done at each record, (record,), 0 for the initial weights."""
    settings: dict[str, object]
    """Net, recipe and seed: what makes the same numbers again."""

    @property
    def epochs(self) -> int:
        """Epochs run."""
        return len(self.losses)

    def dataset(self) -> xr.Dataset:
        """All but the net as a stamped Dataset: over (kind, layer), (epoch,) and records."""
        kinds = list(self.log_separation)
        nats = {"units": "nats", "long_name": "log separation of the training set"}
        final = np.array([self.log_separation[kind] for kind in kinds])
        along = np.array([self.recorded[kind] for kind in kinds])
        ds = xr.Dataset(
            {
                "status": ((), self.status),
                "epochs": ((), self.epochs, {"units": "1"}),
                "train_accuracy": ((), self.train_accuracy, {"units": "1"}),
                "test_accuracy": ((), self.test_accuracy, {"units": "1"}),
                "loss": ("epoch", self.losses, {"units": "nats"}),
                "log_separation": (("kind", "layer"), final, nats),
                "log_separation_recorded": (("kind", "record", "layer"), along, nats),
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
) -> dict[SeparationKind, Array]:
    """Log separation of every layer in evaluation mode, (layer,) for each kind.

    The features of the last layer that were finite count; a layer that is not finite gives NaN.

    Raises: ValueError as `loadpath.separation.log_separation` does.
    """
    with evaluation_mode(network):
        path = network.path(x)
    n_classes = int(labels.max()) + 1
    columns = [_of_layer(h, labels, n_classes, kinds) for h in path]
    return {kind: np.array([column[k] for column in columns]) for k, kind in enumerate(kinds)}


def _of_layer(
    h: Tensor, labels: Tensor, n_classes: int, kinds: Sequence[SeparationKind]
) -> list[float]:
    if not bool(h.isfinite().all()):
        return [np.nan] * len(kinds)
    moments = ClassMoments(h.shape[1], n_classes)
    moments.update(h, labels)
    scatter = moments.scatter()
    return [scatter.log_separation(kind) for kind in kinds]


def accuracy(network: Classifier, x: Tensor, labels: Tensor) -> float:
    """Share of the samples that the net gets right in evaluation mode, or NaN if a logit is."""
    with evaluation_mode(network):
        logits = network(x)
    if not bool(logits.isfinite().all()):
        return np.nan
    return float((logits.argmax(1) == labels).double().mean())
