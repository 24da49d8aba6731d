# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy residuals``."""

import logging
import warnings
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from pathlib import Path
import click
import numpy as np
import astropy.units as u
from regions import LineSkyRegion, PixelRegion, Regions, TextSkyRegion
import matplotlib
from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
from gammapy.datasets.residuals import kernels
from gammapy.datasets.residuals.checks import STAT_KINDS
from gammapy.datasets.residuals.grids import parse_region
from gammapy.diagnostics import HotSpotEstimator, HotSpots, ResidualsSummary
from gammapy.maps.energy_bins import parse_energy_unit
from gammapy.modeling.parameter_table import parameters_table
from gammapy.stats.residuals import RESIDUAL_METHODS
from gammapy.utils.arguments import parse_edges
from gammapy.utils.ecsv import write_plain
from gammapy.visualization import plot_spatial_residuals, plot_spectral_residuals
from gammapy.visualization.figures import figure_of
from gammapy.visualization.residuals import PANELS
from gammapy.visualization.residuals.each import BY, each_residuals
from gammapy.visualization.sky.names import MODELS_STYLES
from gammapy.visualization.sky.stretch import STRETCHES
from .common import (
    FILE,
    InputError,
    OneLineCommand,
    check_absent,
    figure_writer,
    input_errors,
    read_datasets,
    show_progress,
    write_files,
)

__all__ = ["cli_residuals"]

log = logging.getLogger(__name__)

WITHOUT_AREA = (LineSkyRegion, TextSkyRegion)

# All that the command may write; what it does not is no longer of the same fit.
MAPS, MAPS_FIGURE = "spatial_residuals.fits", "spatial_residuals.png"
EACH_FIGURE = "spatial_residuals_by_dataset.png"
SPECTRUM, SPECTRUM_FIGURE = "spectral_residuals.ecsv", "spectral_residuals.png"
PARAMETERS = "parameters.ecsv"
SPOTS = "hot_spots.ecsv"
OUTPUTS = (
    MAPS,
    MAPS_FIGURE,
    EACH_FIGURE,
    SPECTRUM,
    SPECTRUM_FIGURE,
    PARAMETERS,
    SPOTS,
)


class QuantityType(click.ParamType):
    """Number with a unit, not negative."""

    name = "quantity"

    def __init__(self, what, example):
        self.what = what
        self.example = example

    def convert(self, value, param, ctx):
        """Quantity of a text."""
        try:
            quantity = u.Quantity(value)
            number = quantity.to_value(u.Quantity(self.example).unit)
        except (TypeError, ValueError):  # the error of units is one of these
            number = None
        if number is None or np.ndim(number) or not 0 <= number < np.inf:
            self.fail(f"{value!r} is not {self.what} such as {self.example!r}.")
        return quantity


class PanelsType(click.ParamType):
    """Names of panels, separated by commas."""

    name = "names"

    def convert(self, value, param, ctx):
        """List of names of a text."""
        panels = [part.strip() for part in value.split(",")]
        for panel in panels:
            if panel not in PANELS:
                self.fail(f"{panel!r} is not one of {', '.join(PANELS)}.")
        return panels


class RegionType(click.ParamType):
    """DS9 file or text with sky regions, of which the union counts."""

    name = "region"

    def convert(self, value, param, ctx):
        """Sky region of a file or text."""
        is_file = Path(value).is_file()
        if not is_file and value.endswith(".reg"):
            self.fail(f"There is no file {value!r}.")
        parse = Regions.read if is_file else Regions.parse
        # Lines that it cannot read are skipped with a warning.
        with warnings.catch_warnings(record=True, action="always") as skipped:
            try:
                regions = parse(value, format="ds9")
            except (AttributeError, IndexError, OSError, TypeError, ValueError) as err:
                self.fail(f"{value!r} is not a region: {err}")
        for warning in skipped if regions else []:
            log.warning(str(warning.message))
        return self._union(value, regions)

    def _union(self, value, regions):
        if any(isinstance(region, PixelRegion) for region in regions):
            self.fail(
                f"{value!r} is in pixels; use sky coordinates, as in "
                "'galactic;circle(344.2, -0.15, 0.3)'."
            )
        if any(not region.meta.get("include", True) for region in regions):
            self.fail(f"{value!r} excludes regions ('-'), which is not supported.")
        # Notes and lines have no area.
        regions = [region for region in regions if not isinstance(region, WITHOUT_AREA)]
        if not regions:
            self.fail(f"{value!r} has no region.")
        region = reduce(or_, regions)
        try:
            parse_region(region)
        except ValueError as error:
            self.fail(str(error))
        return region


