"""A recorded pass leaves no trace: hooks, modes, random state and switches are as before."""

import pytest
import torch
from exact_paths import random
from recorded_models import Plain, seeded
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from loadpath import LeakyResNet
from loadpath.record import stream, unfused_evaluation


class Fails(nn.Module):
    """Raises in its second pass."""

    def __init__(self):
        super().__init__()
        self.passes = 0

    def forward(self, x):
        torch.rand(3)
        self.passes += 1
        if self.passes == 2:
            raise RuntimeError("out of luck")
        return x


def hooks_of(model):
    return [h for m in model.modules() for h in (m._forward_hooks, m._forward_pre_hooks) if h]


def modes_of(model):
    return [module.training for module in model.modules()]


def mixed_modes(*parts):
    """A model in training, of which a part is not."""
    model = nn.Sequential(*parts).double().train()
    model[0].eval()
    return model


@pytest.mark.parametrize("layers", [None, "*"])
def test_a_model_that_fails_in_a_pass_is_as_before(layers):
    model = mixed_modes(nn.Linear(3, 3), nn.Dropout(), Fails(), nn.Linear(3, 3))
    modes, state = modes_of(model), torch.get_rng_state()
    recording = stream(model, [random(4, 3, seed=0)] * 3, layers=layers)
    with pytest.raises(RuntimeError, match="out of luck"):
        list(recording)
    assert hooks_of(model) == [] and modes_of(model) == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled() and torch.backends.mha.get_fastpath_enabled()


def test_between_batches_and_after_an_early_end_all_is_as_before():
    model = mixed_modes(nn.Linear(3, 3), nn.Dropout(), nn.Linear(3, 3))
    modes, state = modes_of(model), torch.get_rng_state()
    recording = stream(model, [random(4, 3, seed=0)] * 3, layers="*")
    for recorded in recording:
        assert hooks_of(model) == [] and modes_of(model) == modes
        assert torch.is_grad_enabled() and not recorded.output.requires_grad
        if recorded.number == 1:
            break
    recording.close()
    assert hooks_of(model) == [] and torch.equal(torch.get_rng_state(), state)


def test_a_leaky_resnet_that_fails_has_its_own_path_back():
    net = LeakyResNet(3, 3, width=4, depth=2, effective_depth=1.0)
    model = nn.Sequential(net, Fails())
    recording = stream(model, [torch.ones(2, 3)] * 2, layers=["0.path.*"])
    next(recording)
    assert "path" not in vars(net)
    with pytest.raises(RuntimeError, match="out of luck"):
        next(recording)
    assert "path" not in vars(net)


def test_a_loader_shuffles_as_in_a_plain_loop_and_moves_no_random_number():
    x = random(32, 3, seed=1)
    loader = DataLoader(TensorDataset(x), batch_size=8, shuffle=True)
    state = torch.get_rng_state()
    plain = [batch.clone() for (batch,) in loader]
    torch.set_rng_state(state)
    numbers, recorded = [], []
    for each in stream(nn.Sequential(nn.Identity()), loader, layers="0"):
        recorded.append(each.features["0"])
        numbers.append(torch.rand(1))  # the consumer's own draws
    torch.testing.assert_close(torch.cat(recorded), torch.cat(plain), rtol=0, atol=0)
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    assert torch.equal(torch.cat(numbers), torch.cat([torch.rand(1) for _ in range(4)]))
    assert torch.equal(torch.get_rng_state(), after)


class Folds(nn.Module):
    """Does more on a change of mode than to set a flag, as some adapters do."""

    def __init__(self):
        super().__init__()
        self.folded = False

    def train(self, mode=True):
        self.folded = not mode
        return super().train(mode)

    def forward(self, x):
        assert self.folded
        return x


def test_modules_are_told_of_their_modes():
    model = nn.Sequential(Folds(), nn.Linear(2, 2)).train()
    (recorded,) = stream(model, [torch.ones(2, 2)], layers="0")
    assert torch.equal(recorded.features["0"], torch.ones(2, 2))
    assert not model[0].folded and model[0].training
    model.eval()
    with unfused_evaluation(model):
        assert model[0].folded
    assert not model.training and model[0].folded


def test_hooks_of_the_user_stay_and_what_they_change_is_recorded():
    model = seeded(Plain)
    handle = model.second.register_forward_hook(lambda module, args, output: output * 0)
    (recorded,) = stream(model, [random(2, 3, seed=2)], layers="second")
    assert torch.equal(recorded.features["second"], torch.zeros(2, 4, dtype=torch.float64))
    assert list(model.second._forward_hooks) == [handle.id]


def test_compiled_models_run_uncompiled_while_recorded_and_compiled_after():
    model = seeded(Plain).eval()
    compiled = torch.compile(model, backend="eager")
    x = random(2, 3, seed=3)
    compiled(x)  # hooks that are put on later would not fire
    (recorded,) = stream(compiled, [x], layers=["first", "last"])
    torch.testing.assert_close(recorded.features["last"], model(x))
    inside = nn.Sequential(torch.compile(seeded(Plain).eval(), backend="eager"))
    inside(x)
    (recorded,) = stream(inside, [x], layers="0.last")
    torch.testing.assert_close(recorded.features["0.last"], model(x))
    in_place = seeded(Plain).eval()
    in_place.compile(backend="eager")
    in_place(x)
    (recorded,) = stream(in_place, [x], layers="last")
    torch.testing.assert_close(recorded.features["last"], model(x))


def test_fused_transformers_run_layer_by_layer_on_plain_tensors():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    model = seeded(nn.TransformerEncoder, layer, 2).eval()
    x, padding = random(3, 5, 4, seed=4), torch.zeros(3, 5, dtype=torch.bool)
    padding[1, 3:] = True
    batch = {"src": x, "src_key_padding_mask": padding}
    (recorded,) = stream(model, [batch], layers="layers.*")
    expected = model.layers[0](x, src_key_padding_mask=padding)
    torch.testing.assert_close(recorded.features["layers.0"][0], expected[0].mean(0))
    torch.testing.assert_close(recorded.features["layers.0"][1], expected[1, :3].mean(0))
