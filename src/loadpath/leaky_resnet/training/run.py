"""What `fit` returns: the trained net, the record of its training, and what comes of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.checks import check_choice
from loadpath.data import Data
from loadpath.leaky_resnet import mechanics
from loadpath.leaky_resnet.keeping import OF_PATH, drawn, save_net
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import AnyLoss
from loadpath.leaky_resnet.training.baseline import errors_in_words
from loadpath.results import Status

OF_TRAINING = ("learning_curves", "convergence", "mesh_history")
"""Figures of a history of training."""
LAST_NUMBERS = {
    "objective": "objective",
    "stationarity": "residual of the median layer (0 at a stationary point)",
    "stationarity_worst": "residual of the worst layer",
    "hamiltonian_spread": "spread of the Hamiltonian",
}
"""Columns of a history whose last numbers tell where training came to, in words."""


@dataclass(frozen=True, repr=False)
class Run(results.Shown):
    """A trained net, and how its training went."""

    model: LeakyResNet
    """The net that was passed in, trained in place."""
    history: xr.Dataset
    """Objective, data term, regularizer, errors, stationarity, Hamiltonian spread, weight decay,
    learning rate, seconds and layer steps, over `record` with coordinates `iteration` and
    `stage`."""
    status: Status
    """How it ended: "converged", "finished all steps", "stalled" (the line search finds nothing
    lower at this precision), "trivial minimum", "out of time" or "diverged"."""
    weight_decay: float
    """The weight decay, lambda, of the objective."""
    loss: AnyLoss
    """The data term."""
    seconds: float
    """Time spent training, in all sittings of a resumed run together."""
    data: Data
    """The samples that the net was trained and tested on."""

    def profile(self, x: Any = None, y: Any = None, *, gamma0: float = 1e-3) -> xr.Dataset:
        """Measure the mechanics of the net, as `loadpath.mechanics.profile` does.

        Parameters
        ----------
        x, y : array_like, optional
            Inputs and targets, or both in one, as `mechanics.profile` takes them; the samples that
            the net was trained on if left out, which is where its mechanics are those of a
            minimizer.
        gamma0 : float
            The stabilizer of every layer as a share of its kernel, above 0.

        Returns
        -------
        xarray.Dataset
            Energies, momenta, ranks and the bottleneck over layers and steps. The attr `status`
            says how training ended.

        Raises
        ------
        ValueError
            If y is given without x, or for what `mechanics.profile` refuses.
        """
        if x is None:
            if y is not None:
                raise ValueError("x and y must be given together, or neither, got y alone.")
            x = self.data
        profile = mechanics.profile(
            self.model, x, y, weight_decay=self.weight_decay, loss=self.loss, gamma0=gamma0
        )
        return results.with_parameters(profile, status=self.status)

    def plot(self, name: str = "energies", *, gamma0: float = 1e-3) -> Any:
        """Draw a figure of the net or of its training.

        Parameters
        ----------
        name : str
            Of the net: "energies", "ranks", "momenta", "stationarity", "speed", "mesh", "path_2d",
            "representation_spectrum" or "weight_spectrum"; of its training: "learning_curves",
            "convergence", or, where the mesh was adaptive, "mesh_history". Each is the function
            of `loadpath.plots` that has this name.
        gamma0 : float
            As for `profile`, which is measured anew for each figure of the net.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. A notebook shows it where a cell ends with it.

        Raises
        ------
        ValueError
            For another name, or for what `profile` refuses.
        """
        check_choice("name", name, (*OF_PATH, *OF_TRAINING))
        ds = self.history if name in OF_TRAINING else self.profile(gamma0=gamma0)
        return drawn(name, ds, self.status)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the net, its history and its profile to a folder, as `loadpath train` does.

        Parameters
        ----------
        folder : str or Path
            The folder, which is made if it is not there. It gets history.nc and profile.nc, which
            `loadpath.load` reads, and model.safetensors. A net that has diverged may have no
            profile.
        overwrite : bool
            Whether files of these names are replaced.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If a file is there already and `overwrite` is False; nothing is written then.
        OSError
            If a file cannot be written; one sentence says why.

        Examples
        --------
        >>> import tempfile
        >>> import loadpath as lp
        >>> data = lp.data.teacher(dims=(4, 1, 4), n_train=50, n_test=20, seed=0)
        >>> net = lp.LeakyResNet(4, 4, width=8, depth=4, effective_depth=2.0)
        >>> run = lp.fit(net, data, stages=[lp.training.Adam(50)], threads=1, progress=False)
        >>> folder = run.save(tempfile.mkdtemp())
        >>> sorted(path.name for path in folder.iterdir())
        ['history.nc', 'model.safetensors', 'profile.nc']

        The weights fit a net of the same sizes:

        >>> same = lp.LeakyResNet(4, 4, width=8, depth=4, effective_depth=2.0, seed=1)
        >>> path = folder / "model.safetensors"
        >>> weights, _ = lp.results.load_tensors(path, format="pt", what="net")
        >>> _ = same.load_state_dict(weights)
        >>> bool((same(data.x_test.float()) == net(data.x_test.float())).all())
        True
        """
        datasets = {"history": self.history}
        try:
            datasets["profile"] = self.profile()
        except ValueError:
            if not self.status.why_not_read:
                raise
        return save_net(folder, self.model, datasets, overwrite=overwrite)

    def _overview(self) -> results.Overview:
        """Return how training ended, and the last numbers of the history."""
        last = {}
        for name, words in LAST_NUMBERS.items():
            values = self.history[name].values if name in self.history else np.empty(0)
            values = values[np.isfinite(values)]
            if len(values) and not (self.status.why_not_read and name != "objective"):
                last[words] = f"{values[-1]:.4g}"
        return results.Overview(
            {
                "status": self.status,
                "iterations": f"{int(self.history['iteration'][-1]):,} in {self.seconds:.3g} s",
                **last,
                **errors_in_words(self.history),
                "weight decay": f"{self.weight_decay:g}",
                "net": repr(self.model),
            },
            warning=self.status.why_not_read,
        )
