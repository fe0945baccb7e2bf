"""Rankings whose agreement is known, and sentences that say no more than the intervals."""

import math
from itertools import permutations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from loadpath.diagnosis.skipping.ranking import verdict
from loadpath.diagnosis.skipping.verdict_sentences import from_both_ends, listed
from loadpath.statistics.rank_agreement import Column, rank_agreement


def column(values, reach=0.0, level=0.95):
    values = np.asarray(values, dtype=float)
    return Column(values, values - reach, values + reach, level)


def dataset(layers, level=0.95, **columns):
    """Columns over layers, (values, half width of the intervals) each."""
    ds = xr.Dataset(coords={"layer": np.array(layers, dtype=object)}, attrs={"level": level})
    for name, (values, reach) in columns.items():
        values = np.asarray(values, dtype=float)
        for suffix, end in (("", values), ("_low", values - reach), ("_high", values + reach)):
            ds[name + suffix] = ("layer", end)
    return ds


def skipped_of(layers, change, reach, status=None, truth="loss_change", **attrs):
    ds = dataset(layers, **{truth: (change, reach)})
    words = ["skipped"] * len(layers) if status is None else status
    ds["status"] = ("layer", np.array(words, dtype=object))
    if truth == "loss_change":
        ds["loss"] = 0.5
    return ds.assign_attrs(n_samples=100, loss_kind="mean squared error", **attrs)


LAYERS = ["a", "b", "c", "d", "e"]
STEPS = [0.5, 0.1, 0.3, 0.2, 0.4]


@pytest.mark.parametrize("n", [4, 6])
def test_the_p_value_is_exact_for_few_layers(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n))
    found = rank_agreement(column(x), column(y))
    rho = stats.spearmanr(x, y).statistic
    others = [abs(stats.spearmanr(x, y[list(order)]).statistic) for order in permutations(range(n))]
    assert found.exact and found.spearman == pytest.approx(rho)
    assert found.p_value == pytest.approx(np.mean(np.array(others) >= abs(rho) - 1e-9))
    assert (found.low, found.high) == (pytest.approx(rho), pytest.approx(rho))  # nothing to redraw


def test_a_perfect_order_of_n_layers_is_one_of_n_factorial_or_its_reverse():
    for n in (4, 5, 8):
        found = rank_agreement(column(range(n)), column(range(n)))
        assert found.p_value == pytest.approx(2 / math.factorial(n))
    # So four layers cannot show it at 95 %, however well they agree.
    assert rank_agreement(column(range(4)), column(range(4))).trust == "not shown"
    assert rank_agreement(column(range(5)), column(range(5))).trust == "agrees"
    assert rank_agreement(column(range(5)), column(range(5)[::-1])).trust == "the other way round"


def test_drawn_orders_come_near_to_the_p_value_of_many_layers():
    rng = np.random.default_rng(3)
    x = rng.normal(size=12)
    y = x + 1.5 * rng.normal(size=12)
    found = rank_agreement(column(x), column(y))
    reference = stats.permutation_test(
        (x, y),
        lambda x, y: stats.spearmanr(x, y).statistic,
        permutation_type="pairings",
        n_resamples=4000,
        rng=np.random.default_rng(4),
    ).pvalue
    assert not found.exact and found.p_value == pytest.approx(reference, abs=0.03)
    again = rank_agreement(column(x), column(y))
    assert again == found  # seeded
    assert rank_agreement(column(range(12)), column(range(12))).p_value == 1 / 20_000


def test_p_values_of_no_agreement_are_as_often_small_as_they_say():
    rng = np.random.default_rng(5)
    p = [rank_agreement(*map(column, rng.normal(size=(2, 5)))).p_value for _ in range(400)]
    # Of 5 layers the p-value takes few values, none of them more often than it says.
    for level in (0.05, 0.1, 0.3):
        assert np.mean(np.array(p) <= level) <= level + 2.5 * math.sqrt(level * (1 - level) / 400)


def test_the_interval_of_the_correlation_is_as_wide_as_the_columns_are_unsure():
    sure = rank_agreement(column(range(6), 0.01), column(range(6), 0.01))
    assert (sure.low, sure.high) == (1, 1)
    one_swap = rank_agreement(column([0, 1, 2, 2.9, 3.1, 5], 0.2), column(range(6), 0.01))
    # The two that are close change places, which costs 6 * 2 / (6 * 35).
    assert (one_swap.low, one_swap.high) == (pytest.approx(1 - 12 / 210), 1)
    lost = rank_agreement(column(range(6), 100.0), column(range(6)))
    assert lost.low < -0.6 and lost.high > 0.6 and lost.trust == "not shown"
    # Half the level, half the deviation: the same interval means more at 99 %.
    assert column([0.0], 1.0, 0.99).deviation[0] == pytest.approx(1 / 2.5758, rel=1e-4)


