# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np


class Covariance:
    @staticmethod
    def _expand_factor_matrix(matrix, parameters):
        """Notes
        -----
        A parameter that is linked has its values at its first place.
        """
        first = {}
        for idx, par in enumerate(parameters):
            if not par.frozen:
                first.setdefault(id(par), idx)
        free = list(first.values())
        expanded = np.zeros((len(parameters), len(parameters)))
        expanded[np.ix_(free, free)] = matrix
        return expanded
