"""MLP and CNN against the same nets built from nn.Sequential, and their weights against torch's."""

import pytest
import torch
from torch import nn

from loadpath.spring_block.networks import CNN, MLP

SLOPES = [0.0, 0.3, 1.0]


def sequential_mlp(*, inputs, width, depth, classes, slope, dropout=0.0, batch_norm=True):
    """The MLP of [SB] as anybody would write it: blocks of layers, the logits last."""

    def norm(size):
        return nn.BatchNorm1d(size) if batch_norm else nn.Identity()

    blocks = [nn.Sequential(norm(inputs))]
    for l in range(depth - 1):
        linear = nn.Linear(inputs if l == 0 else width, width)
        blocks.append(nn.Sequential(linear, norm(width), nn.LeakyReLU(slope), nn.Dropout(dropout)))
    return nn.Sequential(*blocks, nn.Linear(width, classes))


def sequential_cnn(*, image_channels, channels, size, depth, classes, slope, batch_norm=True):
    def norm(count):
        return nn.BatchNorm2d(count) if batch_norm else nn.Identity()

    blocks = [nn.Sequential(nn.Unflatten(1, (image_channels, size, size)), norm(image_channels))]
    for l in range(depth - 1):
        conv = nn.Conv2d(image_channels if l == 0 else channels, channels, 3, padding=1)
        blocks.append(nn.Sequential(conv, norm(channels), nn.LeakyReLU(slope), nn.MaxPool2d(2)))
        blocks.append(nn.Upsample(scale_factor=2))
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(channels * size**2, classes))


