"""The options of every command: frozen dataclasses that load nothing heavy.

jsonargparse makes the command line and the config files from their fields, and the text under a
field is its help. A value out of range is refused when the options are made.
"""

from loadpath.cli.options.chain import ChainOptions, MotionOptions
from loadpath.cli.options.geodesic import GeodesicOptions
from loadpath.cli.options.models import DiagnoseOptions, LawsOptions, SurgeryOptions
from loadpath.cli.options.net import NetOptions
from loadpath.cli.options.networks import NetworkOptions
from loadpath.cli.options.pages import (
    FIGURES,
    DemoOptions,
    ExploreOptions,
    FiguresOptions,
    ReportOptions,
)
from loadpath.cli.options.parsing import COMMANDS, parse, parser
from loadpath.cli.options.phase_diagram import FORMERLY, PhaseDiagramOptions
from loadpath.cli.options.shared import FLAGS, PATHS, SWITCHES, with_homes
from loadpath.cli.options.train import TrainOptions
from loadpath.cli.options.tune import TuneOptions

__all__ = [
    "COMMANDS",
    "FIGURES",
    "FLAGS",
    "FORMERLY",
    "PATHS",
    "SWITCHES",
    "ChainOptions",
    "DemoOptions",
    "DiagnoseOptions",
    "ExploreOptions",
    "FiguresOptions",
    "GeodesicOptions",
    "LawsOptions",
    "MotionOptions",
    "NetOptions",
    "NetworkOptions",
    "PhaseDiagramOptions",
    "ReportOptions",
    "SurgeryOptions",
    "TrainOptions",
    "TuneOptions",
    "parse",
    "parser",
    "with_homes",
]
