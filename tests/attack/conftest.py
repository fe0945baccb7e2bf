"""What the attacks came to, printed at the end of a long one."""

from collections import Counter, defaultdict

import attacked_commands as attacked
import pytest

TALLIES = defaultdict(Counter)


@pytest.fixture
def report_attack():
    """Counters by what was attacked."""
    return TALLIES


def pytest_terminal_summary(terminalreporter):
    if not attacked.KILLS or not TALLIES:
        return
    columns = ("kills", "lost", "repeated", "bitwise equal", "seconds")
    terminalreporter.write_line("attacked      " + "".join(f"{name:>15}" for name in columns))
    total = sum(TALLIES.values(), Counter())
    for kind, tally in [*TALLIES.items(), ("all", total)]:
        row = "".join(f"{tally[name]:>15}" for name in columns)
        terminalreporter.write_line(f"{kind:<14}{row}")
