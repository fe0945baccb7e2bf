"""Calls every public function with one argument changed, and judges what comes of it.

    python tests/helpers/argument_fuzz.py              # every mutation of every argument
    python tests/helpers/argument_fuzz.py --calls 500  # a seeded sample of them
    python tests/helpers/argument_fuzz.py --only mechanics --list

It runs outside pytest, whose hook would check types before the functions do.
"""

import argparse
import contextlib
import dataclasses
import inspect
import io
import itertools
import linecache
import os
import pkgutil
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import typing
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "tests" / "helpers")]
SOURCE = str(ROOT / "src" / "loadpath") + os.sep
LONGEST = 10
"""Seconds of the processor after which a call counts as hanging."""
OUTCOMES = ("right", "sentence", "raw", "nan", "accepted", "differs", "unnamed", "hangs")
GOOD = {"right", "sentence"}


BAD = ("nan", "infinity", "infinities")
NOTHING = ("tiny", "denormal", "zero")
DOCUMENTED = {
    ("loadpath.layer_steps.adapted", "path"): BAD,  # a path that is not finite says nothing
    ("loadpath.layer_steps.equal_arclength", "path"): BAD,
    ("loadpath.layer_steps.refined", "path"): BAD,
    # Without a null there is no p-value, and nothing to draw.
    ("loadpath.laws.measure_representations", "untrained"): ("empty",),
    ("loadpath.laws.measure_representations", "n_orders"): ("zero", "three", "one more"),
    ("loadpath.laws.composition", "model"): ("weights 0", "weights tiny"),  # nothing moves
    ("loadpath.laws.measure", "n_orders"): ("zero", "three", "one more"),
    ("loadpath.laws.measure", "n_untrained"): ("zero", "three", "one more", "one less"),
    ("loadpath.mechanics.slow_steps", "speed"): BAD,  # a step that ends at 0 is infinitely fast
    ("loadpath.mechanics.relative_speed", "path"): NOTHING,  # the same
    ("loadpath.mechanics.stationarity", "W"): NOTHING,  # momenta, and nothing to hold
    ("loadpath.mechanics.bottleneck_from_spectra", "spectra"): (
        *("equal", "for all", "less", "far from 0"),
    ),  # an endless gap
    ("loadpath.networks.train", "network"): ("weights 0", "weights tiny"),  # no classes apart
    ("loadpath.mechanics.profile", "model"): ("weights 0", "weights tiny"),  # nothing moves
    ("loadpath.mechanics.step_momenta", "B"): ("generator",),  # one after another
    ("loadpath.separation.log_separation", "H"): ("equal", "zero", "for all"),  # no classes apart
    ("loadpath.separation.target_separation", "H"): ("equal", "zero", "for all"),
    ("loadpath.separation.target_separation", "y"): ("equal", "zero", "for all"),
    ("loadpath.separation.concavity", "D"): (
        *("one more sample", "one axis more", "two axes more"),
        *BAD,
    ),  # bends and does not fall
    ("loadpath.spring_block.tuning.straight_level", "log_separation"): (
        "nan",  # nets that are not there
        "infinit",
    ),
    ("loadpath.statistics.Column", "low"): BAD,  # an interval that is open
    ("loadpath.statistics.Column", "high"): BAD,
    ("loadpath.plots.Film", "mean"): ("",),  # places as a page has them, of any number
    ("loadpath.diagnosis.Monitor", "probe"): (
        "inside",  # batches are looked at one by one
        "other kind",  # a tuple is a batch, and a list holds batches
    ),
    ("loadpath.diagnosis.verdict", "skipped"): ("nan", "all inf"),  # layers without intervals
    ("loadpath.diagnosis.Steer", "probe"): ("inside", "other kind"),  # as above
    ("loadpath.surgery.halves", "batches"): ("inside",),  # batches of any kind are dealt
    ("loadpath.surgery.plan", "ways"): ("list", "tuple", "array"),  # several ways
    ("loadpath.surgery.prove", "model"): ("weights 0", "weights tiny"),  # outputs are all alike
    ("loadpath.results.stamp", "ds"): (
        "nan",
        "inf",
        "one more variable",
        "huge",
    ),  # any result may be stamped
    ("loadpath.results.stamp", "width"): ("",),  # any plain value is a parameter
    ("loadpath.results.with_parameters", "ds"): ("nan", "inf", "one more variable", "huge"),
    ("loadpath.results.with_parameters", "width"): ("",),
    # A section holds what it is given; the page leaves out of its figures what is no number.
    ("loadpath.report.Section", "profile"): ("nan", "inf", "another order", "one more variable"),
    ("loadpath.report.Section", "config"): ("view", "nan"),
    ("loadpath.record.second_moments", "recording"): ("empty list",),  # nothing was recorded
    ("loadpath.sweep.run", "measure"): ("class",),  # may be called; every cell says it failed
    ("loadpath.spring_block.unpinning_noise", "friction"): ("",),  # infinite where time is short
    ("loadpath.separation.loads", "D"): (
        "one axis more",
        "two axes more",
        *BAD,
    ),  # many curves at once
    ("loadpath.statistics.jackknife_from_values", "sizes"): ("fractions",),  # weights will do
    ("loadpath.statistics.groups_of", "indices"): ("empty",),  # no samples, no groups
    ("loadpath.statistics.Grouped", "new"): ("class",),  # a class makes things, too
    ("loadpath.spring_block.fit", "curves"): ("one axis more", "two axes more"),  # of many
    ("loadpath.statistics.jackknife_from_values", "without"): BAD,  # its status is "no interval"
    ("loadpath.statistics.Column", "value"): ("nan",),  # a layer without a number
}
"""Mutations whose result is what the docstring says of it, NaN and infinity included."""
NAMES_OF = {"noises": ("dropout",), "p": ("dropout",), "common": ("parameters",)}
"""What else a sentence may call an argument."""
HANDED_ON = {
    *(
        ("loadpath.phase_diagram.measure", each)
        for each in ("width", "epochs", "n_train", "engine")
    ),
    ("loadpath.data.load", "n_train"),
}
"""Arguments that go on to another function, where None is allowed."""
CLOSED_OVER = {("loadpath.record.find_blocks", "model")}
"""Nets that another argument calls itself, so that a copy is another net."""
OPAQUE = ("Adjoint", "Monitor", "Steer")
"""Classes whose buffers hold nothing yet, or times: there are no numbers to compare."""


