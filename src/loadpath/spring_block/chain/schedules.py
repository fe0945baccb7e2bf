"""Noise and pull as functions of the step: arrays (step,) for `simulate`'s `noise` and `pull`."""

from __future__ import annotations

import numpy as np

from loadpath.checks import check_count, check_number
from loadpath.spring_block.chain.chain import Array


def decaying(noise: float, *, rate: float, dt: float, n_steps: int) -> Array:
    """Noise that dies out as e^{-rate t}."""
    _check(noise, n_steps)
    check_number("rate", rate, least=0.0)
    check_number("dt", dt, above=0.0)
    return noise * np.exp(-rate * dt * np.arange(n_steps))


def switched_off(noise: float, *, after: int, n_steps: int) -> Array:
    """Constant noise for the first `after` steps, then none."""
    _check(noise, n_steps)
    check_count("after", after, 0)
    return np.where(np.arange(n_steps) < after, noise, 0.0)


def reheated(noise: float, *, every: int, rate: float, dt: float, n_steps: int) -> Array:
    """Noise that dies out as e^{-rate t} and starts anew `every` so many steps."""
    _check(noise, n_steps)
    check_count("every", every, 1)
    check_number("rate", rate, least=0.0)
    check_number("dt", dt, above=0.0)
    return noise * np.exp(-rate * dt * (np.arange(n_steps) % every))


def steady(target: float, *, over: int, n_steps: int) -> Array:
    """Pull that grows evenly over the first `over` steps, and then stays at `target`."""
    _check_pull(target, n_steps)
    check_count("over", over, 1)
    return target * np.minimum(np.arange(1, n_steps + 1) / over, 1.0)


def jerks(target: float, *, count: int, every: int, n_steps: int) -> Array:
    """Pull that jumps by target / count at every `every`-th step from the first, `count` times."""
    _check_pull(target, n_steps)
    check_count("count", count, 1)
    check_count("every", every, 1)
    return target * np.minimum(np.arange(n_steps) // every + 1, count) / count


def _check(noise: float, n_steps: int) -> None:
    check_number("noise", noise, least=0.0)
    check_count("n_steps", n_steps, 1)


def _check_pull(target: float, n_steps: int) -> None:
    check_number("target", target, above=0.0)
    check_count("n_steps", n_steps, 1)
