# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.stats import WStatCountsStatistic


@pytest.mark.parametrize(
    ("n_off", "alpha", "significance"),
    [(1e5, 3, 5), (1e6, 0.1, 3), (1e6, 0.01, 3), (100, 0.2, -5), (5, 20, -3)],
)
def test_wstat_excess_matching_significance_many_counts(n_off, alpha, significance):
    stat = WStatCountsStatistic(0, n_off, alpha)
    n_on = stat.n_sig_matching_significance(significance) + alpha * n_off

    # Li & Ma (1983), equation 17
    total = n_on + n_off
    ts = n_on * np.log((1 + alpha) / alpha * n_on / total)
    ts += n_off * np.log((1 + alpha) * n_off / total)
    assert_allclose(np.sqrt(2 * ts), abs(significance), rtol=1e-4)
    assert np.sign(n_on - alpha * n_off) == np.sign(significance)


def test_wstat_excess_matching_significance_limits():
    stat = WStatCountsStatistic([0, 0], [5, 1e5], [0.1, 0.1])
    # 0 counts over 0.5 are a deficit of 1 sigma at most
    assert np.isnan(stat.n_sig_matching_significance(-5)[0])
    assert_allclose(stat.n_sig_matching_significance(0), 0)
