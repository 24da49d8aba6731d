# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Titles of figures of residuals: region, statistic and p-value."""

import astropy.units as u
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseSkyRegion,
    PointSkyRegion,
    RectangleSkyRegion,
)

__all__ = []

#: Least p-value that is written as a number.
P_MIN = 1e-300
#: Names of the coordinates of a frame; others are those of ICRS.
COORDINATES = {"galactic": "l, b"}


def spectrum_title(residuals):
    """Title of residuals against energy, on two lines.

    Parameters
    ----------
    residuals : `~gammapy.datasets.SpectralResiduals`
        Residuals.

    Returns
    -------
    title : str
        Region, then the statistic and the sum over the bins with its p-value.
    """
    if residuals.region is None and residuals.is_of_spectra:
        where = "on region"
    else:
        where = region_text(residuals.region)
    return f"{where}\n{sum_text(residuals)}"


def sum_text(residuals):
    """Statistic, sum of the squares of the significance, and its p-value.

    Parameters
    ----------
    residuals : `~gammapy.datasets.residuals.binned.BinnedResiduals`
        Residuals.

    Returns
    -------
    text : str
        Text.
    """
    n_bins = int(residuals.mask.sum())
    bins = f"{n_bins} bin" + "s" * (n_bins != 1)
    return (
        f"{_stat_name(residuals)}, sum of ts {residuals.sum_ts:.1f} in {bins}, "
        f"{_p_value_text(residuals.p_value)}"
    )


def _p_value_text(p_value):
    """Text of a p-value; floating-point numbers end at 1e-308."""
    return f"p = {p_value:.2g}" if not p_value < P_MIN else f"p < {P_MIN:g}"


def _stat_name(residuals):
    if residuals.is_on_off:
        return "wstat"
    return "cash_weighted" if residuals.is_weighted else "cash"


def region_text(region):
    """Shape, size and centre of a region as text.

    Parameters
    ----------
    region : `~regions.SkyRegion` or None
        Region, None for all pixels.

    Returns
    -------
    text : str
        Text such as "circle of 0.5 deg at l, b = 344.20, -0.15 deg".
    """
    if region is None:
        return "all pixels"
    if isinstance(region, CircleSkyRegion):
        shape = f"circle of {_degrees(region.radius)} deg"
    elif isinstance(region, CircleAnnulusSkyRegion):
        radii = _degrees(region.inner_radius), _degrees(region.outer_radius)
        shape = "annulus of {} to {} deg".format(*radii)
    elif isinstance(region, (EllipseSkyRegion, RectangleSkyRegion)):
        name = "ellipse" if isinstance(region, EllipseSkyRegion) else "rectangle"
        sizes = _degrees(region.width), _degrees(region.height)
        shape = "{} of {} x {} deg".format(name, *sizes)
    elif isinstance(region, PointSkyRegion):
        shape = "point"
    else:
        return f"region of the type {region.__class__.__name__}"
    return f"{shape} at {_position_text(region.center)}"


def _degrees(angle):
    """Size of a region."""
    return f"{u.Quantity(angle).to_value('deg'):.3g}"


def _position_text(position):
    names = COORDINATES.get(position.frame.name)
    if names is None:
        position, names = position.icrs, "RA, Dec"
    lon, lat = position.data.lon.deg, position.data.lat.deg
    return f"{names} = {lon:.2f}, {lat:.2f} deg"