OWN = (ValueError, TypeError, OSError, ImportError, RuntimeError)
"""Kinds of errors that the package raises on purpose."""


class HangsError(BaseException):
    """A call that took too long; not an Exception, so that nothing on the way catches it."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of one call."""

    function: str
    argument: str
    mutation: str
    outcome: str
    words: str = ""
    seconds: float = 0.0


def planned(only=""):
    """Return (path, argument, number of the mutation) of all calls, and the base calls' makers."""
    from argument_calls import CALLS

    calls = []
    for path in sorted(CALLS):
        if only in path:
            given = CALLS[path]()
            for name, value in given.items():
                if "*" not in given:  # what is given by place would take the place of a mutation
                    calls += [(path, name, i) for i, _ in enumerate(mutated(path, name, value))]
    return calls


def mutated(path, name, value):
    from argument_mutations import mutations

    hint = annotation(path, name)
    optional = "None" in str(hint) or "Optional" in str(hint) or (path, name) in HANDED_ON
    found = mutations(value, optional=optional, choices=words_of(hint, value))
    if "ArrayLike" in str(annotation(path, name, named=True)) or "ArrayLike" in str(hint):
        found = (
            m if m.name not in ANY_SHAPE else dataclasses.replace(m, outcome="either")
            for m in found
        )
    return found


ANY_SHAPE = (
    *("number", "whole number", "list", "0-d", "empty", "empty list", "one axis more"),
    *("one axis more, last", "two axes more", "list of one", "array of one", "tensor of one"),
    *("NumPy's number", "list of an empty list"),
)
"""Mutations that may be right where an array of any shape will do."""


def annotation(path, name, *, named=False):
    """Return the hint of an argument; what is not in the signature goes on to another function."""
    function = pkgutil.resolve_name(path)
    called = function.__init__ if inspect.isclass(function) else function
    with contextlib.suppress(Exception):
        if named:
            return called.__annotations__[name]
        return typing.get_type_hints(called)[name]
    parameters = inspect.signature(function).parameters
    return parameters[name].annotation if name in parameters else ""


WORDS = {"activation", "name", "by", "kind", "engine", "panel", "data", "network"}
"""Arguments that are one of a few words, whether or not the annotation lists them."""


def words_of(hint, value):
    """Return the words that a hint lists, at any depth."""
    found = [each for each in typing.get_args(hint) if isinstance(each, str)]
    for part in typing.get_args(hint):
        found += words_of(part, value) or ()
    return tuple(found) or None


def timed(*each):
    """Judge one call, and say how long it took."""
    start = time.perf_counter()
    verdict = judge(*each)
    return dataclasses.replace(verdict, seconds=time.perf_counter() - start)