def test_hits_and_places_are_counted():
    found = rank_agreement(column([1, 2, 3, 4, 5, 6]), column([5, 1, 2, 6, 3, 4]), least=3)
    assert (found.least, found.hits, found.hits_by_chance) == (3, 2, 1.5)
    assert found.rank_of_least_moving == 5
    assert rank_agreement(column(range(12)), column(range(12))).least == 3
    # One that shares its place with others has the first of their places.
    assert rank_agreement(column([1, 2, 3]), column([0, 0, 0])).rank_of_least_moving == 1


def test_equal_numbers_share_a_rank_and_constant_columns_have_none():
    x, y = [1, 2, 2, 4, 5], [0, 0, 3, 1, 4]
    assert rank_agreement(column(x), column(y)).spearman == pytest.approx(
        stats.spearmanr(x, y).statistic
    )
    flat = rank_agreement(column(x), column([1] * 5))
    assert math.isnan(flat.spearman) and math.isnan(flat.p_value) and flat.trust == "not shown"
    few = rank_agreement(column([1, 2, 3]), column([1, 2, 3]))
    assert math.isnan(few.spearman) and few.trust == "too few layers"


def test_a_verdict_ranks_and_sorts_by_what_the_intervals_hold():
    profile = dataset(["input", *LAYERS], relative_step=([np.nan, *STEPS], 0.01))
    change = [0.9, 0.01, -0.3, 0.2, 0.5]
    skipped = skipped_of(LAYERS, change, 0.05)
    found = verdict(profile, skipped)
    assert found.ranking == ("b", "d", "c", "e", "a")
    np.testing.assert_allclose(found.movement.value, sorted(STEPS))
    np.testing.assert_allclose(found.harm.value, [0.01, 0.2, -0.3, 0.5, 0.9])
    assert found.indistinct == ("b",) and found.helpful == ("c",)
    assert found.harmful == ("d", "e", "a") and found.unsure == () and found.left_out == {}
    rho = stats.spearmanr(STEPS, change).statistic
    assert found.agreement.spearman == pytest.approx(rho)
    assert found.agreement.rank_of_least_moving == 2
    text = found.sentences
    assert text[0] == (
        "5 of 5 layers were skipped, one at a time, on 100 samples; with all in place the loss is "
        "0.5 (mean squared error)."
    )
    assert text[1] == (
        "Skipping b changes the loss by less than can be told from 0 on these samples "
        "(95% intervals: b -0.04 to 0.06)."
    )
    assert text[2] == (
        "Skipping raises the loss: d by 0.2 (0.15 to 0.25), e by 0.5 (0.45 to 0.55) and a by 0.9 "
        "(0.85 to 0.95)."
    )
    assert text[3] == "Skipping lowers the loss: c by 0.3 (0.25 to 0.35)."
    assert text[4] == (
        "b moves the representation least (relative step 0.1, 0.09 to 0.11), and of the 5 layers "
        "ranked its change is the 2nd smallest as measured."
    )
    assert any("It is not shown on this model" in sentence for sentence in text)
    assert text[-1] == (
        "Each interval is for its layer alone: of 20 such intervals, one misses the true value on "
        "average."
    )
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in text)


def test_agreement_is_claimed_only_where_it_is_shown():
    def words_of(change, reach):
        profile = dataset(LAYERS, relative_step=(STEPS, 0.01))
        return " ".join(verdict(profile, skipped_of(LAYERS, change, reach)).sentences)

    alike = words_of(STEPS, 0.01)
    assert "agrees with what skipping does. That holds for the order as a whole" in alike
    assert "correlate by 1.00 (1.00 to 1.00" in alike and "p = 0.017 among all 120 orders" in alike
    unsure = words_of(STEPS, 1.0)  # the same order, of which nothing is known
    assert "It is not shown on this model" in unsure and "overlaps that of d, c, e and a" in unsure
    assert "raises" not in unsure and "changes the loss by less than can be told from 0" in unsure
    assert "the other way round" in words_of([-s for s in STEPS], 0.01)


def test_a_ranking_by_place_alone_is_held_against_it():
    def found_of(change, steps):
        profile = dataset(LAYERS, relative_step=(steps, 0.01))
        return verdict(profile, skipped_of(LAYERS, change, 0.01))

    # Harm falls with depth, and so do steps: place says as much as they do.
    falling = [5.0, 4.0, 3.0, 2.0, 1.0]
    confounded = found_of(falling, falling)
    assert confounded.by_place == pytest.approx(-1)
    assert (
        "A ranking by place alone, which takes the last layer for the least harmful, correlates "
        "with harm by 1.00, no less: it is not shown that relative step says more than place."
        in confounded.sentences
    )
    # The order b, d, c, e, a of harm is not that of places: 1 - 6 (16 + 1 + 0 + 4 + 1) / 120.
    mixed = [5.0, 1.0, 3.0, 2.0, 4.0]
    clear = found_of(mixed, mixed)
    assert clear.by_place == pytest.approx(-0.1)
    assert (
        "A ranking by place alone, which takes the last layer for the least harmful, correlates "
        "with harm by 0.10." in clear.sentences
    )
    assert not any("by place" in sentence for sentence in found_of(falling, mixed).sentences)
    assert np.isnan(found_of([1.0] * 5, mixed).by_place)


