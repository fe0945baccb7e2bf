"""Noise and pull as functions of the step: arrays (step,) for `simulate`'s `noise` and `pull`.

`decaying`, `switched_off` and `reheated` make noise; `steady` and `jerks` make a pull.
"""

from __future__ import annotations

import numpy as np

from loadpath.checks import check_count, check_number
from loadpath.spring_block.chain.chain import Array


def decaying(noise: float, *, rate: float, dt: float, n_steps: int) -> Array:
    r"""Return noise that dies out as $e^{-\mathrm{rate}\,t}$.

    Parameters
    ----------
    noise : float
        Noise at time 0; force times the square root of time.
    rate : float
        How fast it dies out, per time; at least 0.
    dt : float
        Time of one step.
    n_steps : int
        Number of steps.

    Returns
    -------
    Array
        (step,) noise of each step.

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> decaying(0.1, rate=0.5, dt=1.0, n_steps=3).round(4)
    array([0.1   , 0.0607, 0.0368])
    """
    _check(noise, n_steps)
    check_number("rate", rate, least=0.0)
    check_number("dt", dt, above=0.0)
    return noise * np.exp(-rate * dt * np.arange(n_steps))


def switched_off(noise: float, *, after: int, n_steps: int) -> Array:
    """Return noise that is constant for the first `after` steps, and then 0.

    Parameters
    ----------
    noise : float
        Noise while it lasts; force times the square root of time.
    after : int
        Number of steps with noise.
    n_steps : int
        Number of all steps.

    Returns
    -------
    Array
        (step,) noise of each step.

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> switched_off(0.1, after=2, n_steps=4)
    array([0.1, 0.1, 0. , 0. ])
    """
    _check(noise, n_steps)
    check_count("after", after, 0)
    return np.where(np.arange(n_steps) < after, noise, 0.0)


def reheated(noise: float, *, every: int, rate: float, dt: float, n_steps: int) -> Array:
    r"""Return noise that dies out as $e^{-\mathrm{rate}\,t}$ and starts anew again and again.

    Parameters
    ----------
    noise : float
        Noise at each new start; force times the square root of time.
    every : int
        Steps from one start to the next.
    rate : float
        How fast it dies out, per time; at least 0.
    dt : float
        Time of one step.
    n_steps : int
        Number of all steps.

    Returns
    -------
    Array
        (step,) noise of each step.

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> reheated(0.1, every=2, rate=0.5, dt=1.0, n_steps=4).round(4)
    array([0.1   , 0.0607, 0.1   , 0.0607])
    """
    _check(noise, n_steps)
    check_count("every", every, 1)
    check_number("rate", rate, least=0.0)
    check_number("dt", dt, above=0.0)
    return noise * np.exp(-rate * dt * (np.arange(n_steps) % every))


def steady(target: float, *, over: int, n_steps: int) -> Array:
    """Return a pull that grows evenly over the first `over` steps, and then stays at `target`.

    Parameters
    ----------
    target : float
        Where the pull ends: the wall's position, or the force on the last block.
    over : int
        Steps until it is there.
    n_steps : int
        Number of all steps.

    Returns
    -------
    Array
        (step,) pull of each step, in the unit of `target`.

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> steady(1.0, over=4, n_steps=5)
    array([0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    _check_pull(target, n_steps)
    check_count("over", over, 1)
    return target * np.minimum(np.arange(1, n_steps + 1) / over, 1.0)


def jerks(target: float, *, count: int, every: int, n_steps: int) -> Array:
    """Return a pull that jumps to `target` in `count` equal jerks.

    Parameters
    ----------
    target : float
        Where the pull ends: the wall's position, or the force on the last block.
    count : int
        Number of jerks; the first comes at the first step.
    every : int
        Steps from one jerk to the next.
    n_steps : int
        Number of all steps.

    Returns
    -------
    Array
        (step,) pull of each step, in the unit of `target`.

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> jerks(1.0, count=2, every=2, n_steps=5)
    array([0.5, 0.5, 1. , 1. , 1. ])
    """
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
