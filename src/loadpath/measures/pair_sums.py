r"""Streamed sums of pairs of features up to fourth order, for what needs no sample twice.

For samples $x_i, y_i$ of n, all about their means, $a_i = |x_i|^2$ and $b_i = |y_i|^2$:
$C = \sum x_i y_i^\top$, $\sum a$, $\sum b$, $\sum ab$, $\sum a y$ and $\sum b x$. The last two are
there so that the means may move: two sets of samples merge exactly, and every set is centred at
its own mean before anything is squared, so that an offset of the features costs no digits.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count
from loadpath.measures.separation import as_features, noise_floor
from loadpath.threads import torch_threads


class PairSums:
    r"""Streamed, mergeable sums of the features X and Y of the same samples, in float64.

    >>> sums = PairSums(width_x=100, width_y=50)
    >>> for X, Y in batches:                      # (sample, width) each, any float type
    ...     sums.update(X, Y)
    >>> sums.hsic()

    `PairSums(width_x)` pairs X with itself, and its `update` takes X alone. Memory
    O(width_x width_y) whatever the number of samples, cost 2 b width_x width_y for b rows.

    Raises: ValueError for a width below 1; see `update` and `merge`.
    """

    def __init__(self, width_x: int, width_y: int | None = None) -> None:
        """Start with no samples; `width_y` None pairs X with itself."""
        check_count("width_x", width_x, 1)
        self.itself = width_y is None
        """Whether Y is X."""
        width_y = width_x if width_y is None else width_y
        check_count("width_y", width_y, 1)
        self.count = 0
        """Number of samples seen."""
        self.epsilon = 0.0
        """Coarsest rounding of the features seen: the epsilon of their dtype."""
        self.mean_x = torch.zeros(width_x, dtype=torch.float64)
        self.mean_y = torch.zeros(width_y, dtype=torch.float64)
        self.cross = self.mean_x.new_zeros(width_x, width_y)
        r"""$C = \sum x y^\top$ about the means, (width_x, width_y)."""
        self._a, self._b, self._ab = 0.0, 0.0, 0.0
        self._ay, self._bx = torch.zeros_like(self.mean_y), torch.zeros_like(self.mean_x)

    @property
    def scatter_x(self) -> float:
        r"""$\sum |x|^2$ about the mean."""
        return self._a

    @property
    def scatter_y(self) -> float:
        r"""$\sum |y|^2$ about the mean."""
        return self._b

    @property
    def constant(self) -> bool:
        """Whether X or Y varies between samples by no more than rounding of its dtype can."""
        for mean, total in ((self.mean_x, self._a), (self.mean_y, self._b)):
            size = (float(mean.square().sum()) + total / max(self.count, 1)) ** 0.5
            if (total / max(self.count, 1)) ** 0.5 <= noise_floor(self.epsilon, size):
                return True
        return False

    @torch.no_grad()
    def update(self, X: Any, Y: Any = None) -> None:
        """Take in more samples: X (sample, width_x) and Y (sample, width_y).

        Raises: ValueError if they are not finite, not of these widths, or differ in length, and if
        Y is given to a pair of X with itself, or not given to another.
        """
        if (Y is None) != self.itself:
            state = "missing" if Y is None else "given"
            raise ValueError(f"Y must be passed unless X is paired with itself, but it is {state}.")
        rows_x, epsilon_x = as_features("X", X, width=len(self.mean_x))
        rows_y, epsilon_y = (
            (rows_x, epsilon_x) if Y is None else as_features("Y", Y, width=len(self.mean_y))
        )
        if len(rows_x) != len(rows_y):
            raise ValueError(f"Y must have as many rows as X ({len(rows_x)}), got {len(rows_y)}.")
        batch = object.__new__(PairSums)
        batch.itself = self.itself
        batch.count, batch.epsilon = len(rows_x), max(epsilon_x, epsilon_y)
        batch.mean_x, batch.mean_y = rows_x.mean(0), rows_y.mean(0)
        x, y = rows_x - batch.mean_x, rows_y - batch.mean_y
        a, b = x.square().sum(1), y.square().sum(1)
        batch.cross = x.T @ y
        batch._a, batch._b, batch._ab = float(a.sum()), float(b.sum()), float(a @ b)
        batch._ay, batch._bx = a @ y, b @ x
        self.__dict__.update(self._and(batch).__dict__)

    def merge(self, other: PairSums) -> PairSums:
        """Sums of both sets of samples, as a new object; associative up to rounding.

        Raises: ValueError if the two differ in width, or one alone pairs X with itself.
        """
        if self.cross.shape != other.cross.shape or self.itself != other.itself:
            mine, its = (
                f"widths {tuple(sums.cross.shape)}{' of X with itself' if sums.itself else ''}"
                for sums in (self, other)
            )
            raise ValueError(f"other must have {mine}, got {its}.")
        return self._and(other)

    def hsic(self) -> float:
        r"""HSIC_1 of linear kernels, the unbiased estimate of $\|\mathrm{Cov}(x, y)\|_F^2$.

        With $\tilde K$ the kernel $x_i^\top x_j$ without its diagonal and $\tilde L$ that of y,

        $$\mathrm{HSIC}_1 = \frac{1}{n(n-3)} \Big[ \mathrm{Tr}\, \tilde K \tilde L
        + \frac{1^\top \tilde K 1\; 1^\top \tilde L 1}{(n-1)(n-2)}
        - \frac{2}{n-2} 1^\top \tilde K \tilde L 1 \Big].$$

        It does not change when x moves by a constant: $x_i^\top x_j$ then changes off the diagonal
        by $f(x_i) + f(x_j)$, which HSIC_1 ignores (it is the inner product of the U-centred
        kernels, whose rows sum to 0). So take x and y about their means. Then row i of
        $\tilde K$ sums to $x_i^\top \sum_j x_j - a_i = -a_i$, so that

        - $\mathrm{Tr}\, \tilde K \tilde L = \|C\|_F^2 - \sum ab$,
        - $1^\top \tilde K 1 = -\sum a$ and $1^\top \tilde L 1 = -\sum b$,
        - $1^\top \tilde K \tilde L 1 = \sum ab$, and

        $$\mathrm{HSIC}_1 = \frac{1}{n(n-3)} \Big[ \|C\|_F^2 - \frac{n}{n-2} \sum ab
        + \frac{\sum a \sum b}{(n-1)(n-2)} \Big].$$

        Units of $x^2 y^2$; may be negative where x and y have little in common, and of X with
        itself never. No matrix of N x N is formed.

        Raises: ValueError with fewer than 4 samples.
        Source: Song, Smola, Gretton, Bedo and Borgwardt, "Feature selection via dependence
        maximization", JMLR 13, 2012, equation 5.
        """
        n = self._at_least_4()
        products = self._ab * n / (n - 2) - self._a * self._b / ((n - 1) * (n - 2))
        return (float(self.cross.square().sum()) - products) / (n * (n - 3))

    def biased_hsic(self) -> float:
        r"""$\|C\|_F^2 / (n-1)^2$, the plug-in estimate, too large by order 1/n.

        Raises: ValueError with fewer than 2 samples.
        Source: Gretton, Bousquet, Smola and Schoelkopf, ALT 2005.
        """
        if self.count < 2:
            raise ValueError(f"sums must have seen at least 2 samples, got {self.count}.")
        return float(self.cross.square().sum()) / (self.count - 1) ** 2

    def trace_product(self) -> float:
        r"""Unbiased estimate of $\mathrm{Tr}\, \Sigma_x\, \mathrm{Tr}\, \Sigma_y$.

        The mean of $\frac14 |x_i - x_j|^2 |y_k - y_l|^2$ over four different samples, written in
        sums, all about the means:

        $$\frac{1}{n(n-3)} \Big[ \frac{n^2 - 3n + 1}{(n-1)(n-2)} \sum a \sum b
        + \frac{2}{(n-1)(n-2)} \|C\|_F^2 - \frac{n}{n-2} \sum ab \Big].$$

        (Over ordered pairs $\sum_{i \ne j} \frac12 |x_i - x_j|^2 = n \sum a$. Of the product
        $n^2 \sum a \sum b$ of two such sums, the terms that share a sample are subtracted: with
        $\sum_j \frac12 |x_i - x_j|^2 = \frac12 (n a_i + \sum a)$, those that share one or two
        samples amount to $4 \sum_i \frac14 (n a_i + \sum a)(n b_i + \sum b)
        = n^2 \sum ab + 3 n \sum a \sum b$, counting pairs equal in both twice; these are
        $2 \sum_{ij} \frac14 |x_i - x_j|^2 |y_i - y_j|^2
        = n \sum ab + \sum a \sum b + 2 \|C\|_F^2$. What is left, divided by
        n (n-1) (n-2) (n-3), is the above.) For X with itself it is the estimator of Himeno and
        Yamada, and `hsic` that of $\mathrm{Tr}\, \Sigma^2$ beside it.

        Raises: ValueError with fewer than 4 samples.
        Source: Himeno and Yamada, "Estimations for some functions of covariance matrix in high
        dimension under non-normality and its applications", J. Multivariate Analysis 130, 2014.
        """
        n = self._at_least_4()
        squares = float(self.cross.square().sum())
        pairs = (n * n - 3 * n + 1) * self._a * self._b + 2 * squares
        return (pairs / ((n - 1) * (n - 2)) - self._ab * n / (n - 2)) / (n * (n - 3))

    @torch_threads(1)
    def singular_values(self) -> Float[Tensor, " mode"]:
        """Singular values of X about its mean, falling, min(n - 1, width) of them at most.

        From C of X with itself, so that what is below about 1e-7 of the largest is 0. Cost O(w^3).

        Raises: ValueError if X was not paired with itself, or without samples.
        """
        if self.count == 0:
            raise ValueError("sums must have seen at least one sample, got 0.")
        if not self.itself:
            raise ValueError("sums must pair X with itself to have its singular values.")
        squares = torch.linalg.eigvalsh(self.cross).flip(0)
        least = len(squares) * torch.finfo(torch.float64).eps * squares[0].clamp_min(0)
        squares = torch.where(squares > least, squares, 0.0)
        return squares[: max(1, min(self.count - 1, len(squares)))].sqrt()

    def _at_least_4(self) -> int:
        if self.count < 4:
            raise ValueError(f"sums must have seen at least 4 samples, got {self.count}.")
        return self.count

    def _and(self, other: PairSums) -> PairSums:
        r"""Both sets about their common means.

        Of one set, with x', y' about its own means, so that $\sum x' = \sum y' = 0$, and
        $x = x' + \delta$, $y = y' + \epsilon$ about the common ones: $C$ grows by
        $n \delta \epsilon^\top$, $a = a' + 2 \delta^\top x' + |\delta|^2$ and b likewise, and the
        sums of products follow by expanding them (`_moved`).
        """
        n = self.count + other.count
        both = object.__new__(PairSums)
        both.itself = self.itself
        both.count, both.epsilon = n, max(self.epsilon, other.epsilon)
        if self.count == 0 or other.count == 0:
            filled = other if self.count == 0 else self
            both.__dict__.update({**filled.__dict__, "epsilon": both.epsilon})
            return both
        device = self.cross.device
        gap_x = other.mean_x.to(device) - self.mean_x
        gap_y = other.mean_y.to(device) - self.mean_y
        both.mean_x = self.mean_x + gap_x * (other.count / n)
        both.mean_y = self.mean_y + gap_y * (other.count / n)
        C, a, b, ab, ay, bx = self._moved(gap_x * (-other.count / n), gap_y * (-other.count / n))
        its = other._moved(gap_x * (self.count / n), gap_y * (self.count / n))
        both.cross, both._a, both._b = C + its[0], a + its[1], b + its[2]
        both._ab, both._ay, both._bx = ab + its[3], ay + its[4], bx + its[5]
        return both

    def _moved(self, d: Tensor, e: Tensor) -> tuple[Tensor, float, float, float, Tensor, Tensor]:
        """C, sums of a, b, ab, ay and bx with d added to every x and e to every y."""
        n, device = self.count, d.device
        C, ay, bx = self.cross.to(device), self._ay.to(device), self._bx.to(device)
        dd, ee, Ce, Cd = float(d @ d), float(e @ e), C @ e, C.T @ d
        ab = self._ab + 2 * float(e @ ay) + 2 * float(d @ bx) + 4 * float(d @ Ce)
        return (
            torch.addr(C, d, e, alpha=n),
            self._a + n * dd,
            self._b + n * ee,
            ab + ee * self._a + dd * self._b + n * dd * ee,
            ay + e * self._a + 2 * Cd + n * dd * e,
            bx + d * self._b + 2 * Ce + n * ee * d,
        )


@torch_threads(1)
def narrow(rows: Float[Tensor, "sample width"]) -> Float[Tensor, "sample feature"]:
    """Features no wider than they are many, with the same inner products between samples."""
    if rows.shape[1] <= len(rows):
        return rows
    return torch.linalg.qr(rows.double().T, mode="r").R.T.to(rows.dtype)
