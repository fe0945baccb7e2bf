"""Verdicts on rankings: what they sort, and sentences that say no more than the intervals."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from loadpath.diagnosis.judging.ranking import verdict
from loadpath.diagnosis.naming import from_both_ends, listed


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
        "Try without layers c and b: each alone costs at most 0.06 of loss (by the ends of 95% "
        "intervals); what they cost together is not measured here."
    )
    assert text[1] == (
        "5 of 5 layers were skipped, one at a time, on 100 samples; with all in place the loss is "
        "0.5 (mean squared error)."
    )
    assert text[2] == (
        "Skipping layer b changes the loss by less than can be told from 0 on these samples: the "
        "95% intervals are -0.04 to 0.06 without layer b."
    )
    assert text[3] == (
        "Skipping raises the loss: by 0.2 (0.15 to 0.25) without layer d, by 0.5 (0.45 to 0.55) "
        "without layer e and by 0.9 (0.85 to 0.95) without layer a."
    )
    assert text[4] == "Skipping lowers the loss: by 0.3 (0.25 to 0.35) without layer c."
    assert text[5] == (
        "Layer b moves the representation least (relative step 0.1, 0.09 to 0.11), and of the 5 "
        "layers ranked its change is the 2nd smallest as measured."
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
    assert (
        "It is not shown on this model" in unsure
        and "overlaps that of layers d, c, e and a" in unsure
    )
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
    assert "4 of 5 layers were skipped" in found.sentences[1]
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
    assert found.candidates == ()
    assert found.sentences[0] == (
        "Which layers can go is not told, because there is no loss (the loader has no labels): the "
        "output moves least without layer b, by 0.1 (0.09 to 0.11) times as much as outputs differ "
        "from one another."
    )
    assert found.sentences[1].endswith("on 100 samples; changes are those of the output.")
    assert "Skipping moves the output" in found.sentences[2] and "loss" not in found.sentences[2]
    own = verdict(profile, skipped, by="own_step")
    assert own.agreement.spearman == pytest.approx(stats.spearmanr(STEPS, STEPS[::-1]).statistic)


def with_accuracy(skipped, change, reach):
    ds = dataset([str(n) for n in skipped["layer"].values], accuracy_change=(change, reach))
    ds["accuracy"] = 0.9
    return skipped.merge(ds, combine_attrs="override")


def numbered(change, reach, falls, fall_reach, **attrs):
    """Blocks of one chain, their changes of loss, and by how much accuracy falls."""
    names = [f"encoder.{l}" for l in range(len(change))]
    ds = with_accuracy(skipped_of(names, change, reach, **attrs), -np.array(falls), fall_reach)
    ds["layer_kind"] = ("layer", np.array(["block (Block)"] * len(names), dtype=object))
    ds["loss_change"].attrs["units"] = "nats"
    return ds


def test_the_first_sentence_says_what_to_try_without_and_what_it_costs_at_most():
    skipped = numbered([0.5, 0.01, 0.0, 0.2], 0.015, [0.1, 0.004, 0.001, 0.03], 0.01)
    profile = dataset(["input", *skipped["layer"].values], own=([0] * 5, 0))
    profile["parameters"] = ("layer", [np.nan, 40.0, 20.0, 10.0, 20.0])
    profile["model_parameters"] = 100.0
    found = verdict(profile.assign(relative_step=profile["own"]), skipped, by="loss_change")
    assert found.candidates == ("encoder.2", "encoder.1")
    assert found.sentences[:2] == (
        "Try without blocks 2 and 1: each alone costs at most 0.025 nats and 1.4 points of "
        "accuracy (by the ends of 95% intervals); what they cost together is not measured here.",
        "In all they have, of the whole model, 30% of its parameters.",
    )
    assert found.sentences[3] == "Block N stands for encoder.N."
    assert (
        "The accuracy changes, in points of 100, by -0.1 (-1.1 to 0.9) without block 2, -0.4 (-1.4 "
        "to 0.6) without block 1, -3 (-4 to -2) without block 3 and -10 (-11 to -9) without block "
        "0." in found.sentences
    )


def test_a_layer_whose_accuracy_falls_is_none_to_try_without():
    skipped = numbered([0.5, 0.01, 0.0], 0.015, [0.1, 0.02, 0.0], 0.01)
    found = verdict(dataset(skipped["layer"].values), skipped, by="loss_change")
    assert found.candidates == ("encoder.2",)
    assert found.sentences[0] == (
        "Try without block 2: that costs at most 0.015 nats and 1 point of accuracy (by the ends "
        "of 95% intervals)."
    )
    none = numbered([0.5, 0.1, 0.2], 0.015, [0.1, 0.02, 0.0], 0.01)
    found = verdict(dataset(none["layer"].values), none, by="loss_change")
    assert found.candidates == ()
    assert found.sentences[0] == (
        "No layer is seen to be free to go: block 1, the least harmful, costs 0.1 nats (0.085 to "
        "0.115) and 2 points of accuracy (1 to 3)."
    )
    # With a budget, layers whose harm is known to be within it are named.
    found = verdict(dataset(none["layer"].values), none, by="loss_change", tolerated=0.12)
    assert found.candidates == ("encoder.1",)


def test_layers_are_ranked_by_the_step_from_their_own_input_where_it_is_known():
    profile = dataset(LAYERS, relative_step=([np.nan, *STEPS[1:]], 0.01))
    skipped = skipped_of(LAYERS, STEPS, 0.01).merge(dataset(LAYERS, own_step=(STEPS, 0.01)))
    found = verdict(profile, skipped)
    assert found.measure == "own_step" and "a" in found.ranking and found.left_out == {}
    assert verdict(profile, skipped, by="relative_step").left_out == {"a": "no relative step"}


HARMS = [0.4, 0.2, 0.1, 0.3, 0.5]
"""Predicted harm: c before b, d, a and e, while steps put b before d, c, e and a."""


def both_of(harms=HARMS, steps=STEPS, reach=0.001, change=STEPS, **attrs):
    profile = dataset(LAYERS, predicted_harm=(harms, reach)).assign_attrs(attrs)
    own = dataset(LAYERS, own_step=(steps, reach))
    return profile, skipped_of(LAYERS, change, 0.01).merge(own)


def test_layers_are_ranked_by_predicted_harm_and_own_step_together():
    profile, skipped = both_of()
    found = verdict(profile, skipped, by="both")
    # Ranks of a to e are 4, 2, 1, 3, 5 by harm and 5, 1, 3, 2, 4 by step.
    assert found.measure == "both" and found.ranking == ("b", "c", "d", "a", "e")
    assert found.movement.value.tolist() == [1.5, 2.0, 2.5, 4.5, 4.5]
    assert found.movement.low.tolist() == [1.5, 2.0, 2.5, 4.5, 4.5]
    rho = stats.spearmanr([4.5, 1.5, 2.0, 2.5, 4.5], STEPS).statistic
    assert found.agreement.spearman == pytest.approx(rho)
    assert found.agreement.rank_of_least_moving == 1 and found.agreement.hits == 1
    said = " ".join(found.sentences)
    assert (
        "Layer b is ranked first by predicted harm and own step together (mean rank 1.5, 1.5 to "
        "1.5), and of the 5 layers ranked its change is the smallest as measured."
    ) in said
    assert "1 of the 2 layers that are ranked first (layers b and c) is among the 2 least" in said
    assert "The mean rank by predicted harm and own step and the rank by harm correlate by" in said
    assert "when all are drawn anew within their intervals" in said
    assert "predicted harm and own step together" in repr(found)
    assert verdict(profile, skipped, by="own_step").ranking == ("b", "d", "c", "e", "a")
    assert verdict(profile, skipped, by="predicted_harm").ranking == ("c", "b", "d", "a", "e")
    without = skipped.drop_vars(["own_step", "own_step_low", "own_step_high"])
    assert verdict(profile, without).measure == "predicted_harm"


def test_the_verdict_goes_by_predicted_harm_unless_the_samples_are_learned_by_heart():
    profile, skipped = both_of(ranked_by="prediction: change of the loss, predicted from much")
    found = verdict(profile, skipped)
    assert found.measure == "predicted_harm" and found.ranking == ("c", "b", "d", "a", "e")
    assert verdict(profile.assign(accuracy=0.99), skipped).measure == "predicted_harm"
    known = verdict(profile.assign(accuracy=1.0), skipped)
    assert known.measure == "own_step" and known.ranking == ("b", "d", "c", "e", "a")
    said = " ".join(known.sentences)
    assert "Layers are ranked by own step, and not by predicted harm. The model has all" in said
    # It can be asked for all the same, and is taken where there is nothing else.
    asked = verdict(profile.assign(accuracy=1.0), skipped, by="predicted_harm")
    assert asked.ranking == found.ranking


def test_intervals_of_both_measures_count_in_a_verdict_by_both():
    profile, skipped = both_of(reach=0.08)  # as wide as neighbours are apart, nearly
    found = verdict(profile, skipped, by="both")
    low, high = found.movement.low, found.movement.high
    assert (low <= found.movement.value).all() and (high >= found.movement.value).all()
    assert (high - low > 0).all() and found.agreement.high - found.agreement.low > 0.1
    said = " ".join(found.sentences)
    assert "The interval of the mean rank of layer b overlaps that of layers c and d." in said


@pytest.mark.parametrize(
    "harms, steps, change, sentence",
    [
        (
            STEPS,
            STEPS,
            STEPS,
            "the ranking by predicted harm and own step together agrees with what skipping does",
        ),
        (
            STEPS[::-1],
            STEPS[::-1],
            [-x for x in STEPS[::-1]],
            "what is ranked first by predicted harm and own step together is the most harmful",
        ),
        (HARMS, [-x for x in HARMS], STEPS, "All layers have one mean rank, or harm alike"),
    ],
)
def test_what_a_verdict_by_both_says_of_the_agreement(harms, steps, change, sentence):
    profile, skipped = both_of(harms, steps, change=change)
    assert sentence in " ".join(verdict(profile, skipped, by="both").sentences)


def test_layers_that_lack_one_of_both_are_left_out_with_the_reason():
    profile, skipped = both_of([0.4, np.nan, 0.1, 0.3, 0.5], [0.5, 0.1, 0.3, np.nan, 0.4])
    status = ["estimated", "stays: its module runs more than once", *["estimated"] * 3]
    profile["predicted_harm_status"] = ("layer", np.array(status, dtype=object))
    found = verdict(profile, skipped, by="both")
    assert found.ranking == ("c", "a", "e") and found.left_out == {
        "b": "no predicted harm: its module runs more than once",
        "d": "no own step",
    }
    none = verdict(*both_of([0.1, *[np.nan] * 4], [np.nan, *STEPS[1:]]), by="both")
    assert none.agreement is None and none.ranking == () and len(none.movement.value) == 0
    said = " ".join(none.sentences)
    assert "No layer has a predicted harm, an own step and a change, so that nothing is" in said


def test_numbers_without_intervals_are_kept_apart():
    skipped = skipped_of(LAYERS, STEPS, np.nan)
    found = verdict(dataset(LAYERS, relative_step=(STEPS, np.nan)), skipped)
    assert found.unsure == ("b", "d", "c", "e", "a") and found.harmful == found.indistinct == ()
    said = " ".join(found.sentences)
    assert (
        "Nothing is said of these changes of the loss, which have no interval: 0.1 without layer b"
        in said
    )


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
            lambda: verdict(GOOD, TRUTH, by="both"),
            "by is 'both', and profile and skipped have no 'predicted_harm'",
        ),
        (
            lambda: verdict(dataset(LAYERS, predicted_harm=(STEPS, 0.01)), TRUTH, by="both"),
            "by is 'both', and profile and skipped have no 'own_step'",
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
        (
            lambda: verdict(GOOD, TRUTH, tolerated=-0.1),
            "tolerated must be finite and at least 0, got -0.1",
        ),
        (lambda: verdict(GOOD, TRUTH, seed=-1), "seed must be a whole number of at least 0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
