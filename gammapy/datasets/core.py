# Licensed under a 3-clause BSD style license - see LICENSE.rst


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

        # Each access makes the joint models anew. That took as long as a small
        # dataset does, and a fit comes here at every step.
        models = self.models
        prior = 0.0
        if models is not None:
            prior += models.parameters.prior_stat_sum()
            for penalty in models._penalties or []:
                prior += penalty.stat_sum()
        return total + prior
