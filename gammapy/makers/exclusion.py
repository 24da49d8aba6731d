# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Exclusion masks found in the data themselves."""

import logging
from functools import partial
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets, MapDataset
from gammapy.datasets.core import local_datasets
from gammapy.datasets.residuals.checks import joint_stat_kind
from gammapy.datasets.residuals.energies import bins_of_range
from gammapy.datasets.residuals.grids import common_image_geom, image_slices, place
from gammapy.datasets.residuals.kernels import make_sky_kernel
from gammapy.datasets.residuals.planes import iter_planes, joint_alpha
from gammapy.datasets.residuals.sky_geometry import sky_mask
from gammapy.maps import Map
from gammapy.maps.energy_bins import parse_energy_range
from gammapy.modeling.fit_log import show_value
from gammapy.modeling.models.backgrounds import is_background
from gammapy.stats.residuals import compute_sqrt_ts_on_off
from gammapy.utils.arguments import (
    check_integer,
    check_number,
    explain_options,
    parse_quantity,
    show,
)
from gammapy.utils.parallel import run_multiprocessing
from gammapy.utils.pbar import progress_bar
from .exclusion_result import ExclusionMaskResult, rounds_table
from .exclusion_sky import (
    dilate,
    hysteresis,
    label_regions,
    measure_rings,
    solid_angle,
    used_pixels,
    warn_of_rings,
)
from .groups import OneRunAtATime, check_reduction

__all__ = ["ExclusionMaskMaker", "ExclusionMaskResult"]

log = logging.getLogger(__name__)

LABEL = "exclusion_mask"


