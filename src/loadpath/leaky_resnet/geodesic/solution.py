"""What `solve` returns: a path of representations, its weights, its momenta, its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from loadpath import results
from loadpath.checks import check_choice
from loadpath.leaky_resnet import mechanics
from loadpath.leaky_resnet.geodesic.certificate import Certificate
from loadpath.leaky_resnet.keeping import OF_PATH, drawn, save_net
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss
from loadpath.results import Overview, Shown, Status

Endpoint = Literal["fit", "fixed"]

OF_CERTIFICATE, DESCENT = ("residuals", "hamiltonians"), "descent"
"""Figures of a certified path, and of the history of the descent to it."""


@dataclass(frozen=True, eq=False, repr=False)
class Geodesic(Shown):
    """A path of representations of least cost, as near as `certificate` says; float64."""

    model: LeakyResNet
    """The net whose path it is; call it on new samples."""
    A: Float[Tensor, "node sample width"]
    """Representations A_0 .. A_L."""
    B: Float[Tensor, "node sample width"]
    """Derivatives B_0 .. B_L = -(1 / lambda) dC/dA of the least-norm subgradient. With them
    W = c r B^T S holds also where activations sit on kinks, and there they may differ from
    backpropagation's. The momenta of the path are r B, `mechanics.step_momenta`: r is 1 for Euler
    steps, and (1 - e^{-rho L~}) / (rho L~) for exponential ones."""
    p: Float[Tensor, " node"]
    """Positions of the nodes, from 0 to 1."""
    certificate: Certificate
    """How near to a geodesic this is, and how that is known."""
    status: Status
    """How the solution ended: "converged" (the worst layer's residual is within the tolerance),
    "not converged", "end not reached", "trivial minimum", "out of time" or "diverged". The last
    two keep the point of lowest objective so far."""
    endpoint: Endpoint
    """Which end it is: a free one ("fit"), which pays the data term, or "fixed", where A_L = y."""
    end_error: float
    """||A_L - y|| / ||y|| of a fixed end; 0 for a free one."""
    objective: float
    """What was minimized: data term + weight_decay * action, or the action for a fixed end."""
    weight_decay: float
    """lambda, in the units of the data term; for a fixed end it only scales the multipliers."""
    loss: Loss
    """The data term of a free end."""
    x: Float[Tensor, "sample in"]
    """Inputs."""
    target: Tensor
    """What the data term compares with. For a free end it is y; for a fixed one it is y plus
    multipliers, whose squared error has the momenta B_L that hold the end in place."""
    history: xr.Dataset
    """Objective and residuals over `look`, the moments at which the descent was recorded."""
    seconds: float
    """Time spent solving, in seconds, without the certificate."""

    def _overview(self) -> Overview:
        """Return how the solution ended, its objective, and the sentences of the certificate."""
        fixed = self.endpoint == "fixed"
        return Overview(
            {
                "status": self.status,
                "worst residual": f"{float(self.stationarity.max()):.3g}",
                "action" if fixed else "objective": f"{self.objective:.6g}",
                "end": f"fixed, {self.end_error:.2g} away" if fixed else "free",
                "samples": f"{len(self.x):,}",
                "weight decay": f"{self.weight_decay:g}",
                "net": repr(self.model),
                "solved in": f"{self.seconds:.3g} s",
            },
            warning=self.status.why_not_read,
            sentences=[] if self.status.why_not_read else self.words(),
        )

    @property
    def W(self) -> Float[Tensor, "layer width feature"]:  # noqa: N802
        """Weights W_1 .. W_L; the last column of each is its bias, where there is one."""
        return self.model.weights.detach()

    @property
    def layer_steps(self) -> Float[Tensor, " layer"]:
        """Layer steps rho_l, of sum 1."""
        return self.model.layer_steps

    @property
    def action(self) -> float:
        """(1 / 2c) sum_l rho_l ||W_l||_F^2, dimensionless; c = L~ (1 where L~ = 0)."""
        with torch.no_grad():
            return float(self.model.regularizer())

    @property
    def stationarity(self) -> Float[Tensor, " layer"]:
        """Residual ||W - c r B^T S|| / ||W|| of every layer, with the B above."""
        return self.certificate.residual

    @property
    def hamiltonian(self) -> Float[Tensor, " layer"]:
        """Hamiltonian of every layer, of A_{l-1} with the momenta r_l B_l of the path."""
        return self.certificate.hamiltonian

    def words(self) -> list[str]:
        """Return what is known of the path, in sentences for someone new to it.

        Returns
        -------
        list of str
            The certificate's sentences, each with its number; for a fixed end, how near the path
            ends to y comes first.
        """
        if self.endpoint == "fit":
            return self.certificate.words()
        end = f"The path ends at y but for {self.end_error:.2g} of its size."
        return [end, *self.certificate.words(free_end=False)]

    def dataset(self, *, gamma0: float = 1e-3) -> xr.Dataset:
        """Return everything over the layers: `mechanics.profile` and the certificate.

        Parameters
        ----------
        gamma0 : float
            Regularization of the cost of identity, as for `mechanics.profile`.

        Returns
        -------
        xarray.Dataset
            Momenta, and what follows from them, are those that `mechanics.step_momenta` makes of
            `B`; only `gradient_residual` tells of backpropagation's. An attribute `momenta` marks
            these variables. The attribute `words` of `least_norm_residual` has the sentences of
            `words`, a line each.

        Raises
        ------
        ValueError
            If `gamma0` is not positive.
        """
        profile = mechanics.profile(
            self.model,
            self.x,
            self.target,
            weight_decay=self.weight_decay,
            loss=self.loss,
            gamma0=gamma0,
        )
        for name, value in self._momentum_variables().items():
            if name in profile:
                profile[name].values = value.cpu().numpy()
                profile[name].attrs["momenta"] = "of the least-norm subgradient"
        ds = profile.merge(self.certificate.dataset(), combine_attrs="override")
        ds["least_norm_residual"].attrs["words"] = "\n".join(self.words())
        return results.with_parameters(
            ds,
            status=self.status,
            endpoint=self.endpoint,
            end_error=self.end_error,
            seconds=self.seconds,
        )

    def plot(self, name: str = "energies", *, gamma0: float = 1e-3) -> Any:
        """Draw a figure of the path, of its certificate, or of the descent that found it.

        Parameters
        ----------
        name : str
            Of the path: "energies", "ranks", "momenta", "stationarity", "speed", "mesh", "path_2d",
            "representation_spectrum" or "weight_spectrum"; of the certificate: "residuals" or
            "hamiltonians"; and "descent". Each is the function of `loadpath.plots` that has this
            name.
        gamma0 : float
            Regularization of the cost of identity, as for `dataset`.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. A notebook shows it where a cell ends with it.

        Raises
        ------
        ValueError
            For another name, or if `gamma0` is not positive.
        """
        check_choice("name", name, (*OF_PATH, *OF_CERTIFICATE, DESCENT))
        ds = self.history if name == DESCENT else self.dataset(gamma0=gamma0)
        return drawn(name, ds, self.status)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the path to a folder, as `loadpath geodesic` does.

        Parameters
        ----------
        folder : str or Path
            The folder, which is made if it is not there. It gets geodesic.nc, what `dataset`
            returns, and history.nc, which `loadpath.load` reads, and model.safetensors.
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
        """
        datasets = {"history": self.history, "geodesic": self.dataset()}
        return save_net(folder, self.model, datasets, overwrite=overwrite)

    def _momentum_variables(self) -> dict[str, Tensor]:
        """Return the variables of `mechanics.profile` that follow from the momenta `B`."""
        leak = self.model.effective_depth
        kind: dict[str, Any] = dict(activation=self.model.activation, bias=self.model.bias)
        momenta = mechanics.step_momenta_of_tensors(self.model, list(self.B))
        H = torch.stack(
            [
                mechanics.hamiltonian(A, B, effective_depth=leak, **kind)
                for A, B in zip(self.A[:-1], momenta[1:], strict=True)
            ]
        )
        symmetric = mechanics.symmetric_hamiltonian(
            list(self.A), momenta, effective_depth=leak, **kind
        )
        paired = [
            mechanics.momentum_activation_norm(A, B, **kind)
            for A, B in zip(self.A, momenta, strict=True)
        ]
        return {
            "hamiltonian": H,
            "dimension": -2 / leak * H if leak else H,
            "symmetric_hamiltonian": symmetric,
            "hamiltonian_spread": mechanics.hamiltonian_spread(symmetric),
            "momentum_norm": torch.stack(momenta).flatten(1).norm(dim=1),
            "momentum_activation_norm": torch.stack(paired),
            "stationarity": self.certificate.residual,
        }
