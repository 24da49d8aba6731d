# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Numbers of a spectral energy distribution, as they are drawn."""

from dataclasses import dataclass
import numpy as np
import astropy.units as u

__all__ = []

#: Units of the flux, those that Gammapy draws with.
UNITS = {"dnde": "TeV-1 s-1 cm-2", "e2dnde": "erg s-1 cm-2"}
#: Energies at which the curve of the model is drawn.
N_CURVE = 200


@dataclass(frozen=True)
class SedPoints:
    """What is drawn of flux points.

    Parameters
    ----------
    energy, energy_err : `~numpy.ndarray`
        Reference energies, and the distances to both ends of the bins, shapes
        (n_energy,) and (2, n_energy).
    flux, flux_err, flux_ul : `~numpy.ndarray`
        Flux, lower and upper error (2, n_energy) and upper limit, NaN where unknown.
    is_low : `~numpy.ndarray`
        Points that are not significant: they are drawn as upper limits.
    """

    energy: np.ndarray
    energy_err: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    flux_ul: np.ndarray
    is_low: np.ndarray

    @classmethod
    def of(cls, flux_points, sed_type, energy_unit):
        """Numbers of flux points in these units."""
        axis = flux_points.energy_axis
        energy = axis.center.to_value(energy_unit)
        edges = axis.edges_min, axis.edges_max
        if axis.node_type == "center":
            edges = axis.center, axis.center
        bins = np.array([edge.to_value(energy_unit) for edge in edges])

        def values(suffix):
            if f"norm{suffix}" not in flux_points.available_quantities:
                return np.full(len(energy), np.nan)
            flux = getattr(flux_points, sed_type + suffix)
            return _plain(flux) * flux.unit.to(UNITS[sed_type])

        errors = values("_err")
        pairs = np.array([values("_errn"), values("_errp")])
        return cls(
            energy=energy,
            energy_err=np.abs(bins - energy),
            flux=values(""),
            flux_err=np.where(np.isfinite(pairs), pairs, errors),
            flux_ul=values("_ul"),
            is_low=_is_low(flux_points),
        )

    @property
    def is_limit(self):
        """Points that are drawn at their upper limit."""
        return self.is_low & np.isfinite(self.flux_ul)

    @property
    def energy_range(self):
        """Lower and upper end of the bins."""
        low, high = self.energy_err
        return np.min(self.energy - low), np.max(self.energy + high)

    def residuals(self, model):
        """Flux minus model in units of the error that reaches towards the model.

        Parameters
        ----------
        model : `~numpy.ndarray`
            Flux of the model at the reference energies.

        Returns
        -------
        residuals : `~numpy.ndarray`
            NaN where a point has no flux or no error.
        """
        difference = self.flux - model
        error = np.where(difference > 0, *self.flux_err)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(error > 0, difference / error, np.nan)


def _is_low(flux_points):
    """Points below the significance above which a flux is more than a limit."""
    threshold = flux_points.sqrt_ts_threshold_ul
    names = flux_points.available_quantities
    norm = _plain(flux_points.norm)
    is_low = np.isnan(norm)
    if flux_points.has_any_ts:
        is_low = is_low | (_plain(flux_points.sqrt_ts) < threshold)
    elif "norm_err" in names and "is_ul" not in names:
        # No test statistic: how many errors the flux is above 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            is_low = is_low | (norm / _plain(flux_points.norm_err) < threshold)
    if "is_ul" in names:
        is_low = is_low | _plain(flux_points.is_ul).astype(bool)
    return is_low


def _plain(quantity):
    """Numbers of a map, NaN where they are masked, as those of some tables are."""
    data = quantity.data
    if np.ma.isMaskedArray(data):
        data = data.filled(np.nan if data.dtype.kind == "f" else 0)
    return np.asarray(data).ravel()


@dataclass(frozen=True)
class SedCurve:
    """What is drawn of a model.

    Parameters
    ----------
    energy, flux : `~numpy.ndarray`
        Energies and flux, shapes (n,).
    band : `~numpy.ndarray` or None
        Lower and upper end of the 68 percent band, shape (2, n); None without a
        covariance.
    """

    energy: np.ndarray
    flux: np.ndarray
    band: np.ndarray

    @classmethod
    def of(cls, spectrum, energy_range, sed_type, energy_unit):
        """Numbers of a spectrum in these units."""
        energy = np.geomspace(*energy_range, N_CURVE)
        flux = model_flux(spectrum, energy, sed_type, energy_unit)
        band = None
        if np.any(np.diag(spectrum.covariance.data) > 0):
            quantities = energy * u.Unit(energy_unit)
            _, errn, errp = spectrum.evaluate_error(quantities)
            scale = _scale(quantities, sed_type)
            errors = [
                (error * scale).to_value(UNITS[sed_type]) for error in (errn, errp)
            ]
            band = np.array([flux - errors[0], flux + errors[1]])
        return cls(energy, flux, band)


def model_flux(spectrum, energy, sed_type, energy_unit):
    """Flux of a spectrum at energies.

    Parameters
    ----------
    spectrum : `~gammapy.modeling.models.SpectralModel`
        Spectrum.
    energy : `~numpy.ndarray`
        Energies.
    sed_type : str
        One of `UNITS`.
    energy_unit : `~astropy.units.Unit`
        Unit of the energies.

    Returns
    -------
    flux : `~numpy.ndarray`
        Flux in the unit of its type.
    """
    energy = energy * u.Unit(energy_unit)
    flux = spectrum(energy) * _scale(energy, sed_type)
    return flux.to_value(UNITS[sed_type])


def _scale(energy, sed_type):
    """What a differential flux is multiplied with."""
    return energy**2 if sed_type == "e2dnde" else 1