class EdgesType(click.ParamType):
    """Energies, separated by commas."""

    name = "energies"

    def convert(self, value, param, ctx):
        """Increasing energies of a text."""
        try:
            return parse_edges(
                param.opts[0], [part.strip() for part in value.split(",")]
            )
        except ValueError as error:
            self.fail(str(error))


class EnergyUnitType(click.ParamType):
    """Unit of energy."""

    name = "unit"

    def convert(self, value, param, ctx):
        """Unit of a text."""
        try:
            return parse_energy_unit(param.opts[0], value)
        except ValueError as error:
            self.fail(str(error))


ENERGY = QuantityType("an energy", "2 TeV")

#: Names that flags had before they were those of Python and YAML.
OLD_FLAGS = {
    "--radius": "--correlation-radius",
    "--no-mask-fit": "--no-apply-mask",
    "--spots": "--hot-spots",
    "--toys": "--n-toys",
    "--seed": "--random-state",
    "--jobs": "--n-jobs",
    "--out": "--outdir",
}


@click.command(
    "residuals",
    cls=OneLineCommand,
    old_flags=OLD_FLAGS,
    short_help="Residuals of datasets in sigma: maps, spectra, figures, a summary",
    context_settings={"show_default": True},
)
@click.argument("datasets", type=FILE)
@click.argument("models", type=FILE, required=False)
@click.option("--energy-min", type=ENERGY, help="Lowest energy, such as '2 TeV'.")
@click.option("--energy-max", type=ENERGY, help="Highest energy, such as '20 TeV'.")
@click.option(
    "--energy-edges",
    type=EdgesType(),
    help="Edges of energy groups with one map each, such as '1 TeV, 10 TeV',"
    " instead of a range.",
)
@click.option(
    "--energy-unit",
    type=EnergyUnitType(),
    help="Unit of the energies in files, figures and text, such as 'GeV'."
    "  [default: that of the datasets]",
)
@click.option(
    "--region",
    type=RegionType(),
    help="Region of the spectrum, outlined on the maps: a DS9 file or a"
    " text such as 'galactic;circle(344.2, -0.15, 0.3)'.  [default: all pixels]",
)
@click.option(
    "--kernel",
    type=click.Choice(kernels.choices()),
    default="tophat",
    help="Weights of the pixels around each position: a top-hat, a Gaussian, or the"
    " filter matched to a point source.",
)
@click.option(
    "--correlation-radius",
    type=QuantityType("an angle", "0.1 deg"),
    default="0.1 deg",
    help="Radius of the top-hat, or sigma of the Gaussian.",
)
@click.option(
    "--method",
    type=click.Choice(RESIDUAL_METHODS),
    default="significance",
    help="Method of the residuals in the spectrum.",
)
@click.option(
    "--panels",
    type=PanelsType(),
    show_default="counts,npred,significance,distribution",
    help=f"Panels of the maps, of: {', '.join(PANELS)}.",
)
@click.option(
    "--by",
    type=click.Choice(BY),
    help="Also draw the datasets side by side, with the same colours.",
)
@click.option(
    "--models-style",
    type=click.Choice(MODELS_STYLES),
    default="auto",
    help="Names beside the components on the maps, or markers with numbers and a"
    " legend. auto: names if all of them fit.",
)
@click.option(
    "--stretch",
    type=click.Choice(STRETCHES),
    default="auto",
    help="Stretch of the colours of counts and model.",
)
@click.option(
    "--crop/--no-crop",
    default=True,
    help="Draw only the unmasked part of the maps.",
)
@click.option(
    "--exclude",
    metavar="NAME",
    multiple=True,
    help="Component to leave out of the model. Can be given several times.",
)
@click.option(
    "--dataset",
    "names",
    metavar="NAME",
    multiple=True,
    help="Dataset to use. Can be given several times.  [default: all]",
)
@click.option(
    "--apply-mask/--no-apply-mask",
    default=True,
    help="Whether mask_fit applies.",
)
@click.option(
    "--hot-spots",
    "with_spots",
    is_flag=True,
    help="Search for hot spots at 1, 2 and 4 times the correlation radius, and draw"
    " them on the maps.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, min_open=True),
    default=4.0,
    help="Lowest significance of a hot spot, of either sign.",
)
@click.option(
    "--n-toys",
    type=click.IntRange(min=0),
    default=100,
    help="Number of simulations for the p-values of hot spots.",
)
@click.option(
    "--random-state",
    type=click.IntRange(min=0),
    default=0,
    help="Seed of the simulations.",
)
@click.option(
    "--n-jobs",
    type=click.IntRange(min=1),
    default=1,
    help="Number of processes.",
)
@click.option(
    "--outdir",
    type=click.Path(file_okay=False, path_type=Path),
    default="residuals",
    help="Folder of the results.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace the results that the folder has."
)
def cli_residuals(datasets, models, names, outdir, overwrite, **options):
    """Compute and draw the residuals of a fit.

    DATASETS is a YAML file written by Datasets.write, or the FITS file of one dataset.
    MODELS is the YAML file of the fitted models. Without it the counts are compared
    with the background only. The residuals are those of all datasets together, with
    masks and energy range applied. The following files are written:

    \b
      spatial_residuals.fits   maps, for SpatialResiduals.read; not of spectra
      spectral_residuals.ecsv  table, one row per energy bin
      parameters.ecsv          table of the model parameters
      hot_spots.ecsv           table of hot spots, for HotSpots.read; with --hot-spots
      *_residuals.png          figures of both
      spatial_residuals_by_dataset.png  maps of each dataset; with --by dataset

    A summary is printed: mean and width of the significance (0 and 1 if the model is
    correct), the worst pixel and the nearest component, and with --hot-spots the table
    of hot spots with their p-values.

    \b
    Examples
    --------
      gammapy residuals datasets.yaml models.yaml --energy-min "2 TeV"
      gammapy residuals datasets.yaml models.yaml --exclude "HESS J1708-443" \\
          --region source.reg --kernel gauss --correlation-radius "0.07 deg" \\
          --outdir without
    """
    check_absent([outdir / name for name in OUTPUTS], overwrite)
    matplotlib.use("agg")
    search = {
        name: options.pop(name) for name in ("threshold", "n_toys", "random_state")
    }
    with_spots = options.pop("with_spots")
    datasets = select_datasets(read_datasets(datasets, models), names)
    results = compute(datasets, **options)
    if with_spots:
        results.spots = find_spots(results.spatial, datasets, options, **search)
    log.info("Drawing")
    writers = results.writers()
    write_files(outdir, writers)
    for name in set(OUTPUTS) - set(writers):
        (outdir / name).unlink(missing_ok=True)
    click.echo(str(results.summary), nl=False)
    click.echo(f"Written to {outdir}: {', '.join(writers)}")