def judge(path, name, number):
    """Make one call and judge it."""
    from argument_calls import CALLS, POSITIONAL

    given = CALLS[path]()
    mutation = next(itertools.islice(mutated(path, name, given[name]), number, None))
    given[name] = mutation.value
    positional = given.pop(POSITIONAL, ())
    label = (path.removeprefix("loadpath."), name, mutation.name)
    try:
        result = run(path, positional, given)
    except HangsError:
        return Verdict(*label, "hangs")
    except BaseException as error:
        return Verdict(*label, *judge_error(error, name, given, mutation, path))
    return Verdict(*label, *judge_result(path, name, result, mutation))


def run(path, positional, given):
    """Call a function with a time limit, and take what comes of a generator."""
    result = None

    def stop(*_):
        raise HangsError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    try:
        with warnings.catch_warnings(), quiet[0], quiet[1]:
            warnings.simplefilter("ignore")
            result = pkgutil.resolve_name(path)(*positional, **given)
            return list(result) if inspect.isgenerator(result) else result
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge_error(error, name, given, mutation, path=""):
    """Say whether an error is a sentence of our own about the argument."""
    import xarray as xr

    said = str(error)
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    words = f"{type(error).__name__}: {said[:160]!r} ({Path(last.filename).name}:{last.lineno})"
    # An error that is raised on purpose stands in a `raise` of ours; `raise ... from None` too.
    own = last.filename.startswith(SOURCE) and linecache.getline(
        last.filename, last.lineno
    ).lstrip().startswith("raise")
    if not own or not isinstance(
        error, ValueError | TypeError | OSError | ImportError | RuntimeError
    ):
        return "raw", words
    if not said or "\n" in said.strip() or not said.rstrip().endswith((".", ")")):
        return "unnamed", words
    # Where two arguments do not fit each other, a sentence may name the other one.
    others = [*given] if mutation.outcome == "either" else [name]
    if isinstance(mutation.value, xr.Dataset):
        others += map(str, mutation.value.variables)
    others += [each.removesuffix("s") for each in others]  # slopes: "slope must lie in [0, 1]"
    others += NAMES_OF.get(name, ())
    others += ["layer '[^']+'", "batch [0-9]+"]  # where a net is the argument, or its data
    named = any(re.search(rf"\b{each}", said) for each in others)
    if not named and not quoted(mutation.value, said):
        return "unnamed", words
    documented = any(each in mutation.name for each in DOCUMENTED.get((path, name), ()))
    if mutation.outcome == "same" and (path, name) not in CLOSED_OVER and not documented:
        return "differs", words
    return "sentence", ""


def quoted(value, said):
    """Whether a sentence quotes a value, such as the name of a file."""
    text = str(value)
    return len(text) > 2 and text in said


def judge_result(path, name, result, mutation):
    """Say whether a result is what it should be: the valid call's, or finite at least."""
    numbers, expected = flat(result), flat(base_result(path))
    documented = any(each in mutation.name for each in DOCUMENTED.get((path, name), ()))
    if documented:
        return "right", ""
    if mutation.outcome == "refused":
        return "accepted", shown(result)
    if mutation.outcome == "same":
        if not alike(numbers, expected, mutation.tolerance):
            return "differs", shown(result)
        return "right", ""
    if lacking(numbers) > lacking(expected) and not worded(result, base_result(path)):
        return "nan", shown(result)
    return "right", ""


BASE = {}


def base_result(path):
    from argument_calls import CALLS, POSITIONAL

    if path not in BASE:
        given = CALLS[path]()
        BASE[path] = run(path, given.pop(POSITIONAL, ()), given)
    return BASE[path]


def flat(result, depth=0, seen=()):
    """Return all numbers of a result as a list of arrays, whatever it is."""
    import numpy as np
    import torch
    import xarray as xr

    if type(result).__name__ in OPAQUE:
        return []
    if depth > 6 or id(result) in seen or isinstance(result, str | bytes | type | Path):
        return []
    seen = (*seen, id(result))
    if isinstance(result, torch.Tensor):
        return [result.detach().cpu().double().numpy()] if not result.is_complex() else []
    if isinstance(result, np.ndarray | np.generic | bool | int | float):
        array = np.asarray(result)
        return [array.astype(float)] if array.dtype.kind in "biuf" else []
    if isinstance(result, xr.Dataset):
        names = sorted(result.variables, key=str)  # their order says nothing
        return [a for v in names for a in flat(result[v].values, depth + 1, seen)]
    if isinstance(result, torch.nn.Module):
        return [a for t in result.state_dict().values() for a in flat(t, depth + 1, seen)]
    if isinstance(result, dict):
        parts = list(result.values())
    elif isinstance(result, list | tuple):
        parts = list(result)
    elif type(result).__module__.startswith("loadpath"):
        parts = [v for k, v in sorted(vars(result).items()) if not clock(k)]
    else:
        return []
    return [a for part in parts for a in flat(part, depth + 1, seen)]


