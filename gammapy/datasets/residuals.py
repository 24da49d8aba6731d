# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in space and in energy."""

import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.maps import Map, MapAxis
from gammapy.maps.energy_bins import (
    bins_within,
    find_edges,
    parse_energy_range,
    range_of_bins,
    same_edges,
)
from gammapy.modeling.models.copies import copy_models
from gammapy.stats.residuals import (
    check_residual_method,
    compute_residual_errors,
    compute_residuals,
)
from gammapy.utils.arguments import (
    check_bool,
    check_n_jobs,
    check_type,
    explain_options,
    parse_edges,
    show,
)
from gammapy.utils.pbar import progress_bar
from gammapy.utils.plotter import LazyPlotter
from .core import local_datasets
from .grids import (
    common_image_geom,
    describe_difference,
    image_slices,
    parse_region,
    place,
)
from .joint_sums import JointSums, Selection, reduce_all, reduce_dataset
from .matched_filter import source_of_kernel, warn_of_filters
from .matched_sums import matched_sums
from .off_counts import (
    MAXIMA,
    SEVERAL_ALPHAS,
    alpha_summands,
    combine,
    has_several_alphas,
    on_off_significance,
    on_off_statistic,
)
from .reduction import (
    bins_of_range,
    is_background,
    iter_planes,
    joint_stat_kind,
    log_without_models,
    npred_parts,
    parse_names,
    weight_levels,
    without_mask_fit,
)
from .residuals_io import read_spatial_residuals, write_spatial_residuals
from .sky_kernels import make_sky_kernel
from .sky_regions import check_region, pixels_in_region
from .weighted_maps import convolve_sums, sqrt_ts_of_parts

__all__ = ["SpatialResiduals", "SpectralResiduals"]


