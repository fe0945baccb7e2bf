"""`python -m loadpath`."""

import sys

from loadpath.cli import main

sys.exit(main())