def select_datasets(datasets, names=()):
    """Datasets of the given names that have counts."""
    unknown = [name for name in names if name not in datasets.names]
    if unknown:
        raise InputError(
            f"There is no dataset {unknown[0]!r}; there are "
            f"{', '.join(datasets.names)}."
        )
    chosen = [dataset for dataset in datasets if not names or dataset.name in names]
    counted = [dataset for dataset in chosen if dataset.stat_type in STAT_KINDS]
    if left_out := [dataset.name for dataset in chosen if dataset not in counted]:
        log.warning(f"Datasets without counts are ignored: {', '.join(left_out)}")
    if not counted:
        raise InputError("None of the datasets has counts.")
    return Datasets(counted)


def compute(
    datasets, *, region, kernel, correlation_radius, method, panels, by, models_style,
    stretch, crop, exclude, apply_mask, n_jobs, energy_min, energy_max, energy_edges,
    energy_unit,
):  # fmt: skip
    """Residuals of the datasets, an `InputError` for what they cannot be made of."""
    energies = {"energy_min": energy_min, "energy_max": energy_max}
    groups = energies
    if energy_edges is not None:
        if any(bound is not None for bound in energies.values()):
            raise InputError(
                "Give --energy-edges or --energy-min and --energy-max, not both."
            )
        energies = {"energy_min": energy_edges[0], "energy_max": energy_edges[-1]}
        groups = {"energy_edges": energy_edges}
    options = {
        "exclude": list(exclude),
        "apply_mask": apply_mask,
        "energy_unit": energy_unit,
    }
    maps = [dataset for dataset in datasets if not dataset.counts.geom.is_region]
    if maps and len(maps) < len(datasets):
        names = ", ".join(dataset.name for dataset in maps)
        log.warning(f"The maps contain only {names}.")
    spatial = each = None
    with show_progress(), input_errors():
        spectral = SpectralResiduals.from_datasets(
            datasets, region, **energies, **options
        )
        if maps:
            maps = Datasets(maps)
            options |= groups | {
                "kernel": kernels.from_choice(kernel),
                "correlation_radius": correlation_radius,
                "n_jobs": n_jobs,
            }
            spatial = SpatialResiduals.from_datasets(maps, **options)
            if by is not None:
                each = each_residuals(maps, panels, options)
    return Results(
        models=datasets.models,
        spatial=spatial,
        each=each,
        spectral=spectral,
        method=method,
        map_style={
            "panels": panels,
            "region": region,
            "models_style": models_style,
            "stretch": stretch,
            "crop": crop,
        },
    )


