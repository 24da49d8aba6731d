# Licensed under a 3-clause BSD style license - see LICENSE.rst
import math
import numpy as np
from scipy.optimize import brentq
from gammapy.utils.roots import find_root_above


class WStatCountsStatistic:
    def n_sig_matching_significance(self, significance):
        """Excess with a given significance, for these off counts and alpha.

        Parameters
        ----------
        significance : float
            Significance in sigma, of either sign.

        Returns
        -------
        n_sig : `~numpy.ndarray`
            Excess, NaN if no number of on counts has this significance, for example for
            a deficit beyond that of 0 on counts.

        Examples
        --------
        >>> import numpy as np
        >>> from gammapy.stats import WStatCountsStatistic
        >>> stat = WStatCountsStatistic(n_on=[0], n_off=[3000], alpha=[0.2])
        >>> stat.n_sig_matching_significance(5).round(2)
        array([139.97])
        """
        n_off, alpha = np.broadcast_arrays(self.n_off, self.alpha)
        pairs = zip(n_off.ravel().tolist(), alpha.ravel().tolist(), strict=True)
        excess = [_matching_excess(*pair, significance) for pair in pairs]
        return np.reshape(np.array(excess, dtype=float), n_off.shape)


def _matching_excess(n_off, alpha, significance):
    """Excess of a given significance, for one pair of n_off and alpha."""
    if not (n_off >= 0 and alpha > 0):
        return math.nan
    if significance == 0:
        return 0.0

    def difference(excess):
        return _li_ma_significance(excess, n_off, alpha) - significance

    background = alpha * n_off
    if significance > 0:
        start = significance * math.sqrt(alpha * background + background) + 1
        return find_root_above(difference, start)
    if not difference(-background) < 0:
        return math.nan
    return brentq(difference, -background, 0)


def _li_ma_significance(excess, n_off, alpha):
    """Significance of Li & Ma 1983, eq. 17, that keeps its digits at many counts."""
    background = alpha * n_off
    n_on = excess + background
    total = n_on + n_off
    log_likelihood = n_on * math.log1p(excess / (alpha * total)) if n_on > 0 else 0.0
    if n_off > 0:
        log_likelihood += n_off * math.log1p(-excess / total)
    return math.copysign(math.sqrt(2 * max(log_likelihood, 0)), excess)