class ExclusionMaskMaker:
    """Find the regions to exclude from a background measurement.

    Each round measures the background in a ring around each position, outside the
    excluded regions. It excludes pixels whose significance is above ``threshold_high``,
    and connected pixels above ``threshold_low``. The search ends when no new pixels are
    found. Pixels that are excluded stay excluded.

    In cylindrical projections, discs, rings and margins are defined on the sky. In
    other projections, one warning says where they are wrong by more than 5 percent in
    solid angle. Positions without a ring are not searched. Another warning gives their
    number.

    Parameters
    ----------
    correlation_radius : `~astropy.units.Quantity` or str, optional
        Radius within which counts are summed for the significance. Default is
        "0.1 deg".
    r_in, width : `~astropy.units.Quantity` or str, optional
        Inner radius and width of the ring. The inner radius should be larger than the
        sources. Default is "0.5 deg" and "0.3 deg".
    threshold_high, threshold_low : float, optional
        Significances in standard deviations. Default is 5 and 3.
    dilation : `~astropy.units.Quantity` or str, optional
        Margin around the regions that are found. Default is "0 deg".
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range. Bins inside the range are used. Default is all energies.
    n_rounds_max : int, optional
        Largest number of rounds. Default is 10.
    mask : `~gammapy.maps.WcsNDMap`, optional
        Exclusion mask to start with, False in regions that are always excluded. Default
        is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.makers import ExclusionMaskMaker, FoVBackgroundMaker
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> maker = ExclusionMaskMaker(energy_max="0.1 TeV", dilation="0.1 deg")
    >>> result = maker.run(datasets)
    >>> maker = FoVBackgroundMaker(exclusion_mask=result.mask)
    """

    @explain_options
    def __init__(
        self,
        correlation_radius="0.1 deg",
        r_in="0.5 deg",
        width="0.3 deg",
        *,
        threshold_high=5,
        threshold_low=3,
        dilation="0 deg",
        energy_min=None,
        energy_max=None,
        n_rounds_max=10,
        mask=None,
    ):
        self.correlation_radius = _parse_angle("correlation_radius", correlation_radius)
        self.r_in = _parse_angle("r_in", r_in)
        self.width = _parse_angle("width", width)
        self.threshold_high = threshold_high
        self.threshold_low = threshold_low
        self.dilation = _parse_angle("dilation", dilation)
        self.energy_min, self.energy_max = parse_energy_range(energy_min, energy_max)
        self.n_rounds_max = n_rounds_max
        self.mask = mask
        self._check()

    def _check(self):
        """Raise an error that names the option that is not valid."""
        if not (self.width > 0 * u.deg and self.dilation >= 0 * u.deg):
            raise ValueError(
                "width, dilation: expected above 0, and at least 0, "
                f"got {self.width}, {self.dilation}."
            )
        if not 0 * u.deg < self.correlation_radius <= self.r_in:
            raise ValueError(
                f"correlation_radius {self.correlation_radius} is not between 0 and "
                f"r_in {self.r_in}: the ring must be outside the correlation radius."
            )
        for name in ("threshold_low", "threshold_high"):
            check_number(name, getattr(self, name), above=0)
        if not 0 < self.threshold_low <= self.threshold_high:
            raise ValueError(
                f"threshold_low {self.threshold_low} is not between 0 and "
                f"threshold_high {self.threshold_high}."
            )
        check_integer("n_rounds_max", self.n_rounds_max)
        if self.mask is not None and not getattr(self.mask, "is_mask", False):
            raise TypeError(
                "mask: expected a boolean map, False in excluded regions, got "
                f"{show(self.mask)}."
            )

    def run(self, datasets):
        """Find the exclusion mask of datasets, jointly.

        The masks of each dataset and the energy range apply before the sums. Each
        dataset has its own rings, whose counts and acceptances are added. Source models
        are ignored. The background of each dataset is its acceptance.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.MapDataset`
            Datasets with counts and background on one pixel grid, a list of them, or
            one dataset. They are not changed.

        Returns
        -------
        result : `ExclusionMaskResult`
            Mask, significance, and a table of the rounds.

        Raises
        ------
        ValueError
            If the datasets are not on one pixel grid, are fully masked, or have no
            background, and if no position has a ring.
        TypeError
            If a dataset is not a map dataset, or has off counts.
        """
        datasets = local_datasets(datasets)
        _check_datasets(datasets)
        return self._find(
            [
                _image_dataset(dataset, self.energy_min, self.energy_max)
                for dataset in progress_bar(datasets, desc="Exclusion mask")
            ]
        )

    def run_observations(self, observations, reference, makers, **options):
        """Find the exclusion mask of observations, which are reduced one at a time.

        One observation is in memory at a time (one per process with ``n_jobs``), and
        images of counts and background of all observations.

        Parameters
        ----------
        observations : `~gammapy.data.Observations`
            Observations.
        reference : `~gammapy.datasets.MapDataset`
            Empty dataset with the geometries. It is not changed.
        makers : list of `~gammapy.makers.Maker`
            Makers of a dataset with counts and background, and its safe mask.
        **options
            Options of `~gammapy.makers.DatasetsMaker`, such as ``n_jobs`` and
            ``cutout_width``.

        Returns
        -------
        result : `ExclusionMaskResult`
            Mask, significance, and a table of the rounds.

        Raises
        ------
        ValueError
            If there are no observations or makers, no observation reaches into the
            geometry, or as `ExclusionMaskMaker.run`.
        TypeError
            If an argument is of the wrong kind, or an option is not known.

        Examples
        --------
        >>> from gammapy.data import DataStore
        >>> from gammapy.datasets import MapDataset
        >>> from gammapy.makers import ExclusionMaskMaker
        >>> from gammapy.makers import MapDatasetMaker, SafeMaskMaker
        >>> from gammapy.maps import MapAxis, WcsGeom
        >>> store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
        >>> observations = store.get_observations([20136, 20137])
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
        >>> center = (228.5, -59.2)
        >>> geom = WcsGeom.create(skydir=center, width=4, binsz=0.05, axes=[axis])
        >>> reference = MapDataset.create(geom, name="image")
        >>> makers = [MapDatasetMaker(selection=["counts", "background"])]
        >>> makers += [SafeMaskMaker(methods=["offset-max"], offset_max="2 deg")]
        >>> maker = ExclusionMaskMaker(dilation="0.1 deg")
        >>> result = maker.run_observations(observations, reference, makers)
        >>> result.mask.data.dtype
        dtype('bool')
        """
        check_reduction("run_observations", observations, reference, makers, options)
        maker = OneRunAtATime(makers, stack_datasets=False, **options)
        images = run_multiprocessing(
            partial(_make_image, maker, reference, self.energy_min, self.energy_max),
            [(observation,) for observation in observations],
            backend=maker.parallel_backend,
            pool_kwargs={"processes": min(maker.n_jobs, len(observations))},
            task_name="Exclusion mask",
        )
        images = [image for image in images if image is not None]
        if not images:
            raise ValueError("No observation reaches into the reference geometry.")
        return self._find(images)

    def _find(self, images):
        """Exclusion mask of images, round by round."""
        geom = common_image_geom(images)
        used = used_pixels(images, geom)
        kernel = make_sky_kernel("tophat", self.correlation_radius, geom)
        warn_of_rings(geom, used, self.r_in + self.width)
        start = self._start(geom)
        found = np.zeros(geom.data_shape, dtype=bool)
        rows, is_stable = [], False
        while not is_stable and len(rows) < self.n_rounds_max:
            mask = Map.from_geom(geom, data=~self._excluded(start, found, geom))
            shown = progress_bar(images, desc=f"Exclusion mask, round {len(rows) + 1}")
            sqrt_ts = self._significance(shown, mask, kernel)
            larger = found | hysteresis(
                sqrt_ts, geom, self.threshold_low, self.threshold_high
            )
            is_stable = np.array_equal(larger, found)
            excluded = self._excluded(start, larger, geom)
            rows.append(_round_row(len(rows) + 1, excluded, mask, sqrt_ts))
            found = larger
        if not is_stable:
            log.warning(
                f"The exclusion mask still grows after {self.n_rounds_max} rounds: "
                "increase n_rounds_max, or use a wider ring."
            )
        self._warn_without_ring(used & ~excluded, sqrt_ts)
        return ExclusionMaskResult(
            mask=Map.from_geom(geom, data=~excluded),
            sqrt_ts=Map.from_geom(geom, data=sqrt_ts),
            rounds=rounds_table(rows),
            is_stable=is_stable,
        )

    def _warn_without_ring(self, searched, sqrt_ts):
        """Say how many of the positions to search have no ring."""
        n_without = np.sum(searched & np.isnan(sqrt_ts))
        if n_without:
            log.warning(
                f"{n_without} of {searched.sum()} positions have no ring of "
                f"{self.r_in} with the width {self.width} inside the maps and outside "
                "the excluded regions and are not searched. Use a smaller r_in or "
                "a larger width."
            )

    def _start(self, geom):
        """Pixels that are excluded whatever the data say."""
        if self.mask is None:
            return np.zeros(geom.data_shape, dtype=bool)
        mask = self.mask
        if not mask.geom.is_image:
            mask = mask.reduce_over_axes(func=np.logical_and)
        # Beyond the mask nothing is known, so nothing is excluded.
        return mask.get_by_coord({"skycoord": geom.get_coord().skycoord}) == 0

    def _excluded(self, start, found, geom):
        """Pixels of the sky that are excluded."""
        excluded = start | dilate(found, geom, self.dilation)
        on_sky = sky_mask(geom)
        return excluded if on_sky is None else excluded & on_sky

    def _significance(self, images, mask, kernel):
        """Joint significance of the excess over the rings, NaN without a ring."""
        sums = 0
        for image in images:
            off = measure_rings(image, self.r_in, self.width, mask)
            sums = sums + _place_sums(image, off, mask.geom)
        sums = dict(zip(SUMMED, sums, strict=True))
        has_ring = sums.pop("coverage") > 0
        if not has_ring.any():
            raise ValueError(
                f"No position has a ring of {self.r_in} with the width {self.width} "
                "inside the maps and outside the excluded regions; use a smaller r_in."
            )
        summed = kernel.apply(np.stack([*sums.values()]))
        summed = dict(zip(sums, summed, strict=True))
        # The rings of neighbours share their counts: of the off counts there is one
        # ring, of all else the sum.
        n_pixels = kernel.apply(has_ring[np.newaxis].astype(float))[0]
        for name in ("counts_off", "acceptance_off"):
            summed[name] = summed[name] / np.where(n_pixels > 0, n_pixels, 1)
        arrays = {name: np.where(has_ring, summed[name], np.nan) for name in summed}
        alpha = joint_alpha(arrays)
        return compute_sqrt_ts_on_off(arrays["counts"], arrays["counts_off"], alpha, 0)


