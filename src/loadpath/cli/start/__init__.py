"""What a command line needs before it has loaded anything: streams that forgive, and interrupts."""

from loadpath.cli.start.interrupts import Interrupts
from loadpath.cli.start.printing import be_quiet, end_line, forgiving_streams, lost

__all__ = ["Interrupts", "be_quiet", "end_line", "forgiving_streams", "lost"]
