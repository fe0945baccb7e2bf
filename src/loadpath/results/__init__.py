"""Results on disk: provenance, atomic save, and a load that says what is wrong.

A result is an xarray Dataset with units and provenance in its attrs, kept as netCDF. States to go
on from, of training or of streamed sums, are tensors in safetensors files. Nothing loaded from a
file is executed. Torch is imported where tensors are read or written, and nowhere else. What shows
in a terminal or a notebook is made here too: bars while work is done, and facts about its result.
"""

from loadpath.results.bars import bar_shows as bar_shows
from loadpath.results.bars import progress_bar as progress_bar
from loadpath.results.datasets import SCHEMA_VERSION as SCHEMA_VERSION
from loadpath.results.datasets import encoded as encoded
from loadpath.results.datasets import load, save, stamp, with_parameters
from loadpath.results.datasets import understood as understood
from loadpath.results.netcdf import checked_bytes as checked_bytes
from loadpath.results.netcdf import has_digest as has_digest
from loadpath.results.netcdf import opened as opened
from loadpath.results.overview import Overview as Overview
from loadpath.results.overview import Shown as Shown
from loadpath.results.overview import Table as Table
from loadpath.results.renamed import with_present_names as with_present_names
from loadpath.results.status import Status
from loadpath.results.tensors import load_tensors, save_tensors

__all__ = [
    "Status",
    "load",
    "load_tensors",
    "save",
    "save_tensors",
    "stamp",
    "with_parameters",
]
