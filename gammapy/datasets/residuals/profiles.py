# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base class of residuals in rings and along a line."""

import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.maps.energy_bins import format_energy_range
from gammapy.utils.arguments import (
    check_bool,
    check_number,
    did_you_mean,
    parse_quantity,
    show,
)
from gammapy.utils.plotter import LazyPlotter
from ..core import local_datasets
from .bands import make_band
from .binned import BinnedResiduals
from .cells import PixelCells, sum_cells
from .checks import joint_stat_kind, log_without_models, parse_names
from .energies import bins_of_range, unit_of
from .grids import check_wcs, common_image_geom, image_slices

__all__ = []


class ProfileResiduals(BinnedResiduals):
    """Counts and model per bin of an angle on the sky.

    Parameters
    ----------
    edges : `~astropy.units.Quantity`
        Edges of the bins, shape (n_bins + 1,).
    arrays : dict of `~numpy.ndarray`
        Arrays of shape (n_bins,), as for `SpectralResiduals`.
    solid_angle : `~astropy.units.Quantity`
        Solid angle of the pixels of each bin that count, shape (n_bins,).
    energy_range : `~astropy.units.Quantity`
        First and last energy at which a dataset contributes.
    **kwargs
        ``npred_models``, ``datasets_names``, ``exclude``, ``parts`` and ``npred_err``,
        as for `SpectralResiduals`.
    """

    plotter = LazyPlotter("ProfileResidualsPlotter")

    #: What the bins are, for the axis of a plot.
    x_label = ""

    def __init__(self, edges, arrays, *, solid_angle, energy_range, **kwargs):
        super().__init__(arrays, **kwargs)
        self._edges = u.Quantity(edges).to("deg")
        self._solid_angle = u.Quantity(solid_angle).to("deg2")
        self._energy_range = u.Quantity(energy_range)

    @property
    def edges(self):
        """Edges of the bins in deg, a `~astropy.units.Quantity`."""
        return self._edges

    @property
    def solid_angle(self):
        """Solid angle in which a dataset contributes, per bin, in square degrees.

        Pixels that several datasets on one grid share count once. On several grids it
        is that of the dataset with the largest one.
        """
        return self._solid_angle

    @property
    def energy_range(self):
        """First and last energy at which a dataset contributes."""
        return self._energy_range

    def _bin_columns(self):
        low, high = self._edges[:-1], self._edges[1:]
        return {
            "x_min": low,
            "x_max": high,
            "x_ref": (low + high) / 2,
            "solid_angle": self._solid_angle,
        }

    def _bin_meta(self):
        return {
            "energy_range": self._energy_range.value.tolist(),
            "energy_unit": str(self._energy_range.unit),
            **self._place_meta(),
        }

    def _place_meta(self):
        """Where the bins are on the sky, plain data."""
        raise NotImplementedError

    @classmethod
    def _from_bins(cls, table, meta, *, arrays, **kwargs):
        low, high = table["x_min"].quantity, table["x_max"].quantity
        return cls(
            u.Quantity([*low, high[-1]]),
            arrays,
            solid_angle=table["solid_angle"].quantity,
            energy_range=u.Quantity(meta["energy_range"], meta["energy_unit"]),
            **cls._place_from_meta(meta),
            **kwargs,
        )

    def __str__(self):
        used = self.to_table("significance")[self.mask]
        energies = format_energy_range(*self._energy_range, self._energy_range.unit)
        return (
            f"{self.__class__.__name__}\n\n"
            f"  datasets_names : {self.datasets_names}\n"
            f"  energy range   : {energies}\n"
            f"  bins           : {len(used)} of {len(self.mask)}\n"
            f"  counts         : {np.sum(used['counts']):.0f}\n"
            f"  npred          : {np.sum(used['npred']):.2f}\n"
            f"  sum of ts      : {np.sum(used['sqrt_ts'] ** 2):.2f}\n"
        )


def profile_sums(
    source,
    edges,
    places,
    *,
    energy_min=None,
    energy_max=None,
    exclude=None,
    apply_mask=True,
    band=False,
    energy_unit=None,
):
    """Sums of datasets in bins of an angle.

    Parameters
    ----------
    source : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.MapDataset`
        Datasets as they were given.
    edges : `~astropy.units.Quantity`
        Edges of the bins.
    places : callable
        Gives the angle of each pixel of an image geometry in deg, NaN for a pixel that
        does not count, shape (n_lat, n_lon).
    energy_min, energy_max, exclude, apply_mask, band, energy_unit : optional
        As for `SpectralResiduals.from_datasets`.

    Returns
    -------
    kwargs : dict
        Arguments of `ProfileResiduals`.
    """
    apply_mask = check_bool("apply_mask", apply_mask)
    datasets = local_datasets(source)
    joint_stat_kind(datasets)
    exclude = parse_names(datasets, exclude)
    if "background" in datasets.models.names:
        raise ValueError("A component is named 'background': rename it.")
    for dataset in datasets:
        check_wcs(dataset)
        check_step(dataset, edges)
    bins = {
        dataset.name: bins_of_range(dataset, energy_min, energy_max)
        for dataset in datasets
    }
    labels = {
        dataset.name: _labels(dataset.counts.geom.to_image(), edges, places)
        for dataset in datasets
    }
    n_cells = len(edges) - 1
    if not any(np.any(image < n_cells) for image in labels.values()):
        raise ValueError(
            f"No pixel of {', '.join(datasets.names)} lies in the bins: is the "
            "position on the map?"
        )
    log_without_models(datasets)
    band = make_band(band, source, datasets, n_cells)
    sums = sum_cells(
        datasets,
        PixelCells(n_cells, labels),
        bins,
        exclude=exclude,
        apply_mask=apply_mask,
        band=band,
    )
    if not sums.used:
        raise ValueError(
            "All pixels of the datasets in the bins are masked, or have no finite "
            "model."
        )
    return {
        "edges": edges,
        "arrays": sums.sums,
        "solid_angle": _solid_angle(datasets, sums.used, labels, edges, places),
        "energy_range": sums.energies.to(unit_of(datasets, energy_unit)),
        "npred_models": sums.npred_models,
        "datasets_names": datasets.names,
        "exclude": exclude,
        "parts": sums.parts,
        "npred_err": None if band is None else band.npred_err,
    }


