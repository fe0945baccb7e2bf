"""Wheel and sdist built, looked into, installed into clean environments, and tried there.

`make compat` does so with the Pythons of PYTHONS=..., this one if none is named:
`python tests/helpers/packages.py [python3.12 ...]`. Torch comes as constraints.txt has it: a Python
without a CPU build at hand takes the large one.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
WANTED = (
    "loadpath/__init__.pyi",
    "loadpath/CITATION.cff",
    "loadpath/py.typed",
    "loadpath/data/digits.npz",
    "loadpath/report/templates/base.html.j2",
    *(f"loadpath/report/explorer/{page}.html" for page in ("chain", "networks", "geodesic")),
)
SMOKE = """
import tempfile, warnings
from pathlib import Path
import torch
from torch import nn
import loadpath as lp

warnings.simplefilter("error")
data = lp.data.teacher(dims=(6, 2, 6), n_train=60, n_test=20, seed=0)
net = lp.LeakyResNet(6, 6, width=8, depth=4, effective_depth=2.0)
run = lp.fit(net, data, stages=(lp.training.Adam(20), lp.training.LBFGS(20)), progress=False)
profile = lp.mechanics.profile(net, data.x_train, data.y_train, weight_decay=run.weight_decay)
path = lp.geodesic.solve(
    data.x_train, data.y_train, effective_depth=2.0, width=8, depth=4, max_seconds=5, progress=False
)
layers = [nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(3)]
ds = lp.diagnose(nn.Sequential(*layers, nn.Linear(64, 10)), lp.data.digits())
print(lp.spring_block.rest_state(lp.spring_block.Chain(n_blocks=3)))
with tempfile.TemporaryDirectory() as folder:
    saved = lp.results.save(ds, Path(folder) / "diagnosis.nc")
    assert lp.load(saved).identical(lp.results.load(saved))
print("smoke:", run.status, "|", path.status, "|", ds.sizes["layer"], "layers")
"""
COMMANDS = (
    "loadpath --version",
    "loadpath train --data digits --width 16 --depth 4 --effective-depth 2 --adam-steps 20 "
    "--lbfgs-steps 5 --out run",
    "loadpath geodesic --dims [6,2,6] --n-train 60 --width 8 --depth 4 --effective-depth 2 "
    "--max-seconds 5 --out path",
    "loadpath report run --overwrite",
    "loadpath explore --out pages",
)


def run(*command, cwd=None):
    """Run a command; what it printed, or an error with all of it."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def build(folder):
    """Build sdist and wheel, the wheel from the sdist; their paths."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def missing_from(wheel):
    """What should be in the wheel and is not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    return [name for name in WANTED if name not in names]


def strays_in(sdist):
    """What should not be in the sdist."""
    names = tarfile.open(sdist).getnames()
    outside = (["site"], ["runs"], ["demo"], [".venv"])
    return [n for n in names if n.split("/")[1:2] in outside or "node_modules" in n.split("/")]


def environment(python, wheel, folder):
    """A new virtual environment with the wheel and nothing else; its folder of programs."""
    run(python, "-m", "venv", folder)
    programs = folder / "bin"
    constraints = ROOT / "constraints.txt"
    run(programs / "python", "-m", "pip", "install", "--quiet", "-c", constraints, wheel)
    return programs


def smoke(programs, folder):
    """Train, solve, diagnose, report and save there; the last line that was printed."""
    said = run(programs / "python", "-W", "error", "-c", SMOKE, cwd=folder)
    for command in COMMANDS:
        program, *options = command.split()
        run(programs / program, *options, cwd=folder)
    assert (folder / "run" / "report.html").stat().st_size > 10_000
    return said.splitlines()[-1]


def versions(programs):
    """Python and torch of an environment, in words."""
    code = "import sys, torch; print(sys.version.split()[0], torch.__version__)"
    python, torch = run(programs / "python", "-c", code).split()
    return f"Python {python}, torch {torch}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="*", help="programs to try; those found if none is named")
    named = parser.parse_args().pythons
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        sdist, wheel = build(place / "dist")
        print(f"{sdist.name}: strays {strays_in(sdist)}")
        print(f"{wheel.name}: missing {missing_from(wheel)}")
        for python in named or [sys.executable]:
            if shutil.which(python) is None:
                print(f"{python}: not found")
                continue
            folder = place / Path(python).name
            try:
                programs = environment(python, wheel, folder / "environment")
                print(f"{versions(programs)}: {smoke(programs, folder)}", flush=True)
            finally:
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