def find_spots(residuals, datasets, options, *, threshold, n_toys, random_state):
    """Hot spots around the scale of the maps, None without maps."""
    if residuals is None:
        log.warning("There are no maps to search for hot spots.")
        return None
    with show_progress(), input_errors():
        estimator = HotSpotEstimator.from_residuals(
            residuals,
            threshold=threshold,
            n_toys=n_toys,
            random_state=random_state,
            apply_mask=options["apply_mask"],
            n_jobs=options["n_jobs"],
        )
        return estimator.run([datasets[name] for name in residuals.datasets_names])


@dataclass
class Results:
    """What the command writes and prints."""

    models: object
    spatial: SpatialResiduals | None
    spectral: SpectralResiduals
    method: str
    map_style: dict
    each: dict | None = None
    spots: HotSpots | None = None

    def writers(self):
        """By file name a function that writes to a path; all is drawn already."""
        writers = {}
        if self.spatial is not None:
            style = self.map_style | {"hot_spots": self.spots}
            axes = plot_spatial_residuals(self.spatial, **style)
            writers[MAPS] = self.spatial.write
            writers[MAPS_FIGURE] = figure_writer(figure_of(axes))
        if self.each is not None:
            axes = plot_spatial_residuals(self.each, by="dataset", **style)
            writers[EACH_FIGURE] = figure_writer(figure_of(axes))
        axes = plot_spectral_residuals(self.spectral, method=self.method)
        table = self.spectral.to_table(self.method)
        writers[SPECTRUM] = partial(write_plain, table)
        writers[SPECTRUM_FIGURE] = figure_writer(figure_of(axes))
        if self.models:
            writers[PARAMETERS] = partial(write_plain, parameters_table(self.models))
        if self.spots is not None:
            writers[SPOTS] = self.spots.write
        return writers

    @property
    def summary(self):
        """What is printed."""
        return ResidualsSummary(
            spatial=self.spatial,
            spectral=self.spectral,
            hot_spots=self.spots,
            models=self.models,
        )
