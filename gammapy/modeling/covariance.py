# Licensed under a 3-clause BSD style license - see LICENSE.rst
import functools
import numpy as np


class Covariance:
    @classmethod
    def from_factor_matrix(cls, parameters, matrix):
        """Parameters
        ----------
        parameters : `~gammapy.modeling.Parameters`
            Parameters.
        matrix : `~numpy.ndarray`
            Covariance of the factors of all parameters, or of the free ones.

        Returns
        -------
        covariance : `Covariance`
            Covariance of the values.

        Notes
        -----
        Parameters without an error do not affect the errors of others.
        """
        if len(parameters) == 0:
            return cls(parameters, data=None)
        if matrix.shape != (len(parameters), len(parameters)):
            matrix = cls._expand_factor_matrix(matrix, parameters)
        slopes = [par._inverse_transform_derivative(par.factor) for par in parameters]
        return cls(parameters, data=matrix * np.outer(slopes, slopes))

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


def with_joint_covariance(run):
    """Method ``run`` of `Fit` after which datasets know the joint covariance.

    Correlations between models are kept where parameters are linked.

    Parameters
    ----------
    run : callable
        The method.

    Returns
    -------
    run : callable
        The method.
    """

    @functools.wraps(run)
    def run_and_keep(self, datasets):
        result = run(self, datasets)
        # Of a list, or one dataset, nobody keeps it.
        if result.covariance_result is not None and hasattr(datasets, "_covariance"):
            parameters = datasets.models.parameters
            matrix = np.array(result.covariance_result.matrix)
            # The variance is at each place of a linked parameter, as in files.
            first = [parameters.index(par) for par in parameters]
            matrix[np.diag_indices(len(first))] = matrix[first, first]
            datasets._covariance = Covariance(parameters, matrix)
        return result

    return run_and_keep