class SpatialResiduals:
    """Maps of counts, model and their significance, for one or several datasets.

    Made by `SpatialResiduals.from_datasets`.

    Parameters
    ----------
    maps : dict of `~gammapy.maps.WcsNDMap`
        Maps of shape (n_energy, n_lat, n_lon), one energy bin per energy group, unit
        counts, NaN outside the mask: "counts", "npred", "npred_background",
        "variance", "sqrt_ts" (in standard deviations), and without NaN "mask" and
        "coverage" (the mask after the convolution). Where the kernel depends on the
        row, "n_correlated" is its effective number of pixels.
    models : `~gammapy.modeling.models.DatasetModels`
        Models of the datasets.
    datasets_names : list of str
        Names of the datasets.
    kernel : str
        Name of the kernel: "tophat", "gauss", "point-source", "model", "map" or None.
    correlation_radius : `~astropy.units.Quantity`, optional
        Radius of the kernel, None for a kernel without one. Default is None.
    n_pixels_correlated : float
        Number of pixels that one value of the maps depends on; where it depends on the
        row, the harmonic mean over the pixels of the mask. Default is 1.
    exclude : list of str
        Names of the components that were left out of the model.
    """

    def __init__(
        self,
        maps,
        *,
        models,
        datasets_names,
        kernel,
        correlation_radius=None,
        n_pixels_correlated=1.0,
        exclude=(),
    ):
        self._maps = maps
        self._models = models
        self._datasets_names = list(datasets_names)
        self._kernel = kernel
        self._correlation_radius = correlation_radius
        self._n_pixels_correlated = n_pixels_correlated
        self._exclude = list(exclude)

    plotter = LazyPlotter("SpatialResidualsPlotter")

    @classmethod
    @explain_options
    def from_datasets(
        cls,
        datasets,
        *,
        energy_min=None,
        energy_max=None,
        energy_edges=None,
        kernel="tophat",
        correlation_radius="0.1 deg",
        exclude=None,
        geom=None,
        apply_mask=True,
        n_jobs=None,
        parallel_backend=None,
    ):
        """Compute the joint residuals of datasets.

        The masks and the energy range apply to the bins of each dataset before
        anything is summed; then the datasets are added on the smallest geometry of
        their common pixel grid that holds them all, and the kernel is applied. With
        the weights f of the kernel, N and M are the sums of f n and f m. The
        significance is that of Poisson counts where all f are equal,
        sign(N - M) sqrt(2 [N ln(N / M) - N + M]) (Cash 1979, ApJ 228, 939), and r* of
        `gammapy.stats.weighted_poisson` for other weights.

        Pixels without a coordinate on the sky are masked. Discs and Gaussians are
        those on the sky where maps have a cylindrical projection, also far from the
        equator and across the seam. One warning says where, in another projection or
        for another kernel, a disc is wrong by more than 5 percent in solid angle.

        On-off datasets are compared with their off counts. Where alpha differs within
        a sum, the background of each alpha is profiled on its own, see
        `gammapy.stats.on_off_profile`; with one alpha this is the significance of Li
        & Ma (1983, ApJ 272, 317) with the signal of the model.

        A matched filter is f = ln(1 + A s / m), with the counts s of the source in each
        dataset and energy bin, the mean m of the model there, and the amplitude A of a
        source with 5 sigma in all of them; see `gammapy.datasets.matched_filter`. The
        excess is the amplitude of such a source at each position, (N - M) / sum(f s),
        in units of the amplitude of the model.

        Parameters
        ----------
        datasets : `Datasets` or list of `MapDataset`
            Datasets, or one dataset.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. A bin counts when it lies inside. Default is all energies.
        energy_edges : `~astropy.units.Quantity` or list of str, optional
            Edges of energy groups, each of which gives one image. They must be edges
            of energy bins of each dataset. Default is one group over the energies of
            the range that are not masked.
        kernel : str, `~gammapy.maps.Map`, `SkyModel` or None
            Weights of neighbouring pixels:

            - "tophat" sums the pixels whose centre is within the radius;
            - "gauss" weights with a Gaussian;
            - "point-source" is the filter matched to a point source with a power law
              of index 2, with the responses at the centre of each dataset (it is
              applied bin by bin, which takes far longer than the other kernels);
            - a `~gammapy.modeling.models.SkyModel` is the source to match instead;
            - a map with one image gives the weights itself;
            - None takes each pixel alone.

            Default is "tophat".
        correlation_radius : `~astropy.units.Quantity` or str, optional
            Radius of the top-hat or standard deviation of the Gaussian; other kernels
            ignore it. Default is "0.1 deg".
        exclude : list of str or of models, optional
            Names of model components to leave out of the model. Default is None.
        geom : `~gammapy.maps.WcsGeom`, optional
            Geometry of the result, on the pixel grid of the datasets. Default is
            the smallest one that holds all datasets.
        apply_mask : bool, optional
            Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.
        n_jobs : int, optional
            Number of processes that share the datasets. The result is the same. Each
            evaluates the models again, so it pays for datasets that were just read, and
            not after a fit, when one process is faster. Default is
            `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
        parallel_backend : {"multiprocessing", "ray"}, optional
            What makes the processes. Default is "multiprocessing".

        Returns
        -------
        residuals : `SpatialResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the datasets are not on one pixel grid, mix statistics, have no bin in
            the energy range or are fully masked, if an energy edge is none of their
            bins, or if a name is not known.
        TypeError
            If a dataset is not made of counts on a WCS map, or an option is of the
            wrong kind.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpatialResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> residuals = SpatialResiduals.from_datasets(datasets, energy_max="0.1 TeV")
        >>> residuals.sqrt_ts.data.shape
        (1, 40, 50)
        >>> residuals.distribution().colnames
        ['e_min', 'e_max', 'mean', 'mean_err', 'std', 'std_err', 'n_trials']
        """
        n_jobs = check_n_jobs(n_jobs, parallel_backend)
        apply_mask = check_bool("apply_mask", apply_mask)
        datasets = local_datasets(datasets)
        is_on_off = joint_stat_kind(datasets) == "wstat"
        exclude = parse_names(datasets, exclude)
        image_geom = common_image_geom(datasets, geom)
        # Of a smaller geom the borders see what is beyond them.
        cut = image_slices(geom.to_image(), image_geom) if geom else (..., ...)
        edges = _energy_groups(datasets, energy_min, energy_max, energy_edges)
        source = source_of_kernel(kernel)
        sky_kernel = None
        if source is None:
            sky_kernel = make_sky_kernel(kernel, correlation_radius, image_geom)
        if is_on_off:
            sky_kernel = _unit_kernel(sky_kernel)

        log_without_models(datasets)
        several_alphas = has_several_alphas(
            datasets,
            lambda dataset: bins_of_range(dataset, edges[0], edges[-1]),
            apply_mask=apply_mask,
        )
        levels = weight_levels(datasets, apply_mask)
        selection = Selection(edges, exclude, apply_mask, levels, several_alphas)
        if source is None:
            n_correlated = sky_kernel.n_pixels
            joint = JointSums(image_geom, n_groups=len(edges) - 1)
            tasks = [(_, selection) for _ in datasets]
            for item in reduce_all(reduce_dataset, tasks, n_jobs, parallel_backend):
                joint.add(item)
        else:
            joint, n_correlated = matched_sums(
                datasets, selection, source, image_geom, n_jobs, parallel_backend
            )
        if not joint.energies:
            raise ValueError(
                f"All bins of the datasets are masked between {edges[0]:.4g} and "
                f"{edges[-1]:.4g}, or have no finite model."
            )
        sums, mask = joint.images, joint.mask
        if source is None:
            sky_kernel.warn(image_geom, _shown(mask, cut[1]))
        else:
            warn_of_filters(datasets, image_geom, _shown(mask, cut[1]))
        if geom is not None:
            # What is cut off needs no significance.
            mask = _only_within(mask, *cut)
            if not mask.any():
                raise ValueError(
                    "No unmasked bin of the datasets lies in the given geom: "
                    f"{', '.join(datasets.names)}."
                )
        if source is None:
            sums["coverage"] = joint.mask.astype(float)
            if is_on_off:
                sums = _convolve_on_off(sums, sky_kernel)
                sums["sqrt_ts"] = _significance(sums, mask)
            else:
                parts = npred_parts(sums, selection.levels)
                sums = convolve_sums(sums, sky_kernel, mask, parts)
        if np.ndim(n_correlated):
            sums["n_correlated"] = np.broadcast_to(n_correlated, mask.shape)
        if geom is not None:
            image_geom = geom.to_image()
            shape = image_geom.data_shape
            sums = {name: place(data, shape, *cut) for name, data in sums.items()}
            mask = place(mask, shape, *cut)
        coverage = sums.pop("coverage")

        if energy_edges is None:
            # The masks may end before the axes do.
            used = u.Quantity(joint.energies)
            edges = u.Quantity([used.min(), used.max()])
        axis = MapAxis.from_energy_edges(edges, name="energy")
        maps_geom = image_geom.to_cube([axis])
        maps = {
            name: Map.from_geom(maps_geom, data=np.where(mask, data, np.nan))
            for name, data in sums.items()
            if name not in ("acceptance", "acceptance_off", *SEVERAL_ALPHAS)
        }
        maps["mask"] = Map.from_geom(maps_geom, data=mask, dtype=bool)
        maps["coverage"] = Map.from_geom(maps_geom, data=coverage)
        if "n_correlated" in maps:
            n_correlated = 1 / np.mean(1 / maps["n_correlated"].data[mask])
        has_radius = isinstance(kernel, str) and source is None
        return cls(
            maps,
            # What is fitted later must not show.
            models=copy_models(datasets.models),
            datasets_names=datasets.names,
            kernel=_kernel_name(kernel, source),
            correlation_radius=u.Quantity(correlation_radius) if has_radius else None,
            n_pixels_correlated=n_correlated,
            exclude=exclude,
        )

    @property
    def counts(self):
        """Counts summed with the kernel, a `~gammapy.maps.WcsNDMap`."""
        return self._maps["counts"]

    @property
    def npred(self):
        """Predicted counts summed with the kernel, a `~gammapy.maps.WcsNDMap`."""
        return self._maps["npred"]

    @property
    def npred_background(self):
        """Background part of the predicted counts, a `~gammapy.maps.WcsNDMap`."""
        return self._maps["npred_background"]

    @property
    def excess(self):
        """Counts minus predicted counts, a `~gammapy.maps.WcsNDMap`."""
        return self.counts - self.npred

    @property
    def sqrt_ts(self):
        """Significance in standard deviations, a `~gammapy.maps.WcsNDMap`."""
        return self._maps["sqrt_ts"]

    @property
    def mask(self):
        """Where a dataset contributes, a boolean `~gammapy.maps.WcsNDMap`."""
        return self._maps["mask"]

    @property
    def models(self):
        """Models of the datasets, as they were when the residuals were made."""
        return self._models

    @property
    def datasets_names(self):
        """Names of the datasets."""
        return self._datasets_names

    @property
    def kernel(self):
        """Name of the kernel; "model" and "map" for those given as such, or None."""
        return self._kernel

    @property
    def correlation_radius(self):
        """Radius of the kernel, None for a kernel without one."""
        return self._correlation_radius

    @property
    def energy_axis(self):
        """Energy groups, a `~gammapy.maps.MapAxis`."""
        return self.counts.geom.axes["energy"]

    def residual(self, method="significance"):
        """Residual map.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. "diff" is per pixel: the summed difference divided by
            the summed mask, so that a uniform field stays uniform at the borders of
            the mask. Default is "significance".

        Returns
        -------
        residual : `~gammapy.maps.WcsNDMap`
            Residual, NaN outside the mask.

        Raises
        ------
        ValueError
            If the method is not known.
        """
        check_residual_method(method)
        if method == "significance":
            return self.sqrt_ts.copy()
        residual = compute_residuals(
            self.counts.data,
            self.npred.data,
            method,
            variance=self._maps["variance"].data,
        )
        if method == "diff":
            with np.errstate(invalid="ignore", divide="ignore"):
                residual = residual / self._maps["coverage"].data
        return Map.from_geom(self.counts.geom, data=residual)

    def distribution(self, mask=None):
        """Mean and standard deviation of the significance in each energy group.

        Neighbouring values share events, so the errors are those of the number of
        independent trials: the number of pixels divided by the effective number of
        pixels in the kernel, (sum f)^2 / sum f^2.

        Parameters
        ----------
        mask : `~gammapy.maps.WcsNDMap`, optional
            Boolean map on the geometry of `mask`, or of one image of it: where to
            look. Default is all.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per energy group with columns e_min, e_max, mean, mean_err, std,
            std_err and n_trials. Values that are not finite are left out.

        Raises
        ------
        ValueError
            If the mask is on another geometry, or not of True and False.
        TypeError
            If it is no map.
        """
        data = self.sqrt_ts.data
        valid = np.isfinite(data)
        if mask is not None:
            valid &= _selected(mask, self.counts.geom)

        edges = self.energy_axis.edges
        names = ["e_min", "e_max", "mean", "mean_err", "std", "std_err", "n_trials"]
        rows = [
            (e_min, e_max, *_moments(image[select], self._n_trials(idx, select)))
            for idx, (e_min, e_max, image, select) in enumerate(
                zip(edges[:-1], edges[1:], data, valid, strict=True)
            )
        ]
        table = Table(rows=rows, names=names)
        for name in names[2:6]:
            table[name].info.format = ".3f"
        table["n_trials"].info.format = ".1f"
        return table

    def _n_trials(self, idx, select):
        """Number of independent values among the selected pixels of a group."""
        if "n_correlated" not in self._maps:
            return np.sum(select) / self._n_pixels_correlated
        return np.sum(1 / self._maps["n_correlated"].data[idx][select])

    def to_dict(self):
        """Say what the residuals were made of.

        Returns
        -------
        data : dict
            Names, kernel and energy groups as plain data, without the maps.
        """
        energy_edges = [f"{_:.6g}" for _ in self.energy_axis.edges]
        return self._meta | {"energy_edges": energy_edges}

    @property
    def _meta(self):
        """Keyword arguments of the constructor that are plain data."""
        radius = self._correlation_radius
        return {
            "datasets_names": self._datasets_names,
            "kernel": self._kernel,
            "correlation_radius": None if radius is None else str(radius),
            "n_pixels_correlated": float(self._n_pixels_correlated),
            "exclude": self._exclude,
        }

    def write(self, filename, *, overwrite=False):
        """Write to a FITS file.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.
        overwrite : bool, optional
            Whether to replace an existing file. Default is False.

        Raises
        ------
        OSError
            If the file exists and is not to be replaced.
        """
        write_spatial_residuals(self, filename, overwrite)

    @classmethod
    def read(cls, filename):
        """Read from a FITS file that `SpatialResiduals.write` made.

        Maps are the same to the last bit. Models are read with values and errors,
        except for templates, which such a file does not hold.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.

        Returns
        -------
        residuals : `SpatialResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        maps, meta = read_spatial_residuals(filename)
        return cls(maps, **meta)

    def __str__(self):
        lines = [self.__class__.__name__, ""]
        lines += [f"  {key:20} : {value}" for key, value in self.to_dict().items()]
        lines.append("")
        for row in self.distribution():
            lines.append(
                f"  {row['e_min']:.3g} - {row['e_max']:.3g}: "
                f"significance {row['mean']:.3f} +- {row['mean_err']:.3f} (mean), "
                f"{row['std']:.3f} +- {row['std_err']:.3f} (width)"
            )
        return "\n".join(lines) + "\n"


class SpectralResiduals:
    """Counts and model per energy bin in a region, for one or several datasets.

    Made by `SpectralResiduals.from_datasets`.

    Parameters
    ----------
    axis : `~gammapy.maps.MapAxis`
        Energy axis.
    arrays : dict of `~numpy.ndarray`
        Arrays of shape (n_energy,): "counts", "npred", "npred_background", "variance",
        "coverage" (number of pixels that count), and for on-off datasets
        "counts_off", "acceptance", "acceptance_off" and, where alpha differs, the sums
        of `gammapy.datasets.off_counts`.
    npred_models : dict of `~numpy.ndarray`
        Predicted counts of each component, by name.
    region : `~regions.SkyRegion`, optional
        Region. Default is None, all pixels.
    datasets_names : list of str
        Names of the datasets.
    exclude : list of str
        Names of the components that were left out of the model.
    parts : list of tuple, optional
        Weights of masks and the predicted counts that have this weight, of shape
        (n_energy,). Default is None, all have the weight 1.
    """

    plotter = LazyPlotter("SpectralResidualsPlotter")

    def __init__(
        self,
        axis,
        arrays,
        *,
        npred_models,
        region=None,
        datasets_names=(),
        exclude=(),
        parts=None,
    ):
        self._axis = axis
        self._arrays = arrays
        self._parts = parts
        self._npred_models = npred_models
        self._region = region
        self._datasets_names = list(datasets_names)
        self._exclude = list(exclude)

    @classmethod
    @explain_options
    def from_datasets(
        cls,
        datasets,
        region=None,
        *,
        energy_min=None,
        energy_max=None,
        exclude=None,
        apply_mask=True,
    ):
        """Compute the joint residuals of datasets.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
            Map or spectrum datasets with or without off counts, or one dataset.
        region : `~regions.SkyRegion` or str, optional
            Region whose pixels are summed: those with the centre inside. It must lie
            inside the map, and may cross the seam of one around the sky. Only for map
            datasets. Default is all pixels.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range; bins outside are masked. Default is all energies.
        exclude : list of str, optional
            Names of model components to leave out of the model. Default is None.
        apply_mask : bool, optional
            Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.

        Returns
        -------
        residuals : `SpectralResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the datasets do not share an energy axis, mix statistics or are fully
            masked in the region, if the region has no pixel or reaches beyond the
            maps, or if a name is unknown.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectralResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> region = "galactic;circle(184.6, -5.8, 0.5)"
        >>> residuals = SpectralResiduals.from_datasets(datasets, region)
        >>> table = residuals.to_table("diff/sqrt(model)")
        >>> table["counts"].tolist()
        [1751.0, 472.0, 177.0, 37.0, 9.0]
        """
        datasets = local_datasets(datasets)
        if "background" in datasets.models.names:
            raise ValueError("A component is named 'background': rename it.")
        if region is not None:
            check_region(datasets, parse_region(region))
        return cls._from_datasets(
            datasets,
            region,
            energy_min=energy_min,
            energy_max=energy_max,
            exclude=exclude,
            apply_mask=apply_mask,
        )

    @classmethod
    def _from_datasets(
        cls, datasets, region, *, energy_min, energy_max, exclude=None, apply_mask=True
    ):
        """Compute the residuals without looking at what Gammapy 2.1 allowed.

        A part of the region may lie outside, and a component be named "background".
        """
        apply_mask = check_bool("apply_mask", apply_mask)
        datasets = local_datasets(datasets)
        joint_stat_kind(datasets)
        exclude = parse_names(datasets, exclude)
        region = parse_region(region)
        axis = _common_energy_axis(datasets)
        axis_mask = bins_of_range(datasets[0], energy_min, energy_max)
        region_masks = {_.name: pixels_in_region(_, region) for _ in datasets}
        if not any(np.any(_) for _ in region_masks.values()):
            raise ValueError(
                f"No pixel of the datasets has its centre in the region {show(region)}."
            )

        log_without_models(datasets)
        levels = weight_levels(datasets, apply_mask)
        sums = {}
        npred_models = {
            model.name: np.zeros(axis.nbin)
            for model in datasets.models
            if not is_background(model) and model.name not in exclude
        }
        several_alphas = has_several_alphas(
            datasets, lambda dataset: axis_mask, apply_mask=apply_mask
        )
        for dataset in progress_bar(datasets, desc="Spectra"):
            if not apply_mask:
                dataset = without_mask_fit(dataset)
            for plane in iter_planes(
                dataset, axis_mask, exclude=exclude, levels=levels
            ):
                plane.weights = plane.weights * region_masks[dataset.name]
                for name, values in plane.summands():
                    total = sums.setdefault(name, np.zeros(axis.nbin))
                    total[plane.idx] += values.sum()
                for name, values in alpha_summands(plane) if several_alphas else ():
                    total = sums.setdefault(name, np.zeros(axis.nbin))
                    join = combine(name)
                    total[plane.idx] = join(total[plane.idx], join.reduce(values, None))
                for name, value in plane.component_sums(plane.weights):
                    npred_models[name][plane.idx] += value

        if not sums or not sums["coverage"].any():
            where = "" if region is None else " in the region"
            raise ValueError(
                f"All bins of the datasets are masked{where}, or have no finite model."
            )
        return cls(
            axis,
            sums,
            parts=npred_parts(sums, levels),
            npred_models=npred_models,
            region=region,
            datasets_names=datasets.names,
            exclude=exclude,
        )

    @property
    def energy_axis(self):
        """Energy axis, a `~gammapy.maps.MapAxis`."""
        return self._axis

    @property
    def components(self):
        """Names of the source components."""
        return list(self._npred_models)

    @property
    def region(self):
        """Region, None for all pixels."""
        return self._region

    @property
    def datasets_names(self):
        """Names of the datasets."""
        return self._datasets_names

    @property
    def exclude(self):
        """Names of the components that were left out of the model."""
        # Those that an earlier release pickled have none.
        return getattr(self, "_exclude", [])

    @property
    def mask(self):
        """Energy bins in which at least one dataset contributes."""
        return self._arrays["coverage"] > 0

    @property
    def sqrt_ts(self):
        """Significance per energy bin, NaN where all is masked."""
        return _significance(self._arrays, self.mask, self._parts)

    @property
    def is_on_off(self):
        """Whether the background is the one of off counts."""
        return "counts_off" in self._arrays

    @property
    def _stat(self):
        """Statistic that gives the error bars, None for Cash."""
        return on_off_statistic(self._arrays) if self.is_on_off else None

    def to_table(self, method="diff"):
        """Residuals as a table.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "diff".

        Returns
        -------
        table : `~astropy.table.Table`
            One row per energy bin with the columns e_min, e_max, e_ref, counts,
            npred, npred_background, npred_MODEL for each component, residual,
            residual_errn, residual_errp and sqrt_ts. Bins that are fully masked are
            NaN.

        Raises
        ------
        ValueError
            If the method is not known.
        """
        check_residual_method(method)
        arrays, edges = self._arrays, self._axis.edges
        table = Table(meta={"method": method, "datasets": self.datasets_names})
        table["e_min"] = edges[:-1]
        table["e_max"] = edges[1:]
        table["e_ref"] = self._axis.center
        for name in ("counts", "npred", "npred_background"):
            table[name] = arrays[name]
        for name, values in self._npred_models.items():
            if name != "background":
                table[f"npred_{name}"] = values
        counts, npred, variance = (arrays[_] for _ in ("counts", "npred", "variance"))
        sqrt_ts = self.sqrt_ts
        if method == "significance":
            table["residual"] = sqrt_ts
        else:
            table["residual"] = compute_residuals(
                counts, npred, method, variance=variance
            )
        errors = compute_residual_errors(
            counts, npred, method, variance=variance, stat=self._stat
        )
        table["residual_errn"], table["residual_errp"] = errors
        table["sqrt_ts"] = sqrt_ts
        for name in table.colnames[3:]:
            table[name] = np.where(self.mask, table[name], np.nan)
            table[name].info.format = ".4g"
        return table

    def __str__(self):
        table = self.to_table("significance")
        used = table[self.mask]
        return (
            f"{self.__class__.__name__}\n\n"
            f"  datasets_names : {self.datasets_names}\n"
            f"  energy range   : {used['e_min'][0]:.4g} - {used['e_max'][-1]:.4g}"
            f" {used['e_min'].unit}\n"
            f"  energy bins    : {len(used)} of {len(table)}\n"
            f"  counts         : {np.sum(used['counts']):.0f}\n"
            f"  npred          : {np.sum(used['npred']):.2f}\n"
            f"  sum of ts      : {np.sum(used['sqrt_ts'] ** 2):.2f}\n"
        )


def _energy_groups(datasets, energy_min, energy_max, energy_edges):
    """Edges of the energy groups, at bin edges of all datasets."""
    if energy_edges is not None:
        if energy_min is not None or energy_max is not None:
            raise ValueError(
                "Give energy_edges or energy_min and energy_max, not both."
            )
        energy_edges = parse_edges("energy_edges", energy_edges)
        axes = {_.name: _.counts.geom.axes["energy"] for _ in datasets}
        found = [find_edges(axis, energy_edges, name) for name, axis in axes.items()]
        return found[0]

    bounds = parse_energy_range(energy_min, energy_max)
    found = {}
    for dataset in datasets:
        axis = dataset.counts.geom.axes["energy"]
        used = range_of_bins(axis, bins_within(axis, *bounds), dataset.name, *bounds)
        found[dataset.name] = u.Quantity(used)

    first = next(iter(found.values()))
    for name, edges in found.items():
        if not same_edges(edges, first):
            raise ValueError(
                f"The energy bins of dataset {name!r} cover {edges}, those of "
                f"{datasets[0].name!r} {first}; give energy edges that both have."
            )
    return first


def _common_energy_axis(datasets):
    """Energy axis of the datasets; a ValueError that names those that differ."""
    axes = {_.name: _.counts.geom.axes["energy"] for _ in datasets}
    first = next(iter(axes.values()))
    for name, axis in axes.items():
        if not same_edges(axis.edges, first.edges):
            raise ValueError(
                f"Dataset {name!r} has the energy edges {axis.edges}, "
                f"{datasets[0].name!r} has {first.edges}; resample one of them "
                "(Dataset.resample_energy_axis)."
            )
    return first


def _shown(mask, part):
    """Pixels that are unmasked in any energy group, of a part of the image."""
    shown = np.zeros(mask.shape[1:], dtype=bool)
    shown[part] = mask.any(axis=0)[part]
    return shown


def _only_within(mask, into, part):
    """Mask without the pixels that another geometry does not have."""
    cut = np.zeros_like(mask)
    cut[:, *part] = mask[:, *part]
    return cut


def _convolve_on_off(sums, kernel):
    """Sums with a kernel of equal weights."""
    return {
        name: kernel.maximum(image) if name in MAXIMA else kernel.apply(image)
        for name, image in sums.items()
    }


def _significance(sums, mask, parts=None):
    """Significance of summed counts, NaN outside the mask."""
    if "counts_off" in sums:
        return on_off_significance(sums, mask)
    counts = np.where(mask, sums["counts"], np.nan)
    return sqrt_ts_of_parts(counts, parts or [(1.0, sums["npred"])])


def _unit_kernel(kernel):
    """Kernel of equal weights, made 1; a ValueError for any other."""
    if kernel is None or not kernel.is_uniform:
        raise ValueError(
            "On-off datasets need the kernel 'tophat' or None: off counts cannot "
            "be weighted like on counts."
        )
    return kernel.as_sum()


def _kernel_name(kernel, source):
    """Name of a kernel: itself, or what kind of object it is."""
    if kernel is None or isinstance(kernel, str):
        return kernel
    return "map" if source is None else "model"


def _selected(mask, geom):
    """Pixels that a mask selects; an error when it is not one of this geometry."""
    expected = "a boolean map on the geometry of residuals.mask"
    check_type("mask", mask, Map, expected)
    # One image serves all energy groups.
    is_image = mask.geom.is_image or mask.data.shape[0] == 1
    geoms = (mask.geom, geom)
    if is_image:
        geoms = [_.to_image() for _ in geoms]
    difference = describe_difference(*geoms)
    if difference:
        raise ValueError(f"mask: expected {expected}, got one with {difference}.")
    if not np.isin(mask.data, (0, 1)).all():
        raise ValueError(f"mask: expected {expected}, got other values than 0 and 1.")
    return mask.data.astype(bool)


def _moments(values, n_trials):
    """Mean, its error, standard deviation, its error, number of independent values."""
    if n_trials == 0:
        return (np.nan,) * 4 + (0.0,)
    mean, std = values.mean(), values.std()
    return mean, std / np.sqrt(n_trials), std, std / np.sqrt(2 * n_trials), n_trials
