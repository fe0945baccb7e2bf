"""What every test shares."""

import pytest
import torch
import typechecking  # noqa: F401, before the package, whose functions it has checked

from loadpath import cli


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Torch on one thread: test nets are small, and threads that wait for each other slow them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def refusal(capsys):
    """Run a command line that is refused, and return the one line that says why."""

    def run(*arguments):
        capsys.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1
        assert captured.err.startswith("loadpath") and captured.err.endswith((".\n", ")\n"))
        return captured.err

    return run
