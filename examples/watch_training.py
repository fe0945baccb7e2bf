"""Two trainings of one net, one of which collapses, as a monitor sees them (docs/monitor.md).

    python examples/watch_training.py [FOLDER]

The net is a plain one of six layers that learns the digits that come with Loadpath. In one of the
trainings a schedule raises the rate a hundredfold halfway, which kills layers, and the monitor ends
it there. It takes seconds on one core. FOLDER gets the picture.
"""

import sys
import warnings
from pathlib import Path

import torch
import xarray as xr
from torch import nn

import loadpath as lp

STEPS = 400
RATES = {"well": (1e-3, 1e-3), "collapses": (1e-3, 1e-1)}
"""The two trainings, by what becomes of them: the rates of their two halves."""
SHOWN = ("loss", "log_separation", "participation_ratio", "spread")
"""Measures of the picture."""


def six_layers(width: int = 128) -> nn.Module:
    """Linear layers with ReLU between them."""
    widths = [64, *[width] * 5, 10]
    parts = [
        part
        for before, after in zip(widths, widths[1:], strict=False)
        for part in (nn.Linear(before, after), nn.ReLU())
    ]
    return nn.Sequential(*parts[:-1])


def train(rates: tuple[float, float]) -> lp.diagnosis.Monitor:
    """Train until the end, or until a layer collapses, and return what has watched."""
    torch.manual_seed(0)
    data = lp.data.digits()
    x, y = data.x_train.float(), data.y_train
    probe = data.x_test[:256].float(), data.y_test[:256]
    net = six_layers()
    optimizer = torch.optim.Adam(net.parameters())
    # Every 20 steps, whatever it costs: a step of so small a net takes a millisecond.
    options = {"layers": nn.Linear, "every": 20, "budget": None, "last_step": STEPS}
    with lp.diagnosis.Monitor(net, probe, **options) as monitor:
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = rates[2 * step // STEPS]
            some = torch.randint(len(x), (64,))
            loss = nn.functional.cross_entropy(net(x[some]), y[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
            if monitor.should_stop:
                break
    return monitor


def main() -> dict[str, xr.Dataset]:
    """Train twice, print what was told, and return both histories."""
    histories = {}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", lp.diagnosis.CollapseWarning)  # printed below
        for name, rates in RATES.items():
            history = train(rates).history()
            steps, told = history["step"].values, history.attrs["alarms"] or "no alarm"
            print(f"{name}: {len(steps)} looks, the last at step {steps[-1]} of {STEPS}; {told}")
            histories[name] = history
    return histories


def save(found: dict[str, xr.Dataset], folder: Path) -> None:
    """Write the picture of the training that collapses."""
    figure = lp.plots.monitor(found["collapses"], measures=SHOWN)
    lp.plots.save(figure, folder / "figures/monitor.png", overwrite=True)


if __name__ == "__main__":
    found = main()
    if len(sys.argv) > 1:
        save(found, Path(sys.argv[1]))
