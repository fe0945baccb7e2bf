"""Moments against the same products taken over all rows at once. Seeds are the parameters shown."""

import os
import pickle

import pytest
import torch
from exact_paths import random

from loadpath.checks import as_rows
from loadpath.record import Moments, features
from loadpath.threads import cores, torch_threads

# Householder QR is backward stable: relative errors are a few eps times the number of updates.
EXACT = dict(rtol=1e-12, atol=1e-12)


def streamed(A, dA, batch, **options):
    moments = Moments(A.shape[1], **options)
    for a, d in zip(A.split(batch), dA.split(batch), strict=True):
        moments.update(a, d)
    return moments


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("activation, bias", [("relu", True), ("identity", False), ("tanh", True)])
def test_blocks_equal_products_over_all_rows(batch, activation, bias):
    A, dA = random(100, 6, seed=0), random(100, 6, seed=1)
    S = features(A, activation=activation, bias=bias)
    moments = streamed(A, dA, batch, activation=activation, bias=bias)
    rows = {"S": S, "A": A, "dA": dA}
    assert moments.count == 100
    for first, left in rows.items():
        for second, right in rows.items():
            torch.testing.assert_close(moments.block(first, second), left.T @ right, **EXACT)
    torch.testing.assert_close(moments.mean(), A.mean(0), **EXACT)


def test_centred_rows_have_the_moments_of_centred_data_without_cancellation():
    # A mean 1e6 times the spread: subtracting it from A^T A would leave 4 digits of the spread.
    A = random(200, 5, seed=2) + 1e6
    moments = Moments(5, velocity=False)
    for part in A.split(60):
        moments.update(part)
    centred = A - A.mean(0)
    rows = moments.centred_rows()
    # The data themselves carry eps * 1e6 = 2e-10.
    torch.testing.assert_close(rows.T @ rows, centred.T @ centred, rtol=1e-8, atol=1e-7)


def test_merge_is_associative_and_commutes_and_leaves_its_parts_alone():
    parts = []
    for seed in range(3):
        moments = Moments(4)
        moments.update(random(30 + seed, 4, seed=seed), random(30 + seed, 4, seed=seed + 10))
        parts.append(moments)
    a, b, c = parts
    before = a.factor.clone()
    left, right, swapped = a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(b).merge(a)
    assert left.count == right.count == swapped.count == 93
    for first, second in (("S", "S"), ("S", "dA"), ("A", "dA")):
        torch.testing.assert_close(left.block(first, second), right.block(first, second), **EXACT)
        torch.testing.assert_close(left.block(first, second), swapped.block(first, second), **EXACT)
    assert torch.equal(a.factor, before) and a.count == 30


def test_merge_with_nothing_and_a_trip_through_pickle_change_nothing():
    moments = Moments(4)
    moments.update(random(9, 4, seed=3), random(9, 4, seed=4))
    merged = Moments(4).merge(pickle.loads(pickle.dumps(moments)))
    torch.testing.assert_close(merged.block("A", "dA"), moments.block("A", "dA"), **EXACT)


def test_memory_is_bounded_by_the_width():
    moments = Moments(3)
    for seed in range(50):
        moments.update(random(40, 3, seed=seed), random(40, 3, seed=seed + 50))
    assert moments.count == 2000
    assert moments.factor.shape == (10, 10)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_rows_wait_until_there_are_as_many_as_columns(batch):
    moments, waits = Moments(6, velocity=False), []
    for a in random(500, 6, seed=11).split(batch):
        moments.update(a)
        waits.append(sum(map(len, moments._waiting)))
    # 13 columns: fewer rows than that wait, so that memory does not depend on how many came.
    assert max(waits) == (12 if batch < 13 else 0)
    A = random(500, 6, seed=11)
    torch.testing.assert_close(moments.block("A", "A"), A.T @ A, **EXACT)


def test_an_identity_activation_keeps_nothing_twice():
    A = random(50, 4, seed=12)
    moments = Moments(4, velocity=False, activation="identity")
    moments.update(A)
    assert moments.factor.shape == (5, 5)
    torch.testing.assert_close(moments.block("S", "A"), features(A, activation="identity").T @ A)


def test_float32_rows_are_taken_up_in_float64():
    A = random(64, 4, seed=5).float()
    moments = Moments(4, velocity=False)
    moments.update(A)
    assert moments.factor.dtype == torch.float64
    torch.testing.assert_close(moments.block("A", "A"), A.double().T @ A.double(), **EXACT)


def test_the_number_of_threads_is_put_back_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(1):
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be taken on Linux")
def test_threads_are_the_cores_left_to_the_process_unless_told():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores(None) == 1
    finally:
        os.sched_setaffinity(0, before)
    assert cores(None) == len(before)
    assert cores(7) == 7


A, BAD = torch.ones(5, 3), torch.tensor([[1.0, float("nan"), 2.0]])


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Moments(0), "width must be a whole number of at least 1, not 0"),
        (lambda: Moments(3, activation="sin"), "activation must be one of relu.* got 'sin'"),
        (lambda: Moments(3).update(A), "dA must be passed exactly when velocity is True"),
        (lambda: Moments(3, velocity=False).update(A, A), "but it is given"),
        (lambda: Moments(3).update(A, A[:4]), r"dA must have shape \(5, 3\), got \(4, 3\)"),
        (lambda: Moments(4).update(A, A), r"A must have shape \(5, 4\), got \(5, 3\)"),
        (lambda: Moments(3).update(BAD, BAD), "A must be finite, got 1 entries"),
        (lambda: Moments(3).update(A[0], A[0]), "A must be a non-empty .* matrix"),
        (lambda: Moments(3).rows(), "at least one sample, got 0"),
        (lambda: Moments(3).merge(Moments(4)), "other must have width=3, got 4"),
        (lambda: Moments(3).merge(Moments(3, bias=False)), "other must have bias=True, got False"),
        (lambda: cores(0), "threads must be a whole number of at least 1, not 0"),
        (lambda: as_rows("dA", torch.ones(0, 3)), r"dA must be a non-empty .* got \(0, 3\)"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


def test_asking_for_velocities_that_were_not_recorded_is_one_sentence():
    moments = Moments(3, velocity=False)
    moments.update(A)
    with pytest.raises(ValueError, match="dA must not be asked of moments"):
        moments.block("A", "dA")
