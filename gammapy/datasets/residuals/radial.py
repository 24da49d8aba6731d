# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in rings around a position."""

from functools import partial
import astropy.units as u
from gammapy.utils.arguments import explain_options
from .profiles import (
    ProfileResiduals,
    parse_angle,
    parse_position,
    position_from_meta,
    position_to_meta,
    profile_sums,
    regular_edges,
)

__all__ = ["RadialResiduals"]


class RadialResiduals(ProfileResiduals):
    """Counts and model in rings around a position, for one or several datasets.

    Created by `RadialResiduals.from_datasets`.

    Parameters
    ----------
    edges : `~astropy.units.Quantity`
        Radii of the rings, shape (n_rings + 1,).
    arrays : dict of `~numpy.ndarray`
        Arrays of shape (n_rings,), as for `SpectralResiduals`.
    center : `~astropy.coordinates.SkyCoord`
        Centre of the rings.
    solid_angle : `~astropy.units.Quantity`
        Solid angle of the pixels of each ring that count, shape (n_rings,).
    energy_range : `~astropy.units.Quantity`
        First and last energy at which a dataset contributes.
    **kwargs
        ``npred_models``, ``datasets_names``, ``exclude``, ``parts`` and ``npred_err``,
        as for `SpectralResiduals`.
    """

    x_label = "Radius"

    def __init__(
        self,
        edges,
        arrays,
        *,
        center,
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
        self._center = center

    @classmethod
    @explain_options
    def from_datasets(
        cls,
        datasets,
        center,
        *,
        radius_max="1 deg",
        width="0.1 deg",
        energy_min=None,
        energy_max=None,
        exclude=None,
        apply_mask=True,
        band=False,
        energy_unit=None,
    ):
        """Compute the joint residuals of datasets in rings.

        A pixel belongs to the ring that contains its centre on the sky. For a ring that
        is partly masked or partly outside the maps, counts, predicted counts and solid
        angle are those of the remaining part.

        Parameters
        ----------
        datasets : `Datasets` or list of `~gammapy.datasets.MapDataset`
            Map datasets with or without off counts, or one dataset.
        center : `~astropy.coordinates.SkyCoord`, `SkyModel` or str
            Centre of the rings: a position, a component, or the name of a component.
        radius_max : `~astropy.units.Quantity` or str, optional
            Outer radius of the rings. Default is "1 deg".
        width : `~astropy.units.Quantity` or str, optional
            Width of the rings, at least one pixel. Default is "0.1 deg".
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range; bins outside are masked. Default is all energies.
        exclude : list of str, optional
            Names of model components to leave out of the model. Default is None.
        apply_mask : bool, optional
            Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.
        band : bool or `~gammapy.modeling.models.DatasetModels`, optional
            Whether to compute `npred_err`, see `SpectralResiduals.from_datasets`.
            Default is False.
        energy_unit : `~astropy.units.Unit` or str, optional
            Unit of the energies in tables, figures and texts. Default is that of the
            energy axis of the datasets, see `~gammapy.maps.energy_bins.energy_unit`.

        Returns
        -------
        residuals : `RadialResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the datasets mix statistics or are fully masked in the rings, if rings
            are narrower than a pixel, or if a name is unknown.
        TypeError
            If a dataset is not made of counts on a WCS map.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, RadialResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> residuals = RadialResiduals.from_datasets(
        ...     datasets, "Crab Nebula", radius_max="0.6 deg", width="0.2 deg"
        ... )
        >>> table = residuals.to_table("significance")
        >>> len(table), table["x_max"].unit
        (3, Unit("deg"))
        """
        center = parse_position("center", center, datasets)
        radius_max = parse_angle("radius_max", radius_max)
        edges = regular_edges(0 * u.deg, radius_max, parse_angle("width", width))
        sums = profile_sums(
            datasets,
            edges,
            partial(_separation, center),
            energy_min=energy_min,
            energy_max=energy_max,
            exclude=exclude,
            apply_mask=apply_mask,
            band=band,
            energy_unit=energy_unit,
        )
        return cls(center=center, **sums)

    @property
    def center(self):
        """Centre of the rings, a `~astropy.coordinates.SkyCoord`."""
        return self._center

    def _place_meta(self):
        return {"center": position_to_meta(self._center)}

    @classmethod
    def _place_from_meta(cls, meta):
        return {"center": position_from_meta(meta["center"])}


def _separation(center, geom):
    """Separation of each pixel in deg."""
    return geom.separation(center).to_value("deg")
