# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from gammapy.utils.roots import find_root_above


class BrentqFluxEstimator:
    def estimate_sensitivity(self, dataset, result):
        """Norm that would be found with ``n_sigma_sensitivity``.

        Parameters
        ----------
        dataset : `SimpleMapDataset`
            Counts, background and model of one position.
        result : dict
            Not used, because the sensitivity does not depend on the counts. A search
            around the fitted norm would fail for a deficit or a weak source.

        Returns
        -------
        result : dict
            "norm_sensitivity", NaN where the model predicts nothing.
        """
        total = dataset.model.sum()
        if not total > 0:
            return {"norm_sensitivity": np.nan}

        def difference(norm):
            null = dataset.stat_sum_asimov_null(norm)
            ts_asimov = null - dataset.stat_sum_asimov(norm)
            return np.sqrt(max(ts_asimov, 0)) - self.n_sigma_sensitivity

        # Of the size that it has for as many background counts as the model covers.
        counts = 1 + self.n_sigma_sensitivity * np.sqrt(dataset.background.sum())
        norm = find_root_above(difference, counts / total, rtol=self.rtol)
        return {"norm_sensitivity": norm}
