"""Optimizers of torch as stages: equal to ours where they are the same, and resumed exactly."""

import json

import pytest
import torch
from tiny_trainings import RUN, assert_same_run, net, regression

from loadpath import fit
from loadpath.leaky_resnet.training import LBFGS, SGD, Adam, TorchOptimizer

COARSE = dict(weight_decay=0.05, record_every=7, tolerance=1e-12, threads=1, progress=False)


def trained(stage, **options):
    data = regression()
    return fit(net(data), data, stages=[stage], **{**COARSE, **options})


@pytest.mark.parametrize("batch_size", [None, 10])
@pytest.mark.parametrize(
    "ours, torchs",
    [
        (
            Adam(40, 0.01),
            TorchOptimizer(torch.optim.Adam, 40, lr=0.01, betas=(0.9, 0.99), fused=True),
        ),
        (
            SGD(40, 0.003),
            TorchOptimizer(torch.optim.SGD, 40, lr=0.003, momentum=0.9, ramp=0.0, fused=True),
        ),
    ],
    ids=["Adam", "SGD"],
)
def test_the_same_optimizer_gives_the_same_run_bit_for_bit(ours, torchs, batch_size):
    one, other = (trained(stage, batch_size=batch_size, seed=3) for stage in (ours, torchs))
    assert_same_run(one, other)


@pytest.mark.parametrize(
    "kind", ["AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax", "Adafactor", "ASGD"]
)
def test_others_lower_the_objective_and_are_named_in_the_history(kind):
    run = trained(TorchOptimizer(getattr(torch.optim, kind), 60, lr=0.02, ramp=0.0))
    objective = run.history["objective"]
    assert objective[-1] < 0.8 * objective[0]
    assert set(run.history["stage"].values) == {kind}
    stage = f"TorchOptimizer(torch.optim.{kind}, steps=60, ramp=0.0, lr=0.02)"
    assert json.loads(run.history.attrs["parameters"])["stages"] == [stage]


def test_no_other_weight_decay_than_the_objectives_is_at_work():
    # Adam and AdamW differ in nothing but their own weight decay, of which torch gives AdamW 0.01.
    plain, decoupled = (
        trained(TorchOptimizer(kind, 30, lr=0.01)) for kind in (torch.optim.Adam, torch.optim.AdamW)
    )
    # A factor of 1 - 0 is rounded once more: float64, 30 steps of sizes about 1.
    torch.testing.assert_close(plain.model.weights, decoupled.model.weights, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="weight_decay must be left to the objective, .* got 0.1"):
        TorchOptimizer(torch.optim.AdamW, weight_decay=0.1)


def test_the_rate_falls_as_a_cosine_or_stays():
    falling = TorchOptimizer(torch.optim.Adam, 10, lr=0.5)
    assert [falling.rate(p, 3.0) for p in (0, 0.5, 1)] == pytest.approx([0.5, 0.25, 0.0])
    constant = TorchOptimizer(torch.optim.Adam, 10, schedule="constant")
    assert [constant.rate(p, 3.0) for p in (0, 0.5, 1)] == [1e-3] * 3  # torch's own
    assert TorchOptimizer(torch.optim.Adam, 10) == TorchOptimizer(torch.optim.Adam, 10)


@pytest.mark.parametrize("kind", ["AdamW", "NAdam", "Adafactor", "ASGD", "Rprop"])
def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path, kind):
    data, path = regression(), tmp_path / "run.safetensors"
    stages = [TorchOptimizer(getattr(torch.optim, kind), 40, lr=0.01), LBFGS(10, chunk=5)]
    options = {**RUN, "stages": stages, "threads": 1, "progress": False}
    whole = fit(net(data), data, **options)
    fit(net(data), data, **options, checkpoint=path, max_seconds=1e-9)
    sittings = 0
    while not (run := fit(net(data), data, **options, checkpoint=path, resume=True,
                          max_seconds=0.01)).status == whole.status:  # fmt: skip
        sittings += 1
        assert run.status == "out of time" and sittings < 500
    assert_same_run(run, whole)
    other = [TorchOptimizer(getattr(torch.optim, kind), 40, lr=0.02), LBFGS(10, chunk=5)]
    with pytest.raises(ValueError, match="of a run with stages=.*lr=0.01.*, not .*lr=0.02"):
        fit(net(data), data, **{**options, "stages": other}, checkpoint=path, resume=True)


class Odd(torch.optim.Optimizer):
    """An optimizer without a rate."""

    def __init__(self, params):
        super().__init__(params, {})

    def step(self, closure=None):
        pass


class Sign(torch.optim.Optimizer):
    """One of the user's own: a step of fixed size against the sign of the gradient."""

    def __init__(self, params, lr=0.01, **others):
        super().__init__(params, dict(lr=lr, **others))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad.sign()


class Decaying(Sign):
    """One that pulls at the weights behind the back of the objective."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr, weight_decay=0.1)


def test_an_optimizer_of_ones_own_trains_too():
    stage = TorchOptimizer(Sign, 60, ramp=0.0)
    assert repr(stage).endswith(".Sign, steps=60, ramp=0.0)") and stage.lr == 0.01
    objective = trained(stage).history["objective"]
    assert objective[-1] < objective[0]
    with pytest.raises(ValueError, match="must have no weight decay of its own"):
        TorchOptimizer(Decaying)


@pytest.mark.parametrize(
    "kind, options, message",
    [
        (3, {}, "kind must be a class of torch optimizers, got 3"),
        (torch.nn.Linear, {}, "kind must be a class of torch optimizers"),
        (torch.optim.LBFGS, {}, "LBFGS of loadpath.training is the one for the full batch"),
        (torch.optim.SparseAdam, {}, "steps on gradients of layers alone, .* does not"),
        (torch.optim.Adam, dict(speed=1), "unexpected keyword argument 'speed'"),
        (torch.optim.Adam, dict(lr=-1.0), "Invalid learning rate: -1.0"),
        (torch.optim.Adam, dict(lr=0.0), "lr must be finite and above 0, got 0.0"),
        (torch.optim.Adam, dict(lr=torch.tensor(0.1)), "lr must be a plain value"),
        (torch.optim.Adam, dict(steps=0), "steps must be a whole number of at least 1"),
        (torch.optim.Adam, dict(schedule="steep"), "schedule must be one of cosine, constant"),
        (torch.optim.Adam, dict(ramp=2.0), "ramp must"),
        (Odd, {}, "kind must have a learning rate lr"),
    ],
)
def test_what_cannot_step_is_one_sentence(kind, options, message):
    with pytest.raises(ValueError, match=message):
        TorchOptimizer(kind, **options)
