"""Pictures that are not drawn: drawing takes most of the time of a tiny run.

Figures are built as ever, so that a wrong argument or a missing variable shows. That they can be
drawn, without a warning of the layout, is seen in the tests of plots, and in one test a command.
"""

import base64
from contextlib import contextmanager
from unittest.mock import patch

from matplotlib.figure import Figure

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""One pixel."""

DRAWN = Figure.savefig


def write_blank(figure, buffer, *, format, **_):
    buffer.write(SVG.encode() if format == "svg" else PNG)


@contextmanager
def not_drawn():
    """Write blank pictures within the block."""
    with patch.object(Figure, "savefig", write_blank):
        yield


@contextmanager
def drawn():
    """Draw within the block, also inside one of `not_drawn`."""
    with patch.object(Figure, "savefig", DRAWN):
        yield
