# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The Cash statistic where the model is 0, as Gammapy has it."""

import numpy as np
from gammapy.utils.compilation import get_fit_statistics_compiled

__all__ = []


def cash_truncation():
    """Smallest model of the Cash statistic and its logarithm, as Gammapy takes them.

    The compiled function has the logarithm with the precision of a float32.
    """
    compiled = get_fit_statistics_compiled()
    truncation = compiled["TRUNCATION_VALUE"]
    stat = compiled["cash_sum_compiled"](np.ones(1), np.zeros(1))
    return truncation, truncation - stat / 2
