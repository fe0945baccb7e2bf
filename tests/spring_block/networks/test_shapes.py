"""Shapes refuse what nets refuse, in the same words, and a net is made of its shape."""

import dataclasses

import pytest
import torch

from loadpath.spring_block.networks import CNN, MLP, CNNShape, MLPShape, build_classifier

BAD = [
    (MLPShape, MLP, (0, 3), dict(slope=0.2)),
    (MLPShape, MLP, (5, 1), dict(slope=0.2)),
    (MLPShape, MLP, (5, 3), dict(slope=0.2, width=0)),
    (MLPShape, MLP, (5, 3), dict(slope=0.2, depth=1)),
    (MLPShape, MLP, (5, 3), dict(slope=2)),
    (MLPShape, MLP, (5, 3), dict(slope=0.2, dropout=1)),
    (CNNShape, CNN, (301, 3), {}),
    (CNNShape, CNN, (75, 3), {}),
    (CNNShape, CNN, (300, 3), dict(image_channels=0)),
    (CNNShape, CNN, (300, 3), dict(channels=0)),
]


@pytest.mark.parametrize("shape, net, sizes, options", BAD)
def test_a_shape_and_its_net_refuse_in_the_same_sentence(shape, net, sizes, options):
    said = []
    for make in (shape, net):
        with pytest.raises(ValueError) as error:
            make(*sizes, **options)
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "net",
    [
        MLP(5, 3, width=7, depth=4, slope=0.3, dropout=0.1, batch_norm=False, seed=2),
        MLP(5, 3, width=7, depth=4, slope=0.3, input_batch_norm=False, seed=2),
        CNN(16, 2, image_channels=1, channels=3, depth=2, slope=0.1, dropout=0.2, seed=2),
    ],
)
def test_a_net_is_built_from_its_shape(net):
    twin = build_classifier(net.shape, seed=2)
    assert type(twin) is type(net) and twin.shape == net.shape
    for mine, its in zip(net.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(mine, its)
    for name, value in dataclasses.asdict(net.shape).items():
        assert getattr(net, name) == value
    assert net.shape.settings()["slope"] == net.slope


def test_inputs_without_batch_norm_are_layer_0_as_they_are():
    net = MLP(5, 3, width=7, depth=3, slope=0.3, input_batch_norm=False, seed=2)
    x = 3 + torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net.path(x)[0], x)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert len(norms) == 2 and all(norm.num_features == 7 for norm in norms)
    # The same weights as with it: what is drawn does not depend on it.
    whole = MLP(5, 3, width=7, depth=3, slope=0.3, seed=2)
    assert torch.equal(whole.layers[0].weight, net.layers[0].weight)
    assert net.shape.settings()["input_batch_norm"] is False
    assert whole.shape.settings()["input_batch_norm"] is True
    with pytest.raises(ValueError, match="input_batch_norm must be True or False"):
        MLPShape(5, 3, slope=0.2, input_batch_norm=1)
