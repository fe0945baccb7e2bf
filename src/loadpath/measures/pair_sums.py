r"""Streamed sums of pairs of features up to fourth order, for what needs no sample twice.

For n samples $x_i, y_i$ about their means, write $a_i = |x_i|^2$ and $b_i = |y_i|^2$. The sums are
$C = \sum x_i y_i^\top$, $\sum a$, $\sum b$, $\sum ab$, $\sum a y$ and $\sum b x$. The last two are
there so that the means may move: two sets of samples merge exactly, and every set is centred at its
own mean before anything is squared, so that an offset of the features costs no digits.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count
from loadpath.measures.separation import as_features, noise_floor
from loadpath.threads import torch_threads


class PairSums:
    r"""Sums of the features X and Y of the same samples: streamed, mergeable, in float64.

    Parameters
    ----------
    width_x : int
        Width of X.
    width_y : int, optional
        Width of Y. If it is left out, X is paired with itself, and `update` takes X alone.

    Raises
    ------
    ValueError
        For a width below 1.

    Notes
    -----
    Memory is O(width_x width_y) whatever the number of samples, and the cost is
    2 b width_x width_y operations for b rows.

    Examples
    --------
    >>> X = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    >>> sums = PairSums(width_x=3, width_y=3)
    >>> for rows in X.split(50):
    ...     sums.update(rows, 2 * rows)
    >>> sums.count
    200
    >>> exact = float((2 * torch.cov(X.T)).square().sum())
    >>> round(sums.biased_hsic() / exact, 6)
    1.0
    """

    def __init__(self, width_x: int, width_y: int | None = None) -> None:
        check_count("width_x", width_x, 1)
        self.itself = width_y is None
        """Whether Y is X."""
        width_y = width_x if width_y is None else width_y
        check_count("width_y", width_y, 1)
        self.count = 0
        """Number of samples seen."""
        self.epsilon = 0.0
        """Coarsest rounding of the features seen: the epsilon of their type."""
        self.mean_x = torch.zeros(width_x, dtype=torch.float64)
        """Mean of X, (width_x,)."""
        self.mean_y = torch.zeros(width_y, dtype=torch.float64)
        """Mean of Y, (width_y,)."""
        self.cross = self.mean_x.new_zeros(width_x, width_y)
        r"""Products $C = \sum x y^\top$ about the means, (width_x, width_y)."""
        self._a, self._b, self._ab = 0.0, 0.0, 0.0
        self._ay, self._bx = torch.zeros_like(self.mean_y), torch.zeros_like(self.mean_x)

    @property
    def scatter_x(self) -> float:
        r"""Sum $\sum |x|^2$ about the mean."""
        return self._a

    @property
    def scatter_y(self) -> float:
        r"""Sum $\sum |y|^2$ about the mean."""
        return self._b

    @property
    def constant(self) -> bool:
        """Whether X or Y varies between samples by no more than rounding of its type can."""
        return self.rounding_share >= 1

    @property
    def rounding_share(self) -> float:
        """The share of the scatter of X or of Y that rounding of its type can make, if larger.

        1 or more where it can make all of it.
        """
        shares = []
        for mean, total in ((self.mean_x, self._a), (self.mean_y, self._b)):
            scatter = total / max(self.count, 1)
            noise = noise_floor(self.epsilon, 1.0) ** 2 * (float(mean.square().sum()) + scatter)
            shares.append(noise / scatter if scatter > 0 else math.inf)
        return max(shares)

    @torch.no_grad()
    def update(self, X: Any, Y: Any = None) -> None:
        """Add more samples.

        Parameters
        ----------
        X : Tensor or array_like
            (sample, width_x) features.
        Y : Tensor or array_like, optional
            (sample, width_y) features of the same samples, unless X is paired with itself.

        Raises
        ------
        ValueError
            If they are not finite, not of these widths, or differ in length, and if Y is given to a
            pair of X with itself, or not given to another.
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
        batch.mean_x = rows_x.mean(0)
        batch.mean_y = batch.mean_x if self.itself else rows_y.mean(0)
        x = rows_x - batch.mean_x
        y = x if self.itself else rows_y - batch.mean_y
        a = x.square().sum(1)
        b = a if self.itself else y.square().sum(1)
        batch.cross = x.T @ y
        batch._a, batch._b, batch._ab = float(a.sum()), float(b.sum()), float(a @ b)
        batch._ay = a @ y
        batch._bx = batch._ay if self.itself else b @ x
        self.__dict__.update(self._joined(batch).__dict__)

    def merge(self, other: PairSums) -> PairSums:
        """Return the sums of both sets of samples, as a new object.

        Parameters
        ----------
        other : PairSums
            Sums of the same widths over other samples.

        Returns
        -------
        PairSums
            The sums over all samples. Merging is associative up to rounding.

        Raises
        ------
        ValueError
            If the two differ in width, or one alone pairs X with itself.
        """
        if self.cross.shape != other.cross.shape or self.itself != other.itself:
            mine, its = (
                f"widths {tuple(sums.cross.shape)}{' of X with itself' if sums.itself else ''}"
                for sums in (self, other)
            )
            raise ValueError(f"other must have {mine}, got {its}.")
        return self._joined(other)

    def hsic(self) -> float:
        r"""Return HSIC_1 of linear kernels, the unbiased estimate of $\|\mathrm{Cov}(x, y)\|_F^2$.

        Returns
        -------
        float
            Units of $x^2 y^2$. It may be negative where x and y have little in common; of X with
            itself it never is.

        Raises
        ------
        ValueError
            With fewer than 4 samples.

        Notes
        -----
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

        No matrix of N x N is formed.

        References
        ----------
        .. [1] Song, Smola, Gretton, Bedo and Borgwardt, "Feature selection via dependence
           maximization", JMLR 13, 2012, equation 5.
        """
        n = self._at_least_4()
        products = self._ab * n / (n - 2) - self._a * self._b / ((n - 1) * (n - 2))
        return (float(self.cross.square().sum()) - products) / (n * (n - 3))

    def biased_hsic(self) -> float:
        r"""Return $\|C\|_F^2 / (n-1)^2$, the plug-in estimate, too large by order 1/n.

        Returns
        -------
        float
            Units of $x^2 y^2$.

        Raises
        ------
        ValueError
            With fewer than 2 samples.

        References
        ----------
        .. [1] Gretton, Bousquet, Smola and Schoelkopf, ALT 2005.
        """
        if self.count < 2:
            raise ValueError(f"sums must have seen at least 2 samples, got {self.count}.")
        return float(self.cross.square().sum()) / (self.count - 1) ** 2

    def trace_product(self) -> float:
        r"""Return the unbiased estimate of $\mathrm{Tr}\, \Sigma_x\, \mathrm{Tr}\, \Sigma_y$.

        Returns
        -------
        float
            Units of $x^2 y^2$.

        Raises
        ------
        ValueError
            With fewer than 4 samples.

        Notes
        -----
        It is the mean of $\frac14 |x_i - x_j|^2 |y_k - y_l|^2$ over four different samples, written
        in sums, all about the means:

        $$\frac{1}{n(n-3)} \Big[ \frac{n^2 - 3n + 1}{(n-1)(n-2)} \sum a \sum b
        + \frac{2}{(n-1)(n-2)} \|C\|_F^2 - \frac{n}{n-2} \sum ab \Big].$$

        Over ordered pairs $\sum_{i \ne j} \frac12 |x_i - x_j|^2 = n \sum a$. From the product
        $n^2 \sum a \sum b$ of two such sums, the terms that share a sample are subtracted. With
        $\sum_j \frac12 |x_i - x_j|^2 = \frac12 (n a_i + \sum a)$, those that share one or two
        samples amount to $4 \sum_i \frac14 (n a_i + \sum a)(n b_i + \sum b)
        = n^2 \sum ab + 3 n \sum a \sum b$, which counts pairs equal in both twice. These are
        $2 \sum_{ij} \frac14 |x_i - x_j|^2 |y_i - y_j|^2
        = n \sum ab + \sum a \sum b + 2 \|C\|_F^2$. What is left, divided by
        n (n-1) (n-2) (n-3), is the above. For X with itself it is the estimator of Himeno and
        Yamada [1]_, and `hsic` that of $\mathrm{Tr}\, \Sigma^2$ beside it.

        References
        ----------
        .. [1] Himeno and Yamada, "Estimations for some functions of covariance matrix in high
           dimension under non-normality and its applications", J. Multivariate Analysis 130, 2014.
        """
        n = self._at_least_4()
        squares = float(self.cross.square().sum())
        pairs = (n * n - 3 * n + 1) * self._a * self._b + 2 * squares
        return (pairs / ((n - 1) * (n - 2)) - self._ab * n / (n - 2)) / (n * (n - 3))

    @torch_threads(1)
    def singular_values(self) -> Float[Tensor, " mode"]:
        """Return the singular values of X about its mean.

        Returns
        -------
        Tensor
            (mode,) the largest first, min(n - 1, width) of them at most; units of X.

        Raises
        ------
        ValueError
            If X was not paired with itself, or without samples.

        Notes
        -----
        They come from C of X with itself, so that what is below about 1e-7 of the largest is 0.
        The cost is O(w^3).
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

    def _joined(self, other: PairSums) -> PairSums:
        r"""Return the sums of both sets, about their common means.

        Within one set, x' and y' are about its own means, so that $\sum x' = \sum y' = 0$, and
        $x = x' + \delta$, $y = y' + \epsilon$ about the common ones. Then $C$ grows by
        $n \delta \epsilon^\top$, $a = a' + 2 \delta^\top x' + |\delta|^2$ and b likewise, and the
        sums of products follow by expanding them. With g and h the gaps between the means of x and
        of y, the first set's $\delta, \epsilon$ are $-s g, -s h$, and the second's $t g, t h$.
        """
        m, k = self.count, other.count
        n = m + k
        both = object.__new__(PairSums)
        both.itself = self.itself
        both.count, both.epsilon = n, max(self.epsilon, other.epsilon)
        if m == 0 or k == 0:
            filled = other if m == 0 else self
            both.__dict__.update({**filled.__dict__, "epsilon": both.epsilon})
            return both
        s, t = k / n, m / n
        device = self.cross.device
        C, its_C = self.cross, other.cross.to(device)
        g = other.mean_x.to(device) - self.mean_x
        h = g if self.itself else other.mean_y.to(device) - self.mean_y
        # By the gap and not as a weighted mean: means that agree stay as they are.
        both.mean_x = torch.add(self.mean_x, g, alpha=s)
        both.mean_y = both.mean_x if self.itself else torch.add(self.mean_y, h, alpha=s)
        both.cross = torch.addr(C + its_C, g, h, alpha=m * s)
        Ch, its_Ch = C @ h, its_C @ h
        Cg, its_Cg = (Ch, its_Ch) if self.itself else (C.T @ g, its_C.T @ g)
        ay, bx = self._ay, self._bx
        its_ay, its_bx = other._ay.to(device), other._bx.to(device)
        gg, hh = float(g @ g), float(h @ h)
        both._a, both._b = self._a + other._a + m * s * gg, self._b + other._b + m * s * hh
        both._ab = (
            (self._ab - 2 * s * float(h @ ay) - 2 * s * float(g @ bx) + 4 * s * s * float(g @ Ch))
            + (other._ab + 2 * t * float(h @ its_ay) + 2 * t * float(g @ its_bx))
            + 4 * t * t * float(g @ its_Ch)
            + hh * (s * s * self._a + t * t * other._a)
            + gg * (s * s * self._b + t * t * other._b)
            + gg * hh * (m * s**4 + k * t**4)
        )
        cubes = k * t**3 - m * s**3
        along_h = t * other._a - s * self._a + cubes * gg
        both._ay = ay + its_ay + h * along_h + its_Cg * (2 * t) - Cg * (2 * s)
        if self.itself:
            both._bx = both._ay
        else:
            along_g = t * other._b - s * self._b + cubes * hh
            both._bx = bx + its_bx + g * along_g + its_Ch * (2 * t) - Ch * (2 * s)
        return both


@torch_threads(1)
def narrow(rows: Float[Tensor, "sample width"]) -> Float[Tensor, "sample feature"]:
    """Return features no wider than they are many, with the same inner products between samples.

    Parameters
    ----------
    rows : Tensor
        (sample, width) features of any width.

    Returns
    -------
    Tensor
        (sample, feature) in their type; themselves where they are narrow.
    """
    if rows.shape[1] <= len(rows):
        return rows
    return torch.linalg.qr(rows.double().T, mode="r").R.T.to(rows.dtype)
