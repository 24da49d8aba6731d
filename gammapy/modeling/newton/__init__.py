# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Exact maximum of the Cash likelihood over norms, by Newton's method.

With the predicted counts :math:`m_i = F_i + \sum_k \theta_k T_{ki}`, the statistic of
[1]_,

.. math::
    C = 2 \sum_i w_i (m_i - n_i \ln m_i) + \sum_k p_k (\theta_k - \mu_k)^2

is convex in the norms :math:`\theta` while all :math:`m_i` are positive. Its gradient
and its Hessian matrix are

.. math::
    g_k = 2 \sum_i w_i T_{ki} (1 - n_i / m_i) + 2 p_k (\theta_k - \mu_k),\quad
    H_{kl} = 2 \sum_i w_i n_i T_{ki} T_{li} / m_i^2 + 2 p_k \delta_{kl}

Each step minimises the quadratic model inside the bounds with an active set
(algorithm 16.3 in [2]_) and goes along it as far as the statistic falls (algorithm 3.1
there). The covariance is :math:`2 H^{-1}`.

The minimum is that on the set of norms where each bin with counts has a model. Gammapy
truncates the logarithm, as if the model were 1e-25, and outside of this set has false
minima. A start inside is found by scaling the norms or by a linear program, and
no step goes more than 99 percent of the way to where a bin with counts loses its model
(the fraction-to-the-boundary rule, section 19.2 in [2]_). Where there is no such set,
as at a value of a profile that the other norms cannot follow, the statistic is infinite
and the fit no success. Bins that no norm changes are constants and do not matter.

For Gammapy, an empty bin whose model is not positive counts as if it were 1e-25, too.
It bends the statistic where its model gets zero, and the minimum may lie on such a
bend. There, the bend is rounded off within a fraction of the errors, and the fraction
made smaller until it does not matter.

Norms that the null space of the Hessian touches are not determined: no used bin depends
on them, or only on their sum. Steps do not go along it, and the covariance of the other
norms is that without them.

References
----------
.. [1] Cash (1979), ApJ 228, 939
.. [2] Nocedal & Wright (2006), "Numerical Optimization", 2nd edition, Springer
"""

from .confidence import confidence_norm
from .minimise import fit_norms
from .result import NormFit

__all__ = ["NormFit", "confidence_norm", "fit_norms"]
