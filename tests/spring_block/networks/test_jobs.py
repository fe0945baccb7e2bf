"""Many nets at once: the same numbers on any number of threads, and alone."""

import numpy as np
import pytest
import torch

from loadpath.data import from_arrays
from loadpath.spring_block.networks import Recipe, TrainingJob, jobs, train, train_all

draw = np.random.default_rng(0)
LABELS = np.arange(240) % 4
X = draw.normal(size=(4, 9))[LABELS] + draw.normal(size=(240, 9))
DATA = from_arrays(X[:120], LABELS[:120], X[120:], LABELS[120:])
SHAPE = dict(width=12, depth=4)
CELLS = [
    TrainingJob(slope, seed, Recipe(epochs=4, **noise), batch_norm=batch_norm, **SHAPE)
    for seed in range(2)
    for slope, noise, batch_norm in (
        (0.0, dict(dropout=0.2), True),
        (0.5, dict(batch_size=25, data_noise=0.3), True),
        (1.0, dict(rate=0.02), False),
    )
]


def same(a, b):
    assert a.losses.tolist() == b.losses.tolist() and a.status == b.status
    assert a.test_accuracy == b.test_accuracy
    for kind, D in a.log_separation.items():
        assert D.tolist() == b.log_separation[kind].tolist()
        assert a.recorded[kind].tolist() == b.recorded[kind].tolist()
    for mine, its in zip(a.network.parameters(), b.network.parameters(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("engine", ["compiled", "plain", None])
def test_a_cell_has_its_numbers_on_any_threads_in_any_company_and_alone(engine):
    options = dict(record_every=2, engine=engine)
    one = train_all(CELLS, DATA, threads=1, **options)
    three = train_all(CELLS, DATA, threads=3, **options)
    backwards = train_all(CELLS[::-1], DATA, threads=2, **options)[::-1]
    for cell, a, b, c in zip(CELLS, one, three, backwards, strict=True):
        same(a, b)
        same(a, c)
        same(a, train(cell.network(DATA), DATA, cell.recipe, seed=cell.seed, **options))
    assert len({run.losses[-1] for run in one}) == len(CELLS)


def test_cells_are_told_in_order_as_they_end():
    told = []
    runs = train_all(CELLS, DATA, threads=2, kinds=("trace_ratio",), done=told.append)
    assert told == runs
    assert [run.settings["slope"] for run in runs] == [cell.slope for cell in CELLS]
    assert all(list(run.log_separation) == ["trace_ratio"] for run in runs)


def test_the_longest_are_trained_first():
    calm, shaken = Recipe(epochs=2), Recipe(epochs=2, batch_size=50)
    pair = [TrainingJob(0.0, 0, calm, **SHAPE), TrainingJob(0.0, 0, shaken, **SHAPE)]
    assert [cell.steps(DATA) for cell in pair] == [2, 6]
    started = []

    class Noted(TrainingJob):
        def network(self, data):
            net = super().network(data)
            net.register_forward_pre_hook(lambda *_: started.append(self.recipe))
            return net

    runs = train_all([Noted(c.slope, c.seed, c.recipe, **SHAPE) for c in pair], DATA, threads=1)
    # The net is first called where it is measured, as one cell after another ends.
    assert started[0] == shaken and started[-1] == calm
    assert [run.settings["batch_size"] for run in runs] == [None, 50]


def test_an_error_of_whoever_is_told_ends_it_without_training_the_rest(monkeypatch):
    begun = []
    monkeypatch.setattr(jobs, "train", lambda *args, **kw: begun.append(args) or train(*args, **kw))

    def fail(run):
        raise KeyError("full")

    with pytest.raises(KeyError, match="full"):
        train_all(CELLS * 50, DATA, threads=1, done=fail)
    assert 1 <= len(begun) < 50 * len(CELLS)


def test_the_threads_of_torch_are_put_back():
    before = torch.get_num_threads()
    train_all(CELLS[:2], DATA, threads=2)
    assert torch.get_num_threads() == before


def test_a_cell_is_a_net_of_its_own_sizes():
    net = TrainingJob(0.3, 4, Recipe(dropout=0.1), width=5, depth=3, batch_norm=False).network(DATA)
    assert net.shape.settings() == {
        "network": "MLP",
        "width": 5,
        "depth": 3,
        "slope": 0.3,
        "batch_norm": False,
        "input_batch_norm": False,
    }
    assert (net.inputs, net.classes, net.dropout) == (9, 4, 0.1)
    default = TrainingJob(0.0, 0).network(DATA)
    assert (default.width, default.depth, default.batch_norm) == (100, 8, True)


@pytest.mark.parametrize(
    "job, sentence",
    [
        (lambda: TrainingJob(1.5, 0), r"slope must lie in \[0, 1\], got 1.5"),
        (lambda: TrainingJob(0.5, -1), "seed must be a whole number"),
    ],
)
def test_a_bad_job_is_refused_as_it_is_made(job, sentence):
    with pytest.raises(ValueError, match=sentence):
        job()


@pytest.mark.parametrize(
    "last, options, sentence",
    [
        (TrainingJob(0.5, 0, Recipe(batch_size=121)), {}, "batch_size must be at most the 120"),
        (
            TrainingJob(0.5, 0),
            {"threads": 0},
            "threads must be a whole number of at least 1, not 0",
        ),
        (TrainingJob(0.5, 0), {"engine": "gpu"}, "engine must be .* got 'gpu'"),
        (TrainingJob(0.5, 0), {"kinds": ["ratio"]}, "kinds? must be one of .* got 'ratio'"),
    ],
)
def test_a_bad_cell_is_refused_before_any_is_trained(last, options, sentence):
    trained = []
    with pytest.raises(ValueError, match=sentence):
        train_all([*CELLS, last], DATA, done=trained.append, **options)
    assert trained == []
