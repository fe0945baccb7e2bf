"""`solve`: against closed forms, against training, and what it says where there is no answer."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random, square_net

import loadpath as lp
from loadpath import results
from loadpath.leaky_resnet.geodesic import FixedEnd, FreeEnd, linear, solve
from loadpath.leaky_resnet.geodesic import phases as plan
from loadpath.leaky_resnet.geodesic.descent.descent import EQUAL
from loadpath.leaky_resnet.geodesic.endpoints.fixed import REACHED

QUIET = dict(threads=1, progress=False)
SMALL = dict(effective_depth=2.0, width=6, depth=5, **QUIET)
LINEAR = dict(activation="identity", bias=False)


def teacher(seed=0):
    return lp.data.teacher((6, 2, 6), n_train=40, n_test=20, seed=seed)


def linear_ends(seed=0):
    """x and y = x M, M near enough to 1 to be of positive determinant."""
    x = random(12, 3, seed=seed)
    return x, x @ (torch.eye(3) + 0.3 * random(3, 3, seed=seed + 1))


def reach_random_end(seed, *, samples, width, depth, **options):
    """The path between x and where a random net takes it."""
    net = square_net(width, depth, scale=1.0, seed=seed, **options)
    x = random(samples, width, seed=seed)
    with torch.no_grad():
        y = net(x)
    options = dict(width=width, depth=depth, endpoint="fixed", **options)
    return solve(x, y, **options, **QUIET)


@pytest.fixture(scope="module")
def solved():
    """A small relu geodesic with a free end."""
    data = teacher()
    return solve(data.x_train, data.y_train, **SMALL)


# --- fixed ends ---


def test_a_linear_path_tends_to_the_closed_form_to_first_order():
    x, y = linear_ends()
    exact = linear.between(x, y, effective_depth=2.0)
    errors = []
    for depth in (8, 16):
        found = solve(
            x, y, effective_depth=2.0, width=3, depth=depth, endpoint="fixed", tolerance=1e-6,
            **LINEAR, **QUIET,
        )  # fmt: skip
        assert found.status == "converged" and found.end_error <= REACHED
        assert found.objective == found.action
        path = float((found.A - exact.A(found.p)).norm() / found.A.norm())
        energy = float((found.hamiltonian - exact.hamiltonian).abs().max())
        errors.append((abs(found.action - exact.action), path, energy))
    # Euler steps are of first order: actions measure 0.98, paths and H, with their larger second
    # order, 0.80 to 0.83 at these depths (0.90 and 0.91 from 16 to 32 layers).
    orders = [math.log2(coarse / fine) for coarse, fine in zip(*errors, strict=True)]
    assert orders == pytest.approx([1, 1, 1], abs=0.25)
    assert errors[1][0] < 0.01 * exact.action


def test_the_continuum_value_is_that_of_the_closed_form():
    x, y = linear_ends()
    exact = linear.between(x, y, effective_depth=2.0)
    found = solve(
        x, y, effective_depth=2.0, width=3, depth=5, endpoint="fixed", tolerance=1e-6,
        refinements=2, **LINEAR, **QUIET,
    )  # fmt: skip
    certificate = found.certificate
    assert [depth for depth, _ in certificate.refinement] == [5, 10, 20]
    assert certificate.refinement[0][1] == found.objective
    assert certificate.refinement_order == pytest.approx(1, abs=0.1)
    # What is left is of third order, for the order is fitted: 3e-5, of an error of 0.013.
    left = abs(certificate.continuum_objective - exact.action)
    assert left < 1e-4 and left < abs(found.objective - exact.action) / 100
    assert f"instead of {found.objective:.5g}; extrapolated" in found.words()[-1]


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_one_mesh_predicts_the_continuum_to_second_order(step):
    # Objectives are of first order in the layer step, the predictions made from them of second.
    x, y = linear_ends()
    exact = linear.between(x, y, effective_depth=2.0).action
    errors = []
    for depth in (16, 32, 64):
        found = solve(
            x, y, effective_depth=2.0, width=3, depth=depth, endpoint="fixed", tolerance=1e-6,
            step=step, **LINEAR, **QUIET,
        )  # fmt: skip
        predicted = found.certificate.continuum_predicted
        errors.append([abs(found.action - exact), abs(predicted - exact)])
        assert f"is predicted to be {predicted:.5g}" in " ".join(found.words())
    plain, predicted = (
        [math.log2(coarse / fine) for coarse, fine in zip(column, column[1:], strict=False)]
        for column in zip(*errors, strict=True)
    )
    if step == "euler":  # costs of exponential steps nearly cancel here
        assert plain == pytest.approx([1, 1], abs=0.1)
    # Within 0.2, for the third order is still felt at these depths.
    assert predicted == pytest.approx([2, 2], abs=0.2)


@pytest.mark.parametrize("few", [0, plan.FEW_WEIGHTS])
def test_a_relu_path_among_positive_numbers_is_a_linear_one(few, monkeypatch):
    monkeypatch.setattr(plan, "FEW_WEIGHTS", few)  # both L-BFGS and Newton's method
    x = 2 + 0.4 * random(3, 3, seed=0)
    y = x @ (torch.eye(3) + 0.1 * random(3, 3, seed=1).abs())
    options = dict(effective_depth=1.0, width=3, depth=4, endpoint="fixed", bias=False, **QUIET)
    found, expected = (solve(x, y, activation=a, **options) for a in ("relu", "identity"))
    assert float(expected.A.min()) > 0  # so that the kinks are never met
    assert found.status == "converged" and found.end_error <= REACHED
    # Both ends are reached to 1e-5 and no better, to which the action answers in proportion.
    assert found.action == pytest.approx(expected.action, rel=1e-4)
    torch.testing.assert_close(found.A, expected.A, rtol=0, atol=1e-3)


@pytest.mark.parametrize("seed", [2, 4])
def test_ends_that_random_relu_nets_reach_are_reached_and_certified(seed):
    found = reach_random_end(seed, effective_depth=2.0, width=4, depth=6, samples=8)
    assert found.status == "converged" and found.end_error < 1e-7
    # Kinks rounded over 1e-5 of a layer's size: what sits on them sits within that.
    certificate = found.certificate
    assert certificate.widths[0] == 1e-4 and certificate.worst_by_width[0] < 1e-3
    assert certificate.gradient_residual.max() > 0.1
    assert int(certificate.least_norm.between.sum()) > 0


@pytest.mark.slow
def test_an_end_that_a_wider_and_deeper_relu_net_reaches_is_certified():
    found = reach_random_end(1, effective_depth=3.0, width=10, depth=12, samples=30)
    assert found.status == "converged" and found.end_error < 1e-6
    assert float(found.stationarity.max()) < 1e-3


def test_an_end_that_takes_endless_momenta_is_approached():
    # At the path found for it the derivative of A_L by the weights is singular to 1e-5: in that
    # direction A_L does not move, and momenta that push it grow with every move of the target.
    found = reach_random_end(1, effective_depth=2.0, width=4, depth=6, samples=8)
    assert found.status == "converged" and 1e-6 < found.end_error <= REACHED

    def end(weights):
        return torch.func.functional_call(found.model, {"weights": weights}, (found.x,)).flatten()

    J = torch.func.jacrev(end)(found.model.weights).reshape(32, -1)
    singular = torch.linalg.svdvals(J)
    assert float(singular[-1]) < 1e-4 < 1e-2 * float(singular[0])
    u = torch.linalg.svd(J)[0][:, -1]
    momenta = found.B[-1].flatten()
    assert float((momenta @ u).abs()) > 0.99 * float(momenta.norm())


def test_an_end_with_more_conditions_than_weights_is_not_reached():
    options = dict(effective_depth=0.5, width=2, depth=1, endpoint="fixed", **QUIET)
    found = solve(random(12, 2, seed=0), random(12, 2, seed=1), **options)
    assert found.status == "end not reached" and found.end_error > 0.1
    assert "The path ends at y but for" in found.words()[0]


# --- free ends ---


def test_a_relu_geodesic_is_stationary_up_to_kinks_and_no_worse_than_training(solved):
    assert solved.status == "converged" and solved.history.attrs["status"] == "converged"
    assert float(solved.stationarity.max()) <= 0.01
    model = lp.LeakyResNet(6, 6, width=6, depth=5, effective_depth=2.0, seed=0)
    trained = lp.fit(model, teacher(), weight_decay=solved.weight_decay, seed=0, **QUIET)
    # From the same initial weights training ends 2.5 % higher: on a kink, where its line search
    # finds nothing lower.
    assert solved.objective < float(trained.history.objective[-1])
    data_term = (solved.model(solved.x) - solved.target).square().sum(1).mean()
    expected = float(data_term) + solved.weight_decay * solved.action
    assert solved.objective == pytest.approx(expected, rel=1e-12)


def test_weights_follow_from_the_momenta_on_kinks(solved):
    torch.testing.assert_close(list(solved.A), solved.model.path(solved.x))
    for l, W in enumerate(solved.W):
        stationary = 2.0 * solved.B[l + 1].T @ solved.model.features(solved.A[l])
        residual = float((W - stationary).norm() / W.norm())
        assert residual == pytest.approx(float(solved.stationarity[l]), rel=1e-6, abs=1e-9)
    # Backpropagation's momenta would not do: they take one side of every kink.
    assert float(solved.certificate.gradient_residual.max()) > 0.1


def test_the_dataset_has_the_certificate_and_the_momenta_it_speaks_of(solved, tmp_path):
    ds = solved.dataset()
    torch.testing.assert_close(torch.tensor(ds["hamiltonian"].values), solved.hamiltonian)
    torch.testing.assert_close(torch.tensor(ds["stationarity"].values), solved.stationarity)
    norms = solved.B.flatten(1).norm(dim=1)
    torch.testing.assert_close(torch.tensor(ds["momentum_norm"].values), norms)
    assert ds["dimension"].values == pytest.approx(-ds["hamiltonian"].values)  # 2 / L~ = 1
    last = solved.B[-1].T @ solved.model.features(solved.A[-1])
    assert float(ds["momentum_activation_norm"][-1]) == pytest.approx(float(last.norm()))
    assert float(ds["gradient_residual"].max()) > 0.1
    assert ds["least_norm_residual"].attrs["words"].splitlines() == solved.words()
    results.save(ds, tmp_path / "geodesic.nc")
    assert results.load(tmp_path / "geodesic.nc").identical(ds)
    assert (ds.attrs["status"], ds.attrs["endpoint"]) == ("converged", "fit")


def test_a_path_is_taken_up_where_another_left_it(solved):
    start = dict(start=solved.model, weight_decay=solved.weight_decay)
    again = solve(solved.x, solved.target, **SMALL, **start)
    # Kinks are rounded anew on the way, so that it ends as low as `Descent` tells points apart.
    assert again.objective <= solved.objective * (1 + EQUAL)
    assert again.history.iteration[-1] < solved.history.iteration[-1] / 2
    further = solve(solved.x, solved.target, **{**SMALL, "effective_depth": 2.2}, **start)
    assert further.status == "converged" and further.model.effective_depth == 2.2


def test_an_adaptive_mesh_moves():
    data = teacher()
    found = solve(data.x_train, data.y_train, layer_steps="adaptive", **SMALL)
    assert float(found.layer_steps.sum()) == pytest.approx(1)
    assert not torch.allclose(found.layer_steps, torch.full_like(found.layer_steps, 0.2), rtol=0.02)
    torch.testing.assert_close(found.p[1:], found.layer_steps.cumsum(0))


@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_the_same_seed_gives_the_same_numbers(activation):
    data = teacher()
    options = {**SMALL, "width": 4, "depth": 3, "activation": activation}
    first, same, other = (
        solve(data.x_train, data.y_train, seed=seed, **options) for seed in (1, 1, 2)
    )
    assert torch.equal(first.W, same.W) and first.history.equals(
        same.history.assign(seconds=first.history.seconds)
    )
    assert not torch.equal(first.W, other.W)


def test_class_numbers_are_taken_with_cross_entropy():
    x = random(30, 4, seed=0)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    dear = dict(weight_decay=0.1, activation="identity")
    found = solve(
        x,
        y,
        loss="cross-entropy",
        **dear,
        **{**SMALL, "effective_depth": 1.0, "width": 4, "depth": 3},
    )
    assert found.status == "converged" and found.dataset().attrs["loss"] == "cross-entropy"
    assert found.objective < math.log(3)  # what knowing nothing costs


# --- ends as values ---


@pytest.mark.parametrize(
    "value, flat",
    [
        (FreeEnd(0.2, scale=1.0), dict(weight_decay=0.2, scale=1.0)),
        (FixedEnd(0.2), dict(endpoint="fixed", weight_decay=0.2)),
    ],
)
def test_an_end_as_a_value_is_its_word_with_flat_options(value, flat):
    x, y = linear_ends()
    options = dict(effective_depth=1.0, width=3, depth=3, **LINEAR, **QUIET)
    one, other = solve(x, y, endpoint=value, **options), solve(x, y, **flat, **options)
    assert torch.equal(one.A, other.A) and torch.equal(one.B, other.B)
    assert one.endpoint == other.endpoint == value.name
    assert one.weight_decay == other.weight_decay


# --- statuses ---


def test_out_of_time_keeps_the_lowest_point():
    data = teacher()
    found = solve(data.x_train, data.y_train, max_seconds=0.05, **SMALL)
    assert found.status == "out of time" and found.seconds < 5
    # The objective of the float32 phases is summed in float32.
    assert found.objective == pytest.approx(float(found.history.objective.min()), rel=1e-5)


def test_too_dear_weights_end_in_the_trivial_minimum():
    data = teacher()
    found = solve(data.x_train, data.y_train, weight_decay=100.0, activation="identity", **SMALL)
    assert found.status == "trivial minimum" and found.action < 1e-3
    assert any("This is the trivial minimum" in sentence for sentence in found.words())


# --- bad input ---


@pytest.mark.parametrize(
    "options, reason",
    [
        (dict(weight_decay=0.0), "weight_decay must be finite and above 0, got 0.0"),
        (dict(tolerance=-1.0), "tolerance must be finite and above 0, got -1.0"),
        (dict(kink_width=math.inf), "kink_width must be finite and above 0, got inf"),
        (dict(max_seconds=0.0), "max_seconds must be finite and above 0, got 0.0"),
        (dict(refinements=-1), "refinements must be a whole number of at least 0, not -1"),
        (dict(threads=0), "threads must be a whole number of at least 1, not 0"),
        (dict(width=0), "width must be a whole number of at least 1, not 0"),
        (dict(depth=0), "depth must be a whole number of at least 1, not 0"),
        (dict(effective_depth=-1.0), "effective_depth must be finite and at least 0, got -1.0"),
        (dict(effective_depth=6.0), "effective_depth=6; use more layers or step='exponential'"),
        (dict(layer_steps="even"), "layer_steps must be steps or 'adaptive', got 'even'"),
        (dict(layer_steps=torch.full((5,), 0.3)), "layer_steps must sum to 1"),
        (dict(endpoint="loose"), "endpoint must be one of fit, fixed, got 'loose'"),
        (dict(endpoint="fixed", loss="cross-entropy"), "loss must be 'mse' where endpoint='fixed'"),
        (dict(endpoint="fixed", width=7), "x must have width=7 columns where endpoint='fixed'"),
        (dict(loss="cross-entropy"), "y must hold one class for each sample"),
        (dict(loss="hinge"), "'hinge'"),
        (dict(scale=0.0), "scale must be finite and above 0, got 0.0"),
        (
            dict(endpoint=FreeEnd(), weight_decay=0.1),
            "weight_decay, loss and scale must be left to the endpoint where that is a value",
        ),
        (dict(endpoint=FixedEnd(), scale=1.0), "must be left to the endpoint"),
        (dict(x=torch.full((40, 6), math.nan)), "x must be finite, and its entry (0, 0) is nan"),
        (dict(y=torch.full((40, 6), math.inf)), "y must be finite, and its entry (0, 0) is inf"),
        (dict(x=torch.ones(39, 6)), "x and y must be of as many samples, got 39 and 40"),
        (dict(x=torch.ones(40)), "x must be (sample, feature), got (40,)"),
        (
            dict(start=lp.LeakyResNet(6, 6, width=5, depth=5, effective_depth=2.0)),
            "start must have",
        ),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(options, reason, monkeypatch):
    for end in (FreeEnd, FixedEnd):
        monkeypatch.setattr(end, "descend", lambda *_, **__: pytest.fail("began"))
    data = teacher()
    given = {"x": data.x_train, "y": data.y_train, **SMALL, **options}
    x, y = given.pop("x"), given.pop("y")
    with pytest.raises(ValueError) as refused:
        solve(x, y, **given)
    said = str(refused.value)
    assert reason in said and "\n" not in said and said.endswith(".")


def test_many_samples_are_taken_in_at_the_end(solved, monkeypatch):
    monkeypatch.setattr(plan, "SUBSET", 20)
    data = teacher()
    found = solve(data.x_train, data.y_train, **SMALL)
    samples = found.history.samples.values
    assert samples[0] == 20 and samples[-1] == 40
    assert (samples[1:] >= samples[:-1]).all()
    # All of them decide: it is a stationary point of the whole problem, if not the same one.
    assert found.status == "converged"
    assert found.objective == pytest.approx(solved.objective, rel=0.05)


def test_arrays_pairs_and_class_numbers_are_solved_alike():
    x = np.random.default_rng(0).normal(size=(12, 2))
    options = dict(
        effective_depth=1.0, width=3, depth=2, activation="identity", threads=1, progress=False
    )
    y = x @ np.array([[1.0, 0.5], [0.0, 1.0]])
    plain = solve(torch.tensor(x), torch.tensor(y), **options)
    for given in [(x, y), ((x, y),), (x.tolist(), y.tolist())]:
        assert torch.equal(solve(*given, **options).A, plain.A)
    labels = (x[:, 0] > 0).astype(int)
    assert solve(x, labels, **options).loss == "cross-entropy"
    with pytest.raises(ValueError, match="x and y must be of as many samples, got 12 and 11"):
        solve(x, y[:11], **options)
    whole = np.array([[1, 0], [0, 1], [1, 1]])
    ends = solve(whole, 2 * whole, **{**options, "width": 2, "bias": False}, endpoint="fixed")
    assert ends.loss == "mse"  # whole numbers are no classes where a path ends


def test_a_function_is_solved_and_certified_as_the_smooth_activation_that_it_is():
    x = random(20, 3, seed=1)
    y = x.sin()[:, :2]
    options = dict(effective_depth=1.0, width=4, depth=4, threads=1, progress=False, seed=2)
    named = solve(x, y, activation="tanh", **options)
    own = solve(x, y, activation=lambda A: torch.tanh(A), start=named.model, **options)
    # Both descents end at the minimum, as near as the tolerance of 0.01 on residuals has them.
    assert own.objective == pytest.approx(named.objective, rel=1e-3)
    exact = lp.geodesic.certify(named.model, x, y, weight_decay=named.weight_decay, threads=1)
    twin = lp.LeakyResNet(
        3, 2, width=4, depth=4, effective_depth=1.0, dtype=torch.float64, activation=torch.tanh
    )
    twin.load_state_dict(named.model.state_dict())
    found = lp.geodesic.certify(twin, x, y, weight_decay=named.weight_decay, threads=1)
    torch.testing.assert_close(found.residual, exact.residual, rtol=1e-9, atol=1e-12)
    assert found.verdict == exact.verdict
