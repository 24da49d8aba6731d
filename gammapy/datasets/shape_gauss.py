# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaussian shape on the sphere, from plain arrays."""

import numpy as np

__all__ = []


class GaussianOnSphere:
    """Gaussian spatial model at fixed directions.

    It gives the values of `~gammapy.modeling.models.GaussianSpatialModel`, whose
    definition is in the documentation of that model, in a fraction of the time: no
    units, and directions that are vectors, turned into the frame of the ellipse.

    Parameters
    ----------
    lon, lat : `~astropy.units.Quantity`
        Directions in the frame of the model, two arrays that can be broadcast.
    """

    def __init__(self, lon, lat):
        lon, lat = np.broadcast_arrays(lon.to_value("rad"), lat.to_value("rad"))
        self.shape = lon.shape
        self._vectors = np.stack([vector.ravel() for vector in _vectors(lon, lat)])

    def __call__(self, model):
        """Values of a model, per sr.

        Parameters
        ----------
        model : `~gammapy.modeling.models.GaussianSpatialModel`
            Model.

        Returns
        -------
        values : `~numpy.ndarray`
            Values, shape of the directions.
        """
        names = ("lon_0", "lat_0", "sigma", "phi")
        lon_0, lat_0, sigma, phi = (
            getattr(model, name).quantity.to_value("rad") for name in names
        )
        along, across, towards = _axes(lon_0, lat_0, phi) @ self._vectors
        # 1 - cos(r) of the distance r from the centre, without a loss of digits.
        squares = along**2, across**2
        height = (squares[0] + squares[1]) / (1 + towards)
        eccentricity = model.e.value
        if eccentricity == 0:
            scale = _height(sigma)
            norm = 1 / (4 * np.pi * scale * -np.expm1(-1 / scale))
        else:
            minor = sigma * np.sqrt(1 - eccentricity**2)
            scale = _height(_width(*squares, sigma, minor))
            norm = 1 / (2 * np.pi * sigma * minor)
        return (norm * np.exp(-0.5 * height / scale)).reshape(self.shape)


def _height(angle):
    """1 - cos, without a loss of digits at small angles."""
    return 2 * np.sin(0.5 * angle) ** 2


def _width(along, across, major, minor):
    """Width of an ellipse in directions with squared components."""
    lengths = along + across
    below = major**2 * across + minor**2 * along
    is_centre = below == 0
    ratio = np.where(is_centre, 1.0, lengths) / np.where(is_centre, minor**2, below)
    return major * minor * np.sqrt(ratio)


def _vectors(lon, lat):
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def _axes(lon, lat, phi):
    """Unit vectors along the major axis, across it, and to the centre."""
    to_north = np.array(
        [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    )
    to_east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    along = np.cos(phi) * to_north + np.sin(phi) * to_east
    across = np.sin(phi) * to_north - np.cos(phi) * to_east
    return np.stack([along, across, np.array(_vectors(lon, lat))])
