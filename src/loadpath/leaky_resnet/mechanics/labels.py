"""Dimensions, names and units of what `loadpath.mechanics.profile` returns."""

LAYER, STEP = ("layer",), ("step",)
LABELS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "cost_of_identity": (LAYER, "cost of identity ||A||^2 in the metric of (K + gamma)^-1", "1"),
    "gamma": (LAYER, "stabilizer gamma of the inverse kernel", "units of K"),
    "hamiltonian": (STEP, "Hamiltonian (c/2) ||B^T S||^2 - L~ Tr[B^T A], A_{l-1} with B_l", "1"),
    "dimension": (STEP, "dimension by the Hamiltonian, -(2/L~) H", "1"),
    "stable_rank_nuclear": (LAYER, "nuclear stable rank of A", "1"),
    "stable_rank_operator": (LAYER, "operator stable rank of A", "1"),
    "representation_spectrum": (("layer", "mode"), "singular values of A", "units of A"),
    "centred_spectrum": (("layer", "mode"), "singular values of A minus its mean", "units of A"),
    "representation_norm": (LAYER, "norm ||A||_F", "units of A"),
    "momentum_norm": (LAYER, "norm of the momenta ||B||_F", "1 / units of A"),
    "momentum_activation_norm": (LAYER, "norm ||B^T S||_F", "1"),
    "negative_fraction": (LAYER, "share of ||A||^2 in negative entries", "1"),
    "layer_step": (STEP, "layer step rho", "1"),
    "kinetic_energy": (STEP, "kinetic energy ||dA||^2 / (2c) in the metric of (K + gamma)^-1", "1"),
    "cross_term": (STEP, "cross term <dA, A> in the metric of (K + gamma)^-1", "1"),
    "symmetric_hamiltonian": (
        STEP,
        "Hamiltonian, mean of the pairs (A_{l-1}, B_l), (A_l, B_l)",
        "1",
    ),
    "stable_hamiltonian": (STEP, "kinetic energy - (L~/2) cost of identity", "1"),
    "speed": (STEP, "relative speed ||A_l - A_{l-1}|| / (rho_l ||A_l||)", "1"),
    "slow": (STEP, "1 where the path is slow (see loadpath.mechanics.slow_steps)", "1"),
    "weight_norm": (STEP, "norm of the weights ||W||_F", "1"),
    "weight_spectrum": (("step", "mode"), "singular values of the weights", "1"),
    "stationarity": (STEP, "stationarity residual ||W - c B^T S|| / ||W||", "1"),
    "balancedness": (STEP, "relative error of ||W||^2 against the balance with the biases", "1"),
    "path_length": ((), "path length, integral of ||dA/dp|| in the metric of (K + gamma)^-1", "1"),
    "bottleneck_rank": ((), "estimated bottleneck rank", "1"),
    "action": ((), "action (1/2c) sum rho ||W||^2 of the path", "1"),
    "regularizer": ((), "regularizer, the action that weight_decay multiplies", "1"),
    "data_term": ((), "data term C", "units of the loss"),
    "objective": ((), "objective C + weight_decay * regularizer", "units of the loss"),
    "hamiltonian_spread": ((), "spread of the symmetric Hamiltonian, (max - min) / max |H|", "1"),
    "projection": (
        ("layer", "sample", "component"),
        "path on two principal components",
        "units of A",
    ),
}
"""Dimensions, long name and units of every variable of `profile`.

c is L~, or 1 where L~ = 0; B are the momenta of `step_momenta`, dA is the velocity at the start of
a step.
"""
