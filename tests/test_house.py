"""The house is built top to bottom: a module imports only what stands above it."""

import ast
from pathlib import Path

import pytest

HOUSE = [
    "results",
    "data",
    "layer_steps",
    "models",
    "record",
    "adjoint",
    "mechanics",
    "training",
    "geodesic",
    "separation",
    "geometry",
    "spring_block",
    "classifiers",
    "diagnosis",
    "sweep",
    "phase_diagram",
    "plots",
    "report",
    "experiments",
    "cli",
]
FRONT = {"__init__", "__main__"}  # they only gather or start what the house has
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SOURCE = Path(__file__).parents[1] / "src" / "loadpath"


def imported_names(tree, package):
    """Every imported thing of a module by its absolute dotted name; `package` is the module's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parts if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                yield f"{base}.{alias.name}"


def executes_what_it_loads(node):
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in {"eval", "exec"}
    if isinstance(node.func, ast.Attribute) and node.func.attr == "load":
        allows = [k for k in node.keywords if k.arg == "allow_pickle"]
        pickled = any(not (isinstance(k.value, ast.Constant) and not k.value.value) for k in allows)
        return pickled or (isinstance(node.func.value, ast.Name) and node.func.value.id == "torch")
    return False


def faults(source, path):
    """What breaks the house rules in the file at `path`, relative to the package."""
    module = path.parts[0].removesuffix(".py")
    if module not in FRONT and module not in HOUSE:
        return [f"{path} has no place in the house"]
    tree = ast.parse(source)
    package = ".".join(["loadpath", *path.parts[:-1]])
    found = []
    for name in imported_names(tree, package):
        top, *rest = name.split(".")
        if top == "matplotlib" and module != "plots":
            found.append(f"{path} imports matplotlib")
        if top in UNPICKLERS or name == "torch.load":
            found.append(f"{path} imports {name}")
        if top != "loadpath" or module in FRONT:
            continue
        wanted = rest[0] if rest else ""
        if wanted == module and len(path.parts) > 1:
            continue  # within a folder
        if wanted not in HOUSE[: HOUSE.index(module)]:
            found.append(f"{path} imports {name}")
    if any(executes_what_it_loads(node) for node in ast.walk(tree)):
        found.append(f"{path} may execute what it loads")
    return found


@pytest.mark.parametrize(
    "path", sorted(p.relative_to(SOURCE) for p in SOURCE.rglob("*.py")), ids=str
)
def test_every_module_keeps_to_the_house(path):
    assert faults((SOURCE / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    "path, source, wrong",
    [
        ("utils.py", "", True),
        ("models.py", "from loadpath.layer_steps import equidistant", False),
        ("models.py", "from loadpath import layer_steps, data", False),
        ("models.py", "from . import layer_steps", False),
        ("models.py", "from loadpath import layer_steps, training", True),
        ("models.py", "from .training import fit", True),
        ("models.py", "from . import training", True),
        ("models.py", "import loadpath.training", True),
        ("models.py", "import loadpath", True),
        ("models.py", "def f():\n    from loadpath.cli import main", True),
        ("models.py", "from loadpath import models", True),
        ("data/files.py", "from loadpath.data.arrays import Data", False),
        ("data/files.py", "from . import arrays", False),
        ("data/files.py", "from .arrays import Data", False),
        ("data/files.py", "from ..results import save", False),
        ("data/files.py", "from ..models import LeakyResNet", True),
        ("data/files.py", "from .. import models", True),
        ("__init__.py", "from loadpath import cli", False),
        ("__main__.py", "from loadpath.cli import main", False),
        ("plots.py", "import matplotlib.pyplot as plt", False),
        ("report.py", "import matplotlib.pyplot as plt", True),
        ("report.py", "from matplotlib.figure import Figure", True),
        ("results.py", "import pickle", True),
        ("results.py", "from joblib import load", True),
        ("results.py", "from torch import load", True),
        ("results.py", "import torch\ntorch.load(path, weights_only=True)", True),
        ("results.py", "np.load(path, allow_pickle=True)", True),
        ("results.py", "np.load(path, allow_pickle=False)", False),
        ("results.py", "eval(text)", True),
        ("results.py", "model.eval()", False),
    ],
)
def test_the_rules_catch_what_breaks_them(path, source, wrong):
    assert bool(faults(source, Path(path))) == wrong
