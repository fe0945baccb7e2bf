"""The plan of the house: which rooms there are, who may import whom, and through which door."""

import ast
from pathlib import Path

import pytest

HOUSE = [
    "checks",
    "threads",
    "citing",
    "storage",
    "results",
    "data",
    "statistics",
    "record",
    "measures",
    "sweep",
    "spring_block",
    "plots",
    "spring_block/tuning",
    "leaky_resnet",
    "diagnosis",
    "laws",
    "papers",
    "report",
    "cli",
]
"""Rooms from the ground up: one imports only those that stand before it.

A folder of a room stands by itself where its results draw themselves: `plots` draws what else is in
the room, and cannot stand both before and after it.
"""
WINGS = {"leaky_resnet", "spring_block"}
"""The two theories, which do not know each other."""
FRONT = {"__init__", "__main__"}  # they only gather or start what the house has
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
MOST_FILES = 14
"""Files of a folder: about a dozen."""
TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "loadpath"
MODULES = frozenset(
    ".".join(p.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for p in SOURCE.rglob("*.py")
)
PACKAGES = frozenset(
    ".".join(p.relative_to(SOURCE.parent).parent.parts) for p in SOURCE.rglob("__init__.py")
)
FILES = sorted(p.relative_to(SOURCE) for p in SOURCE.rglob("*.py*") if p.suffix in (".py", ".pyi"))


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


def handed_on(package):
    """The names that a folder's door hands on."""
    folder = SOURCE.parent.joinpath(*package.split("."))
    door = folder / "__init__.pyi"
    text = (door if door.exists() else folder / "__init__.py").read_text(encoding="utf-8")
    taken = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in taken if node.module for alias in node.names}


HANDED_ON = {package: handed_on(package) for package in PACKAGES}


def module_of(name):
    """The file or folder that an imported name is taken from: the longest that there is.

    What a door hands on is the door's, also where a file has that name.
    """
    home, _, last = name.rpartition(".")
    if last in HANDED_ON.get(home, ()):
        return home
    while name not in MODULES and "." in name:
        name = name.rpartition(".")[0]
    return name


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


def goes_past_a_door(package, target):
    """Whether a module of `package` reaches for a file inside a folder that it does not stand in.

    A folder's door is its `__init__`. Of another room, the doors of its own folders serve too.
    """
    here, there = package.split("."), target.split(".")
    common = 0
    while common < min(len(here), len(there)) and here[common] == there[common]:
        common += 1
    below = there[common:]
    if len(below) <= 1:
        return False  # a file or a folder beside one's own, or beside a folder that one stands in
    return target not in PACKAGES or common > 1 or len(below) > 2


def place_of(parts):
    """Where the folders and file of these names stand in the house: in a room, or by themselves."""
    inner = "/".join(parts[:2])
    return inner if inner in HOUSE else parts[0] if parts else ""