#: What is added of all datasets; the off counts times alpha are the background.
SUMMED = (
    "counts",
    "npred_background",
    "counts_off",
    "acceptance",
    "acceptance_off",
    "coverage",
)


def _parse_angle(name, value):
    return parse_quantity(name, value, "deg").to("deg")


def _check_datasets(datasets):
    if joint_stat_kind(datasets) == "wstat":
        raise TypeError(
            f"Datasets {', '.join(datasets.names)} have off counts: use datasets "
            "before a ring background is applied."
        )
    for dataset in datasets:
        if dataset.background is None:
            raise ValueError(
                f"Dataset {dataset.name!r} has no background, which is needed as the "
                "acceptance."
            )


def _make_image(maker, reference, energy_min, energy_max, observation):
    """Image of an observation, None when it is outside the reference geometry."""
    dataset = maker.make_dataset(reference, observation)
    if dataset is None:
        return None
    _check_datasets(Datasets([dataset]))
    return _image_dataset(dataset, energy_min, energy_max)


def _image_dataset(dataset, energy_min, energy_max):
    """Counts and background inside the masks and the energy range as one image."""
    axis = dataset.counts.geom.axes["energy"]
    bins = bins_of_range(dataset, energy_min, energy_max)
    sources = [model.name for model in dataset.models or [] if not is_background(model)]
    geom = dataset.counts.geom.to_image().to_cube([axis.squash()])
    counts, background, used = np.zeros((3, *geom.data_shape))
    for plane in iter_planes(dataset, bins, exclude=sources):
        counts[0] += plane.weights * plane.counts
        background[0] += plane.weights * plane.npred_background
        used[0] += plane.weights
    return MapDataset(
        counts=Map.from_geom(geom, data=counts),
        background=Map.from_geom(geom, data=background),
        mask_safe=Map.from_geom(geom, data=used > 0),
        name=dataset.name,
    )


