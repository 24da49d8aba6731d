# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nearest component of the model, and nearest source of a catalogue."""

import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.catalog import SourceCatalog
from gammapy.modeling.models.backgrounds import is_on_sky
from gammapy.utils.arguments import check_type, show

__all__ = ["nearest_component"]


def nearest_component(position, models):
    """Component of a model that is nearest to a position.

    Parameters
    ----------
    position : `~astropy.coordinates.SkyCoord`
        Position.
    models : `~gammapy.modeling.models.Models` or None
        Models. Backgrounds and models without a position are ignored.

    Returns
    -------
    name : str
        Name, "" without any component.
    separation : float
        Separation in deg, NaN without any.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from gammapy.diagnostics import nearest_component
    >>> from gammapy.modeling.models import Models
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> models = Models.read(f"{path}_models.yaml")
    >>> position = SkyCoord(184.6, -5.0, unit="deg", frame="galactic")
    >>> name, separation = nearest_component(position, models)
    >>> name, round(separation, 1)
    ('Crab Nebula', 0.8)
    """
    found = [
        (float(position.separation(model.position).deg), model.name)
        for model in models or []
        if hasattr(getattr(model, "spatial_model", None), "lon_0") and is_on_sky(model)
    ]
    separation, name = min(found, default=(float("nan"), ""))
    return name, separation


def catalog_positions(catalog):
    """Names and positions of the sources of a catalogue.

    Parameters
    ----------
    catalog : `~gammapy.catalog.SourceCatalog`
        Catalogue.

    Returns
    -------
    names : list of str
        Names.
    positions : `~astropy.coordinates.SkyCoord`
        Positions.

    Raises
    ------
    TypeError
        If ``catalog`` is not a catalogue.
    ValueError
        If it has no positions, or no sources.
    """
    check_type("catalog", catalog, SourceCatalog, "a SourceCatalog of gammapy.catalog")
    if not len(catalog.table):
        raise ValueError(f"catalog: {show(catalog.tag)} has no sources.")
    try:
        positions = SkyCoord(catalog.positions)
        is_known = np.isfinite(positions.data.lon) & np.isfinite(positions.data.lat)
    except (AttributeError, KeyError, TypeError, ValueError):
        is_known = np.zeros(1, dtype=bool)
    if not np.any(is_known):
        raise ValueError(
            f"catalog: {show(catalog.tag)} has no positions; its table needs the "
            "columns RAJ2000 and DEJ2000, or RA and DEC."
        )
    return [catalog.source_name(idx) for idx in range(len(catalog.table))], positions


def nearest_source(position, names, positions):
    """Name and separation in deg of the source of a catalogue next to a position."""
    separations = position.separation(positions).deg
    idx = int(np.nanargmin(separations))
    return names[idx], float(separations[idx])