@torch.no_grad()
def shaken(net, seed):
    """Parameters and statistics that are all different, so that none can be mistaken."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean") or name.endswith("running_var"):
            buffer += torch.rand(buffer.shape, generator=generator)
    return net


def copied(source, target):
    """Give `target` the parameters and statistics of `source`, layer by layer of one kind."""
    for kind in (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d):
        mine = [m for m in source.modules() if isinstance(m, kind)]
        its = [m for m in target.modules() if isinstance(m, kind)]
        for a, b in zip(mine, its, strict=True):
            b.load_state_dict(a.state_dict())
    return target


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("slope", SLOPES)
def test_an_mlp_is_the_sequence_of_its_layers(slope, batch_norm):
    shape = dict(width=7, depth=4, slope=slope, batch_norm=batch_norm)
    net = shaken(MLP(5, 3, seed=1, **shape), 2)
    twin = copied(net, sequential_mlp(inputs=5, classes=3, **shape))
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(3))
    for train in (True, False):
        net.train(train), twin.train(train)
        assert torch.equal(net(x), twin(x))
    path = net.path(x)
    assert [tuple(h.shape) for h in path] == [(20, 5), (20, 7), (20, 7), (20, 7)]
    for l, h in enumerate(path):
        assert torch.equal(h, twin[: l + 1](x))
    # The statistics that training mode gathered are the same too.
    for mine, its in zip(net.buffers(), twin.buffers(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("slope", SLOPES)
def test_a_cnn_is_the_sequence_of_its_layers(slope, batch_norm):
    net = CNN(3 * 36, 4, channels=5, depth=3, slope=slope, batch_norm=batch_norm, seed=1)
    twin = copied(
        shaken(net, 2),
        sequential_cnn(
            image_channels=3,
            channels=5,
            size=6,
            depth=3,
            classes=4,
            slope=slope,
            batch_norm=batch_norm,
        ),
    ).to(memory_format=torch.channels_last)  # as the net has it: sums in the same order
    x = torch.randn(10, 108, generator=torch.Generator().manual_seed(3))
    for train in (True, False):
        net.train(train), twin.train(train)
        assert torch.equal(net(x), twin(x))
    path = net.path(x)
    assert [tuple(h.shape) for h in path] == [(10, 108), (10, 45), (10, 45)]
    for h, end in zip(path, (1, 2, 4), strict=True):
        assert torch.equal(h, twin[:end](x).flatten(1))


def test_the_cnn_of_the_paper_has_its_shapes():
    net = CNN(300, 10)
    assert [tuple(h.shape) for h in net.path(torch.zeros(2, 300))] == [(2, 300)] + 7 * [(2, 500)]
    assert net.layers[0].weight.shape == (20, 3, 3, 3) and net.logits.weight.shape == (10, 2000)
    assert net(torch.zeros(2, 300)).shape == (2, 10)


@pytest.mark.parametrize("seed", [0, 5])
def test_weights_are_those_of_torch_after_its_seed(seed):
    before = torch.get_rng_state()
    mlp = MLP(5, 3, width=7, depth=4, slope=0.2, seed=seed)
    cnn = CNN(27 * 4, 3, channels=4, depth=3, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        twin = sequential_mlp(inputs=5, width=7, depth=4, classes=3, slope=0.2)
        torch.manual_seed(seed)
        image = dict(image_channels=3, channels=4, size=6, depth=3, classes=3, slope=0.0)
        twin_cnn = sequential_cnn(**image)
    for net, other in ((mlp, twin), (cnn, twin_cnn)):
        kinds = nn.Linear | nn.Conv2d
        drawn = [m for m in net.modules() if isinstance(m, kinds)]
        default = [m for m in other.modules() if isinstance(m, kinds)]
        for a, b in zip(drawn, default, strict=True):
            assert torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias)


def test_dropout_acts_after_every_activation_and_in_training_only():
    net = MLP(5, 3, width=400, depth=4, slope=0.2, dropout=0.3)
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        path = net.path(x)
    assert not (path[0] == 0).any()
    for h in path[1:]:
        share = float((h == 0).double().mean())
        # 20,000 draws: an error of sqrt(0.3 0.7 / 20,000) = 0.003.
        assert abs(share - 0.3) < 4 * 0.0033
    net.eval()
    assert all(not (h == 0).any() for h in net.path(x))
    cnn = CNN(36, 2, image_channels=1, channels=50, depth=2, slope=0.5, dropout=0.3)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        maps, h = cnn._maps(torch.randn(100, 36))
    # Maps are measured before Dropout, which acts on what goes on.
    assert not (maps[1] == 0).any()
    assert abs(float((h == 0).double().mean()) - 0.3) < 4 * 0.0011


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: MLP(0, 3, slope=0.2), "inputs must be a whole number of at least 1, not 0"),
        (lambda: MLP(5, 1, slope=0.2), "classes must be a whole number of at least 2, not 1"),
        (lambda: MLP(5, 3, width=0, slope=0.2), "width must be .* not 0"),
        (lambda: MLP(5, 3, depth=1, slope=0.2), "depth must be .* at least 2, not 1"),
        (lambda: MLP(5, 3, slope=-0.1), r"slope must lie in \[0, 1\], got -0.1"),
        (lambda: MLP(5, 3, slope=1.5), r"slope must lie in \[0, 1\], got 1.5"),
        (lambda: MLP(5, 3, slope=float("nan")), r"slope must lie in \[0, 1\], got nan"),
        (lambda: MLP(5, 3, slope=0.0, dropout=1.0), r"dropout must lie in \[0, 1\), got 1.0"),
        (lambda: MLP(5, 3, slope=0.0, dropout=-0.1), r"dropout must lie in \[0, 1\), got -0.1"),
        (lambda: MLP(5, 3, slope=0.0, seed=-1), "seed must be .* not -1"),
        (lambda: MLP(5, 3, slope=0.0).path(torch.ones(2, 4)), r"x must be \(sample, 5\), got \(2"),
        (lambda: CNN(75, 3), "inputs must be 3 square planes of even size, got 75"),
        (lambda: CNN(301, 3), "inputs must be 3 square planes of even size, got 301"),
        (lambda: CNN(300, 3, image_channels=0), "image_channels must be .* not 0"),
        (lambda: CNN(300, 3, channels=0), "channels must be .* not 0"),
        (lambda: CNN(300, 3, slope=2), r"slope must lie in \[0, 1\], got 2"),
        (lambda: CNN(300, 3, dropout=1), r"dropout must lie in \[0, 1\), got 1"),
        (lambda: CNN(300, 3).path(torch.ones(300)), r"x must be \(sample, 300\), got \(300,\)"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
