"""What a pass leaves as it was: parameters and buffers bit for bit, and generators."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from loadpath.record import keeping, keeping_generators
from loadpath.record.keeping import KeptModel


class Writer(nn.Module):
    """A layer that writes what it has as it runs: in place, past autograd, and by new tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(3 * torch.ones(4))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.full((4,), -0.0))
        self.register_buffer("turned", torch.ones(2, dtype=torch.complex64))

    def forward(self, x):
        self.weight.data.clamp_(-1, 1)
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        self.turned.data = self.turned * 1j
        return x * self.weight - self.mean


def bits(model):
    return {n: t.detach().numpy().tobytes() for n, t in model.state_dict(keep_vars=True).items()}


def test_all_that_a_model_writes_is_given_back_as_the_same_objects():
    model, x = Writer(), torch.ones(3, 4)
    before, objects = bits(model), [*model.parameters(), *model.buffers()]
    kept = KeptModel(model)
    for _ in range(3):
        with kept():
            model(x)
            assert bits(model) != before
        assert bits(model) == before
        now = [*model.parameters(), *model.buffers()]
        assert all(a is b for a, b in zip(objects, now, strict=True))
    assert not model._forward_pre_hooks


def test_each_pass_within_a_block_starts_from_the_same_state():
    model, x = Writer(), torch.ones(3, 4)
    with KeptModel(model)():
        assert torch.equal(model(x), model(x))
    assert not torch.equal(model(x), model(x))  # on its own it moves on


def test_passes_start_from_what_evaluation_mode_made_of_the_weights():
    class Merging(nn.Linear):
        def train(self, mode=True):
            if mode != self.training:
                self.weight.data.mul_(1 / 3 if mode else 3)
            return super().train(mode)

    torch.manual_seed(0)
    model = nn.Sequential(Merging(4, 4), Writer())
    x, before = torch.ones(3, 4), bits(model)
    kept = KeptModel(model)
    for _ in range(2):
        with kept():
            model.eval()
            first, second, third = model(x), model(x), model(x)
            model.train()
        assert torch.equal(first, second) and torch.equal(first, third)
        assert bits(model) == before


def test_graphs_that_hold_a_weight_stay_valid():
    model, x = Writer(), torch.ones(3, 4)
    model.weight.data.clamp_(-1, 1)
    loss = model(x).square().sum()
    with torch.no_grad(), KeptModel(model)():
        model(2 * x)
    loss.backward()
    assert model.weight.grad is not None


def test_gradients_and_what_takes_them_are_given_back():
    model = nn.Linear(3, 1)
    model(torch.ones(2, 3)).sum().backward()
    model.bias.requires_grad_(False)
    model.bias.grad = None
    grad = model.weight.grad
    with KeptModel(model)():
        assert model.weight.grad is None
        model(torch.randn(5, 3)).sum().backward()  # would add to the gradient in place
        model.weight.requires_grad_(False)
        model.bias.requires_grad_(True)
    assert model.weight.grad is grad and torch.equal(grad, torch.full((1, 3), 2.0))
    assert model.weight.requires_grad and not model.bias.requires_grad and model.bias.grad is None


def test_copies_of_what_is_not_written_do_not_outlive_the_first_pass():
    model = nn.Sequential(Writer(), nn.Linear(4, 4))
    kept = KeptModel(model)
    with kept():
        model(torch.ones(3, 4))
    copied = {each.name for each in kept._hold() if each.copy is not None}
    assert copied == {"0.weight", "0.mean", "0.calls", "0.turned"}


@pytest.mark.parametrize("write", ["add_", "data"])
def test_what_has_no_room_for_a_copy_is_named_when_it_changes(write, monkeypatch):
    class Clipped(nn.Linear):
        def forward(self, x):
            with torch.no_grad():
                (self.weight if write == "add_" else self.weight.data).add_(1)
            return super().forward(x)

    model = nn.Sequential(Clipped(3, 3))
    monkeypatch.setattr(keeping, "MOST_COPIED", 8)
    with pytest.warns(RuntimeWarning, match=r"^The model writes 0\.weight as it runs, .* no room"):
        with KeptModel(model)():
            model(torch.ones(2, 3))


def test_lazy_parameters_may_be_made_within():
    model = nn.Sequential(nn.LazyLinear(3))
    with KeptModel(model)():
        model(torch.ones(2, 5))
    assert model[0].weight.shape == (3, 5)


def test_generators_of_loader_and_model_go_back():
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rng, self.old = np.random.default_rng(0), np.random.RandomState(0)
            self.python, self.torch = random.Random(0), torch.Generator().manual_seed(0)

        def draw(self):
            drawn = self.rng.random(), self.old.rand(), self.python.random()
            return (*drawn, torch.rand((), generator=self.torch).item())

    model = Noisy()
    generator = torch.Generator().manual_seed(1)
    loader = torch.utils.data.DataLoader(range(20), shuffle=True, generator=generator)
    with keeping_generators(model, loader):
        first = model.draw(), [int(batch) for batch in loader]
    assert first == (model.draw(), [int(batch) for batch in loader])


def test_what_takes_another_modules_place_between_batches_is_kept_too():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    kept = KeptModel(model)
    with kept():
        model(torch.ones(3, 4))
    model[1] = Writer()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(2):
        with kept():
            first = model(torch.ones(3, 4))
            torch.testing.assert_close(model(torch.ones(3, 4)), first, rtol=0, atol=0)
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
