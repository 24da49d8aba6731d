# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""PS map: deviation of the spectrum at each position."""

import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.datasets.core import local_datasets
from gammapy.datasets.residuals.checks import (
    joint_stat_kind,
    log_without_models,
    parse_names,
)
from gammapy.datasets.residuals.energies import common_energy_axis, energy_groups
from gammapy.datasets.residuals.grids import common_image_geom
from gammapy.datasets.residuals.kernels import make_sky_kernel
from gammapy.datasets.residuals.sums import (
    JointSums,
    Selection,
    reduce_all,
    reduce_dataset,
)
from gammapy.maps import Map, MapAxis
from gammapy.maps.energy_bins import bins_within, format_energy_range
from gammapy.modeling.models.copies import copy_models
from gammapy.stats.deviation import deviation_log_p, log_p_to_sigma
from gammapy.stats.significance import compute_sqrt_ts
from gammapy.utils.arguments import (
    check_bool,
    check_n_jobs,
    check_number,
    explain_options,
    parse_quantity,
    show,
)
from .ps_map_result import PSMap

__all__ = ["PSMapEstimator"]


class PSMapEstimator:
    r"""Map of the probability of the spectrum at each position.

    At each position and in each energy bin, counts and predicted counts are summed
    within a radius that follows the PSF. p is the probability of a spectrum with the
    same or a larger :math:`-\sum_k \ln P(n_k | m_k)`, with the Poisson probability P
    (Bruel 2021, A&A 656, A81). It is computed from the exact cumulants, see
    `gammapy.stats.deviation`. The map has PS = -log10(p) with the sign of
    :math:`\sum_k (n_k - m_k) / \sqrt{\max(1, m_k)}`.

    Unlike a significance map of all energies together, it shows a model that predicts
    too many counts at low energies and too few at high energies. The effect of the fit
    and the errors of the model are not taken into account.

    Parameters
    ----------
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range; bins outside are masked. Default is all energies.
    energy_edges : `~astropy.units.Quantity` or list of str, optional
        Edges of the bins of the spectra, which must be edges of energy bins of each
        dataset. A deviation over a wide range is more significant in wide bins, for
        example of a factor of 1.6 to 2 (Bruel 2021). Default is None, the bins of the
        datasets.
    energy_unit : `~astropy.units.Unit` or str, optional
        Unit of the energies in tables, figures and texts. Default is that of the energy
        axis of the datasets, see `~gammapy.maps.energy_bins.energy_unit`.
    containment : float, optional
        Fraction of the PSF within the radius of each energy bin. The radius is the mean
        over the datasets, at the centres of their maps, and at least one pixel. Default
        is 0.68.
    radius : `~astropy.units.Quantity` or str, optional
        Radius for all energies, instead of ``containment``. Default is None.
    exclude : list of str, optional
        Names of model components to leave out of the model. Default is None.
    apply_mask : bool, optional
        Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.
    sigma_threshold : float, optional
        Deviation in sigma, before trials, above which the verdict is "does not fit".
        Default is 5.
    n_jobs : int, optional
        Number of processes that share the datasets. Default is
        `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is "multiprocessing".

    Raises
    ------
    ValueError, TypeError
        If an option is out of range or of the wrong kind.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import PSMapEstimator
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = PSMapEstimator(sigma_threshold=6).run(datasets)
    >>> result.ps.data.shape
    (1, 40, 50)
    """

    @explain_options
    def __init__(
        self,
        *,
        energy_min=None,
        energy_max=None,
        energy_edges=None,
        energy_unit=None,
        containment=0.68,
        radius=None,
        exclude=None,
        apply_mask=True,
        sigma_threshold=5,
        n_jobs=None,
        parallel_backend=None,
    ):
        self.energy_min = energy_min
        self.energy_max = energy_max
        self.energy_edges = energy_edges
        self.energy_unit = energy_unit
        self.containment = check_number("containment", containment, above=0)
        if containment >= 1:
            raise ValueError(
                f"containment: expected a share below 1, got {show(containment)}."
            )
        if radius is not None:
            radius = parse_quantity("radius", radius, "deg").to("deg")
            check_number("radius", float(radius.value), above=0)
        self.radius = radius
        self.exclude = exclude
        self.apply_mask = check_bool("apply_mask", apply_mask)
        self.sigma_threshold = check_number("sigma_threshold", sigma_threshold, above=0)
        self.n_jobs = check_n_jobs(n_jobs, parallel_backend)
        self.parallel_backend = parallel_backend

    def run(self, datasets):
        """Make the map of datasets.

        Parameters
        ----------
        datasets : `Datasets` or list of `~gammapy.datasets.MapDataset`
            Map datasets with a modelled background, or one dataset. They are not
            changed.

        Returns
        -------
        ps_map : `PSMap`
            Result.

        Raises
        ------
        ValueError
            If the datasets are not on one pixel grid, have a measured background, no
            PSF while no radius is given, or are fully masked, or if an energy edge or
            a name is not known.
        TypeError
            If a dataset is not made of counts on a WCS map.
        """
        datasets = local_datasets(datasets)
        if joint_stat_kind(datasets) == "wstat":
            raise ValueError(
                f"Datasets {datasets.names} have a measured background, whose "
                "distribution is not known: use SpatialResiduals for them."
            )
        exclude = parse_names(datasets, self.exclude)
        geom = common_image_geom(datasets)
        edges = self._edges(datasets)
        log_without_models(datasets)
        joint = self._sums(datasets, geom, Selection(edges, exclude, self.apply_mask))
        if not joint.energies:
            raise ValueError(
                "All bins of the datasets are masked within "
                f"{format_energy_range(*edges[[0, -1]], edges.unit)}, or have no "
                "finite model."
            )
        radii = self._radii(datasets, geom, edges)
        spectra = _within_radii(joint, geom, radii)
        arrays = _deviations(*spectra, joint.mask, edges)
        maps = _as_maps(arrays, geom, edges)
        notes = []
        if any(dataset.stat_type == "cash_weighted" for dataset in datasets):
            notes.append(
                "Weighted counts are treated as Poisson counts of the same variance."
            )
        return PSMap(
            _extremes(maps),
            self._meta(datasets, edges, radii, exclude),
            notes,
            maps=maps,
            models=copy_models(datasets.models),
        )

    def _edges(self, datasets):
        """Edges of the bins of the spectra."""
        options = (self.energy_min, self.energy_max, self.energy_edges)
        edges = energy_groups(datasets, *options, unit=self.energy_unit)
        if self.energy_edges is not None:
            return edges
        axis = common_energy_axis(datasets, unit=edges.unit)
        used = np.flatnonzero(bins_within(axis, edges[0], edges[-1]))
        return axis.edges[used[0] : used[-1] + 2]

    def _sums(self, datasets, geom, selection):
        """Images of the energy bins, summed over the datasets."""
        joint = JointSums(geom, n_groups=len(selection.edges) - 1)
        tasks = [(dataset, selection) for dataset in datasets]
        for reduced in reduce_all(
            reduce_dataset, tasks, self.n_jobs, self.parallel_backend
        ):
            joint.add(reduced)
        return joint

    def _radii(self, datasets, geom, edges):
        """Radius of each energy bin, a pixel at least."""
        energies = np.sqrt(edges[:-1] * edges[1:])
        pixel = geom.pixel_scales.to("deg").max()
        if self.radius is not None:
            radii = np.broadcast_to(self.radius, energies.shape, subok=True)
        else:
            found = [self._psf_radii(dataset, energies) for dataset in datasets]
            radii = np.mean(u.Quantity(found), axis=0)
        return np.maximum(radii, pixel)

    def _psf_radii(self, dataset, energies):
        """Radii that contain the given share of the PSF of a dataset."""
        if not hasattr(dataset.psf, "containment_radius"):
            raise ValueError(f"Dataset {dataset.name!r} has no PSF map: set radius.")
        position = dataset.counts.geom.center_skydir
        options = {dataset.psf.energy_name: energies, "position": position}
        radii = dataset.psf.containment_radius(self.containment, **options)
        radii = np.ravel(u.Quantity(radii).to("deg"))
        if not np.isfinite(radii).all():
            bad = energies[~np.isfinite(radii)][0]
            raise ValueError(
                f"The PSF of dataset {dataset.name!r} has no radius of "
                f"{self.containment:.0%} containment at {bad:.3g}: set radius."
            )
        return radii

    def _meta(self, datasets, edges, radii, exclude):
        return {
            "datasets_names": list(datasets.names),
            "energy_edges": edges.value.tolist(),
            "energy_unit": str(edges.unit),
            "radii": [float(radius) for radius in radii.to_value("deg")],
            "containment": None if self.radius is not None else self.containment,
            "exclude": exclude,
            "apply_mask": self.apply_mask,
            "sigma_threshold": self.sigma_threshold,
        }


