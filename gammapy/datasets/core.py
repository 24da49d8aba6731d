# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.modeling import Parameters


class Dataset:
    _residuals_labels = _upstream_Dataset__residuals_labels | {
        "significance": "significance"
    }


class Datasets:
    def stat_sum(self):
        """Joint fit statistic: that of all datasets, their priors and penalties.

        Returns
        -------
        stat_sum : float
            Sum of the statistic at the current parameters.
        """
        total = 0.0
        for dataset in self:
            total += dataset.stat_sum()

        # Not from self.models: each access makes the joint models and their
        # covariance, which took as long as the statistic of a small dataset.
        models = {id(_): _ for dataset in self for _ in dataset.models or []}
        parameters = Parameters.from_stack([_.parameters for _ in models.values()])
        prior = parameters.prior_stat_sum()
        for penalty in self._penalties or []:
            prior += penalty.stat_sum()
        return total + prior
