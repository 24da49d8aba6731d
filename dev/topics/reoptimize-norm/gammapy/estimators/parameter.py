# Licensed under a 3-clause BSD style license - see LICENSE.rst


class ParameterEstimator:
    def _reoptimizes_other(self, datasets, parameter):
        """Whether to re-optimize, and another parameter is free."""
        free_parameters = datasets.parameters.free_parameters
        return self.reoptimize and any(par is not parameter for par in free_parameters)
