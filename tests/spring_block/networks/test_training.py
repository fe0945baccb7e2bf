"""`train`: the plain engine against a loop written out; stopping, records, divergence."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from loadpath.data import from_arrays
from loadpath.measures.separation import log_separation
from loadpath.spring_block.networks import CNN, MLP, Recipe, train
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.training import reason_to_stop
from tests.spring_block.networks.test_classifiers import copied, sequential_mlp

CLASSES, INPUTS = 3, 16
ENGINES = ["compiled", "plain"]


def samples(n=120, *, seed=0):
    draw = np.random.default_rng(seed)
    labels = np.arange(2 * n) % CLASSES
    x = draw.normal(size=(CLASSES, INPUTS))[labels] + draw.normal(size=(2 * n, INPUTS))
    return from_arrays(x[:n], labels[:n], x[n:], labels[n:])


DATA = samples()


def mlp(*, seed=1, slope=0.2, dropout=0.0, batch_norm=True):
    shape = dict(width=10, depth=4, slope=slope, dropout=dropout, batch_norm=batch_norm)
    return MLP(INPUTS, CLASSES, seed=seed, **shape)


def cnn(*, dropout=0.0, seed=1):
    return CNN(INPUTS, CLASSES, image_channels=1, channels=4, depth=3, dropout=dropout, seed=seed)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    "noises",
    [
        {},
        {"data_noise": 0.3},
        {"batch_size": 50, "rate": 0.01},
        {"weight_decay": 0.05, "rate_drops": 2},
    ],
)
def test_the_plain_engine_is_the_loop_anybody_would_write(noises, slope, batch_norm):
    recipe, net = Recipe(epochs=3, **noises), mlp(slope=slope, batch_norm=batch_norm)
    shape = dict(inputs=INPUTS, width=10, depth=4, classes=CLASSES, slope=slope)
    twin = copied(net, sequential_mlp(**shape, batch_norm=batch_norm))
    run = train(net, DATA, recipe, seed=4, engine="plain")
    # What is drawn has tests of its own.
    draws = Draws(DATA.x_train.float(), DATA.y_train, n_classes=CLASSES, recipe=recipe, seed=4)
    losses = []
    optimizer = torch.optim.Adam(
        twin.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
    )
    for epoch in range(3):
        for group in optimizer.param_groups:  # two drops in three epochs: one after each
            group["lr"] = recipe.rate / 10**epoch if recipe.rate_drops else recipe.rate
        x, labels = draws.epoch()
        total = 0.0
        for at in range(0, 120, recipe.batch_size or 120):
            part = slice(at, at + (recipe.batch_size or 120))
            loss = nn.functional.cross_entropy(twin(x[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels[part])
        losses.append(total / 120)
    assert run.losses.tolist() == pytest.approx(losses, rel=1e-12)
    assert net is run.network and run.status == "all epochs" and run.epochs == 3
    trained = copied(twin, mlp(slope=slope, batch_norm=batch_norm)).state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in net.state_dict().items())
    twin.eval()
    with torch.no_grad():
        D = [log_separation(twin[: l + 1](DATA.x_train.float()), DATA.y_train) for l in range(4)]
        right = (twin(DATA.x_test.float()).argmax(1) == DATA.y_test).double().mean()
    assert run.log_separation["fuzziness"].tolist() == pytest.approx(D, rel=1e-12)
    assert run.test_accuracy == float(right)


@pytest.mark.parametrize("recipe", [Recipe(epochs=3), Recipe(epochs=3, batch_size=50)])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(engine, recipe):
    recipe = Recipe(epochs=3, batch_size=50, data_noise=0.2, dropout=0.2)
    before = torch.get_rng_state()
    runs = [train(mlp(dropout=0.2), DATA, recipe, seed=seed, engine=engine) for seed in (3, 3, 4)]
    a, b, c = runs
    assert a.losses.tolist() == b.losses.tolist() != c.losses.tolist()
    for kind in a.log_separation:
        assert a.log_separation[kind].tolist() == b.log_separation[kind].tolist()
    for mine, its in zip(a.network.parameters(), b.network.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "losses, recipe, status",
    [
        ([1.0], Recipe(), None),
        ([1.0, 0.9e-4], Recipe(), "stopped at loss"),
        ([1.0, 1e-4], Recipe(), None),
        ([0.5, 0.5 + 0.9e-10], Recipe(), "stopped at change"),
        ([0.5, 0.5 - 0.9e-10], Recipe(), "stopped at change"),
        ([0.5, 0.5 + 1.1e-10], Recipe(), None),
        ([0.5, 0.5], Recipe(stop_change=0.0), None),
        ([1.0, 0.0], Recipe(stop_below=0.0), None),
        ([1.0, 0.5], Recipe(epochs=2), "all epochs"),
        ([1.0, 0.5], Recipe(epochs=3), None),
        ([1.0, 1e-5], Recipe(epochs=2), "stopped at loss"),
        ([math.nan], Recipe(), "diverged"),
        ([1.0, math.inf], Recipe(epochs=2), "diverged"),
    ],
)
def test_training_ends_where_its_rules_say(losses, recipe, status):
    assert reason_to_stop(losses, recipe) == status


@pytest.mark.parametrize("engine", ENGINES)
def test_training_stops_after_the_first_epoch_that_a_rule_ends(engine):
    free = train(mlp(), DATA, Recipe(epochs=30, rate=0.01), engine=engine)
    assert free.status == "all epochs" and free.epochs == 30
    threshold = free.losses[12] + 1e-9
    first = int(np.flatnonzero(free.losses < threshold)[0])
    stopped = train(mlp(), DATA, Recipe(rate=0.01, stop_below=threshold), engine=engine)
    assert stopped.status == "stopped at loss"
    assert stopped.losses.tolist() == free.losses[: first + 1].tolist()
    change = float(np.abs(np.diff(free.losses))[15]) * 1.0001
    first = int(np.flatnonzero(np.abs(np.diff(free.losses)) < change)[0])
    stopped = train(mlp(), DATA, Recipe(rate=0.01, stop_change=change), engine=engine)
    assert stopped.status == "stopped at change"
    assert stopped.losses.tolist() == free.losses[: first + 2].tolist()


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_is_a_status_and_what_it_spoils_is_nan(engine, batch_norm):
    recipe = Recipe(epochs=20, rate=1e30)
    run = train(mlp(batch_norm=batch_norm), DATA, recipe, engine=engine)
    assert run.status == "diverged"
    assert not math.isfinite(run.losses[-1]) and np.isfinite(run.losses[:-1]).all()
    assert run.epochs < 20
    assert math.isnan(run.train_accuracy) and math.isnan(run.test_accuracy)
    for D in run.log_separation.values():
        # The inputs, which BatchNorm scales by a weight of 1e30, may be finite still.
        assert len(D) == 4 and np.isnan(D[1:]).all()


@pytest.mark.parametrize("net", [mlp, cnn])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_log_separation_is_recorded_along_training(engine, net):
    engine = "plain" if net is cnn else engine
    run = train(net(), DATA, Recipe(epochs=5), seed=2, record_every=2, engine=engine)
    assert run.recorded_epochs.tolist() == [0, 2, 4]
    quiet = train(net(), DATA, Recipe(epochs=5), seed=2, engine=engine)
    assert quiet.losses.tolist() == run.losses.tolist()
    assert all(D.shape == (0, net().depth) for D in quiet.recorded.values())
    part = train(net(), DATA, Recipe(epochs=2), seed=2, engine=engine)
    for kind in ("fuzziness", "trace_ratio", "inverse"):
        untrained = [log_separation(h, DATA.y_train, kind) for h in _path(net())]
        assert run.recorded[kind][0].tolist() == pytest.approx(untrained, rel=1e-12)
        assert run.recorded[kind][1].tolist() == part.log_separation[kind].tolist()
        assert run.log_separation[kind].tolist() == quiet.log_separation[kind].tolist()
    assert set(run.recorded) == set(run.log_separation)
    assert run.recorded_test_accuracy.shape == (3,) and quiet.recorded_test_accuracy.shape == (0,)
    assert run.recorded_test_accuracy[1] == part.test_accuracy
    along = run.dataset()["test_accuracy_recorded"]
    assert along.dims == ("record",) and along.values.tolist() == [*run.recorded_test_accuracy]


def _path(net):
    with torch.no_grad():
        return net.eval().path(DATA.x_train.float())


def test_a_cnn_learns():
    run = train(cnn(dropout=0.1), DATA, Recipe(epochs=60, rate=0.01, dropout=0.1))
    assert run.losses[-1] < 0.5 * run.losses[0]
    assert run.train_accuracy > 0.8 and run.test_accuracy > 0.6
    assert run.settings["network"] == "CNN"


def test_progress_is_told_of_every_epoch():
    told = []
    run = train(mlp(), DATA, Recipe(epochs=3), progress=lambda *seen: told.append(seen))
    assert told == list(zip((1, 2, 3), run.losses, strict=True))


REGRESSION = from_arrays(np.eye(8), np.eye(8)[:, :3], np.eye(8), np.eye(8)[:, :3])
HUGE = from_arrays(1e19 * np.eye(4), [0, 0, 1, 1], np.eye(4), [0, 0, 1, 1], normalize=False)
WIDER = MLP(INPUTS + 1, CLASSES, slope=0.0)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: train(mlp(), DATA, Recipe(batch_size=121)), "at most the 120 .* samples, got 121"),
        (lambda: train(mlp(), DATA, Recipe(batch_size=1)), "at least 2 samples in every batch"),
        (lambda: train(mlp(), DATA, Recipe(batch_size=7)), "batch for BatchNorm, got 7 for 120"),
        (lambda: train(mlp(), DATA, Recipe(dropout=0.1)), "that of the network, 0.0, got 0.1"),
        (lambda: train(mlp(), DATA, seed=-1), "seed must be a whole number of at least 0, not -1"),
        (lambda: train(mlp(), DATA, record_every=0), "record_every must be .* not 0"),
        (lambda: train(mlp(), DATA, kinds=()), "kinds must hold at least one convention"),
        (lambda: train(mlp(), DATA, kinds=("ratio",)), "kinds must be one of .* got 'ratio'"),
        (lambda: train(mlp(), REGRESSION), "data must be of a classification task, got 'regress"),
        (
            lambda: train(MLP(4, 2, slope=0), HUGE),
            r"inputs up to 1e\+18, .* got one of size 1e\+19",
        ),
        (lambda: train(WIDER, DATA), "network must have the 16 inputs of the data, got 17"),
        (
            lambda: train(MLP(INPUTS, 4, slope=0.0), DATA),
            "network must have the 3 classes of the data, got 4",
        ),
        (lambda: from_arrays(*_labelled([0, 0, 1, 3])), "it has 3 classes, and a class 3"),
        (lambda: from_arrays(*_labelled([0, 0, 1, 2])), "2 samples of every class, and it has 1"),
    ],
)
def test_bad_input_is_one_sentence_before_any_training(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


def _labelled(labels):
    return np.eye(4), np.array(labels), np.eye(4), np.array(labels)


def test_batches_of_one_are_fine_without_batch_norm():
    runs = [
        train(mlp(batch_norm=False), DATA, Recipe(epochs=1, batch_size=1), engine=engine)
        for engine in ENGINES
    ]
    assert runs[0].losses[0] == pytest.approx(runs[1].losses[0], rel=1e-5)
