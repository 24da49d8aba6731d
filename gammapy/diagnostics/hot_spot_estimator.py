# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Search for hot spots."""

import logging
import numpy as np
from scipy.special import ndtr
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.datasets import SpatialResiduals
from gammapy.datasets.residuals.kernels import KERNELS
from gammapy.maps import Map
from gammapy.modeling.models import SkyModel
from gammapy.utils.arguments import (
    check_bool,
    check_integer,
    check_list,
    check_n_jobs,
    check_number,
    check_type,
    explain_options,
    parse_quantity,
)
from .hot_spots import HotSpots
from .noise_toys import P_CHECK, NoiseToys, Trials
from .peaks import find_peaks, merge_peaks
from .positions import catalog_positions, nearest_component, nearest_source
from .scan_maps import find_kernels, make_scan
from .spot_sources import AMPLITUDE, Spot, SpotSource, fit_sources

__all__ = ["HotSpotEstimator"]

log = logging.getLogger(__name__)

#: Radii of a search around the radius of maps, in units of it, and the largest in units
#: of the width of the maps.
FACTORS, LARGEST = (1, 2, 4), 0.25


class HotSpotEstimator:
    """Find hot spots, positions where counts and model differ, at several scales.

    The significance of `~gammapy.datasets.SpatialResiduals` is computed for each
    kernel, correlation radius and energy group. Overlapping peaks of the same sign are
    one spot, at the scale, kernel and group of its highest significance. The
    probability that noise has such a spot at any position is computed from toys:
    Poisson counts of the model, within the masks. For smooth kernels it is 1 - exp(-E),
    where E is the expected Euler characteristic of the set of positions with at least
    this significance in any of the maps (Vitells & Gross 2011, Astropart. Phys. 35,
    230). E is fitted to the toys, so high significances do not need more toys. For
    top-hats, whose maxima are discrete, the maxima are compared with those of the toys.
    Beyond the highest maximum of the toys, the Poisson probabilities of all pixels are
    added, which is conservative.

    The model is not fitted again. Spots beside a bright spot may be a part of it: add a
    source at the highest spot, fit, and search again.

    Parameters
    ----------
    kernel : str, `~gammapy.modeling.models.SkyModel`, `~gammapy.maps.Map` or list
        Kernels of `~gammapy.datasets.SpatialResiduals.from_datasets`, one or several.
        Default is "gauss".
    correlation_radii : `~astropy.units.Quantity` or list of str, optional
        Radii for kernels with a radius, not below the size of a pixel. Default is 0.1,
        0.2 and 0.4 deg.
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range. Default is all energies.
    energy_edges : `~astropy.units.Quantity` or list of str, optional
        Edges of energy groups that are searched in addition to all energies together.
        They must be edges of bins of each dataset. Default is none.
    energy_unit : `~astropy.units.Unit` or str, optional
        Unit of the energies in tables, figures and texts. Default is that of the energy
        axis of the datasets, see `~gammapy.maps.energy_bins.energy_unit`.
    threshold : float, optional
        Lowest significance of a spot, of either sign, in sigma. Default is 4.
    n_toys : int, optional
        Number of toys. With 0, ``p_global`` is not known. Default is 100.
    random_state : int, optional
        Seed of the toys. Default is None: a random seed, which is stored in the result.
    catalog : `~gammapy.catalog.SourceCatalog`, optional
        Catalogue to search for the nearest source. Default is None.
    exclude : list of str or of models, optional
        Components to leave out of the model. Default is None.
    apply_mask : bool, optional
        Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.
    n_jobs : int, optional
        Number of processes for the datasets and the toys. It does not change the
        result. Default is `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is "multiprocessing".

    Raises
    ------
    ValueError
        If an option is out of range or a catalogue has no positions.
    TypeError
        If an option is of the wrong kind.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import HotSpotEstimator
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(f"{path}_datasets.yaml")  # without any model
    >>> estimator = HotSpotEstimator(correlation_radii=["0.1 deg", "0.2 deg"])
    >>> spots = estimator.run(datasets)
    >>> spots.table["lon"][0].round(1).item()
    184.6
    """

    @explain_options
    def __init__(
        self,
        *,
        kernel="gauss",
        correlation_radii=("0.1 deg", "0.2 deg", "0.4 deg"),
        energy_min=None,
        energy_max=None,
        energy_edges=None,
        energy_unit=None,
        threshold=4.0,
        n_toys=100,
        random_state=None,
        catalog=None,
        exclude=None,
        apply_mask=True,
        n_jobs=None,
        parallel_backend=None,
    ):
        self.kernel = kernel
        self.correlation_radii = _parse_radii(correlation_radii)
        self._kernels = find_kernels(_as_list(kernel), self.correlation_radii)
        self.energy_min, self.energy_max = energy_min, energy_max
        self.energy_edges = energy_edges
        self.energy_unit = energy_unit
        self.threshold = float(check_number("threshold", threshold, above=0))
        self.n_toys = check_integer("n_toys", n_toys, low=0, expected="a number")
        if random_state is not None:
            random_state = check_integer(
                "random_state", random_state, low=0, expected="a seed"
            )
        self.random_state = random_state
        self.catalog = catalog
        self._sources = None if catalog is None else catalog_positions(catalog)
        self.exclude = exclude
        self.apply_mask = check_bool("apply_mask", apply_mask)
        self.n_jobs = check_n_jobs(n_jobs, parallel_backend)
        self.parallel_backend = parallel_backend

    @classmethod
    def from_residuals(cls, residuals, **options):
        """Create an estimator with the options of residual maps.

        Kernel, energies and excluded components are those of the maps. The correlation
        radii are 1, 2 and 4 times that of the maps, but at most a quarter of the width
        of the maps. Maps do not store whether ``mask_fit`` was applied: set
        ``apply_mask``.

        Parameters
        ----------
        residuals : `~gammapy.datasets.SpatialResiduals`
            Maps.
        **options : dict
            Options of `HotSpotEstimator`, which take precedence.

        Returns
        -------
        estimator : `HotSpotEstimator`
            Estimator.

        Raises
        ------
        ValueError
            If the kernel has no name: set ``kernel``.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpatialResiduals
        >>> from gammapy.diagnostics import HotSpotEstimator
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(f"{path}_datasets.yaml")
        >>> residuals = SpatialResiduals.from_datasets(
        ...     datasets, kernel="gauss", correlation_radius="0.15 deg"
        ... )
        >>> estimator = HotSpotEstimator.from_residuals(residuals, n_toys=20)
        >>> [str(radius) for radius in estimator.correlation_radii]
        ['0.15 deg', '0.3 deg', '0.6 deg']
        """
        check_type("residuals", residuals, SpatialResiduals, "SpatialResiduals")
        if "kernel" not in options:
            named = [item.name for item in KERNELS.values() if item.is_named]
            if residuals.kernel not in named:
                raise ValueError(
                    "residuals: maps do not store a kernel that is a "
                    f"{residuals.kernel}; set kernel=... as well."
                )
            options["kernel"] = residuals.kernel
        if residuals.correlation_radius is not None:
            options.setdefault("correlation_radii", _radii_around(residuals))
        edges = residuals.energy_axis.edges
        options.setdefault("energy_min", edges[0])
        options.setdefault("energy_max", edges[-1])
        if len(edges) > 2:
            options.setdefault("energy_edges", edges)
        options.setdefault("energy_unit", edges.unit)
        options.setdefault("exclude", residuals.exclude)
        return cls(**options)

    def run(self, datasets):
        """Find spots in datasets, which are not changed.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list
            Datasets with counts and models, or one `~gammapy.datasets.MapDataset`.

        Returns
        -------
        spots : `HotSpots`
            Spots.

        Raises
        ------
        ValueError
            If the datasets are not on one pixel grid, have no counts or no bin in the
            energy range, or are fully masked, or if a radius is below a pixel.
        TypeError
            If a dataset is not made of counts on a WCS map.
        """
        scan = make_scan(
            datasets,
            self._kernels,
            energies={
                "energy_min": self.energy_min,
                "energy_max": self.energy_max,
                "energy_edges": self.energy_edges,
                "unit": self.energy_unit,
            },
            exclude=self.exclude,
            apply_mask=self.apply_mask,
            n_jobs=self.n_jobs,
            backend=self.parallel_backend,
        )
        notes = []
        if not scan.groups[0].counts[scan.groups[0].mask].any():
            raise ValueError(
                "The datasets have no counts within the masks and the energy range: "
                f"{', '.join(scan.datasets.names)}."
            )
        peaks = _find_all(scan, self.threshold)
        seed = self.random_state
        if seed is None:
            # 31 bits, so that each program can read the number.
            seed = int(np.random.SeedSequence().generate_state(1)[0] >> 1)
        p_global, trials = self._p_global(scan, peaks, seed, notes)
        meta = self._meta(scan, seed) | trials
        return HotSpots(self._table(scan, peaks, p_global), meta, notes)

    def _p_global(self, scan, peaks, seed, notes):
        """Probabilities after trials, and what they are made of."""
        sqrt_ts = np.array([peak.sqrt_ts for peak in peaks])
        if scan.is_on_off:
            notes.append(
                "On-off data are not simulated: p_global is p_local times the number "
                "of pixels of all maps, which is too high."
            )
            number = 2 * sum(np.sum(np.isfinite(item.sqrt_ts)) for item in scan.maps)
            return np.clip(number * ndtr(-np.abs(sqrt_ts)), 0, 1), {"n_toys": 0}
        if self.n_toys == 0:
            notes.append("Without toys p_global is not known.")
            return np.full(sqrt_ts.shape, np.nan), {"n_toys": 0}
        fields = [item.field for item in scan.maps]
        is_uniform = [item.is_uniform for item in scan.maps]
        toys = NoiseToys(
            scan.blocks,
            fields,
            is_uniform,
            [group.atoms for group in scan.groups],
            scan.geom.data_shape,
        )
        found = toys.run(self.n_toys, seed, self.n_jobs, self.parallel_backend)
        if len(found) < self.n_toys:
            notes.append(
                f"Toys were interrupted: p_global uses {len(found)} instead of "
                f"{self.n_toys}."
            )
        trials = Trials(found, fields, is_uniform)
        n_low, is_good = trials.check()
        if not is_good:
            notes.append(
                f"p_global is too low: {n_low} of {len(found)} toys have one below "
                f"{P_CHECK:g}."
            )
            log.warning(notes[-1])
        return trials.p_global(sqrt_ts), {
            "n_toys": len(found),
            "euler_coefficients": trials.coefficients,
            "n_toys_below_0.1": n_low,
        }

    def _meta(self, scan, seed):
        names = [item.kernel for item in scan.maps]
        return {
            "datasets": list(scan.datasets.names),
            "frame": scan.geom.frame,
            "kernel": list(dict.fromkeys(names)),
            "correlation_radii": [str(radius) for radius in self.correlation_radii],
            "energy_groups": [
                [f"{energy:.6g}" for energy in group.energies] for group in scan.groups
            ],
            "threshold": self.threshold,
            "exclude": list(scan.selection.exclude),
            "apply_mask": self.apply_mask,
            "random_state": seed,
        }

    def _table(self, scan, peaks, p_global):
        """Table of spots."""
        positions = [_position(scan, peak) for peak in peaks]
        sources = _sources(scan, peaks, positions)
        positions = [
            _position(scan, peak, source.shift)
            for peak, source in zip(peaks, sources, strict=True)
        ]
        maps = [peak.scan_map for peak in peaks]
        sqrt_ts = np.array([peak.sqrt_ts for peak in peaks])
        energies = [scan.groups[item.group].energies for item in maps]
        unit = scan.groups[0].energies.unit
        near = [nearest_component(place, scan.datasets.models) for place in positions]
        table = Table()
        table["number"] = np.arange(1, len(peaks) + 1)
        table["lon"] = [place.data.lon.deg for place in positions] * u.deg
        table["lat"] = [place.data.lat.deg for place in positions] * u.deg
        table["pos_err"] = [source.pos_err for source in sources] * u.deg
        for idx, name in enumerate(("energy_min", "energy_max")):
            table[name] = [item[idx].to_value(unit) for item in energies] * unit
        table["kernel"] = np.array([item.kernel for item in maps], dtype=str)
        table["radius"] = [_radius(item) for item in maps] * u.deg
        table["sqrt_ts"] = sqrt_ts
        table["p_local"] = ndtr(-np.abs(sqrt_ts))
        table["p_global"] = p_global
        table["excess"] = [peak.scan_map.excess[peak.pixel] for peak in peaks]
        amplitudes = [source.amplitude for source in sources]
        table["amplitude"] = amplitudes * AMPLITUDE.unit
        table["index"] = [source.index for source in sources]
        table["size"] = [source.size for source in sources] * u.deg
        table["ts"] = [source.ts for source in sources]
        table["nearest"] = np.array([name for name, _angle in near], dtype=str)
        table["separation"] = [angle for _name, angle in near] * u.deg
        if self._sources is not None:
            near = [nearest_source(place, *self._sources) for place in positions]
            table["source"] = np.array([name for name, _angle in near], dtype=str)
            table["source_separation"] = [angle for _name, angle in near] * u.deg
            table["source_separation"].info.format = ".2f"
        table["amplitude"].info.format = ".2e"
        table["index"].info.format = ".1f"
        table["size"].info.format = ".3f"
        table["ts"].info.format = ".1f"
        return table


