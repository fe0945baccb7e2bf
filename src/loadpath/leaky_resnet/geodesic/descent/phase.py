"""One phase of a descent: how far the kinks are rounded off, and how long the search runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """A run of L-BFGS, or of Newton's method, at one rounding of the kinks.

    L-BFGS searches in one set of curvature coordinates, which are not renewed on the way. The
    curvature of thousands of rounded kinks is only learned in a long run with a long history
    (docs/geodesics.md has what renewing costs). On more samples than before, a phase may go on
    with what the last one learned.
    """

    width: float
    """Half-width of the rounding: kinks are rounded where |A_ij| < width * rms(A_l); only relu's
    are."""
    iterations: int
    """The most iterations that the phase takes."""
    history: int = 100
    """Pairs of vectors that L-BFGS keeps."""
    single: bool = False
    """Whether the phase computes in float32."""
    settled: bool = True
    """Whether the path is near its final shape. Then the mesh rests, and the search remembers
    nothing of directions that no sample sees."""
    goes_on: bool = False
    """Whether the phase keeps the coordinates and the memory of the one before, which must be of
    the same precision."""
    tolerances: float = 1.0
    """The phase stops once the worst layer's residual is below this many tolerances."""
    newton: bool = False
    """Whether Newton's method in the weights themselves takes the place of L-BFGS: for small
    nets."""
