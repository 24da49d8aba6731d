# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reference models of flux estimates, whose fluxes have to be positive."""

import copy
import logging
import numpy as np
from gammapy.datasets import Datasets
from gammapy.modeling.models import Models

__all__ = []

log = logging.getLogger(__name__)


def with_opposite_sign(spectral_model, energies):
    """Copy of a spectrum whose fluxes have the opposite sign.

    Parameters
    ----------
    spectral_model : `~gammapy.modeling.models.SpectralModel`
        Spectrum, not changed.
    energies : `~astropy.units.Quantity`
        Energies at which the fluxes are compared.

    Returns
    -------
    spectral_model : `~gammapy.modeling.models.SpectralModel`
        Copy with one parameter, such as the amplitude, of opposite sign and its bounds
        exchanged. None when no parameter multiplies the spectrum.

    Examples
    --------
    >>> import astropy.units as u
    >>> from gammapy.estimators.reference import with_opposite_sign
    >>> from gammapy.modeling.models import PowerLawSpectralModel
    >>> deficit = PowerLawSpectralModel(amplitude="-2e-12 cm-2 s-1 TeV-1")
    >>> with_opposite_sign(deficit, [1, 10] * u.TeV).amplitude.value
    2e-12
    """
    expected = -spectral_model(energies)
    for idx, par in enumerate(spectral_model.parameters):
        if not par.value:
            continue
        opposite = spectral_model.copy()
        negated = opposite.parameters[idx]
        negated.min, negated.max = -par.max, -par.min
        negated.value = -par.value
        with np.errstate(all="ignore"):
            fluxes = opposite(energies)
        if np.allclose(fluxes.to_value(expected.unit), expected.value, atol=0):
            return opposite
    return None


def is_negative(spectral_model, energies):
    """Whether the fluxes of a spectrum are negative at all energies."""
    with np.errstate(all="ignore"):
        return bool(np.all(spectral_model(energies).value < 0))


def with_positive_reference(datasets, source, energies):
    """Datasets whose source has a positive spectrum, the same where it has.

    For a norm that multiplies a negative spectrum, the upper limit of the norm is the
    lower limit of the flux, and a deficit has a positive ``sqrt_ts``. With the opposite
    sign of the spectrum, the norm of a deficit is negative, and both are correct.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets, not changed.
    source : str or int
        Name or number of the source.
    energies : `~astropy.units.Quantity`
        Energies at which the spectrum is looked at.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        The datasets, or copies with another model of the source. A warning says so.
    """
    if not datasets.models:
        return datasets
    model = datasets.models[source]
    spectral_model = getattr(model, "spectral_model", None)
    if spectral_model is None or not is_negative(spectral_model, energies):
        return datasets
    opposite = with_opposite_sign(spectral_model, energies)
    if opposite is None:
        return datasets
    log.warning(
        f"The spectrum of {model.name!r} is negative. Its flux points have the "
        "spectrum of opposite sign as reference, so that norm and flux have the same "
        "sign."
    )
    positive = copy.copy(model)
    positive.spectral_model = opposite
    models = Models(
        [positive if other is model else other for other in datasets.models]
    )
    copies = [copy.copy(dataset) for dataset in datasets]
    for dataset in copies:
        dataset.models = models
    return Datasets(copies)