def _within_radii(joint, geom, radii):
    """Counts and model of each bin within its radius, shapes (n_energy, n_lat, n_lon).

    Weighted counts are scaled to Poisson counts of the same relative variance.
    """
    kernels = {}
    spectra = {name: [] for name in ("counts", "npred", "variance")}
    for idx, radius in enumerate(radii):
        key = float(radius.value)
        if key not in kernels:
            kernels[key] = make_sky_kernel("tophat", radius, geom)
        for name, images in spectra.items():
            images.append(kernels[key].apply(joint.images[name][[idx]])[0])
    counts, npred, variance = (np.stack(images) for images in spectra.values())
    # Sums of weights 1 have the variance npred up to rounding.
    is_weighted = ~np.isclose(variance, npred) & (npred > 0)
    scale = np.where(is_weighted, variance / np.where(is_weighted, npred, 1), 1)
    return counts / scale, npred / scale


def _deviations(counts, npred, mask, edges):
    """Arrays of the maps, of shape (n_lat, n_lon), NaN where all is masked.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray`
        Spectra at each pixel, shape (n_energy, n_lat, n_lon).
    mask : `~numpy.ndarray` of bool
        Pixels that count, of the same shape.
    edges : `~astropy.units.Quantity`
        Edges of the energy bins.
    """
    shown = mask.any(axis=0)
    counts, npred = np.maximum(counts[:, shown], 0), np.maximum(npred[:, shown], 0)
    log_p = deviation_log_p(counts, npred)
    sum_of_residuals = np.sum((counts - npred) / np.sqrt(np.maximum(1, npred)), axis=0)
    sign = np.where(sum_of_residuals < 0, -1, 1)
    centers = np.sqrt(edges[:-1] * edges[1:]).to_value(edges.unit)
    worst = np.argmax(np.abs(np.nan_to_num(compute_sqrt_ts(counts, npred))), axis=0)
    values = {
        "ps": sign * -log_p / np.log(10),
        "sigma": sign * log_p_to_sigma(log_p),
        "worst_energy": centers[worst],
        "counts": counts.sum(axis=0),
        "npred": npred.sum(axis=0),
    }
    arrays = {name: np.full(shown.shape, np.nan) for name in values}
    for name, array in arrays.items():
        array[shown] = values[name]
    return arrays


def _as_maps(arrays, geom, edges):
    """Maps with one energy bin, by name."""
    axis = MapAxis.from_energy_edges(edges[[0, -1]], name="energy")
    cube = geom.to_cube([axis])
    units = {"worst_energy": edges.unit}
    return {
        name: Map.from_geom(cube, data=array[np.newaxis], unit=units.get(name, ""))
        for name, array in arrays.items()
    }


def _extremes(maps):
    """Table of the highest and the lowest place."""
    ps = maps["ps"].data[0]
    geom = maps["ps"].geom.to_image()
    rows = []
    for name, place in (("highest", np.nanargmax(ps)), ("lowest", np.nanargmin(ps))):
        j, i = np.unravel_index(place, ps.shape)
        lon, lat = (
            float(u.Quantity(c).to_value("deg")) for c in geom.pix_to_coord((i, j))
        )
        values = [float(map_.data[0, j, i]) for map_ in maps.values()]
        rows.append([name, lon, lat, *values])
    table = Table(rows=rows, names=["name", "lon", "lat", *maps])
    for name in ("lon", "lat"):
        table[name].unit = "deg"
    table["worst_energy"].unit = maps["worst_energy"].unit
    return table
