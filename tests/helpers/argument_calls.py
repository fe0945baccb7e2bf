"""A valid call of every public function and class, tiny and fast, for the fuzz of arguments.

`CALLS` has the keyword arguments of each by its name in the reference. They are made anew for
every call, so that no call sees what another has changed.
"""

import functools
import tempfile
from pathlib import Path

import image_files
import numpy as np
import torch
import xarray as xr

import loadpath as lp
from loadpath import plots
from tests.plots import test_beside_chain, test_phase_diagram, test_plots, test_straightening
from tests.plots.diagnosis import test_monitored

CALLS = {}
"""Functions that make the keyword arguments of a valid call, by the name of what they call."""
POSITIONAL = "*"
"""The key of arguments that can only be given by their place; they are left as they are."""
MADE_BY_FUNCTIONS = {
    "loadpath.diagnosis": "Alarm BudgetWarning CollapseWarning Verdict",
    "loadpath.geodesic": "Certificate Flow Geodesic LeastNorm",
    "loadpath.laws": "Definition DepthPower Law Null Representations",
    "loadpath.layer_steps": "Layered Meshed Steps",
    "loadpath.measures": "Alignment Neighbours Probe StepSums",
    "loadpath.mechanics": "Bottleneck Energies Projection TheoremBounds",
    "loadpath.networks": "Noise Trained",
    "loadpath.papers": "Experiment Figure",
    "loadpath.phase_diagram": "Correlation",
    "loadpath.record": "Description PathNet Recorded Reduced Rows Streamed",
    "loadpath.results": "Status",
    "loadpath.separation": "NeuralCollapse Scatter Simplex",
    "loadpath.spring_block": "Fit",
    "loadpath.spring_block.tuning": "Crossing Tuned",
    "loadpath.statistics": "Agreement Estimate",
    "loadpath.sweep": "Failure Outcome",
    "loadpath.surgery": "Exported Folded Healed LinearMap Plan Proof Refit Refitted RunningCosts "
    "Window",
    "loadpath.training": "Run",
    "loadpath.data": "Data",
}
"""Classes that users read and do not make: what functions return, protocols, enumerations."""
NO_BASE_CALL = {
    "loadpath.papers.draw": "a figure's runs take minutes",
    "loadpath.phase_diagram.beside_chain": "a whole diagram and its fit take a minute",
    "loadpath.phase_diagram.draw_from_chain": "the same",
    "loadpath.diagnosis.Diagnosis": "holds a Dataset as it is, whatever its numbers are",
    "loadpath.laws.Composition": "the same",
    "loadpath.laws.Laws": "the same",
    "loadpath.diagnosis.MonitorCallback": "runs in Lightning, and hands its options to Monitor",
    "loadpath.diagnosis.SteerCallback": "runs in Lightning, and hands its options to Steer",
    "loadpath.tune": "trains nets for a second or more",
}
"""What cannot be called in milliseconds: their arguments are tested where they stand."""
RESULTS = {f"{room}.{name}" for room, names in MADE_BY_FUNCTIONS.items() for name in names.split()}


def call(*paths):
    """Register the maker of the keyword arguments that all of `paths` take."""

    def register(make):
        for path in paths:
            CALLS[f"loadpath.{path}"] = make
        return make

    return register


