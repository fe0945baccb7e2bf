"""What a cell trains on: orders, drawn labels and shaken inputs, against their distributions."""

import math

import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits

from loadpath.data import digits
from loadpath.spring_block.networks import Recipe
from loadpath.spring_block.networks.draws import Draws


def samples(n=1000, inputs=4, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 3 + 2 * torch.randn(n, inputs, generator=generator)
    return x, torch.arange(n) % classes


def drawn(recipe, *, seed=0, classes=5, of=None):
    x, labels = of or samples(classes=classes)
    return Draws(x, labels, n_classes=classes, recipe=recipe, seed=seed), x, labels


def test_the_full_batch_without_noise_is_the_data_itself():
    draws, x, labels = drawn(Recipe())
    assert draws.bounds == [0, 1000]
    for _ in range(2):
        epoch = draws.epoch()
        assert epoch.x is x and epoch.labels is labels


def test_batches_go_through_all_samples_once_in_a_new_order_each_epoch():
    draws, x, labels = drawn(Recipe(batch_size=300))
    assert draws.bounds == [0, 300, 600, 900, 1000]  # the last batch has what is left
    orders = []
    for _ in range(3):
        epoch = draws.epoch()
        # Where each row came from: no two inputs are alike.
        order = (epoch.x[:, None] == x[None]).all(-1).double().argmax(1)
        assert torch.equal(order.sort().values, torch.arange(1000))
        assert torch.equal(epoch.labels, labels[order])
        orders.append(order)
    # A random order keeps one place in 1,000 by chance, and never 10 of them.
    for other in (torch.arange(1000), orders[1], orders[2]):
        assert (orders[0] == other).sum() < 10


def test_int_qb_labels_of_every_batch_are_drawn_anew_and_uniformly():
    q, size, epochs, classes = 0.37, 200, 60, 5
    draws, _, labels = drawn(Recipe(data_noise=q, batch_size=size))
    clean, _, _ = drawn(Recipe(batch_size=size))  # the same order, whatever the noise
    chosen = int(q * size)
    changed, new = [], []
    for _ in range(epochs):
        noisy, kept = draws.epoch().labels.reshape(-1, size), clean.epoch().labels
        differs = noisy != kept.reshape(-1, size)
        assert (differs.sum(1) <= chosen).all()
        changed.append(differs.sum(1))
        new.append(noisy[differs])
    # A label drawn is another one with probability 4/5: a binomial mean over 300 batches.
    mean = torch.cat(changed).double().mean()
    assert abs(mean - 0.8 * chosen) < 4 * math.sqrt(chosen * 0.8 * 0.2 / (epochs * 5))
    counts = torch.bincount(torch.cat(new), minlength=classes)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    assert torch.equal(labels, torch.arange(1000) % classes)  # the clean ones stay clean


def test_labels_are_drawn_from_all_samples_alike():
    draws, _, labels = drawn(Recipe(data_noise=0.5))
    hits = torch.zeros(1000)
    for _ in range(200):
        hits += draws.epoch().labels != labels
    # Of 200 epochs 0.4 change a label: sd sqrt(200 0.4 0.6) = 6.9, and 1,000 samples.
    assert (abs(hits - 80) < 4.5 * 6.9).all()
    assert abs(float(hits.var()) - 48) < 4 * 48 * math.sqrt(2 / 1000)


def test_inputs_are_shaken_by_q_times_their_deviation():
    q = 0.4
    draws, x, _ = drawn(Recipe(data_noise=q))
    first, second = draws.epoch().x - x, draws.epoch().x - x
    scale = q * float(x.std())
    assert stats.kstest(first.flatten().numpy() / scale, "norm").pvalue > 1e-4
    # Independent from epoch to epoch and of the inputs: correlations of 4,000 pairs.
    for other in (second, x - x.mean()):
        pair = torch.stack([first.flatten(), other.flatten()])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 4 / math.sqrt(4000)


def test_the_unit_of_the_noise_is_that_of_raw_inputs_unless_told_otherwise():
    x, labels = samples()
    q, raw = 0.4, 5.0
    shaken = {
        scale: Draws(
            x,
            labels,
            n_classes=5,
            recipe=Recipe(data_noise=q, noise_scale=scale),
            seed=0,
            raw_deviation=raw,
        )
        .epoch()
        .x
        - x
        for scale in ("raw", "demeaned")
    }
    # The same draws, and only their size differs: rounding of float32 inputs of size 10.
    ratio = raw / float(x.double().std())
    torch.testing.assert_close(shaken["raw"], ratio * shaken["demeaned"], rtol=0, atol=3e-6)
    assert stats.kstest(shaken["raw"].flatten().numpy() / (q * raw), "norm").pvalue > 1e-4
    # Inputs that share no scale have no raw deviation, and both words mean the same.
    alone = drawn(Recipe(data_noise=q, noise_scale="raw"), of=(x, labels))[0].epoch().x - x
    assert torch.equal(alone, shaken["demeaned"])


def test_the_noise_is_that_of_the_authors_code_on_pixels_as_they_were():
    # Literally: X + randn_like(X) * std(X) * q on raw pixels, which are then demeaned and scaled.
    data = digits()
    raw = torch.from_numpy(load_digits().data)
    q = 0.3
    recipe = Recipe(data_noise=q)
    draws = Draws(
        data.x_train.float(),
        data.y_train,
        n_classes=10,
        recipe=recipe,
        seed=0,
        raw_deviation=data.raw_deviation,
    )
    made = float((draws.epoch().x - data.x_train.float()).std())
    scale = float((raw.std(0, correction=0) ** 2).mean().sqrt())
    theirs = float(raw.std()) * q / scale
    # A standard deviation of 91,968 normal numbers is known to 0.25 %, and the raw pixels here are
    # all 1,797 images where 1,437 are trained on: another 0.5 %.
    assert made == pytest.approx(theirs, rel=0.015)
    assert theirs > 1.2 * q * float(data.x_train.std())


def test_the_seed_fixes_every_epoch_and_another_changes_it():
    recipe = Recipe(batch_size=64, data_noise=0.3)
    of = samples()
    runs = [drawn(recipe, seed=seed, of=of)[0] for seed in (7, 7, 8)]
    for _ in range(3):
        a, b, c = (draws.epoch() for draws in runs)
        assert torch.equal(a.x, b.x) and torch.equal(a.labels, b.labels)
        assert not torch.equal(a.x, c.x) and not torch.equal(a.labels, c.labels)
    assert runs[0].dropout_seed == runs[1].dropout_seed != runs[2].dropout_seed


def test_torch_s_own_random_state_is_left_alone():
    before = torch.get_rng_state()
    drawn(Recipe(batch_size=64, data_noise=0.3))[0].epoch()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("q, chosen", [(0.0, 0), (0.999, 0), (1.0, 1)])
def test_the_number_of_labels_is_rounded_down(q, chosen):
    draws, _, labels = drawn(Recipe(data_noise=q, batch_size=1), of=samples(n=400))
    clean, _, _ = drawn(Recipe(batch_size=1), of=samples(n=400))
    changed = sum(int((draws.epoch().labels != clean.epoch().labels).sum()) for _ in range(2))
    assert changed > 500 if chosen else changed == 0
