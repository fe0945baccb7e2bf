"""LeakyResNet against hand-written nets, an ODE solver, and the exact symmetries of its flow."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from exact_paths import random
from scipy.integrate import solve_ivp
from torch.func import functional_call

from loadpath import LeakyResNet
from loadpath.leaky_resnet import layer_steps
from loadpath.leaky_resnet.model import orthonormal_map
from loadpath.record.activations import ACTIVATIONS

STEPS = ["euler", "exponential"]


def float64_net(in_features=3, out_features=2, **options):
    options = {"width": 6, "depth": 5, "effective_depth": 2.0, **options}
    net = LeakyResNet(in_features, out_features, dtype=torch.float64, **options)
    if net.bias:  # the initial biases are 0, which would hide them
        net.weights.data[:, :, -1] = random(net.depth, net.width, seed=99)
    return net


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mesh", [None, layer_steps.irregular(5, 0.9)], ids=["even", "uneven"])
def test_without_leakage_it_is_exactly_a_resnet(step, mesh):
    net = float64_net(effective_depth=0.0, layer_steps=mesh, step=step).requires_grad_(False)
    x = random(11, 3, seed=0)
    rho = ([1 / 5] * 5) if mesh is None else mesh.tolist()
    A = x @ net.input_map
    for W, length, node in zip(net.weights, rho, net.path(x)[1:], strict=True):
        A = A + length * torch.nn.functional.linear(torch.relu(A), W[:, :-1], W[:, -1])
        # The same operations in the same order: no more than what the address of a matrix does
        # to the order of sums in a product.
        torch.testing.assert_close(node, A, rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(net(x), A @ net.output_map, rtol=1e-15, atol=1e-15)
    assert float(net.regularizer()) == pytest.approx(
        sum(length * float((W**2).sum()) for W, length in zip(net.weights, rho, strict=True)) / 2,
        rel=1e-14,
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_a_layer_is_the_printed_formula(activation, step, bias):
    rho = layer_steps.irregular(5, 0.7)
    net = float64_net(layer_steps=rho, step=step, activation=activation, bias=bias)
    net.requires_grad_(False)
    phi = {
        "relu": lambda z: z * (z > 0),
        "leaky_relu": lambda z: torch.where(z > 0, z, 0.1 * z),
        "tanh": lambda z: (z.exp() - (-z).exp()) / (z.exp() + (-z).exp()),
        "softplus": lambda z: (1 + z.exp()).log(),
        "identity": lambda z: z,
    }[activation]
    x = random(7, 3, seed=1)
    A = x @ net.input_map
    for l, node in enumerate(net.path(x)[1:]):
        S = torch.cat([phi(A), torch.ones(7, 1, dtype=A.dtype)], 1) if bias else phi(A)
        torch.testing.assert_close(net.features(A), S, rtol=1e-13, atol=1e-14)
        leak = math.exp(-float(rho[l]) * 2.0)
        decay = 1 - float(rho[l]) * 2.0 if step == "euler" else leak
        gain = float(rho[l]) if step == "euler" else (1 - leak) / 2.0
        A = decay * A + gain * S @ net.weights[l].T
        torch.testing.assert_close(node, A, rtol=1e-12, atol=1e-13)
    action = sum(float(r) * float((W**2).sum()) for r, W in zip(rho, net.weights, strict=True))
    assert float(net.regularizer()) == pytest.approx(action / (2 * 2.0), rel=1e-13)


@pytest.mark.parametrize("depth", [1, 3, 20])
@pytest.mark.parametrize("a", [0.0, 0.9])
@pytest.mark.parametrize("effective_depth", [0.3, 7.0, 40.0])
def test_the_exponential_step_is_exact_without_weights(depth, a, effective_depth):
    net = float64_net(
        depth=depth, effective_depth=effective_depth, step="exponential",
        layer_steps=layer_steps.irregular(depth, a),
    )  # fmt: skip
    net.weights.data.zero_()
    x = random(4, 3, seed=2)
    for p, A in zip(net.p.tolist(), net.path(x), strict=True):
        exact = math.exp(-effective_depth * p) * (x @ net.input_map)
        # An exponent of -40 carries rounding of 40 x 1e-16, and each layer adds its own.
        torch.testing.assert_close(A, exact, rtol=1e-13, atol=0)


def test_nodes_run_from_0_to_1():
    rho = layer_steps.irregular(5, 0.5)
    p = float64_net(layer_steps=rho).p
    assert p.shape == (6,)
    assert float(p[0]) == 0 and float(p[-1]) == pytest.approx(1, abs=1e-15)
    torch.testing.assert_close(p.diff(), rho, rtol=1e-14, atol=0)


def flow_net(depth, step, activation, W, *, effective_depth=2.0, bias=True):
    """A net with the same weights W in every layer: its limit is an autonomous ODE."""
    net = float64_net(
        width=4, depth=depth, effective_depth=effective_depth, step=step, activation=activation,
        bias=bias,
    )  # fmt: skip
    net.weights.data[:] = W
    return net.requires_grad_(False)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("step", STEPS)
def test_both_steps_converge_to_the_flow_with_order_1(step, activation):
    W, x = random(4, 5, seed=3), random(6, 3, seed=4)
    net = flow_net(1, "exponential", activation, W)

    def velocity(_, a):
        A = torch.from_numpy(a).reshape(6, 4)
        return (-2.0 * A + net.features(A) @ W.T).flatten().numpy()

    start = (x @ net.input_map).flatten().numpy()
    end = solve_ivp(velocity, (0, 1), start, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    exact = torch.from_numpy(end).reshape(6, 4)
    errors = [
        float((flow_net(depth, step, activation, W).path(x)[-1] - exact).norm())
        for depth in (100, 200, 400, 800)
    ]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert orders == pytest.approx([1.0] * 3, abs=0.1)
    assert errors[-1] < 0.01 * float(exact.norm())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("c", [0.5, 3.0])
def test_a_range_of_c_with_leakage_1_is_a_range_of_1_with_leakage_c(step, c):
    # [LR]: q = c p turns dA/dq = -A + S V^T on [0, c] into dA/dp = -c A + S (c V)^T on [0, 1].
    rho = layer_steps.irregular(5, 0.6)
    net = float64_net(effective_depth=c, step=step, layer_steps=rho).requires_grad_(False)
    x = random(8, 3, seed=5)
    A, action = x @ net.input_map, 0.0
    for length, W, node in zip((c * rho).tolist(), net.weights, net.path(x)[1:], strict=True):
        V = W / c
        decay, gain = (1 - length, length) if step == "euler" else (
            math.exp(-length), 1 - math.exp(-length),
        )  # fmt: skip
        A = decay * A + gain * net.features(A) @ V.T
        torch.testing.assert_close(node, A, rtol=1e-13, atol=1e-14)
        action += length * float((V**2).sum()) / 2
    # (1/2) int_0^c ||V||^2 dq = (1/2c) int_0^1 ||W||^2 dp
    assert float(net.regularizer()) == pytest.approx(action, rel=1e-13)


@pytest.mark.parametrize("step", STEPS)
def test_without_bias_more_leakage_shrinks_the_flow_by_its_exponential(step):
    # [LR]: phi homogeneous and no bias: leakage 2 + 1.5 gives e^{-1.5 p} A_p, with the same W.
    W, x = random(4, 4, seed=6), random(6, 3, seed=7)
    errors = []
    for depth in (100, 200, 400, 800):
        options = {"step": step, "activation": "relu", "W": W, "bias": False}
        slow = flow_net(depth, effective_depth=2.0, **options)
        fast = flow_net(depth, effective_depth=3.5, **options)
        nodes = zip(slow.p.tolist(), slow.path(x), fast.path(x), strict=True)
        errors.append(max(float((B - math.exp(-1.5 * p) * A).norm()) for p, A, B in nodes))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert orders == pytest.approx([1.0] * 3, abs=0.1)


@pytest.mark.parametrize("step", STEPS)
def test_the_shift_symmetry_is_exact_in_the_discrete_net_with_its_weights_scaled(step):
    # With W_l' = (k g_l / g_l') W_l, k = d_l' / d_l, every layer shrinks by k: exact, for any mesh.
    options = {"step": step, "bias": False, "layer_steps": layer_steps.irregular(5, 0.8)}
    slow = float64_net(effective_depth=1.0, **options)
    fast = float64_net(effective_depth=2.5, **options)
    (d, g), (d_fast, g_fast) = slow.coefficients(), fast.coefficients()
    fast.weights.data[:] = (d_fast / d * g / g_fast)[:, None, None] * slow.weights.data
    x = random(8, 3, seed=8)
    shrink = 1.0
    for l, (A, B) in enumerate(zip(slow.path(x), fast.path(x), strict=True)):
        shrink *= float(d_fast[l - 1] / d[l - 1]) if l else 1.0
        torch.testing.assert_close(B, shrink * A, rtol=1e-12, atol=1e-14)
    assert step == "euler" or shrink == pytest.approx(math.exp(-1.5), rel=1e-13)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "identity"])
@pytest.mark.parametrize(
    "effective_depth, depth, step, a",
    [
        (1.0, 20, "euler", 0.0),
        (7.0, 20, "euler", 0.5),
        (7.0, 10, "euler", 0.0),
        (10.0, 20, "exponential", 0.9),
    ],
)
def test_initial_weights_keep_representations_steady(activation, effective_depth, depth, step, a):
    x = random(20, 20, seed=9)
    ratios = []
    for seed in range(20):
        net = LeakyResNet(
            20, 5, width=200, depth=depth, effective_depth=effective_depth, step=step, seed=seed,
            activation=activation, layer_steps=layer_steps.irregular(depth, a), dtype=torch.float64,
        )  # fmt: skip
        with torch.no_grad():
            squares = torch.stack([A.square().sum() for A in net.path(x)])
        ratios.append(squares[1:] / squares[0])
    ratios = torch.stack(ratios)
    # The mean over seeds is 1 up to 4 standard errors, and 5 % for E[relu(A)^2] = A^2 / 2 which
    # the correlations between units of a net this wide keep from being exact.
    error = 4 * ratios.std(0) / math.sqrt(20) + 0.05
    assert bool(((ratios.mean(0) - 1).abs() < error).all())
    assert float(ratios.std(0).mean()) < 0.6  # or the mean would say little


def test_initial_weights_without_leakage_let_representations_grow_a_little():
    x = random(40, 20, seed=10)
    net = LeakyResNet(20, 5, width=200, depth=30, effective_depth=0.0, dtype=torch.float64)
    with torch.no_grad():
        squares = torch.stack([A.square().sum() for A in net.path(x)])
    ratio = squares / squares[0]
    assert bool((ratio.diff() > 0).all()) and 1.05 < float(ratio[-1]) < 5


@pytest.mark.parametrize("effective_depth", [0.0, 5.0])
def test_a_seed_means_the_same_numbers_in_float32_and_float64(effective_depth):
    double, single = (
        LeakyResNet(4, 3, width=7, depth=9, effective_depth=effective_depth, seed=3, dtype=dtype)
        for dtype in (torch.float64, torch.float32)
    )
    for name, value in double.state_dict().items():
        expected = value if name == "layer_steps" else value.float()
        assert torch.equal(single.state_dict()[name], expected), name
    x = random(10, 4, seed=11)
    torch.testing.assert_close(single(x.float()).double(), double(x), rtol=1e-5, atol=1e-5)
    other = LeakyResNet(4, 3, width=7, depth=9, effective_depth=effective_depth, seed=4)
    assert not torch.equal(other.weights, single.weights)


def test_drawing_a_net_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    float64_net()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("n_in, n_out", [(3, 8), (8, 3), (5, 5), (1, 4)])
def test_maps_are_orthonormal(n_in, n_out):
    Q = orthonormal_map(n_in, n_out, torch.Generator().manual_seed(12))
    assert Q.shape == (n_in, n_out)
    product = Q @ Q.T if n_in <= n_out else Q.T @ Q
    torch.testing.assert_close(product, torch.eye(len(product), dtype=Q.dtype), rtol=0, atol=1e-14)


def test_the_scale_changes_representations_and_not_what_a_linear_net_computes():
    options = {"effective_depth": 2.0, "activation": "identity", "bias": False}
    small, large = (float64_net(scale=scale, **options) for scale in (0.5, 2.0))
    x = random(9, 3, seed=13)
    for A, B in zip(small.path(x), large.path(x), strict=True):
        torch.testing.assert_close(4 * A, B, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(small(x), large(x), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("optimizer, rate", [(torch.optim.SGD, 0.2), (torch.optim.AdamW, 0.02)])
def test_it_trains_in_anybodys_loop(optimizer, rate):
    net = LeakyResNet(3, 1, width=20, depth=6, effective_depth=3.0, input_map="learned")
    x = random(64, 3, seed=14).float()
    y = torch.sin(x.sum(1, keepdim=True))
    steps = optimizer(net.parameters(), lr=rate)
    losses = []
    for _ in range(60):
        steps.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y) + 1e-4 * net.regularizer()
        loss.backward()
        steps.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("kinds", list(itertools.product(["orthonormal", "learned"], repeat=2)))
def test_learned_maps_are_parameters_and_fixed_ones_are_not(kinds):
    net = float64_net(input_map=kinds[0], output_map=kinds[1])
    names = {"weights"}
    names |= {n for n, k in zip(("input_map", "output_map"), kinds, strict=True) if k == "learned"}
    assert {name for name, _ in net.named_parameters()} == names
    net(random(5, 3, seed=15)).sum().backward()
    assert all(float(parameter.grad.norm()) > 0 for parameter in net.parameters())
    fixed = float64_net()
    assert torch.equal(net.input_map, fixed.input_map)  # learned maps start at the fixed ones
    assert torch.equal(net.output_map, fixed.output_map)


def test_a_state_dict_carries_all_that_the_output_depends_on():
    net = float64_net(seed=1, layer_steps=layer_steps.irregular(5, 0.5), output_map="learned")
    other = float64_net(seed=2, output_map="learned")
    x = random(5, 3, seed=16)
    assert not torch.equal(other(x), net(x))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))
    assert torch.equal(other.regularizer(), net.regularizer())


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_copies_are_whole_and_independent(activation):
    net = float64_net(activation=activation)
    x = random(5, 3, seed=17)
    out = net(x)
    # Pickling is how torch hands a module to another process.
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x), out)
        other.weights.data.zero_()
        other.set_layer_steps(layer_steps.irregular(5, 0.9))
        assert torch.equal(net(x), out)


def test_it_changes_dtype_as_a_whole():
    net = LeakyResNet(3, 2, width=6, depth=5, effective_depth=2.0)
    x = random(5, 3, seed=18)
    out = net(x.float())
    double = copy.deepcopy(net).to(torch.float64)
    assert double(x).dtype == torch.float64
    torch.testing.assert_close(double(x).float(), out, rtol=1e-5, atol=1e-6)  # float32
    assert double.to(torch.float32)(x.float()).dtype == torch.float32
    assert all(c.dtype == torch.float64 for c in double.coefficients())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "softplus"])
def test_gradients_pass_through_every_number(activation, step):
    net = float64_net(
        width=3, depth=3, activation=activation, step=step, input_map="learned",
        output_map="learned",
    )  # fmt: skip
    names = ("weights", "input_map", "output_map")
    values = [getattr(net, name).detach().clone().requires_grad_() for name in names]
    x = random(2, 3, seed=19).requires_grad_()
    with torch.no_grad():  # no activation so near its kink that a difference would straddle it
        assert min(float(A.abs().min()) for A in net.path(x)[:-1]) > 1e-4

    def outputs(x, *values):
        return functional_call(net, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(outputs, (x, *values))  # central differences of 1e-6
    net.regularizer().backward()
    exact = net.layer_steps[:, None, None] * net.weights.detach() / net.coupling
    torch.testing.assert_close(net.weights.grad, exact, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"in_features": 0}, "in_features must be a whole number of at least 1, not 0"),
        ({"out_features": -1}, "out_features must be a whole number of at least 1, not -1"),
        ({"width": 0}, "width must be a whole number of at least 1, not 0"),
        ({"width": 10.5}, "width must be a whole number of at least 1, not 10.5"),
        ({"depth": 0}, "depth must be a whole number of at least 1, not 0"),
        ({"effective_depth": -0.1}, "effective_depth must be finite and at least 0, got -0.1"),
        ({"effective_depth": math.inf}, "effective_depth must be finite and at least 0, got inf"),
        ({"effective_depth": math.nan}, "effective_depth must be finite and at least 0, got nan"),
        ({"scale": 0.0}, "scale must be finite and above 0, got 0.0"),
        ({"step": "rk4"}, "step must be one of euler, exponential, got 'rk4'"),
        ({"activation": "gelu"}, "activation must be one of relu, .*, got 'gelu'"),
        ({"input_map": "fixed"}, "input_map must be one of orthonormal, learned, got 'fixed'"),
        ({"output_map": "none"}, "output_map must be one of orthonormal, learned, got 'none'"),
        ({"effective_depth": 5.0}, "longest step of 0.2 break the Euler condition"),
        ({"layer_steps": torch.ones(5)}, "layer_steps must sum to 1, got a sum of 5"),
        ({"layer_steps": torch.ones(4) / 4}, r"layer_steps must have shape \(5,\), got \(4,\)"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(options, sentence):
    arguments = {"in_features": 3, "out_features": 2, "width": 6, "depth": 5}
    with pytest.raises(ValueError, match=sentence):
        LeakyResNet(**{**arguments, "effective_depth": 2.0, **options})


@pytest.mark.parametrize("shape", [(4, 2), (3,), (4, 3, 1)])
def test_inputs_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"x must be \(sample, 3\), got \(" + str(shape[0])):
        float64_net()(torch.zeros(shape, dtype=torch.float64))


def test_a_refused_mesh_leaves_the_net_as_it_was():
    net = float64_net()
    with pytest.raises(ValueError, match="layer_steps must sum to 1"):
        net.set_layer_steps(torch.ones(5))
    assert torch.equal(net.layer_steps, layer_steps.equidistant(5))
