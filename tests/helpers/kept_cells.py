"""Results of experiments put where a figure looks for them, as if they had been run."""

from loadpath import results
from loadpath.sweep import folder as folders
from loadpath.sweep.cells import cell_name


def keep(ds, out, experiment, cell):
    """Save `ds` as the result of a cell of the figures in `out`."""
    folder = out / "data" / experiment.name
    folders.open_folder(folder, folders.describe_sweep(experiment.measure, list(cell), {}))
    return results.save(ds, folder / cell_name(cell), overwrite=True)