def faults(source, path):
    """What breaks the house rules in the file at `path`, relative to the package."""
    module = place_of([part.partition(".")[0] for part in path.parts])
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
        wanted = place_of(rest)
        within = wanted == module and len(path.parts) > 1
        if path.name.startswith("__init__.") and wanted.startswith(f"{module}/"):
            within = True  # a room's door names its folders, each loaded when it is first used
        if not within and wanted not in HOUSE[: HOUSE.index(module)]:
            found.append(f"{path} imports {name}")
        if {module.partition("/")[0], wanted.partition("/")[0]} == WINGS:
            found.append(f"{path} reaches into the other wing: {name}")
        if goes_past_a_door(package, module_of(name)):
            found.append(f"{path} goes past a door: {name}")
    if any(executes_what_it_loads(node) for node in ast.walk(tree)):
        found.append(f"{path} may execute what it loads")
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_module_keeps_to_the_house(path):
    assert faults((SOURCE / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    "path, source, wrong",
    [
        ("utils.py", "", True),
        ("measures/cka.py", "from loadpath.record import stream", False),
        ("measures/cka.py", "from loadpath import record, data", False),
        ("measures/cka.py", "from .. import record", False),
        ("measures/cka.py", "from loadpath import data, leaky_resnet", True),
        ("measures/cka.py", "from ..leaky_resnet import LeakyResNet", True),
        ("measures/cka.py", "import loadpath.sweep", True),
        ("measures/cka.py", "import loadpath", True),
        ("measures/cka.py", "def f():\n    from loadpath.cli import main", True),
        ("checks.py", "from loadpath import checks", True),
        ("data/files.py", "from loadpath.data.arrays import Data", False),
        ("data/files.py", "from . import arrays", False),
        ("data/files.py", "from .arrays import Data", False),
        ("data/files.py", "from ..results import save", False),
        ("data/files.py", "from ..measures import cka", True),
        ("leaky_resnet/model.py", "from loadpath.spring_block import Chain", True),
        ("spring_block/chain/chain.py", "from loadpath.leaky_resnet import LeakyResNet", True),
        ("diagnosis/profile/mesh.py", "from loadpath.leaky_resnet import mechanics", False),
        ("diagnosis/profile/mesh.py", "from loadpath.leaky_resnet.mechanics import profile", False),
        ("diagnosis/profile/mesh.py", "from loadpath.record.hooks import watching", True),
        ("diagnosis/profile/mesh.py", "from loadpath.leaky_resnet.model import LeakyResNet", True),
        ("diagnosis/profile/mesh.py", "from loadpath.diagnosis.skipping import verdict", False),
        (
            "diagnosis/profile/mesh.py",
            "from loadpath.diagnosis.skipping.paired import square_root",
            True,
        ),
        ("leaky_resnet/training/stages.py", "from loadpath.leaky_resnet.model import a", False),
        ("report/page.py", "from loadpath.leaky_resnet.geodesic.certificate import certify", True),
        ("__init__.py", "from loadpath import cli", False),
        ("__main__.py", "from loadpath.cli import main", False),
        ("plots/style.py", "import matplotlib.pyplot as plt", False),
        ("plots/style.py", "from loadpath.diagnosis import Verdict", True),
        ("plots/style.py", "from loadpath.spring_block.tuning import tune", True),
        ("spring_block/tuning/tuned.py", "from loadpath import plots", False),
        ("spring_block/tuning/tuned.py", "from loadpath.spring_block.networks import train", False),
        ("spring_block/tuning/tuned.py", "from loadpath.leaky_resnet import LeakyResNet", True),
        ("spring_block/networks/shapes.py", "from loadpath import plots", True),
        ("spring_block/networks/shapes.py", "from loadpath.spring_block.tuning import tune", True),
        ("diagnosis/profile/mesh.py", "from loadpath import plots", False),
        ("report/page.py", "import matplotlib.pyplot as plt", True),
        ("report/page.py", "from matplotlib.figure import Figure", True),
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


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_file_has_the_name_of_what_its_door_hands_on(package):
    """So that `loadpath.room.name` is one thing to readers, type checkers and the docs."""
    files = {m.rpartition(".")[2] for m in MODULES - PACKAGES if m.rpartition(".")[0] == package}
    assert files & HANDED_ON[package] == set()


def imports_of_files():
    """Which files each file imports, through whatever door: its own room's files by their names."""
    found = {}
    for path in FILES:
        if path.suffix == ".pyi" or path.name == "__init__.py":
            continue
        name = ".".join(["loadpath", *path.with_suffix("").parts])
        tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
        wanted = (module_of(each) for each in imported_names(tree, name.rpartition(".")[0]))
        found[name] = {each for each in wanted if each.startswith("loadpath.")}
    for package in PACKAGES - {"loadpath"}:  # a door stands for all files that it hands on
        found[package] = {m for m in MODULES if m.rpartition(".")[0] == package and m != package}
    return found


def a_circle(graph):
    """Names along a circle of the graph, in order; none if there is no circle."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        path.append(name)
        for each in sorted(graph.get(name, ())):
            circle = visit(each)
            if circle:
                return circle
        done.add(path.pop())
        return []

    for name in sorted(graph):
        circle = visit(name)
        if circle:
            return circle
    return []


def test_no_file_leads_back_to_itself():
    assert a_circle(imports_of_files()) == []


@pytest.mark.parametrize(
    "graph, circle",
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "c"}, "b": {"c"}}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c"]),
        ({"a": {"a"}}, ["a"]),
    ],
)
def test_circles_are_found(graph, circle):
    assert a_circle(graph) == circle


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_folder_holds_about_a_dozen_files(package):
    folder = SOURCE.parent.joinpath(*package.split("."))
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


def test_every_test_stands_where_its_source_does():
    """A test file has the path of a source file or folder, or tests a whole folder at once."""
    stray = []
    for test in TESTS.rglob("test_*.py"):
        place = test.relative_to(TESTS).parent
        name = test.stem.removeprefix("test_")
        if not place.parts or place.parts[0] == ATTACK:
            continue
        source = (TESTS.parent if place.parts[0] in BESIDE else SOURCE) / place / name
        if not (any(source.with_suffix(end).exists() for end in ENDINGS) or source.is_dir()):
            if place.name != name and name not in WHOLE.get(str(place), ()):
                stray.append(str(test.relative_to(TESTS)))
    assert stray == []


ATTACK = "attack"
"""Folder of tests that try to break the whole house, wherever it gives way."""
BESIDE = {"benchmarks", "explorer"}
"""Folders of tests of what stands in folders of these names beside the package."""
ENDINGS = (".py", ".ts", ".mjs")
"""Endings of sources: the explorer is written in TypeScript, and its build in JavaScript."""
WHOLE = {
    "cli": ("reports",),
    "diagnosis": ("models", "coverage", "invariance", "ranking", "reports"),
    "diagnosis/monitor": ("reports",),
    "diagnosis/profile": ("reports",),
    "diagnosis/skipping": ("reports",),
    "report": ("screens", "sorting"),  # pages in a browser, and templates/sorting.js
    "measures": ("coverage", "misleads", "reports"),
    "record": ("reports",),
    "results": ("reports",),
}
"""Tests of a whole room: real models, how often intervals hold, where measures mislead, and what
users of other tools have reported in public."""
