# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in space."""

import numpy as np
from astropy.table import Table
from gammapy.maps import Map
from gammapy.maps.energy_bins import energy_format, format_energy_range, show_energy
from gammapy.stats.residual_methods import METHODS
from gammapy.stats.residuals import (
    check_residual_method,
    compute_residuals,
)
from gammapy.utils.arguments import (
    explain_options,
)
from gammapy.utils.plotter import LazyPlotter
from .distribution import moments, selected_pixels
from .io import read_spatial_residuals, write_spatial_residuals
from .joint_maps import joint_maps
from .kernels import unit_of

__all__ = ["SpatialResiduals"]


class SpatialResiduals:
    """Maps of counts, model and their significance, for one or several datasets.

    Created by `SpatialResiduals.from_datasets`.

    Parameters
    ----------
    maps : dict of `~gammapy.maps.WcsNDMap`
        Maps of shape (n_energy, n_lat, n_lon), one energy bin per energy group, NaN
        outside the mask: "counts", "npred", "npred_background" (counts, without a unit;
        of a matched filter the integral flux in the energy group, cm-2 s-1), "variance"
        (of counts, their unit squared), "sqrt_ts" (in standard deviations), and without
        NaN "mask" and
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
    kernel_radius : `~astropy.units.Quantity`, optional
        Radius of the circle that stands for the kernel on maps, one for all or one per
        energy group. Default is ``correlation_radius``.
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
        kernel_radius=None,
    ):
        self._maps = maps
        self._models = models
        self._datasets_names = list(datasets_names)
        self._kernel = kernel
        self._correlation_radius = correlation_radius
        self._n_pixels_correlated = n_pixels_correlated
        self._exclude = list(exclude)
        self._kernel_radius = kernel_radius

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
        energy_unit=None,
    ):
        """Compute the joint residuals of datasets.

        The masks and the energy range apply to the bins of each dataset before the
        sums. The datasets are added on the smallest geometry of their common pixel grid
        that contains all of them. Then the kernel is applied. With the weights f of the
        kernel, N and M are the sums of f n and f m. The significance is that of Poisson
        counts if all f are equal, sign(N - M) sqrt(2 [N ln(N / M) - N + M]) (Cash 1979,
        ApJ 228, 939), and r* of `gammapy.stats.weighted_poisson` for other weights.

        Pixels without sky coordinates are masked. In cylindrical projections, discs and
        Gaussians are defined on the sky, also far from the equator and across the seam.
        For other projections or kernels, one warning says where a disc is wrong by more
        than 5 percent in solid angle.

        On-off datasets are compared with their off counts. If alpha differs within a
        sum, the background of each alpha is profiled separately, see
        `gammapy.stats.on_off_profile`; with one alpha this is the significance of Li &
        Ma (1983, ApJ 272, 317), with the predicted signal.

        A matched filter is f = ln(1 + A s / m), with the counts s of the source in each
        dataset and energy bin, the mean predicted counts m there, and the amplitude A
        of a source with 5 sigma in all of them; see
        `gammapy.datasets.residuals.kernels.matched_filter`. The excess is the integral
        flux of such a source at each position, in cm-2 s-1: the amplitude (N - M) /
        sum(f s), relative to that of the model, times the flux of the model in the
        energy group. Counts and predicted counts have the same unit.

        Parameters
        ----------
        datasets : `Datasets` or list of `MapDataset`
            Datasets, or one dataset.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. Bins inside the range are used. Default is all energies.
        energy_edges : `~astropy.units.Quantity` or list of str, optional
            Edges of energy groups. Each group gives one image. They must be edges of
            energy bins of each dataset. Default is one group of all unmasked energies
            in the range.
        kernel : str, `~gammapy.maps.Map`, `SkyModel` or None
            Weights of neighbouring pixels:

            - "tophat" sums the pixels whose centre is within the radius;
            - "gauss" is a Gaussian;
            - "point-source" is the filter matched to a point source with a power law
              of index 2, with the responses at the centre of each dataset (it is
              applied bin by bin, which takes far longer than the other kernels);
            - a `~gammapy.modeling.models.SkyModel` is another source for a matched
              filter;
            - a map with one image contains the weights;
            - None uses single pixels.

            Default is "tophat".
        correlation_radius : `~astropy.units.Quantity` or str, optional
            Radius of the top-hat or standard deviation of the Gaussian. Other kernels
            ignore it. Default is "0.1 deg".
        exclude : list of str or of models, optional
            Names of model components to leave out of the model. Default is None.
        geom : `~gammapy.maps.WcsGeom`, optional
            Geometry of the result, on the pixel grid of the datasets. Default is the
            smallest geometry that contains all datasets.
        apply_mask : bool, optional
            Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.
        n_jobs : int, optional
            Number of processes for the datasets. The result does not depend on it. Each
            process evaluates the models again, so several processes are faster for
            datasets that were just read, and one process is faster after a fit. Default
            is `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
        parallel_backend : {"multiprocessing", "ray"}, optional
            What makes the processes. Default is "multiprocessing".
        energy_unit : `~astropy.units.Unit` or str, optional
            Unit of the energies in tables, figures and texts. Default is that of the
            energy axis of the datasets, see `~gammapy.maps.energy_bins.energy_unit`.

        Returns
        -------
        residuals : `SpatialResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the datasets are not on one pixel grid, mix statistics, have no bin in
            the energy range or are fully masked, if an energy edge is not an edge of
            their bins, or if a name is not known.
        TypeError
            If a dataset does not have counts on a WCS map, or an option has the wrong
            type.

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
        maps, kwargs = joint_maps(
            datasets,
            energy_min=energy_min,
            energy_max=energy_max,
            energy_edges=energy_edges,
            kernel=kernel,
            correlation_radius=correlation_radius,
            exclude=exclude,
            geom=geom,
            apply_mask=apply_mask,
            n_jobs=n_jobs,
            parallel_backend=parallel_backend,
            energy_unit=energy_unit,
        )
        return cls(maps, **kwargs)

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
    def unit(self):
        """Unit of counts, npred and excess.

        No unit ("") for counts. For a matched filter it is cm-2 s-1: the flux of the
        matched source, integrated over the energy group.
        """
        return self.counts.unit

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
        """Models of the datasets at the time when the residuals were computed."""
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
    def kernel_radius(self):
        """Radius of the circle that stands for the kernel, one per energy group.

        It is the radius of the top-hat, or the standard deviation of the Gaussian. For
        other kernels it is the radius that contains 68 percent of the counts of the
        matched source, or of the weights of a map. None for single pixels, and for old
        files that do not contain it.
        """
        # Old pickles do not have it.
        radius = getattr(self, "_kernel_radius", None)
        radius = self._correlation_radius if radius is None else radius
        if radius is None:
            return None
        return np.broadcast_to(radius, self.energy_axis.nbin, subok=True)

    @property
    def exclude(self):
        """Names of the components that were left out of the model."""
        return self._exclude

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
        if METHODS[method].is_significance:
            return self.sqrt_ts.copy()
        residual = compute_residuals(
            self.counts.data,
            self.npred.data,
            method,
            variance=self._maps["variance"].data,
        )
        unit = ""
        if METHODS[method].is_in_counts:
            unit = self.unit
            with np.errstate(invalid="ignore", divide="ignore"):
                residual = residual / self._maps["coverage"].data
        return Map.from_geom(self.counts.geom, data=residual, unit=unit)

    def distribution(self, mask=None):
        """Mean and standard deviation of the significance in each energy group.

        Neighbouring values share events, so the errors are those of the number of
        independent trials: the number of pixels divided by the effective number of
        pixels in the kernel, (sum f)^2 / sum f^2.

        Parameters
        ----------
        mask : `~gammapy.maps.WcsNDMap`, optional
            Boolean map of the pixels to use, on the geometry of `mask` or of one image
            of it. Default is all pixels.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per energy group with columns e_min, e_max, mean, mean_err, std,
            std_err and n_trials. Values that are not finite are left out.

        Raises
        ------
        ValueError
            If the mask is on another geometry, or has values other than True and False.
        TypeError
            If ``mask`` is not a map.
        """
        data = self.sqrt_ts.data
        valid = np.isfinite(data)
        if mask is not None:
            valid &= selected_pixels(mask, self.counts.geom)

        edges = self.energy_axis.edges
        names = ["e_min", "e_max", "mean", "mean_err", "std", "std_err", "n_trials"]
        rows = [
            (e_min, e_max, *moments(image[select], self._n_trials(idx, select)))
            for idx, (e_min, e_max, image, select) in enumerate(
                zip(edges[:-1], edges[1:], data, valid, strict=True)
            )
        ]
        table = Table(rows=rows, names=names)
        for name in names[:2]:
            table[name].info.format = energy_format(edges)
        for name in names[2:6]:
            table[name].info.format = ".3f"
        table["n_trials"].info.format = ".1f"
        return table

    def worst_pixel(self):
        """Pixel in which counts and model differ most, of all energy groups.

        Returns
        -------
        sqrt_ts : float or None
            Its significance, with its sign; None when nothing is known.
        position : `~astropy.coordinates.SkyCoord` or None
            Its position.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpatialResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(f"{path}_datasets.yaml")
        >>> sqrt_ts, position = SpatialResiduals.from_datasets(datasets).worst_pixel()
        >>> position.to_string(precision=1)
        '184.6 -5.8'
        """
        data = self.sqrt_ts.data
        known = ~np.isnan(data)
        if not known.any():
            return None, None
        sizes = np.where(known, np.abs(data), -1)
        idx = np.unravel_index(np.argmax(sizes), sizes.shape)
        position = self.sqrt_ts.geom.to_image().get_coord().skycoord[idx[1:]]
        return float(data[idx]), position

    def _n_trials(self, idx, select):
        """Number of independent values among the selected pixels of a group."""
        if "n_correlated" not in self._maps:
            return np.sum(select) / self._n_pixels_correlated
        return np.sum(1 / self._maps["n_correlated"].data[idx][select])

    def to_dict(self):
        """Description of the residuals.

        Returns
        -------
        data : dict
            Names, kernel, unit and energy groups as plain data, without the maps.
        """
        energy_edges = [f"{edge:.6g}" for edge in self.energy_axis.edges]
        return self._meta | {"unit": unit_of(self), "energy_edges": energy_edges}

    @property
    def _meta(self):
        """Keyword arguments of the constructor that are plain data."""
        radius = self._correlation_radius
        meta = {
            "datasets_names": self._datasets_names,
            "kernel": self._kernel,
            "correlation_radius": None if radius is None else str(radius),
            "n_pixels_correlated": float(self._n_pixels_correlated),
            "exclude": self._exclude,
        }
        radii = self.kernel_radius
        if radius is None and radii is not None:
            meta["kernel_radius"] = [f"{value:.4g}" for value in radii]
        return meta

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
        """Read a FITS file that was written with `SpatialResiduals.write`.

        Maps are identical. Models are read with values and errors, except templates,
        which are not stored in such a file.

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
            If the file does not contain residuals.
        """
        maps, meta = read_spatial_residuals(filename)
        return cls(maps, **meta)

    def __str__(self):
        lines = [self.__class__.__name__, ""]
        edges = self.energy_axis.edges
        shown = {"energy_edges": [show_energy(edge, edges.unit) for edge in edges]}
        for key, value in (self.to_dict() | shown).items():
            lines.append(f"  {key:20} : {value}")
        lines.append("")
        groups = zip(edges[:-1], edges[1:], self.distribution(), strict=True)
        for low, high, row in groups:
            lines.append(
                f"  {format_energy_range(low, high, edges.unit)}: "
                f"significance {row['mean']:.3f} +- {row['mean_err']:.3f} (mean), "
                f"{row['std']:.3f} +- {row['std_err']:.3f} (width)"
            )
        return "\n".join(lines) + "\n"