def _place_sums(image, off, geom):
    """Arrays of an image and its rings in those of a larger one, 0 without a ring."""
    used = image.mask_safe.data[0] & (off["acceptance_off"] > 0)
    acceptance = image.background.data[0]
    alpha = np.divide(acceptance, off["acceptance_off"], where=used, out=0 * acceptance)
    arrays = {
        "counts": image.counts.data[0],
        "npred_background": alpha * off["counts_off"],
        "acceptance": acceptance,
        "coverage": used,
        **off,
    }
    sums = np.stack([np.where(used, arrays[name], 0.0) for name in SUMMED])
    return place(
        sums, geom.data_shape, *image_slices(geom, image.counts.geom.to_image())
    )


def _round_row(number, excluded, mask, sqrt_ts):
    """Row of the table of rounds, which is logged, too."""
    outside = sqrt_ts[~excluded & np.isfinite(sqrt_ts)]
    row = {
        "round": number,
        "n_pixels": int(excluded.sum()),
        "n_new": int(np.sum(excluded & mask.data)),
        "n_regions": int(label_regions(excluded, mask.geom)[1]),
        "area": np.sum(solid_angle(mask.geom)[excluded]) * u.deg**2,
        "mean": float(outside.mean()) if outside.size else np.nan,
        "std": float(outside.std()) if outside.size else np.nan,
        "max": float(outside.max()) if outside.size else np.nan,
    }
    words = [f"{name}={show_value(value)}" for name, value in row.items()]
    log.info(" ".join([LABEL, *words]))
    return row
