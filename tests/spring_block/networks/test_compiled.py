"""The compiled engine: gradients against autograd in float64, Adam against torch's, and whole runs
against the plain engine on the same numbers.

Shifts that BatchNorm takes away again have the gradient 0. Autograd leaves rounding of it, which
Adam, that divides by its size, takes for a direction; the plain nets here do not train them.
"""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from loadpath.data import from_arrays
from loadpath.spring_block.networks import MLP, Recipe, train
from loadpath.spring_block.networks.compiled import Compiled
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.engines import Plain, one_thread
from loadpath.spring_block.networks.kernel import CHUNK, FEWEST_TO_TRANSPOSE, adam_step

CLASSES, INPUTS, WIDTH, DEPTH = 3, 12, 16, 4


def data(n=250, *, inputs=INPUTS, seed=0):
    draw = np.random.default_rng(seed)
    labels = np.arange(2 * n) % CLASSES
    x = draw.normal(size=(CLASSES, inputs))[labels] + draw.normal(size=(2 * n, inputs))
    return from_arrays(x[:n], labels[:n], x[n:], labels[n:])


def mlp(
    *, slope=0.2, dropout=0.0, batch_norm=True, seed=1, inputs=INPUTS, depth=DEPTH, width=WIDTH
):
    return MLP(
        inputs,
        CLASSES,
        width=width,
        depth=depth,
        slope=slope,
        dropout=dropout,
        batch_norm=batch_norm,
        seed=seed,
    )


def shifts_without_effect(net):
    """Parameters that BatchNorm takes away again in training mode."""
    if not net.batch_norm:
        return []
    linear = net.slope == 1 and net.dropout == 0
    norms = [net.input_norm, *(net.norms[:-1] if linear else [])]
    return [norm.bias for norm in norms] + [layer.bias for layer in net.layers]


def steppers(recipe, *, of=None, **options):
    """Both engines on nets of the same weights, and on the same draws."""
    of = data() if of is None else of
    x, labels = of.x_train.float(), of.y_train
    nets = [mlp(dropout=recipe.dropout, inputs=x.shape[1], **options) for _ in range(2)]
    for parameter in shifts_without_effect(nets[1]):
        parameter.requires_grad_(False)
    draws = [Draws(x, labels, n_classes=CLASSES, recipe=recipe, seed=5) for _ in range(2)]
    compiled = Compiled(nets[0], draws[0], recipe)
    return compiled, Plain(nets[1], draws[1], recipe), *nets


def autograd(net, x, labels, masks=None):
    """Loss and flat gradient in float64, Dropout by these masks (layer, sample, feature)."""
    net = copy.deepcopy(net).double().train()
    h = net.input_norm(x.double())
    for l, (linear, norm) in enumerate(zip(net.layers, net.norms, strict=True)):
        h = net.activation(norm(linear(h)))
        if masks is not None:
            h = h * masks[l]
    loss = nn.functional.cross_entropy(net.logits(h), labels)
    loss.backward()
    return loss.item(), [parameter.grad for parameter in net.parameters()]


def parts(flat, net):
    """A flat array cut into one for each parameter."""
    sizes = [parameter.numel() for parameter in net.parameters()]
    return torch.from_numpy(flat).double().split(sizes)


def assert_gradients_agree(stepper, net, expected):
    for found, (name, parameter), wanted in zip(
        parts(stepper._weights.grad, net), net.named_parameters(), expected, strict=True
    ):
        if any(parameter is bias for bias in shifts_without_effect(net)):
            assert (found == 0).all() and wanted.abs().max() < 1e-15, name
        else:
            error = (found.view_as(wanted) - wanted).norm() / wanted.norm()
            # Float32 sums of some hundred terms through a few layers: 2e-6 is the worst seen.
            assert error < 1e-5, (name, float(error))


@pytest.mark.parametrize("n", [7, FEWEST_TO_TRANSPOSE - 1, FEWEST_TO_TRANSPOSE, CHUNK + 1, 250])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0])
def test_the_gradient_of_a_step_is_that_of_autograd(slope, batch_norm, n):
    of = data(n)
    compiled, _, net, _ = steppers(Recipe(), of=of, slope=slope, batch_norm=batch_norm)
    loss, expected = autograd(net, of.x_train, of.y_train)
    with one_thread():
        assert compiled.epoch() == pytest.approx(loss, rel=1e-6)
    assert_gradients_agree(compiled, net, expected)


