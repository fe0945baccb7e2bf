"""Options of commands that take a model of the user's own, a command a file."""

from loadpath.cli.options.models.diagnose import DiagnoseOptions as DiagnoseOptions
from loadpath.cli.options.models.laws import LawsOptions as LawsOptions
from loadpath.cli.options.models.surgery import SurgeryOptions as SurgeryOptions