def _as_list(kernel):
    """One kernel or several as a list."""
    if kernel is None or isinstance(kernel, (str, Map, SkyModel)):
        return [kernel]
    return check_list("kernel", kernel, "a kernel, or a list of them")


def _parse_radii(radii):
    """Radii as quantities, the smallest first, none twice."""
    if isinstance(radii, str) or (isinstance(radii, u.Quantity) and radii.isscalar):
        radii = [radii]
    radii = check_list("correlation_radii", radii, "angles such as ['0.1 deg']")
    radii = [parse_quantity("correlation_radii", value, "deg") for value in radii]
    by_size = {radius.to_value("deg"): radius for radius in radii}
    return [by_size[size] for size in sorted(by_size)]


def _radii_around(residuals):
    """Radii of a search around the one of maps."""
    radius = residuals.correlation_radius
    largest = LARGEST * residuals.counts.geom.to_image().width.min()
    found = [factor * radius for factor in FACTORS if factor * radius <= largest]
    return found or [radius]


def _find_all(scan, threshold):
    """Peaks of all maps, one for all that overlap."""
    peaks = []
    for item in scan.maps:
        for peak in find_peaks(item.sqrt_ts, threshold):
            peak.scan_map = item
            peaks.append(peak)

    def reach(peak):
        return peak.scan_map.reach

    def separation(peak, others):
        x, y = np.transpose([(other.x, other.y) for other in others])
        places = SkyCoord.from_pixel(x, y, wcs=scan.geom.wcs)
        return _position(scan, peak).separation(places).deg

    return merge_peaks(peaks, reach, separation)


def _position(scan, peak, shift=(0.0, 0.0)):
    x, y = peak.x + shift[0], peak.y + shift[1]
    return SkyCoord.from_pixel(x, y, wcs=scan.geom.wcs)


def _radius(scan_map):
    """Radius of a map, of one without that of as many pixels."""
    return scan_map.radius or scan_map.reach


def _sources(scan, peaks, positions):
    """Source at each spot; of a deficit the error of its position alone."""
    spots = [
        Spot(peak.scan_map.group, position, peak.pixel, peak.scan_map.reach)
        for peak, position in zip(peaks, positions, strict=True)
        if peak.sqrt_ts > 0
    ]
    found = iter(fit_sources(scan, spots))
    sources = [next(found) if peak.sqrt_ts > 0 else SpotSource() for peak in peaks]
    for peak, source in zip(peaks, sources, strict=True):
        if not np.isfinite(source.pos_err):
            # That of a Gaussian over a flat background, as wide as the kernel.
            source.pos_err = peak.scan_map.reach / np.sqrt(2) / abs(peak.sqrt_ts)
    return sources
