"""What the laws are measured on is checked before anything is measured."""

import numpy as np
import pytest
import torch

from loadpath.laws import Representations
from loadpath.laws.curves import LOG_SEPARATIONS, nc1_curve
from loadpath.measures.separation import KINDS, ClassMoments, log_separation, nc1, target_probe

make = Representations.from_features
ROWS = [torch.randn(6, 2, generator=torch.Generator().manual_seed(s)) for s in range(3)]
LABELS = [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "features, options, words",
    [
        (ROWS[:2], {}, "features must hold at least 3 layers"),
        ([*ROWS[:2], ROWS[2][:4]], {}, r"features\[2\] must have 6 samples as features\[0\]"),
        ([*ROWS[:2], ROWS[2] * float("nan")], {}, r"features\[2\] must .*finite"),
        (ROWS, {"answers": LABELS[:4]}, "answers must have a row for each of 6 samples"),
        (ROWS, {"answers": [0, 0, 0, 0, 0, 1]}, "answers must have at least 2 classes"),
        (ROWS, {"answers": [0] * 6}, "answers must have at least 2 classes"),
        (ROWS, {"answers": [0.5] * 6, "answer_kind": "classes"}, "one whole number a sample"),
        (ROWS, {"answer_kind": "classes"}, "answers must be given for answer_kind 'classes'"),
        (ROWS, {"answers": LABELS, "answer_kind": "words"}, "answer_kind must be one of"),
        (ROWS, {"names": ["a", "b"]}, "names must be 3 different names"),
        (ROWS, {"names": ["a", "b", "a"]}, "names must be 3 different names"),
        (ROWS, {"p": [0.0, 0.5, 0.5]}, "p must be 3 rising positions"),
        (ROWS, {"samples": [0, 1]}, "samples must be 6 whole numbers"),
        (ROWS, {"activation": "sine"}, "activation must be"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(features, options, words):
    with pytest.raises(ValueError, match=words):
        make(features, options.pop("answers", None), **options)


def test_class_numbers_lose_their_gaps():
    assert make(ROWS, [7, 3, 7, 3, 7, 3]).answers.tolist() == [1, 0, 1, 0, 1, 0]


def test_real_targets_become_columns():
    path = make(ROWS, np.linspace(0, 1, 6))
    assert path.answer_kind == "targets" and path.answers.shape == (6, 1)


def test_some_of_the_samples_are_taken_in_all_layers():
    path = make(ROWS, LABELS).taken(torch.tensor([0, 1, 2, 3]))
    assert path.count == 4 and path.answers.tolist() == [0, 1, 0, 1]
    assert torch.equal(path.rows[2], ROWS[2][:4].double())


def test_residual_streams_are_told_from_layers_that_begin_anew():
    noise = torch.randn(5, 50, 4, generator=torch.Generator().manual_seed(0)).double()
    assert make(list(noise[0] + 0.1 * noise.cumsum(0))).adds_to_a_stream
    assert not make(list(noise)).adds_to_a_stream
    assert not make([torch.ones(4, 2), torch.ones(4, 3), torch.ones(4, 2)]).adds_to_a_stream


def test_the_same_with_other_answers_reads_them_off_the_same_decompositions():
    draw = torch.Generator().manual_seed(0)
    path = make([torch.randn(40, 3, generator=draw) for _ in range(3)], torch.arange(40) % 3)
    other = path.with_answers(path.answers.flip(0))
    probes = other.probes
    assert path.probes is probes and path.taken(torch.arange(10)).probes is not probes
    for probe, H in zip(probes, path.rows, strict=True):
        one_hot = torch.nn.functional.one_hot(other.answers).double()
        assert probe.read(one_hot) == target_probe(H, other.answers, n_folds=2)


def test_curves_of_classes_are_the_numbers_of_the_measures():
    draw = torch.Generator().manual_seed(1)
    labels = torch.arange(60) % 3
    # The last has more features than samples: Sigma_w has no inverse.
    widths = (3, 5, 80)
    rows = [torch.randn(60, w, generator=draw) + labels[:, None] for w in widths]
    path = make(rows, labels)
    for kind in KINDS:
        sign = -1 if kind == "inverse" else 1
        expected = [sign * log_separation(H, labels, kind) for H in path.rows]
        # The same to rounding, by other decompositions.
        assert path.curve(LOG_SEPARATIONS[kind]).tolist() == pytest.approx(expected, rel=1e-9)
    expected = [nc1(ClassMoments.from_features(H, labels)) for H in path.rows]
    assert path.curve(nc1_curve).tolist() == pytest.approx(expected, rel=1e-9)
