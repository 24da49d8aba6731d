# Licensed under a 3-clause BSD style license - see LICENSE.rst
import astropy.units as u
from gammapy.datasets import Datasets
from .reference import with_positive_reference


class FluxEstimator:
    # Flux points decide about the sign of the reference once for all energy bins.
    _decides_sign = True

    def run(self, datasets):
        """Notes
        -----
        If the spectrum of the source is negative, the reference model has the
        opposite sign, and the norm of a deficit is negative.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDatasetOnOff
        >>> from gammapy.estimators.flux import FluxEstimator
        >>> from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
        >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
        >>> dataset = SpectrumDatasetOnOff.read(path)
        >>> spectral_model = PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1")
        >>> dataset.models = SkyModel(spectral_model, name="Crab")
        >>> estimator = FluxEstimator(source="Crab", selection_optional=["ul"])
        >>> result = estimator.run([dataset])
        >>> result["norm_ul"] > result["norm"] > 0
        True
        """
        if self._decides_sign and isinstance(datasets, (list, tuple, Datasets)):
            datasets = Datasets(datasets)
            edges = u.Quantity(datasets.energy_ranges)
            energies = u.Quantity([edges.min(), edges.max()])
            datasets = with_positive_reference(datasets, self.source, energies)
        return self._upstream_FluxEstimator_run(datasets)