def clock(name):
    """Whether a field holds a time, which is another in every call."""
    return name in ("seconds", "history")


def alike(numbers, expected, tolerance):
    import numpy as np

    return len(numbers) == len(expected) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=1e-12, equal_nan=True)
        for a, b in zip(numbers, expected, strict=True)
    )


def lacking(numbers):
    """Return how many numbers are NaN or infinite."""
    import numpy as np

    return sum(int((~np.isfinite(a)).sum()) for a in numbers)


def worded(result, base):
    """Whether a result says in words that it is not what it should be."""
    return statuses(result) != statuses(base)


def statuses(result):
    """Return all words of a result: status fields and columns."""
    import xarray as xr

    held = getattr(result, "dataset", None)
    result = held if isinstance(held, xr.Dataset) else result  # of a Diagnosis
    if isinstance(result, xr.Dataset):
        columns = [str(result[v].values) for v in result.variables if "status" in str(v)]
        return [*columns, str(result.attrs.get("status"))]
    if isinstance(result, list | tuple) and not hasattr(result, "_fields"):
        return [word for part in result for word in statuses(part)]
    if hasattr(result, "accuracy") and hasattr(result, "penalty"):  # a Probe
        return [str(result.accuracy.status)]
    words = ("status", "trust", "message", "verdict", "clear", "vacuous")
    return [str(getattr(result, name)) for name in words if hasattr(result, name)]


def shown(result):
    return " ".join(str(result).split())[:160]


def sample(count, seed, only=""):
    """Return `count` random calls: a function, one of its arguments, and one of the mutations."""
    from argument_calls import CALLS

    rng, calls = random.Random(seed), []
    paths = [path for path in sorted(CALLS) if only in path]
    while len(calls) < count:
        path = rng.choice(paths)
        given = CALLS[path]()
        if given and "*" not in given:
            name = rng.choice(sorted(given))
            number = sum(1 for _ in mutated(path, name, given[name]))
            calls.append((path, name, rng.randrange(number)))
    return sorted(calls)


def report(verdicts):
    """Return the table of outcomes by room."""
    rooms = sorted({v.function.split(".")[0] if "." in v.function else "lp" for v in verdicts})
    lines = [f"{'room':16}" + "".join(f"{name:>10}" for name in ("calls", *OUTCOMES))]
    for room in [*rooms, "all"]:
        counts = Counter(
            v.outcome
            for v in verdicts
            if room == "all" or (v.function.split(".")[0] if "." in v.function else "lp") == room
        )
        cells = [sum(counts.values()), *(counts[name] for name in OUTCOMES)]
        lines.append(f"{room:16}" + "".join(f"{cell:10}" for cell in cells))
    return "\n".join(lines)


def fuzz(*, only="", count=None, seed=0, say=lambda verdict: None):
    """Return the verdicts of all calls, or of a sample of them, and say each as it comes."""
    import torch

    torch.set_num_threads(1)
    temporary = tempfile.mkdtemp()
    before, tempfile.tempdir = tempfile.tempdir, temporary
    here = os.getcwd()
    os.chdir(temporary)
    try:
        calls = planned(only) if count is None else sample(count, seed, only)
        verdicts = []
        for each in calls:
            verdicts.append(timed(*each))
            say(verdicts[-1])
        return verdicts
    finally:
        os.chdir(here)
        tempfile.tempdir = before
        shutil.rmtree(temporary, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, help="how many calls; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", default="", help="functions whose name has this in it")
    parser.add_argument("--list", action="store_true", help="show calls that went wrong")
    options = parser.parse_args()

    def say(v):
        if options.list and v.outcome not in GOOD:
            print(f"{v.outcome:9}{v.function}({v.argument}: {v.mutation}) {v.words}", flush=True)

    verdicts = fuzz(only=options.only, count=options.calls, seed=options.seed, say=say)
    wrong = [v for v in verdicts if v.outcome not in GOOD]
    if options.list:
        slow = Counter()
        for v in verdicts:
            slow[v.function] += v.seconds
        print("slowest:", ", ".join(f"{name} {s:.1f} s" for name, s in slow.most_common(12)))
    print(report(verdicts))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