def _labels(geom, edges, places):
    """Bin of each pixel, the number of bins for one in none."""
    n_cells = len(edges) - 1
    x = places(geom)
    labels = np.searchsorted(edges.to_value("deg"), x, side="right") - 1
    return np.where(
        (labels >= 0) & np.isfinite(x), np.minimum(labels, n_cells), n_cells
    )


def _solid_angle(datasets, used, labels, edges, places):
    """Solid angle per bin in which a dataset contributes."""
    n_cells = len(edges) - 1

    def summed(geom, pixels, cells):
        weights = geom.solid_angle().to_value("deg2") * pixels
        return np.bincount(cells.ravel(), weights.ravel(), n_cells + 1)[:n_cells]

    images = {dataset.name: dataset.counts.geom.to_image() for dataset in datasets}
    try:
        geom = common_image_geom(datasets)
    except ValueError:  # no common grid
        found = [summed(images[name], used[name], labels[name]) for name in used]
        return np.max(found, axis=0) * u.deg**2
    seen = np.zeros(geom.data_shape, dtype=bool)
    for name, pixels in used.items():
        into, part = image_slices(geom, images[name])
        seen[into] |= pixels[part]
    return summed(geom, seen, _labels(geom, edges, places)) * u.deg**2


def regular_edges(low, high, step):
    """Edges from one angle to another, the last of which may lie beyond.

    Parameters
    ----------
    low, high, step : `~astropy.units.Quantity`
        First edge, angle that is to be reached, and width of the bins.

    Returns
    -------
    edges : `~astropy.units.Quantity`
        Edges in deg.
    """
    low, high, step = (angle.to_value("deg") for angle in (low, high, step))
    n_bins = max(int(np.ceil((high - low) / step * (1 - 1e-9))), 1)
    return (low + step * np.arange(n_bins + 1)) * u.deg


def check_step(dataset, edges):
    """Raise a ValueError when bins are smaller than the pixels of a dataset."""
    pixel = dataset.counts.geom.pixel_scales.to("deg").min()
    step = edges[1] - edges[0]
    if step < pixel * (1 - 1e-6):
        raise ValueError(
            f"Bins of {step:.3g} are smaller than the pixels of dataset "
            f"{dataset.name!r}, {pixel:.3g}: make them larger."
        )


def parse_angle(name, value):
    """An angle above 0 as a quantity; a ValueError that names the argument."""
    angle = parse_quantity(name, value, "deg")
    check_number(name, angle.to_value("deg"), above=0)
    return angle.to("deg")


def parse_position(name, value, datasets):
    """Position of coordinates, a model or the name of one.

    Parameters
    ----------
    name : str
        Argument.
    value : `~astropy.coordinates.SkyCoord`, `~gammapy.modeling.models.SkyModel` or str
        Position.
    datasets : `~gammapy.datasets.Datasets`
        Datasets with the models.

    Returns
    -------
    position : `~astropy.coordinates.SkyCoord`
        One position.
    """
    if isinstance(value, str):
        names = list(local_datasets(datasets).models.names)
        if value not in names:
            raise ValueError(
                f"{name}: there is no model named {value!r}"
                f"{did_you_mean(value, names)}; use one of {names}, or a SkyCoord."
            )
        value = local_datasets(datasets).models[value]
    position = value if isinstance(value, SkyCoord) else _position_of(name, value)
    if position is None or not position.isscalar:
        raise ValueError(f"{name}: expected one position, got {show(value)}.")
    return position


def _position_of(name, model):
    try:
        return model.position
    except AttributeError:
        raise TypeError(
            f"{name}: expected a SkyCoord, a model or the name of one, got "
            f"{show(model)}."
        ) from None


def position_to_meta(position):
    """Plain data of a position."""
    frame = position.frame.name
    position = position.spherical
    return {
        "frame": frame,
        "lon": float(position.lon.deg),
        "lat": float(position.lat.deg),
    }


def position_from_meta(meta):
    """Position that `position_to_meta` made plain data of."""
    return SkyCoord(meta["lon"], meta["lat"], unit="deg", frame=meta["frame"])
