# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which fits of shapes and spectra have exact derivatives, and why others have not."""

from functools import cache
from .linearity import linear_norms
from .utils import _parse_datasets

__all__ = ["why_not_smooth"]


@cache
def smooth_spectra():
    """Parameters in which a spectral model has kinks, by the class of the model.

    All of them may be free in a fit with derivatives, but for those with kinks. Not
    here are models whose parameters are nodes of tables (`TemplateNDSpectralModel`) or
    that compute each energy for a long time (`NaimaSpectralModel`).
    """
    from gammapy.modeling import models

    kinks = dict.fromkeys(linear_norms(), ())
    kinks[models.PiecewiseNormSpectralModel] = ()
    kinks[models.BrokenPowerLawSpectralModel] = ("ebreak",)
    # The table of the absorption is linear from one redshift to the next.
    kinks[models.EBLAbsorptionNormSpectralModel] = ("redshift",)
    return kinks


def why_not_smooth(datasets):
    """Say why the backend "newton" cannot fit the shapes and spectra of datasets.

    It can when the datasets are spectra or maps with the statistic "cash",
    "cash_weighted" or "wstat", and what is free are shapes of points, disks, shells,
    Gaussians and generalized Gaussians (in maps with a PSF in true energy), spectra of
    any sources, and spectra of backgrounds and templates of counts. A source in a
    spectrum must have a frozen shape, or none. Spectra are those on the list of
    ``smooth_spectra``, their sums and their products. Priors are Gaussian.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets with models.

    Returns
    -------
    reason : str
        The first reason found, such as "dataset 'run' has a PSF in reconstructed
        energy"; empty when there is none.

    Examples
    --------
    >>> from gammapy.datasets import MapDataset
    >>> from gammapy.maps import Map, MapAxis
    >>> from gammapy.modeling import why_not_smooth
    >>> from gammapy.modeling.models import BrokenPowerLawSpectralModel, SkyModel
    >>> from gammapy.modeling.models import FoVBackgroundModel, PointSpatialModel
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> counts = Map.create(npix=5, axes=[axis])
    >>> dataset = MapDataset(name="run", counts=counts, background=counts + 1.0)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> dataset.models.parameters["tilt"].frozen = False
    >>> why_not_smooth([dataset])
    ''
    >>> spectrum, shape = BrokenPowerLawSpectralModel(), PointSpatialModel()
    >>> model = SkyModel(spectral_model=spectrum, spatial_model=shape, name="src")
    >>> dataset.models = [model]
    >>> why_not_smooth([dataset])
    "'ebreak' of 'src' is free, where the spectrum has a kink"
    """
    datasets, parameters = _parse_datasets(datasets)
    return datasets._why_not_smooth(list(parameters.free_parameters))
