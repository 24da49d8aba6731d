# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section with the spectrum of each component's region."""

import numpy as np
import astropy.units as u
from regions import CircleSkyRegion
from gammapy.datasets import SpectralResiduals
from gammapy.diagnostics.questions import component_region
from gammapy.diagnostics.result import plain
from gammapy.maps import Map
from gammapy.modeling.models import SkyModel
from gammapy.modeling.models.backgrounds import is_on_sky
from gammapy.report.blocks import Grid, Items, figure_block
from gammapy.report.findings import Level
from gammapy.stats.goodness import after_trials
from .base import ReportSection

__all__ = []

#: Components whose spectra are drawn, those with the most counts.
MOST = 8


class SpectraSection(ReportSection):
    """Section with spectra."""

    name, title = "spectra", "Spectra"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        regions, notes = self._regions(context)
        page.data["spectra"] = {}
        figures, rows = [], []
        for name, region in regions.items():
            residuals = SpectralResiduals.from_datasets(context.datasets, region)
            n_bins = int(np.sum(residuals.mask))
            p_value = residuals.p_value
            rows.append((name, residuals.sum_ts, n_bins, p_value))
            figures.append(self._figure(name, residuals, p_value))
            page.data["spectra"][name] = {
                "region": None if region is None else _region_data(region),
                "sum_ts": plain(residuals.sum_ts),
                "n_bins": n_bins,
                "p_value": plain(p_value),
            }
        page.blocks.append(Grid(figures))
        if notes:
            page.blocks.append(Items(notes))
        self._judge(page, rows, context.p_threshold)

    def _judge(self, page, rows, threshold):
        rows = [row for row in rows if np.isfinite(row[-1])]
        if not rows:
            page.summary = "There is no spectrum."
            return
        name, sum_ts, n_bins, p_value = min(
            rows, key=lambda row: np.nan_to_num(row[-1], nan=2)
        )
        after = float(after_trials(p_value, len(rows)))
        page.summary = (
            f"The worst of {len(rows)} spectra is that of {name}, with a sum of ts of "
            f"{sum_ts:.1f} in {n_bins} bins (p = {after:.2g} after trials, not "
            "corrected for the fit)."
        )
        page.find(Level.LOOK if after < threshold else Level.GOOD, page.summary)

    def _figure(self, name, residuals, p_value):
        axes = residuals.plotter.plot(residuals, method="significance")
        text = (
            f"Counts and model against energy, {name}; sum of ts "
            f"{residuals.sum_ts:.1f} in {np.sum(residuals.mask)} bins, "
            f"p = {p_value:.2g}."
        )
        return figure_block(axes[0], text, caption=name)

    def _regions(self, context):
        """Regions by name: all, that which was given, and one of each component."""
        regions = {"all pixels": None}
        if not context.has_maps:
            return {"all bins": None}, []
        if context.region is not None:
            regions["the region"] = context.region
        found, notes = component_regions(context)
        return regions | found, notes


def component_regions(context):
    """Circle of 68 percent of the predicted counts of each component.

    Parameters
    ----------
    context : `~gammapy.report.context.ReportContext`
        Datasets and results.

    Returns
    -------
    regions : dict of `~regions.CircleSkyRegion`
        By the name of the component, those with the most counts.
    notes : list of str
        What was left out.
    """
    geom = context.spatial_residuals.counts.geom.to_image()
    found, notes = {}, []
    for model in context.models:
        is_source = isinstance(model, SkyModel) and is_on_sky(model)
        if not is_source or not hasattr(model.spatial_model, "lon_0"):
            continue
        image = _image_of(context.datasets, model, geom)
        n_pixels = np.sum(component_region(image))
        if n_pixels == 0:
            continue
        area = n_pixels * geom.solid_angle().to_value("deg2").mean()
        radius = u.Quantity(np.sqrt(area / np.pi), "deg")
        region = CircleSkyRegion(model.position, radius)
        if reaches_beyond(region, geom):
            notes.append(f"The region of {model.name} reaches beyond the maps.")
        else:
            found[model.name] = image.sum(), region
    names = sorted(found, key=lambda name: -found[name][0])
    if len(names) > MOST:
        notes.append(
            f"Spectra of {len(names) - MOST} fainter components are not shown."
        )
    return {name: found[name][1] for name in names[:MOST]}, notes


def reaches_beyond(region, geom):
    """Whether a circle reaches beyond a map.

    Parameters
    ----------
    region : `~regions.CircleSkyRegion`
        Circle.
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image.

    Returns
    -------
    is_beyond : bool
        Answer.
    """
    angles = np.arange(0, 360, 15) * u.deg
    rim = region.center.directional_offset_by(angles, region.radius)
    return not np.all(geom.contains(rim))


def _image_of(datasets, model, geom):
    """Predicted counts of one component, of all datasets."""
    total = Map.from_geom(geom)
    for dataset in datasets:
        if model.datasets_names and dataset.name not in model.datasets_names:
            continue
        npred = dataset.npred_signal(model_names=[model.name])
        mask = dataset.mask
        data = npred.data if mask is None else npred.data * (mask.data != 0)
        image = Map.from_geom(npred.geom.to_image(), data=data.sum(axis=0))
        total.stack(image)
    return total.data


def _region_data(region):
    if not isinstance(region, CircleSkyRegion):
        return str(region)
    center = region.center
    return {
        "lon": float(center.data.lon.deg),
        "lat": float(center.data.lat.deg),
        "frame": center.frame.name,
        "radius": float(region.radius.to_value("deg")),
    }
