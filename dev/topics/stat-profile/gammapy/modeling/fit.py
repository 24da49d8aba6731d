# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from .covariance import Covariance


class Fit:
    def _optimize_with_errors(self, datasets):
        """Optimize, and set the errors of the result; 0 where the backend has none."""
        result = self.optimize(datasets=datasets)
        parameters = result.models.parameters

        matrix = getattr(result.minuit, "covariance", None)
        if matrix is None:
            npars = len(parameters.free_unique_parameters)
            matrix = np.zeros((npars, npars))

        result.models.covariance = Covariance.from_factor_matrix(
            parameters=parameters, matrix=np.array(matrix)
        )
        return result

    @staticmethod
    def _is_any_other_free(parameters, scanned):
        """Whether a parameter is free that is not scanned."""
        return any(par not in scanned for par in parameters.free_parameters)