def test_layers_without_a_step_or_that_stay_in_are_not_ranked():
    profile = dataset(LAYERS, relative_step=([np.nan, 0.1, 0.2, 0.3, 0.4], 0.01))
    status = ["skipped"] * 4 + ["not skipped: its input is (sample, 2) and its output (sample, 3)"]
    skipped = skipped_of(LAYERS, [5, 1, 2, 3, np.nan], 0.1, status)
    found = verdict(profile, skipped)
    assert found.ranking == ("b", "c", "d")
    assert found.left_out == {"a": "no relative step", "e": status[4]}
    assert found.harmful == ("b", "c", "d", "a")  # what skipping does is told of all the same
    assert "3 ranked layers are too few to say" in " ".join(found.sentences)
    assert "4 of 5 layers were skipped" in found.sentences[0]
    none = verdict(dataset(LAYERS, relative_step=([np.nan] * 5, 0)), skipped)
    assert none.agreement is None and none.ranking == ()
    assert "No layer has both a relative step and a change" in " ".join(none.sentences)


def test_layers_are_matched_by_name():
    profile = dataset(["x", *LAYERS[::-1]], relative_step=([9, *STEPS[::-1]], 0.01))
    found = verdict(profile, skipped_of([*LAYERS, "y"], [*STEPS, 0], 0.01))
    assert found.agreement.spearman == pytest.approx(1) and found.left_out == {
        "y": "no relative step"
    }


def test_without_a_loss_the_output_is_the_truth_and_other_measures_can_rank():
    skipped = skipped_of(LAYERS, STEPS, 0.01, truth="output_change")
    skipped = skipped.merge(dataset(LAYERS, own_step=(STEPS[::-1], 0.01)))
    skipped.attrs["loss_kind"] = "none: the loader has no labels"
    profile = dataset(LAYERS, relative_step=(STEPS, 0.01), turn=(STEPS, 0.01))
    found = verdict(profile, skipped, by="turn")
    assert (found.truth, found.measure, found.agreement.spearman) == ("output_change", "turn", 1)
    assert found.sentences[0].endswith(
        "there is no loss (the loader has no labels), so that changes are those of the output."
    )
    assert "Skipping moves the output" in found.sentences[1] and "loss" not in found.sentences[1]
    own = verdict(profile, skipped, by="own_step")
    assert own.agreement.spearman == pytest.approx(stats.spearmanr(STEPS, STEPS[::-1]).statistic)


def test_numbers_without_intervals_are_kept_apart():
    skipped = skipped_of(LAYERS, STEPS, np.nan)
    found = verdict(dataset(LAYERS, relative_step=(STEPS, np.nan)), skipped)
    assert found.unsure == ("b", "d", "c", "e", "a") and found.harmful == found.indistinct == ()
    said = " ".join(found.sentences)
    assert "Nothing is said of these changes of the loss, which have no interval: b 0.1" in said


def test_long_lists_are_cut():
    assert listed([]) == "none" and listed(["a"]) == "a" and listed(["a", "b"], "or") == "a or b"
    assert listed([str(n) for n in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 4 more"
    many = from_both_ends([str(n) for n in range(12)])
    assert many == "0, 1, 2, 3, 4 between these, 8, 9, 10 and 11"
    assert from_both_ends(["a", "b"]) == "a and b"


GOOD = dataset(LAYERS, relative_step=(STEPS, 0.01))
TRUTH = skipped_of(LAYERS, STEPS, 0.01)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda: verdict(GOOD.drop_vars("relative_step_low"), TRUTH),
            "profile must have a variable 'relative_step_low' over layer, and has none",
        ),
        (
            lambda: verdict(GOOD, TRUTH, by="step"),
            "by must be a variable of profile or skipped, got 'step'",
        ),
        (
            lambda: verdict(GOOD, TRUTH.drop_vars(["loss_change"])),
            "skipped must have a variable 'output_change' over layer",
        ),
        (lambda: verdict(GOOD, TRUTH.drop_vars(["status"])), "skipped has no variable 'status'"),
        (lambda: verdict(xr.Dataset(), TRUTH), "profile must have a coordinate 'layer'"),
        (
            lambda: verdict(dataset(["x"], relative_step=([1], 0.1)), TRUTH),
            "must have layers in common, and they have x and a, b, c, d and e",
        ),
        (
            lambda: verdict(GOOD, skipped_of(LAYERS, [np.nan] * 5, 0)),
            "skipped must have a layer with a loss_change, and has none",
        ),
        (lambda: verdict(GOOD, TRUTH, least=6), "least must be between 1 and the 5 layers, got 6"),
        (lambda: verdict(GOOD, TRUTH, seed=-1), "seed must be a whole number of at least 0"),
        (lambda: rank_agreement(column([]), column([])), "must have the same layers, got 0 and 0"),
        (
            lambda: rank_agreement(column([1, np.nan]), column([1, 2])),
            r"moving must be finite, got \[1.0, nan\]",
        ),
        (
            lambda: rank_agreement(column([1, 2]), column([1, 2]), level=0.0),
            "level must be between 0 and 1, got 0.0",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