@pytest.mark.parametrize("width, inputs, depth", [(5, 30, 2), (30, 5, 2), (2, 3, 3), (40, 40, 9)])
def test_nets_of_any_shape_have_the_gradient_of_autograd(width, inputs, depth):
    of = data(100, inputs=inputs)
    compiled, _, net, _ = steppers(Recipe(), of=of, width=width, depth=depth)
    _, expected = autograd(net, of.x_train, of.y_train)
    with one_thread():
        compiled.epoch()
    assert_gradients_agree(compiled, net, expected)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_gradient_under_dropout_is_that_of_autograd_under_its_masks(batch_norm):
    of, p = data(), 0.3
    compiled, _, net, _ = steppers(Recipe(dropout=p), of=of, batch_norm=batch_norm)
    with one_thread():
        loss = compiled.epoch()
    kept = torch.from_numpy(compiled._room.kept).double()
    # The rate is p to 1 / 131072, and so is what is kept scaled.
    expected_loss, expected = autograd(net, of.x_train, of.y_train, kept / (1 - p))
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    for found, name, wanted in zip(
        parts(compiled._weights.grad, net), dict(net.named_parameters()), expected, strict=True
    ):
        if wanted.abs().max() > 1e-15:
            assert (found.view_as(wanted) - wanted).norm() < 1e-4 * wanted.norm(), name


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_masks_drop_their_share_at_random(p):
    compiled, _, _, _ = steppers(Recipe(dropout=p), width=200)
    masks = []
    with one_thread():
        for _ in range(2):
            compiled.epoch()
            masks.append(compiled._room.kept.astype(float).copy())
    kept = np.stack(masks)  # (epoch, layer, sample, feature): 300,000 draws
    deviation = np.sqrt(p * (1 - p))
    assert abs(kept.mean() - (1 - p)) < 4 * deviation / np.sqrt(kept.size)
    # Neither samples nor features are dropped together, nor the same in other layers or epochs.
    for axis, count in ((2, 250), (3, 200)):
        spread = kept.mean(axis).std() / (deviation / np.sqrt(count))
        assert abs(spread - 1) < 0.15
    for a, b in ((kept[0], kept[1]), (kept[:, 0], kept[:, 1])):
        correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(a.size)
    neighbours = np.corrcoef(kept[..., 1:].ravel(), kept[..., :-1].ravel())[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(kept.size)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_adam_takes_the_steps_of_torch(weight_decay):
    draw = np.random.default_rng(2)
    theta = draw.normal(size=1000).astype(np.float32)
    parameter = nn.Parameter(torch.from_numpy(theta.copy()))
    optimizer = torch.optim.Adam([parameter], lr=0.01, weight_decay=weight_decay)
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, 31):
        # Sizes from far below Adam's epsilon of 1e-8 to far above.
        grad = (draw.normal(size=1000) * np.geomspace(1e-12, 1e3, 1000)).astype(np.float32)
        parameter.grad = torch.from_numpy(grad)
        optimizer.step()
        adam_step(theta, grad, m, v, 0.01, weight_decay, step)
    # 30 steps of at most 0.01, each to a few times 1e-7 of itself, added to numbers of order 1.
    np.testing.assert_allclose(theta, parameter.detach().numpy(), rtol=1e-6, atol=1e-6)


RUNS = [
    pytest.param(dict(slope=slope, batch_norm=norm), recipe, id=f"{slope}-{norm}-{recipe}")
    for slope, norm, recipe in [
        (0.2, True, dict()),
        (0.2, False, dict()),
        (1.0, True, dict(batch_size=60)),  # a remainder of 10
        (0.0, True, dict(batch_size=30)),
        (1.0, False, dict(batch_size=30, data_noise=0.4)),
        (0.6, True, dict(data_noise=0.4)),
        (0.2, False, dict(weight_decay=0.05, rate_drops=1, epochs=4)),
    ]
]


