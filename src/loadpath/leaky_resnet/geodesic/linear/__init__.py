r"""Geodesics of the linear theory (activation identity, no bias), in closed form.

Write $W = V + \tilde L I$. Then $\partial_p A = -\tilde L A + A W^\top = A V^\top$, so $A_p = A_0
M_p$ with $M_p$ in GL(w) and $M^{-1} \partial_p M = V^\top$. The action is
$\frac{1}{2c} \int \|V\|_F^2 + 2 \tilde L\,\mathrm{Tr} V + \tilde L^2 w$ (c = L~, and 1 where
L~ = 0), in which $\int \mathrm{Tr} V = \log\det M_1$ is fixed by the ends: what is left to
minimize is the length in the left-invariant Frobenius metric of GL(w), whatever L~ is. Its
geodesics satisfy $\partial_p V = V V^\top - V^\top V$, so that
$V_p = e^{-pK} V_0 e^{pK}$ and $M_p = e^{p V_0} e^{pK}$ with the constant $K = V_0^\top - V_0$.

Sources: Andruchow, Larotonda, Recht and Varela, "The left invariant metric in the general linear
group", arXiv:1109.0520; Martin and Neff, "Minimal geodesics on GL(n)", arXiv:1409.7849. What they
mean for A, W, B and H is derived in docs/geodesics.md.
"""

from loadpath.leaky_resnet.geodesic.linear.closed_form import LinearGeodesic
from loadpath.leaky_resnet.geodesic.linear.ends import between, commuting

__all__ = ["LinearGeodesic", "between", "commuting"]