def normal(*shape, seed=0, dtype=torch.float64):
    """Gaussian numbers, the same in every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def labels(n=12, classes=3):
    return torch.arange(n) % classes


def folder():
    """A new folder, which the run of the fuzz removes with all others."""
    return Path(tempfile.mkdtemp())


STEPS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)


def path(n=6, width=3, layers=3):
    return [normal(n, width, seed=10 + l) for l in range(layers + 1)]


def net(depth=3, **options):
    return lp.LeakyResNet(4, 2, width=3, depth=depth, effective_depth=1.0, **options)


# The net of [LR], its data and its training.
call("LeakyResNet")(
    lambda: dict(
        in_features=4,
        out_features=2,
        width=3,
        depth=3,
        effective_depth=1.0,
        layer_steps=STEPS.clone(),
        step="euler",
        largest_leak=1.5,
        activation="relu",
        bias=True,
        input_map="orthonormal",
        output_map="learned",
        scale=0.3,
        seed=1,
        dtype=torch.float64,
        device="cpu",
    )
)


def pairs():
    return dict(x=normal(6, 4), y=normal(6, 2, seed=1))


call("leaky_resnet.Adjoint")(lambda: dict(model=net(), n_samples=6, loss="mse", threads=1))
call("leaky_resnet.data_term")(
    lambda: dict(outputs=normal(6, 2), y=normal(6, 2, seed=1), loss="mse", n_total=6)
)
call("leaky_resnet.momenta")(
    lambda: dict(model=net(dtype=torch.float64), weight_decay=0.1, loss="mse", n_total=6, **pairs())
)


@functools.cache
def teacher():
    return lp.data.teacher(dims=(4, 2, 2), n_train=12, n_test=6, hidden_width=4, hidden_layers=1)


call("data.teacher")(
    lambda: dict(
        dims=(4, 2, 2),
        kind="fully-connected",
        n_train=6,
        n_test=4,
        hidden_width=4,
        hidden_layers=1,
        noise=0.1,
        seed=0,
    )
)
call("data.digits")(lambda: dict(targets="labels", n_train=200, seed=0))
call("data.from_arrays")(
    lambda: dict(
        x_train=normal(6, 3),
        y_train=normal(6, 2),
        x_test=normal(4, 3),
        y_test=normal(4, 2),
        normalize=True,
    )
)


@call("data.from_archive")
def archive():
    where = folder() / "data.npz"
    arrays = dict(x_train=normal(6, 3), y_train=normal(6, 2), x_test=normal(4, 3))
    np.savez(where, **arrays, y_test=normal(4, 2))
    return dict(folder=where, normalize=True)


@call("data.from_npz")
def npz():
    where = folder() / "samples.npz"
    np.savez(where, x=normal(6, 3).numpy(), y=labels(6).numpy())
    return dict(path=where)


@functools.cache
def images(kind):
    where = folder()
    sets = image_files.image_set()
    if kind == "cifar10":
        batch = np.arange(20) % 10
        rng = np.random.default_rng(0)
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            rows = np.c_[batch, rng.integers(0, 256, (20, 3072))].astype(np.uint8)
            (where / f"{name}.bin").write_bytes(rows.tobytes())
    else:
        image_files.write_idx(where, sets)
    return where


for source in ("mnist", "fashion_mnist"):
    call(f"data.{source}")(
        lambda: (
            dict(folder=images("idx"), targets="labels", n_train=38, n_test=20, image_size=2)
            | dict(resize="bilinear", balanced=False, seed=0)
        )
    )
call("data.cifar10")(
    lambda: (
        dict(folder=images("cifar10"), targets="labels", n_train=90, n_test=20, image_size=4)
        | dict(resize="bilinear-antialiased", balanced=False, seed=0)
    )
)
call("data.as_data")(
    lambda: dict(
        data=(normal(8, 3), normal(8, 3)),
        task="regression",
        targets="labels",
        n_train=5,
        n_test=3,
        normalize=True,
        seed=0,
    )
)
call("data.as_pair")(lambda: dict(x=normal(8, 3), y=normal(8, 2), task="regression", flat=True))
call("data.load")(lambda: dict(name="digits", seed=0, n_train=100))
call("fit")(
    lambda: dict(
        model=net(),
        data=teacher(),
        weight_decay=0.1,
        loss="mse",
        stages=(lp.training.Adam(steps=3), lp.training.LBFGS(steps=3, history=2, chunk=2)),
        tolerance=0.01,
        max_seconds=60.0,
        record_every=2,
        checkpoint_seconds=30.0,
        resume=False,
        seed=0,
        threads=1,
        progress=False,
    )
)
call("training.Adam")(
    lambda: dict(steps=10, learning_rate=0.1, betas=(0.9, 0.99), ramp=0.6, ramp_start=0.014)
)
call("training.LBFGS")(lambda: dict(steps=10, history=3, chunk=2))
call("training.SGD")(lambda: dict(steps=10, learning_rate=0.05, momentum=0.9))
call("training.TorchOptimizer")(
    lambda: dict(kind=torch.optim.Adam, steps=10, schedule="cosine", ramp=0.6, ramp_start=0.014)
)
call("training.default_weight_decay")(lambda: dict(model=net(), loss="mse"))
call("training.default_stages", "training.paper_stages", "cite")(lambda: {})

# Geodesics.
call("geodesic.FixedEnd")(lambda: dict(weight_decay=0.1))
call("geodesic.FreeEnd")(lambda: dict(weight_decay=0.1, loss="mse", scale=0.3))
call("geodesic.by_width")(
    lambda: dict(
        model=net(), weight_decay=0.1, loss="mse", widths=(1e-3, 1e-2), iterations=5, **pairs()
    )
)
call("geodesic.certify", "geodesic.least_norm")(
    lambda: (
        dict(model=net(), weight_decay=0.1, loss="mse", kink_width=1e-3, iterations=5)
        | dict(pairs(), threads=1)
    )
)
call("geodesic.flow")(
    lambda: dict(
        A0=normal(5, 3),
        B0=0.1 * normal(5, 3, seed=1),
        effective_depth=1.0,
        layer_steps=STEPS.clone(),
        depth=3,
        activation="softplus",
        bias=True,
        method="symplectic-euler",
        tolerance=1e-8,
    )
)
call("geodesic.linear.LinearGeodesic")(
    lambda: dict(A0=normal(5, 3), V0=0.1 * torch.eye(3).double(), effective_depth=1.0)
)
call("geodesic.linear.between")(
    lambda: dict(A0=normal(5, 3), A1=normal(5, 3) * 1.2, effective_depth=1.0)
)
call("geodesic.linear.commuting")(
    lambda: dict(
        s0=torch.tensor([1.0, 2.0]),
        s1=torch.tensor([1.5, 2.5]),
        effective_depth=1.0,
        left=torch.eye(5, 2),
        right=torch.eye(2),
    )
)
call("geodesic.solve")(
    lambda: (
        dict(
            effective_depth=1.0,
            weight_decay=0.1,
            width=3,
            depth=3,
            endpoint="fit",
            activation="relu",
            bias=True,
            layer_steps=STEPS.clone(),
            step="euler",
            largest_leak=1.5,
            loss="mse",
            scale=0.3,
            tolerance=0.5,
            kink_width=1e-3,
            refinements=0,
            max_seconds=1e-9,
            seed=0,
            device="cpu",
            threads=1,
            progress=False,
        )
        | pairs()
    )
)

# Layer steps.
call("layer_steps.Adaptive")(
    lambda: dict(model=net(), every=5, smoothing=0.3, guard=0.1, euler_margin=0.9, overshoot=0.1)
)
call("layer_steps.adapted")(lambda: dict(steps=STEPS.clone(), path=path(), guard=0.1, longest=0.8))
call("layer_steps.equal_arclength")(
    lambda: dict(steps=STEPS.clone(), path=path(), depth=4, guard=0.1, longest=0.9)
)
call("layer_steps.equal_cost")(
    lambda: dict(steps=STEPS.clone(), costs=torch.ones(len(STEPS)), depth=4, guard=0.1, longest=0.9)
)
call("layer_steps.equidistant")(lambda: dict(depth=4))
call("layer_steps.irregular")(lambda: dict(depth=4, a=0.5))
call("layer_steps.merged")(lambda: dict(steps=torch.full((4,), 0.25), layers=2))
call("layer_steps.split")(lambda: dict(steps=STEPS.clone(), parts=2))
call("layer_steps.refined")(lambda: dict(steps=STEPS.clone(), path=path(), count=2, guard=0.1))
call("layer_steps.overlaps")(
    lambda: dict(old=STEPS.clone(), new=torch.full((4,), 0.25, dtype=torch.float64))
)
call("layer_steps.overshoots")(lambda: dict(steps=STEPS.clone(), path=path(), effective_depth=2.0))
call("layer_steps.remesh")(lambda: dict(model=net(), new_steps=torch.full((4,), 0.25)))
call("layer_steps.without")(lambda: dict(model=net(), layers=[1]))

# Mechanics.
OF_NET = dict(activation="relu", bias=True)
call("mechanics.cost_of_identity")(lambda: dict(A=normal(6, 3), gamma=0.1, **OF_NET))
call("mechanics.kinetic_energy", "mechanics.stable_hamiltonian", "mechanics.energies")(
    lambda: dict(A=normal(6, 3), dA=normal(6, 3, seed=1), effective_depth=1.0, gamma=0.1, **OF_NET)
)
call("mechanics.cross_term")(
    lambda: dict(A=normal(6, 3), dA=normal(6, 3, seed=1), gamma=0.1, **OF_NET)
)
call("mechanics.hamiltonian")(
    lambda: dict(A=normal(6, 3), B=normal(6, 3, seed=1), effective_depth=1.0, **OF_NET)
)
call("mechanics.momentum_activation_norm")(
    lambda: dict(A=normal(6, 3), B=normal(6, 3, seed=1), **OF_NET)
)
call("mechanics.momentum_norm")(lambda: dict(B=normal(6, 3)))
call("mechanics.on_shell_identity")(
    lambda: (
        dict(A=normal(6, 3), dA=normal(6, 3, seed=1), B=normal(6, 3, seed=2))
        | dict(effective_depth=1.0, gamma=0.1, **OF_NET)
    )
)
call("mechanics.inner_product")(
    lambda: dict(S=normal(6, 4), M1=normal(6, 3), M2=normal(6, 3, seed=1), gamma=0.1)
)
call("mechanics.kernel_gamma")(lambda: dict(A=normal(6, 3), gamma0=0.01, **OF_NET))
call("mechanics.balancedness")(
    lambda: (
        dict(weights=normal(3, 3, 4), layer_steps=STEPS.clone())
        | dict(effective_depth=1.0, bias=True, step="euler")
    )
)
call("mechanics.bottleneck_from_spectra")(lambda: dict(spectra=normal(4, 3).abs().sort().values))
call("mechanics.bottleneck_rank")(lambda: dict(path=path(), centred=True))


@call("mechanics.energies_from_moments")
def moments():
    sums = lp.record.Moments(3)
    sums.update(normal(6, 3), normal(6, 3, seed=1))
    return dict(moments=sums, effective_depth=1.0, gamma=0.1)


call("mechanics.hamiltonian_spread")(lambda: dict(H=normal(4)))
call("mechanics.path_length")(
    lambda: dict(path=path(), layer_steps=STEPS.clone(), gamma0=0.01, **OF_NET)
)
call("mechanics.path_projection")(lambda: dict(path=path(), n_samples=5))
call("mechanics.profile")(
    lambda: dict(model=net(), weight_decay=0.1, loss="mse", gamma0=0.01, batch_size=4, **pairs())
)
call("mechanics.relative_speed")(lambda: dict(path=path(), layer_steps=STEPS.clone()))
call("mechanics.slow_steps")(lambda: dict(speed=normal(3).abs(), layer_steps=STEPS.clone()))
call("mechanics.spectrum")(lambda: dict(A=normal(6, 3), centred=True))
call("mechanics.stable_rank")(lambda: dict(A=normal(6, 3), kind="nuclear"))
call("mechanics.stable_rank_of_spectrum")(lambda: dict(s=normal(3).abs(), kind="nuclear"))
call("mechanics.stationarity")(
    lambda: (
        dict(W=normal(3, 4), A=normal(6, 3), B=normal(6, 3, seed=1), effective_depth=1.0)
        | dict(gain_ratio=1.0, **OF_NET)
    )
)
call("mechanics.step_momenta")(lambda: dict(model=net(), B=normal(net().depth + 1, 6, 3)))
call("mechanics.symmetric_hamiltonian")(
    lambda: dict(path=path(), momenta=path()[::-1], effective_depth=1.0, **OF_NET)
)
call("mechanics.theorem_bounds")(
    lambda: (
        dict(A=path(), dA=path()[::-1], B=path(), layer_steps=torch.full((4,), 0.25))
        | dict(effective_depth=1.0, gamma=0.1, **OF_NET)
    )
)


# Measures of one layer or two, and separation.
def pair_sums():
    return lp.measures.self_sums(normal(40, 3), n_groups=4)


def step_sums():
    from loadpath.measures import StepSums

    parts = []
    for seed in range(4):
        part = StepSums()
        part.update(normal(8, 3, seed=seed), normal(8, 3, seed=seed + 9))
        parts.append(part)
    return parts


call("measures.PairSums", "measures.alignment")(lambda: dict(width_x=3, width_y=2))
call("measures.class_probe")(
    lambda: dict(H=normal(60, 3), labels=labels(60), kind="ridge", seed=0, level=0.95)
)


@call("measures.debiased_cka")
def alignments():
    parts = []
    for seed in range(4):
        part = lp.measures.alignment(3, 2)
        part.update(normal(12, 3, seed=seed), normal(12, 2, seed=seed + 9))
        parts.append(part)
    return dict(parts=parts, level=0.95)


call("measures.log_growth")(lambda: dict(parts=step_sums(), decay=0.9, kind="sample", level=0.95))
call("measures.relative_step", "measures.turn")(lambda: dict(parts=step_sums(), level=0.95))
call("measures.effective_rank", "measures.participation_ratio")(
    lambda: dict(parts=pair_sums(), level=0.95)
)
call("measures.effective_rank_of_spectrum", "measures.participation_ratio_of_spectrum")(
    lambda: dict(s=normal(4).abs())
)
call("measures.linear_cka")(
    lambda: dict(X=normal(40, 3), Y=normal(40, 2, seed=1), n_groups=4, seed=0, level=0.95)
)
call("measures.nearest_two")(lambda: dict(X=normal(12, 3)))
call("measures.self_sums")(lambda: dict(X=normal(40, 3), n_groups=4, seed=0))
call("measures.two_nn")(lambda: dict(X=normal(40, 3), discarded=0.1, level=0.95))
call("measures.two_nn_by_scale")(
    lambda: dict(X=normal(80, 3), n_scales=2, discarded=0.1, level=0.95)
)
CURVE = (3.0, 2.0, 0.5, -1.0)
call("separation.ClassMoments")(lambda: dict(width=3, n_classes=2))
call("separation.TargetMoments")(lambda: dict(width=3, n_outputs=2))
call("separation.LoadCurve")(
    lambda: dict(
        log_separation=np.array(CURVE),
        kind="fuzziness",
        replicates=np.array(CURVE) + 0.1 * normal(60, 4).numpy(),
    )
)
call("separation.concavity", "separation.loads")(lambda: dict(D=np.array(CURVE)))
call("separation.log_separation")(
    lambda: dict(
        H=normal(12, 3),
        labels=labels(),
        kind="fuzziness",
        class_weights="equal",
        pseudo_inverse="float32",
    )
)
call("separation.equal_class_scatter")(lambda: dict(H=normal(12, 3), labels=labels()))


def class_moments():
    return lp.separation.ClassMoments.from_features(normal(12, 3), labels())


call("separation.nc1", "separation.nc2")(lambda: dict(moments=class_moments()))
call("separation.nc3")(lambda: dict(moments=class_moments(), weight=normal(3, 3)))
call("separation.nc4")(
    lambda: dict(moments=class_moments(), H=normal(12, 3), weight=normal(3, 3), bias=normal(3))
)
call("separation.neural_collapse")(
    lambda: dict(H=normal(12, 3), labels=labels(), weight=normal(3, 3), bias=normal(3))
)
call("separation.target_probe")(
    lambda: dict(H=normal(12, 3), y=normal(12, 2), ridge=1e-3, n_folds=3, seed=0)
)
call("separation.target_separation")(
    lambda: dict(H=normal(12, 3), y=normal(12, 2), kind="fuzziness")
)


# Statistics.
def column(*values):
    values = np.array(values)
    return lp.statistics.Column(values, values - 0.1, values + 0.1, 0.95)


call("statistics.Column")(
    lambda: dict(
        value=np.array([1.0, 2.0]), low=np.array([0.5, 1.5]), high=np.array([1.5, 2.5]), level=0.95
    )
)
call("statistics.Grouped")(lambda: dict(new=lambda: lp.measures.PairSums(3), n_groups=4))
call("statistics.Reservoir")(lambda: dict(size=4, seed=0))
call("statistics.groups_of")(lambda: dict(indices=torch.arange(20), n_groups=4, seed=0))
call("statistics.jackknife")(
    lambda: (
        dict(parts=pair_sums(), level=0.95, correct_bias=False)
        | dict(statistic=lambda sums: sums.scatter_x)
    )
)
call("statistics.jackknife_from_values")(
    lambda: dict(
        theta=1.0,
        without=np.array([0.9, 1.1, 1.0, 1.05]),
        sizes=np.array([4, 4, 4, 4]),
        level=0.95,
        correct_bias=False,
    )
)
call("statistics.rank_agreement")(
    lambda: (
        dict(moving=column(0.1, 0.4, 0.2, 0.9, 0.5), harm=column(0.2, 0.3, 0.1, 0.8, 0.6), least=2)
        | dict(level=0.95, seed=0)
    )
)
call("statistics.mean_ranks")(
    lambda: dict(columns=[column(0.1, 0.4, 0.2), column(3.0, 1.0, 2.0)], level=0.95, seed=0)
)
call("statistics.wilson")(lambda: dict(right=7, n=10, level=0.95))


# The chain.
def chain(n=3):
    return lp.spring_block.Chain(n_blocks=n, friction_right=0.1, friction_left=0.05)


call("spring_block.Chain")(
    lambda: dict(
        n_blocks=3,
        stiffness=1.0,
        friction_right=0.1,
        friction_left=0.05,
        target=1.0,
        law=lp.spring_block.Dry(),
    )
)
call("spring_block.Smooth")(lambda: dict(velocity=0.1))
call("spring_block.Dry")(lambda: {})
call("spring_block.rest_state", "spring_block.mean_state")(lambda: dict(chain=chain(), by="wall"))
call("spring_block.stationary_covariance")(
    lambda: (
        dict(chain=lp.spring_block.Chain(3, friction_right=0.0, friction_left=0.0), noise=0.1)
        | dict(dynamics="langevin", mass=1.0, damping=1.0)
        | dict(common_noise=False, dt=0.0, by="wall")
    )
)
call("spring_block.mean_field")(
    lambda: dict(chain=chain(), noise=0.1, dt=0.01, n_steps=20, start=np.zeros(3))
)
call("spring_block.unpinning_noise")(
    lambda: (
        dict(chain=chain(), friction=np.array([0.1, 0.2]), ratio=1.3, time=1.0, dt=0.01)
        | dict(common_noise=False)
    )
)
call("spring_block.simulate")(
    lambda: dict(
        chain=chain(),
        dynamics="langevin",
        noise=0.1,
        dt=0.01,
        n_steps=20,
        n_replicas=2,
        seed=0,
        record_every=5,
        mass=1.0,
        damping=1.0,
        noise_decay=0.1,
        common_noise=False,
        pull=np.ones(20),
        by="wall",
        start=np.zeros(3),
        threads=1,
    )
)
call("spring_block.chain_phase_diagram")(
    lambda: dict(
        chain=chain(),
        friction=[0.1, 0.2],
        noise=[0.01, 0.1],
        ratio=1.3,
        dynamics="overdamped",
        dt=0.01,
        n_steps=20,
        n_replicas=4,
        mass=1.0,
        damping=1.0,
        noise_decay=0.0,
        common_noise=False,
        by="wall",
        seed=0,
        threads=1,
        progress=False,
    )
)
call("spring_block.decaying")(lambda: dict(noise=0.1, rate=0.5, dt=0.01, n_steps=20))
call("spring_block.reheated")(lambda: dict(noise=0.1, every=5, rate=0.5, dt=0.01, n_steps=20))
call("spring_block.switched_off")(lambda: dict(noise=0.1, after=10, n_steps=20))
call("spring_block.jerks")(lambda: dict(target=1.0, count=2, every=5, n_steps=20))
call("spring_block.steady")(lambda: dict(target=1.0, over=10, n_steps=20))
call("spring_block.fit")(
    lambda: dict(
        curves=np.array([0.4, 0.3, 0.2, 0.1]),
        errors=np.full(4, 0.01),
        fixed={"friction_left": 0.05, "friction_right": 0.1},
        target=1.0,
        dt=0.01,
        n_steps=50,
        level=0.95,
        model_error=1e-4,
    )
)

# Networks and their phase diagram.
call("networks.BatchSize")(lambda: dict(size=8))
call("networks.DataNoise")(lambda: dict(q=0.1))
call("networks.Dropout")(lambda: dict(p=0.1))
call("networks.LearningRate")(lambda: dict(rate=0.01))
CNN = dict(
    inputs=12,
    classes=2,
    slope=0.1,
    image_channels=3,
    channels=2,
    depth=3,
    dropout=0.1,
    batch_norm=True,
)
MLP = dict(inputs=4, classes=2, slope=0.1, width=3, depth=2, dropout=0.1, batch_norm=True)
call("networks.CNNShape")(lambda: dict(CNN))
call("networks.CNN")(lambda: dict(CNN, seed=0))
call("networks.MLPShape")(lambda: dict(MLP, input_batch_norm=True))
call("networks.MLP")(lambda: dict(MLP, input_batch_norm=True, seed=0))
call("networks.Recipe")(
    lambda: (
        dict(epochs=3, rate=1e-3, batch_size=4, dropout=0.1, data_noise=0.1)
        | dict(stop_below=1e-4, stop_change=1e-10, noise_scale="raw")
        | dict(weight_decay=1e-3, rate_drops=1)
    )
)
RECIPE = lp.networks.Recipe(epochs=1)
call("networks.TrainingJob")(
    lambda: dict(slope=0.1, seed=0, recipe=RECIPE, width=3, depth=2, batch_norm=True)
)
call("networks.build_classifier")(lambda: dict(shape=lp.networks.MLPShape(**MLP), seed=0))


@functools.cache
def classes():
    x, y = normal(24, 4, dtype=torch.float32), labels(24, 2)
    return lp.data.from_arrays(x[:16], y[:16], x[16:], y[16:])


call("networks.train")(
    lambda: dict(
        network=lp.networks.MLP(**MLP),
        data=classes(),
        recipe=lp.networks.Recipe(epochs=1, dropout=0.1),
        seed=0,
        kinds=("fuzziness",),
        class_weights="equal",
        pseudo_inverse="float32",
        record_every=1,
        engine="plain",
    )
)
call("networks.train_all")(
    lambda: dict(
        jobs=[lp.networks.TrainingJob(0.1, 0, RECIPE, width=3, depth=2)],
        data=classes(),
        threads=1,
        kinds=("fuzziness",),
        class_weights="equal",
        pseudo_inverse="float32",
        record_every=1,
        engine="plain",
    )
)


def setting(**options):
    # As many samples as leave all classes in the subset of any seed.
    sizes = dict(width=4, depth=2, epochs=1, n_train=120, engine="plain")
    return lp.phase_diagram.Setting("dropout", **{**sizes, **options})


call("phase_diagram.Setting")(
    lambda: dict(
        panel="dropout",
        data="digits",
        n_train=40,
        data_seed=0,
        network="MLP",
        width=4,
        depth=2,
        batch_norm=True,
        epochs=1,
        record_every=1,
        engine="plain",
        protocol="SB",
        noise_scale="demeaned",
        resize="area",
        pseudo_inverse="float32",
    )
)
call("phase_diagram.mean_curves")(lambda: dict(ds=test_phase_diagram.diagram(), level=0.9))
LEVELS = dict(slopes=[0.0], noises=[0.1], seeds=[0])
call("phase_diagram.axes")(lambda: dict(setting=setting(), **LEVELS))
call("phase_diagram.run")(
    lambda: (
        dict(setting=setting(), folder=folder(), data_seeds=[0], workers=1, progress=False) | LEVELS
    )
)


@functools.cache
def measured_cells():
    where = folder()
    lp.phase_diagram.run(setting(), where, progress=False, **LEVELS)
    return where


call("phase_diagram.collect")(
    lambda: dict(setting=setting(), folder=measured_cells(), data_seeds=[0], **LEVELS)
)
call("phase_diagram.measure")(
    lambda: (
        dict(slope=0.1, noise=0.1, seed=0, panel="dropout", width=4, depth=2, epochs=1)
        | dict(n_train=40, engine="plain")
    )
)


def diagram():
    ds = test_phase_diagram.recorded()
    kinds = ds.sel(kind="fuzziness").expand_dims(kind=["fuzziness", "trace_ratio"], axis=3)
    order = [*ds.log_separation.dims]
    kinds["log_separation"] = kinds.log_separation.transpose(*order)
    return kinds


call("phase_diagram.correlation")(
    lambda: (
        dict(ds=test_phase_diagram.diagram(), kind="fuzziness", method="spearman", between="nets")
        | dict(over="seeds", n_bootstrap=40, level=0.95, seed=0)
    )
)


def bent_curves():
    """Curves (level, seed, layer) that are concave at the first level and convex at the last."""
    bends = np.linspace(0.2, -0.2, 4)[:, None] + 0.01 * np.array([-1.0, 0.0, 1.0])
    return np.stack([1 + 0 * bends, 0.6 + bends, 0.3 + bends, 0 * bends], axis=-1)


call("spring_block.tuning.straight_level")(
    lambda: dict(
        levels=np.array([0.0, 0.1, 0.2, 0.3]),
        log_separation=bent_curves(),
        kind="fuzziness",
        level=0.95,
    )
)


# Pictures.
def of_profile(*names):
    for name in names:
        call(f"plots.{name}")(lambda: dict(profile=test_plots.synthetic_profile()))


of_profile(
    *"energies ranks momenta stationarity speed mesh path_2d figure_1b figure_1c figure_2b".split()
)
call("plots.representation_spectrum")(
    lambda: dict(profile=test_plots.synthetic_profile(), centred=True, n_modes=3)
)
call("plots.weight_spectrum")(lambda: dict(profile=test_plots.synthetic_profile(), n_modes=3))
call("plots.learning_curves", "plots.convergence", "plots.mesh_history")(
    lambda: dict(history=test_plots.synthetic_history())
)
call("plots.residuals", "plots.hamiltonians")(lambda: dict(ds=test_plots.synthetic_certificate()))
call("plots.descent")(lambda: dict(history=test_plots.synthetic_looks()))
call("plots.figure_1a", "plots.figure_3")(lambda: dict(ds=test_plots.synthetic_sweep()))
call("plots.figure_1a_certified")(
    lambda: dict(of_kind={"trained": certified_sweep(), "certified": certified_sweep()})
)
call("plots.figure_2a")(lambda: dict(ds=test_plots.synthetic_rules()))
call("plots.figure_2c")(lambda: dict(profiles={"adaptive": test_plots.synthetic_profile(bend=0.5)}))


def certified_sweep():
    ds = test_plots.synthetic_sweep()
    return ds.assign(stationarity=abs(ds.dimension) + 0.1)


call("plots.network_phase_diagram", "plots.figure_along_training")(
    lambda: dict(ds=test_phase_diagram.recorded(), kind="fuzziness")
)
call("plots.accuracy_against_concavity")(
    lambda: dict(ds=test_phase_diagram.diagram(), kind="fuzziness", by="noise")
)
call("plots.curves_along_training")(
    lambda: dict(ds=test_phase_diagram.recorded().isel(slope=0, noise=0), kind="fuzziness")
)
call("plots.figure_phase_diagrams")(
    lambda: dict(panels=[test_phase_diagram.diagram()], kind="fuzziness")
)
call("plots.figure_accuracy")(
    lambda: dict(panels=[test_phase_diagram.diagram()], kind="fuzziness", by="noise")
)
call(
    "plots.curves_beside_chain",
    "plots.frictions_of_slopes",
    "plots.noise_of_levels",
    "plots.figure_beside_chain",
)(lambda: dict(ds=test_beside_chain.beside()))


@functools.cache
def simulated():
    return lp.spring_block.simulate(chain(), noise=0.1, n_steps=20, n_replicas=2, record_every=5)


call("plots.chain_load_curves")(lambda: dict(chains=[simulated().copy(deep=True)]))
call("plots.chain_trajectories")(lambda: dict(ds=simulated().copy(deep=True)))


@functools.cache
def chain_diagram():
    return lp.spring_block.chain_phase_diagram(
        friction=[0.1, 0.2], noise=[0.01, 0.1], n_replicas=4, n_steps=20, progress=False
    )


call("plots.chain_phase_diagram")(lambda: dict(ds=chain_diagram().copy(deep=True)))


@functools.cache
def model_and_batches():
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 3)]
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    x, y = normal(48, 4, dtype=torch.float32), labels(48)
    return model, [(x[:24], y[:24]), (x[24:], y[24:])]


def diagnosed():
    model, loader = model_and_batches()
    return dict(model=model, loader=loader)


LINEAR = ["0", "2", "4"]
call("diagnose")(
    lambda: dict(
        layers=LINEAR,
        measures=["steps", "separation"],
        activation="relu",
        gamma0=0.01,
        kept=40,
        level=0.95,
        seed=0,
        device="cpu",
        max_batches=2,
        pass_labels=False,
        grad=False,
        rank="prediction",
        progress=False,
        **diagnosed(),
    )
)
call("diagnosis.predict_harm")(
    lambda: (
        dict(layers=["2"], tokens_first=False, device="cpu", max_batches=2, level=0.95)
        | dict(pass_labels=False, seed=0, progress=False, **diagnosed())
    )
)
call("diagnosis.skip_layers")(
    lambda: (
        dict(layers=["2"], tokens_first=False, device="cpu", max_batches=2, level=0.95)
        | dict(pass_labels=False, grad=False, **diagnosed())
    )
)


@functools.cache
def surgery_plan():
    return lp.surgery.plan(**diagnosed(), layers=["2"], drop=1)


call("surgery.plan")(
    lambda: dict(
        drop=1,
        ways="drop",
        layers=["2"],
        tokens_first=False,
        device="cpu",
        max_batches=2,
        pass_labels=False,
        level=0.95,
        seed=0,
        **diagnosed(),
    )
)
call("surgery.cut")(lambda: dict(model=model_and_batches()[0], what=surgery_plan()))
call("surgery.fold")(
    lambda: dict(
        smaller=lp.surgery.cut(model_and_batches()[0], surgery_plan()),
        plan=surgery_plan(),
        loader=model_and_batches()[1],
    )
)
call("surgery.prove")(
    lambda: (
        dict(smaller=lp.surgery.cut(model_and_batches()[0], surgery_plan()), level=0.95)
        | dict(batch_sizes=(), max_batches=2, **diagnosed())
    )
)


@functools.cache
def surgery_proof():
    smaller = lp.surgery.cut(model_and_batches()[0], surgery_plan())
    return lp.surgery.prove(**diagnosed(), smaller=smaller, batch_sizes=(1,)).dataset()


call("report.write_surgery")(
    lambda: dict(
        path=Path(tempfile.mkdtemp()) / "page.html",
        plan=surgery_plan().dataset.copy(deep=True),
        proof=surgery_proof().copy(deep=True),
        title="A cut",
        overwrite=False,
    )
)
call("surgery.refit")(
    lambda: dict(
        smaller=lp.surgery.cut(model_and_batches()[0], surgery_plan()),
        plan=surgery_plan(),
        behind=1,
        **diagnosed(),
    )
)
call("surgery.heal")(
    lambda: dict(
        smaller=lp.surgery.cut(model_and_batches()[0], surgery_plan()),
        plan=surgery_plan(),
        steps=2,
        learning_rate=1e-3,
        seed=0,
        **diagnosed(),
    )
)


def exported(**options):
    folder = Path(tempfile.mkdtemp()) / "out"
    model = model_and_batches()[0]
    return dict(model=model, folder=folder, **options)


@functools.cache
def exported_folder():
    given = exported()
    lp.surgery.export(smaller=lp.surgery.cut(given["model"], surgery_plan()), **given)
    return given["folder"]


call("surgery.export")(
    lambda: exported(
        smaller=lp.surgery.cut(model_and_batches()[0], surgery_plan()), name="a", overwrite=False
    )
)
call("surgery.load")(lambda: dict(model=model_and_batches()[0], folder=exported_folder()))
call("surgery.halves")(lambda: dict(batches=model_and_batches()[1], share=0.5, seed=0))
call("surgery.Cut")(lambda: dict(layers=("2",), way="drop"))
call("diagnosis.Collapse")(lambda: dict(spread=0.05, dead=0.9, dimensions=0.25, looks=2))
call("diagnosis.Monitor")(
    lambda: dict(
        model=model_and_batches()[0],
        probe=model_and_batches()[1],
        layers=LINEAR,
        every=10,
        budget=0.05,
        kind="trace_ratio",
        samples=20,
        pass_labels=False,
        grad=False,
        guaranteed=10,
        first_step=0,
        last_step=100,
    )
)
call("diagnosis.Steer")(
    lambda: dict(
        model=dropping_model(),
        probe=model_and_batches()[1],
        layers=LINEAR,
        every=10,
        start=10,
        gain=0.5,
        target=0.0,
        kind="trace_ratio",
        samples=20,
        with_input=True,
    )
)
call("diagnosis.CurvePruner")(lambda: dict(step=10, keep=0.25, by="both", n_startup_trials=4))
call("diagnosis.report_curve")(lambda: {POSITIONAL: (a_trial(),), "curve": 0.1, "step": 3})


def a_trial():
    """A trial of Optuna by itself."""
    import optuna

    return optuna.trial.FixedTrial({})


call("diagnosis.Knob")(
    lambda: dict(
        get=lambda: 0.1,
        set=lambda value: None,
        low=0.1,
        high=0.5,
        name="noise",
        more_is_noisier=True,
        spacing="linear",
    )
)


def dropping_model():
    """The model of the other calls, with Dropout at its end."""
    return torch.nn.Sequential(*model_and_batches()[0], torch.nn.Dropout(0.1))


@functools.cache
def measured_profile():
    return lp.diagnose(**diagnosed(), layers=LINEAR).dataset


@functools.cache
def measured_steps():
    """A diagnosis of a few columns, which makes a small page."""
    return lp.diagnose(**diagnosed(), layers=LINEAR, measures=["steps"]).dataset


@functools.cache
def measured_tokens():
    """A diagnosis with the columns of a language model."""
    ds = measured_steps()
    step = "relative_step"
    return ds.assign({f"next_token_gain{end}": ds[step + end] for end in ("", "_low", "_high")})


@functools.cache
def measured_skips():
    return lp.diagnosis.skip_layers(**diagnosed(), layers=["2"])


call("diagnosis.summary")(lambda: dict(ds=measured_profile().copy(deep=True), kind="fuzziness"))
call("diagnosis.verdict")(
    lambda: dict(
        profile=measured_profile().copy(deep=True),
        skipped=measured_skips().copy(deep=True),
        by="relative_step",
        tolerated=0.1,
        seed=0,
    )
)
call("diagnosis.layer_table")(
    lambda: dict(
        profile=measured_profile().copy(deep=True),
        skipped=measured_skips().copy(deep=True),
        tolerated=0.1,
    )
)
call("plots.layer_next_token")(lambda: dict(ds=measured_tokens().copy(deep=True)))
call(
    "plots.layer_alignment",
    "plots.layer_collapse",
    "plots.layer_dimensions",
    "plots.layer_energies",
    "plots.layer_probes",
    "plots.layer_steps_taken",
)(lambda: dict(ds=measured_profile().copy(deep=True)))
call("plots.layer_load_curve", "plots.figure_diagnosis")(
    lambda: dict(ds=measured_profile().copy(deep=True), kind="fuzziness")
)
call("plots.layers_skipped")(
    lambda: dict(skipped=measured_skips().copy(deep=True), change="loss_change")
)
call("report.write_tuning")(
    lambda: (
        dict(path=folder() / "a.html", tuned=test_straightening.tuned(), title="a")
        | dict(config={"b": 1}, overwrite=False)
    )
)
call("plots.tuning")(lambda: dict(ds=test_straightening.tuned()))
call("plots.steering")(lambda: dict(ds=test_straightening.steered()))
call("plots.monitor")(
    lambda: dict(history=test_monitored.watched(), measures=["loss", "spread", "load"])
)
call("plots.movement_and_harm")(
    lambda: dict(
        ds=measured_profile().copy(deep=True),
        skipped=measured_skips().copy(deep=True),
        by="relative_step",
    )
)


def law_options():
    return dict(n_orders=2, level=0.9, seed=0, progress=False)


call("laws.record")(
    lambda: dict(layers=LINEAR, kept=20, with_input=True, seed=0, max_batches=2, **diagnosed())
)
call("laws.measure")(
    lambda: (
        dict(layers=LINEAR, kept=20, with_input=True, max_batches=2, n_untrained=1)
        | law_options()
        | diagnosed()
    )
)
call("laws.depth_power")(
    lambda: dict(depths=[4, 8, 16], losses=[0.8, 0.45, 0.2], floor=0.1, level=0.9)
)


class Residual(torch.nn.Linear):
    def forward(self, h):
        return h + 0.1 * super().forward(h)


def residual_net():
    torch.manual_seed(0)
    return torch.nn.Sequential(*(Residual(4, 4) for _ in range(4)))


call("laws.composition")(
    lambda: (
        dict(model=residual_net(), loader=model_and_batches()[1], layers=["0", "1", "2", "3"])
        | dict(n_shuffles=2, seed=0, max_batches=2)
    )
)


@functools.cache
def recorded_path():
    rows = [normal(30, 3, seed=l) for l in range(4)]
    return lp.laws.Representations.from_features(rows, labels(30))


call("laws.measure_representations")(
    lambda: dict(path=recorded_path(), untrained=[recorded_path()], **law_options())
)


@functools.cache
def measured_laws():
    return lp.laws.measure_representations(recorded_path(), **law_options()).dataset


call("plots.laws_curves", "plots.laws_against_nulls", "plots.figure_laws")(
    lambda: dict(ds=measured_laws().copy(deep=True))
)
call("report.write_laws")(
    lambda: (
        dict(path=folder() / "a.html", laws=measured_laws().copy(deep=True), title="a")
        | dict(config={"b": 1}, overwrite=False)
    )
)


@functools.cache
def sweep_of_digits():
    dims = ("targets", "effective_depth", "weight_decay", "seed")
    numbers = abs(normal(2, 2, 3, 3, 5).numpy()) + 1
    return xr.Dataset(
        {name: ((*dims, "layer"), numbers) for name in ("cost_of_identity", "representation_norm")}
        | {"misclassified": (dims, numbers[..., 0] / 10)},
        coords={
            "targets": ["labels", "onehot"],
            "effective_depth": [0.0, 5.0],
            "weight_decay": [0.003, 0.03, 0.1],
            "seed": [0, 1, 2],
        },
    )


call("plots.figure_digits")(lambda: dict(ds=sweep_of_digits().copy(deep=True)))


@functools.cache
def sweep_of_scales():
    numbers = abs(normal(3, 2, 6, 5).numpy()) + 1
    return xr.Dataset(
        {
            "centred_spectrum": (("scale", "seed", "layer", "mode"), numbers),
            "cost_of_identity_by_gamma0": (("scale", "seed", "layer", "gamma0"), numbers[..., :2]),
        },
        coords={"scale": [0.1, 0.3, 1.0], "seed": [0, 1], "gamma0": [0.01, 0.001]},
    )


call("plots.figure_scale")(lambda: dict(ds=sweep_of_scales().copy(deep=True)))


@functools.cache
def ratios():
    bounds = np.array([1.0, 0.9, 1.1])
    tasks = {"task": ["teacher"], "bound": ["mean", "low", "high"]}
    halved = xr.Dataset(
        {"test_loss": (("task", "net", "stage", "bound"), np.tile(bounds, (1, 2, 2, 1)))},
        coords={"net": ["merged", "skipped"], "stage": ["before", "after"], **tasks},
    )
    grown = xr.Dataset(
        {
            "objective": (("task", "net", "record"), np.tile([3.0, 2.0, 1.0], (1, 2, 1))),
            "layer_iterations": (("task", "net", "record"), np.tile([1.0, 2.0, 3.0], (1, 2, 1))),
            "final_objective": (("task", "net", "bound"), np.tile(bounds, (1, 2, 1))),
            "test_loss": (("task", "net", "bound"), np.tile(bounds, (1, 2, 1))),
        },
        coords={"net": ["full", "grown"], **tasks},
    )
    return halved, grown


@functools.cache
def compared_cuts():
    harm = abs(normal(2, 3, 4).numpy())
    dims = ("model", "share", "method")
    return xr.Dataset(
        {f"harm{end}": (dims, harm + by) for end, by in (("", 0), ("_low", -0.1), ("_high", 0.1))},
        coords={"model": ["mlp", "gpt"], "share": [0.15, 0.25, 0.5], "method": list("abcd")},
    )


call("plots.figure_cuts")(lambda: dict(ds=compared_cuts().copy(deep=True)))
call("report.write_cuts")(
    lambda: dict(
        path=Path(tempfile.mkdtemp()) / "page.html",
        ds=compared_cuts().copy(deep=True),
        title="Ways to cut",
        overwrite=False,
    )
)
call("plots.figure_surgery")(lambda: dict(ds=ratios()[0].copy(deep=True)))


@functools.cache
def gains():
    bounds = np.array([0.05, 0.01, 0.09])
    return xr.Dataset(
        {
            "gain": (
                ("teacher", "effective_depth", "weight_decay", "depth", "rule", "bound"),
                np.tile(bounds, (2, 1, 2, 3, 2, 1)),
            ),
            "unexplained": ("teacher", np.array([0.1, 0.5])),
        },
        coords={
            "teacher": ["leak-0.1", "leak-1"],
            "effective_depth": [3.0],
            "weight_decay": [0.001, 0.01],
            "depth": [4, 8, 18],
            "rule": ["adaptive", "irregular"],
            "bound": ["mean", "low", "high"],
        },
    )


call("plots.figure_2_learnable")(lambda: dict(ds=gains().copy(deep=True)))
call("plots.figure_growth")(lambda: dict(ds=ratios()[1].copy(deep=True)))


@functools.cache
def audit():
    from loadpath.plots.papers.audit import AUDITED

    dims = ("effective_depth", "stabilizer", "gamma0", "seed")
    numbers = abs(normal(3, 2, 2, 2).numpy()) + 1
    ds = xr.Dataset(
        {name: (dims, -numbers if "lower" in name else numbers) for name in AUDITED},
        coords={
            "effective_depth": [1.0, 2.0, 4.0],
            "stabilizer": ["constant", "per layer"],
            "gamma0": [0.01, 0.001],
            "seed": [0, 1],
        },
    )
    ds["largest_momentum"] = ds.largest_momentum.isel(stabilizer=0, gamma0=0)
    return ds


call("plots.figure_audit")(lambda: dict(ds=audit().copy(deep=True)))


@functools.cache
def fitted():
    ds = simulated_fit().dataset()
    rise = abs(normal(4, 5).numpy())
    grid = ("friction_right", "friction_left")
    region = xr.Dataset(
        {"rise": (grid, rise), "inside": (grid, rise < 1)},
        coords={"friction_right": np.linspace(0.1, 0.4, 4), "friction_left": np.linspace(0, 1, 5)},
        attrs={"limit": 5.99, "level": 0.95},
    )
    return ds, region


@functools.cache
def simulated_fit():
    return lp.spring_block.fit(**CALLS["loadpath.spring_block.fit"]())


call("plots.figure_chain_fit")(
    lambda: dict(ds=fitted()[0].copy(deep=True), region=fitted()[1].copy(deep=True))
)
call("plots.Film")(
    lambda: dict(
        label="a",
        verdict="b",
        time=np.arange(3.0),
        position=np.ones((3, 2)),
        mean=np.ones((3, 2)),
    )
)


@functools.cache
def picture():
    return plots.mesh(test_plots.synthetic_profile())


call("plots.pdf", "plots.png", "plots.svg")(lambda: dict(drawing=picture()))
call("plots.save")(lambda: dict(drawing=picture(), path=folder() / "mesh.svg", overwrite=False))

# Recording, results, sweeps, pages.
call("record.Moments")(
    lambda: dict(width=3, velocity=True, activation="relu", bias=True, sketch=4, sketch_seed=0)
)
call("record.Reduction")(
    lambda: dict(maps="pool", tokens="mean", every=4, channels_last=False, tokens_first=False)
)
call("record.Sketch")(lambda: dict(width=6, size=4, seed=0))
call("record.all_merge")(lambda: dict(sums=moments()["moments"]))
call("record.save_sums")(
    lambda: (
        dict(sums={"a": moments()["moments"]}, path=folder() / "a.safetensors")
        | dict(overwrite=False)
    )
)
call("record.find_blocks")(
    lambda: dict(
        model=model_and_batches()[0],
        run=lambda: model_and_batches()[0](model_and_batches()[1][0][0]),
        count=24,
        tokens_first=False,
    )
)
call("record.second_moments")(
    lambda: (
        dict(recording=lp.record.stream(**diagnosed(), layers=LINEAR))
        | dict(activation="identity", sketch=4)
    )
)
call("record.stream")(
    lambda: (
        dict(layers=LINEAR, device="cpu", max_batches=2, pass_labels=False, grad=False)
        | diagnosed()
    )
)


def result():
    return xr.Dataset({"a": ("x", [1.0, 2.0])})


call("results.save")(lambda: dict(ds=result(), path=folder() / "a.nc", overwrite=False))


@call("record.load_sums")
def saved_sums():
    path = folder() / "a.safetensors"
    lp.record.save_sums({"a": moments()["moments"]}, path)
    return dict(path=path, **{POSITIONAL: (lp.record.Moments,)})


@call("results.load")
def saved():
    path = folder() / "a.nc"
    lp.results.save(result(), path)
    return dict(path=path, what="result")


call("results.save_tensors")(
    lambda: (
        dict(tensors={"a": normal(2)}, path=folder() / "a.safetensors", overwrite=False)
        | dict(metadata={"format": "x"})
    )
)


@call("results.load_tensors")
def saved_tensors():
    path = folder() / "a.safetensors"
    lp.results.save_tensors({"a": normal(2)}, path, metadata={"format": "x"})
    return dict(path=path, format="x", what="test")


call("results.stamp")(lambda: dict(ds=result(), width=3))
call("results.with_parameters")(lambda: dict(ds=lp.results.stamp(result()), width=3))


def measure_cell(a, b=1):
    return xr.Dataset({"value": float(a * b)})


CELLS = [{"a": 1}, {"a": 2}]
call("sweep.run")(
    lambda: (
        dict(measure=measure_cell, cells=CELLS, folder=folder(), common={"b": 2}, workers=1)
        | dict(assumed={"b": 1}, progress=False)
    )
)


@functools.cache
def swept():
    where = folder()
    lp.sweep.run(measure_cell, CELLS, where, common={"b": 2}, progress=False)
    return where


call("sweep.collect")(lambda: dict(folder=swept(), axes={"a": [1, 2]}))
call("sweep.load")(lambda: dict(folder=swept(), cell={"a": 1}))
call("sweep.product")(lambda: dict(axes={"a": [1, 2], "b": ["x", "y"]}))
call("report.Section")(
    lambda: dict(title="a", profile=test_plots.synthetic_profile(), config={"b": 1}, notes=["c"])
)


def section():
    return lp.report.Section("a", profile=test_plots.synthetic_profile())


call("report.write")(
    lambda: dict(path=folder() / "a.html", title="a", overwrite=False) | dict(sections=[section()])
)
call("report.write_diagnosis")(
    lambda: (
        dict(path=folder() / "a.html", ds=measured_steps(), title="a", config={"b": 1})
        | dict(overwrite=False)
    )
)
call("report.write_chain")(
    lambda: dict(
        path=folder() / "a.html",
        films=[plots.Film.from_dataset(simulated(), label="a", verdict="b")],
        chains=[simulated()],
        title="a",
        words=["b"],
        config={"b": 1},
        overwrite=False,
    )
)
