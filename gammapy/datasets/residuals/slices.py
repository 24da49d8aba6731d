# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets along a line on the sky."""

from functools import partial
import numpy as np
import astropy.units as u
from astropy.coordinates import SkyOffsetFrame
from gammapy.utils.arguments import explain_options, parse_quantity
from .profiles import (
    ProfileResiduals,
    parse_angle,
    parse_position,
    position_from_meta,
    position_to_meta,
    profile_sums,
    regular_edges,
)

__all__ = ["SliceResiduals"]


class SliceResiduals(ProfileResiduals):
    """Counts and model along a line, for one or several datasets.

    Created by `SliceResiduals.from_datasets`.

    Parameters
    ----------
    edges : `~astropy.units.Quantity`
        Distances along the line from the origin, shape (n_bins + 1,).
    arrays : dict of `~numpy.ndarray`
        Arrays of shape (n_bins,), as for `SpectralResiduals`.
    origin : `~astropy.coordinates.SkyCoord`
        Position on the line where the distance is 0.
    angle : `~astropy.units.Quantity`
        Direction of the line there, from north to east in the frame of the origin.
    width : `~astropy.units.Quantity`
        Width of the bins across the line.
    solid_angle : `~astropy.units.Quantity`
        Solid angle of the pixels of each bin that count, shape (n_bins,).
    energy_range : `~astropy.units.Quantity`
        First and last energy at which a dataset contributes.
    **kwargs
        ``npred_models``, ``datasets_names``, ``exclude``, ``parts`` and ``npred_err``,
        as for `SpectralResiduals`.
    """

    x_label = "Distance along the line"

    def __init__(
        self,
        edges,
        arrays,
        *,
        origin,
        angle,
        width,
        solid_angle,
        energy_range,
        **kwargs,
    ):
        super().__init__(
            edges,
            arrays,
            solid_angle=solid_angle,
            energy_range=energy_range,
            **kwargs,
        )
        self._origin = origin
        self._angle = u.Quantity(angle)
        self._width = u.Quantity(width)

    @classmethod
    @explain_options
    def from_datasets(
        cls,
        datasets,
        *,
        start=None,
        end=None,
        center=None,
        angle=None,
        length=None,
        width="0.2 deg",
        step="0.1 deg",
        energy_min=None,
        energy_max=None,
        exclude=None,
        apply_mask=True,
        band=False,
        energy_unit=None,
    ):
        """Compute the joint residuals of datasets along a line.

        The line is part of a great circle. It is defined by ``start`` and ``end``, with
        distances from the start, or by ``center`` and ``angle``, with distances from
        the centre. A pixel belongs to the bin that contains its centre.

        Parameters
        ----------
        datasets : `Datasets` or list of `~gammapy.datasets.MapDataset`
            Map datasets with or without off counts, or one dataset.
        start, end : `~astropy.coordinates.SkyCoord`, `SkyModel` or str, optional
            Ends of the line: positions, components, or names of components. Default is
            None.
        center : `~astropy.coordinates.SkyCoord`, `SkyModel` or str, optional
            Centre of the line, instead of its ends. Default is None.
        angle : `~astropy.units.Quantity` or str, optional
            Direction of the line at the centre, from north to east in the frame of the
            centre. Default is None.
        length : `~astropy.units.Quantity` or str, optional
            Length of the line through the centre. Default is None.
        width : `~astropy.units.Quantity` or str, optional
            Full width of the bins across the line. Default is "0.2 deg".
        step : `~astropy.units.Quantity` or str, optional
            Length of the bins along the line, at least one pixel. The last bin may
            extend beyond the end. Default is "0.1 deg".
        energy_min, energy_max, exclude, apply_mask, band, energy_unit : optional
            As for `RadialResiduals.from_datasets`.

        Returns
        -------
        residuals : `SliceResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the line is not defined by two ends, or by centre, angle and length; if
            the datasets mix statistics or are fully masked along the line; if bins are
            smaller than a pixel; or if a name is unknown.
        TypeError
            If a dataset is not made of counts on a WCS map.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SliceResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> residuals = SliceResiduals.from_datasets(
        ...     datasets, center="Crab Nebula", angle="30 deg", length="1 deg"
        ... )
        >>> residuals.edges[[0, -1]].round(2)
        <Quantity [-0.5,  0.5] deg>
        """
        ends = {"start": start, "end": end}
        middle = {"center": center, "angle": angle, "length": length}
        origin, angle, low, high = _parse_line(datasets, ends, middle)
        width = parse_angle("width", width)
        edges = regular_edges(low, high, parse_angle("step", step))
        sums = profile_sums(
            datasets,
            edges,
            partial(_distance, origin, angle, width),
            energy_min=energy_min,
            energy_max=energy_max,
            exclude=exclude,
            apply_mask=apply_mask,
            band=band,
            energy_unit=energy_unit,
        )
        return cls(origin=origin, angle=angle, width=width, **sums)

    @property
    def origin(self):
        """Where the distance is 0, a `~astropy.coordinates.SkyCoord`."""
        return self._origin

    @property
    def angle(self):
        """Direction of the line at the origin, from north to east in its frame."""
        return self._angle

    @property
    def width(self):
        """Width of the bins across the line."""
        return self._width

    def _place_meta(self):
        return {
            "origin": position_to_meta(self._origin),
            "angle": float(self._angle.to_value("deg")),
            "width": float(self._width.to_value("deg")),
        }

    @classmethod
    def _place_from_meta(cls, meta):
        return {
            "origin": position_from_meta(meta["origin"]),
            "angle": meta["angle"] * u.deg,
            "width": meta["width"] * u.deg,
        }


def _parse_line(datasets, ends, middle):
    """Origin, direction, first and last distance of a line."""
    given = [
        all(value is not None for value in values.values()) for values in (ends, middle)
    ]
    n_given = sum(value is not None for value in (*ends.values(), *middle.values()))
    if n_given != 2 * given[0] + 3 * given[1] or sum(given) != 1:
        raise ValueError("Set start and end of the line, or center, angle and length.")
    if given[0]:
        start, end = (
            parse_position(name, value, datasets) for name, value in ends.items()
        )
        length = start.separation(end).to("deg")
        if not length > 0 * u.deg:
            raise ValueError("start, end: expected two positions, got the same one.")
        angle = start.position_angle(end.transform_to(start.frame)).to("deg")
        return start, u.Quantity(angle), 0 * u.deg, length
    origin = parse_position("center", middle["center"], datasets)
    angle = parse_quantity("angle", middle["angle"], "deg").to("deg")
    half = parse_angle("length", middle["length"]) / 2
    return origin, angle, -half, half


def _distance(origin, angle, width, geom):
    """Distance along the line in deg, NaN for pixels that are not beside it."""
    # The line is the equator of this frame.
    frame = SkyOffsetFrame(origin=origin.frame, rotation=angle - 90 * u.deg)
    pixels = geom.get_coord().skycoord.transform_to(frame)
    across = np.abs(pixels.lat.deg) <= width.to_value("deg") / 2 * (1 + 1e-9)
    return np.where(across, pixels.lon.wrap_at("180d").deg, np.nan)