@pytest.mark.parametrize("options, recipe", RUNS)
def test_a_run_is_that_of_the_plain_engine_to_rounding(options, recipe):
    compiled, plain, mine, its = steppers(Recipe(**recipe, rate=1e-3), **options)
    start = nn.utils.parameters_to_vector(mine.parameters()).detach().clone()
    with one_thread():
        for _ in range(4):
            assert compiled.epoch() == pytest.approx(plain.epoch(), rel=1e-5)
    compiled.finish()
    found, wanted = (
        nn.utils.parameters_to_vector(net.parameters()).detach() for net in (mine, its)
    )
    # 1e-6 is the worst seen; a gradient near 0 whose sign is rounding would make a step of it.
    assert (found - wanted).norm() < 1e-4 * (wanted - start).norm()
    for (name, ours), theirs in zip(mine.named_buffers(), its.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5, msg=name)


def test_weight_decay_under_batch_norm_gives_the_losses_of_the_plain_engine():
    # Shifts that BatchNorm takes away shrink in one engine only here, and change nothing.
    recipe = Recipe(weight_decay=0.1, rate=0.01, batch_size=60, epochs=6, rate_drops=2)
    compiled, plain, _, _ = steppers(recipe)
    _, free, _, _ = steppers(Recipe(rate=0.01, batch_size=60, epochs=6))
    with one_thread():
        for _ in range(6):
            loss = compiled.epoch()
            assert loss == pytest.approx(plain.epoch(), rel=2e-5)
            other = free.epoch()
    assert abs(loss - other) > 0.01  # and it is not the run without decay


def test_samples_in_any_memory_order_give_the_same_numbers():
    of = data()
    losses = []
    for strided in (False, True):
        x, labels = of.x_train.float(), of.y_train
        if strided:
            x = x.T.contiguous().T
            labels = labels.repeat_interleave(2)[::2]
            assert not x.is_contiguous() and not labels.is_contiguous()
        draws = Draws(x, labels, n_classes=CLASSES, recipe=Recipe(), seed=5)
        with one_thread():
            losses.append(Compiled(mlp(), draws, Recipe()).epoch())
    assert losses[0] == losses[1]


def test_the_net_is_left_alone_until_it_is_brought_up_to_date():
    compiled, _, net, _ = steppers(Recipe())
    before = copy.deepcopy(net.state_dict())
    with one_thread():
        compiled.epoch()
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    compiled.finish()
    changed = {name for name, value in net.state_dict().items() if (before[name] != value).any()}
    still = {"input_norm.bias", *(f"layers.{l}.bias" for l in range(DEPTH - 1))}
    assert changed == net.state_dict().keys() - still
    with one_thread():
        compiled.epoch()
    compiled.finish()
    assert int(net.input_norm.num_batches_tracked) == 2


def test_dropout_trains_to_what_it_trains_to_the_plain_way():
    # Masks differ: losses of 8 seeds by either engine, in both training and evaluation.
    of = data(300, seed=3)
    final = {}
    for engine in ("compiled", "plain"):
        runs = [
            train(
                mlp(dropout=0.2, seed=seed),
                of,
                Recipe(dropout=0.2, epochs=40, rate=0.003),
                seed=seed,
                engine=engine,
            )
            for seed in range(8)
        ]
        final[engine] = np.array(
            [(r.losses[-1], r.log_separation["fuzziness"][-1], r.test_accuracy) for r in runs]
        )
    for mine, its in zip(final["compiled"].T, final["plain"].T, strict=True):
        # The nets are the same: so a test of the pairs.
        assert abs(stats.ttest_rel(mine, its).statistic) < 5


@pytest.mark.slow
def test_a_fresh_process_compiles_without_a_warning_and_keeps_what_it_compiled(tmp_path):
    code = """
import numba, torch
from loadpath.spring_block.networks import MLP, Recipe, kernel, train
from loadpath.data import digits
data = digits(n_train=200)
for norm in (True, False):
    net = MLP(64, 10, slope=0.2, dropout=0.1, batch_norm=norm)
    run = train(net, data, Recipe(epochs=2, dropout=0.1, batch_size=50), engine="compiled")
print(run.losses.tolist(), sum(kernel.train_epoch.stats.cache_hits.values()))
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        for _ in range(2)
    ]
    assert [run.stderr for run in outputs] == ["", ""]
    (first, misses), (second, hits) = (run.stdout.rsplit(maxsplit=1) for run in outputs)
    assert first == second and (int(misses), int(hits)) == (0, 1)
