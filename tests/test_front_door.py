"""The front door opens at once: what it loads, and that every name behind it can be got."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import loadpath

HEAVY = {"torch", "numpy", "scipy", "xarray", "pandas", "matplotlib"}
SOURCE = Path(loadpath.__file__).parent
STUBS = sorted(
    ".".join(["loadpath", *stub.relative_to(SOURCE).parent.parts])
    for stub in SOURCE.rglob("__init__.pyi")
)


def loaded_by(code):
    """The modules that a fresh Python has loaded once it has run `code`."""
    code = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rooms(modules):
    """The rooms that modules belong to."""
    return {name.split(".")[1] for name in modules if name.startswith("loadpath.")}


def test_the_package_loads_nothing_heavy():
    loaded = loaded_by("import loadpath")
    assert HEAVY.isdisjoint(loaded) and rooms(loaded) == set()


@pytest.mark.parametrize(
    "words, code",
    [
        ([], 2),
        (["--help"], 0),
        (["--version"], 0),
        (["--wrong"], 2),
        (["trian"], 2),
        (["train", "--help"], 0),
        (["train", "--wrong"], 2),
        (["train", "--depth", "0"], 2),
        (["phase-diagram", "--chain", "--seeds", "3"], 2),
        (["figures", "4d"], 2),
        (["train", "--print_config"], 0),
    ],
)
def test_what_only_has_to_be_read_loads_nothing_heavy(words, code):
    loaded = loaded_by(
        "from loadpath.cli import main\n"
        "try:\n"
        f"    code = main({words!r})\n"
        "except SystemExit as left:\n"
        "    code = left.code\n"
        f"assert code == {code}, code"
    )
    assert HEAVY.isdisjoint(loaded)
    assert rooms(loaded) == {"cli", "checks"}


def test_the_chain_loads_no_net():
    loaded = loaded_by("import loadpath.spring_block")
    assert HEAVY.isdisjoint(loaded) and rooms(loaded) == {"spring_block"}
    loaded = loaded_by("from loadpath.spring_block import Chain, rest_state")
    assert "torch" not in loaded and rooms(loaded) <= {
        *("checks", "threads", "storage", "results", "spring_block")
    }


def test_a_net_is_trained_without_the_rest_of_the_house():
    loaded = loaded_by("import loadpath as lp; lp.fit")
    assert "matplotlib" not in loaded
    others = {"spring_block", "diagnosis", "plots", "papers", "report", "cli", "sweep"}
    assert others.isdisjoint(rooms(loaded))


@pytest.mark.parametrize("package", STUBS)
def test_every_name_of_a_stub_can_be_got(package):
    """Editors read the stub, Python the module: both have the same names."""
    module = importlib.import_module(package)
    folder = SOURCE.parent.joinpath(*package.split("."))
    tree = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names and names <= set(dir(module))
    for name in names:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


def test_the_package_has_a_version():
    assert (
        loadpath.__version__
        in subprocess.run(
            [sys.executable, "-m", "loadpath", "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
