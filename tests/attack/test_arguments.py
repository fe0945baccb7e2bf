"""Nonsense for one argument at a time, of every public function: right, or a sentence of our own.

`helpers/argument_fuzz.py` makes and judges the calls, in a process of its own: pytest's hook, which
checks types before a function can, would hide what users see.
"""

import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import argument_calls
import argument_fuzz
import numpy as np
import pytest
import torch

import loadpath as lp
from tests.plots import test_phase_diagram, test_plots
from tests.test_docs import ENTRIES

FUZZ = Path(argument_fuzz.__file__)
CALLS = 24
"""Calls of a run of the tests, a few seconds of them; all are made by `make attack`."""
SEED = 0


def test_every_public_function_and_class_is_tried_or_has_a_reason():
    things = {path: pkgutil.resolve_name(path) for path in ENTRIES}
    called = {
        p for p, thing in things.items() if inspect.isclass(thing) or inspect.isroutine(thing)
    }
    known = {*argument_calls.CALLS, *argument_calls.RESULTS, *argument_calls.NO_BASE_CALL}
    assert called == known


def test_a_wrong_argument_gives_a_sentence_or_the_right_numbers():
    every = bool(os.environ.get("LOADPATH_ATTACK"))
    sample = () if every else ("--calls", str(CALLS), "--seed", str(SEED))
    command = [sys.executable, str(FUZZ), "--list", *sample]
    run = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert run.returncode == 0, f"seed {SEED}:\n{run.stdout}\n{run.stderr}"


def judged(call, name="x", value=2.0, outcome="either"):
    """The outcome that the fuzz gives to a call with one argument."""
    from argument_outcomes import Mutation

    mutation = Mutation("made up", value, outcome)
    try:
        result = call(value)
    except Exception as error:
        return argument_fuzz.judge_error(error, name, {name: value}, mutation)[0]
    argument_fuzz.BASE["made up"] = 1.0
    return argument_fuzz.judge_result("made up", name, result, mutation)[0]


def test_the_fuzz_finds_what_it_looks_for():
    assert judged(lambda x: x + "") == "raw"
    assert judged(lambda x: lp.layer_steps.equidistant(x), "depth", 0) == "sentence"
    assert judged(lambda x: lp.layer_steps.equidistant(x), "count", 0) == "unnamed"
    assert judged(lambda x: float("nan")) == "nan"
    assert judged(lambda x: 1.0, outcome="refused") == "accepted"
    assert judged(lambda x: 2.0, outcome="same") == "differs"
    assert judged(lambda x: 1.0, outcome="same") == "right"


CHAIN = lp.spring_block.Chain(3, friction_right=0.1)
STEPS = torch.tensor([0.5, 0.5])
OUTPUTS = torch.ones(4, 2)
PROFILE = test_plots.synthetic_profile()
DIAGRAM = test_phase_diagram.diagram()


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda: lp.spring_block.rest_state(CHAIN, by="Force"),  # it answered for the wall
            "by must be one of wall, force, got 'Force'.",
        ),
        (
            lambda: lp.leaky_resnet.data_term(OUTPUTS, OUTPUTS[:1], "mse"),  # 3.67 for 6.96
            "y must have shape (4, 2) for loss 'mse', got (1, 2).",
        ),
        (
            lambda: lp.layer_steps.split(2 * STEPS),
            "steps must sum to 1, got a sum of 2.",
        ),
        (
            lambda: lp.mechanics.relative_speed([OUTPUTS] * 3, torch.tensor([1.5, -0.5])),
            "layer_steps must be finite and positive, got [1.5, -0.5].",
        ),
        (
            lambda: lp.mechanics.cost_of_identity(OUTPUTS + 1j, gamma=1.0),
            "A must hold real numbers, got torch.complex64.",
        ),
        (
            lambda: lp.mechanics.momentum_norm(1e200 * OUTPUTS.double()),
            "B must hold numbers of at most 1e+70 in size, got 1e+200.",
        ),
        (
            lambda: lp.mechanics.spectrum(OUTPUTS, centred="no"),  # Python takes it for True
            "centred must be True or False, got 'no'.",
        ),
        (
            lambda: lp.plots.mesh(PROFILE.assign_coords(p=np.nan * PROFILE.p)),
            "profile.p must be finite, got nan at index 0.",
        ),
        (
            lambda: lp.plots.figure_2c({"even": PROFILE.drop_vars("projection")}),
            "profiles['even'] lacks the variables ['projection'].",
        ),
        (
            lambda: lp.plots.figure_phase_diagrams([DIAGRAM, DIAGRAM.drop_vars("noise")]),
            "panels[1] must have labels along 'noise', and has none.",
        ),
        (
            lambda: lp.spring_block.chain_phase_diagram(friction=[0.1], noise=[1e50]),
            "noise must be at most 1e+10 times the chain's target, above which rounding leaves "
            "nothing of it in the loads, got 1e+50.",
        ),
        (
            lambda: lp.diagnosis.Monitor(torch.nn.Linear(2, 2), 3.0),
            "probe must yield batches, and it is of type float.",
        ),
    ],
)
def test_what_was_taken_for_something_else_is_refused(call, sentence):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == sentence


def test_arrays_and_lists_do_where_tensors_do():
    code = (
        "import loadpath as lp; A = [[1.0, 0.0], [0.0, 2.0]]; import numpy as np; import torch;"
        "give = [lp.mechanics.cost_of_identity(f(A), gamma=1.0).item() "
        "for f in (list, np.array, torch.tensor)]; print(len(set(give)))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
