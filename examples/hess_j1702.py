# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Joint fit of HESS J1702-420 and its neighbours, judged at every step.

The components are added one by one. Each iteration copies the datasets of the one
before, adds a component, fits all datasets jointly and looks at what is left. All of
them are kept in a history, which ``gammapy history FOLDER`` shows::

    python examples/hess_j1702.py            # simulated field, a minute
    python examples/hess_j1702.py --small    # a coarse part of it, seconds
    python examples/hess_j1702.py --fine     # four times as many bins per axis
    python examples/hess_j1702.py --data     # real events of MSH 15-52

The exit status is 0 when all fitted parameters are within four sigma of the truth,
1 when some are not, and 2 when the job could not start.
"""

import argparse
import logging
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tqdm import tqdm
import numpy as np
import astropy.units as u
from astropy.table import Table
from regions import CircleSkyRegion
import matplotlib.pyplot as plt
import hess_runs
import j1702_scene
from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
from gammapy.diagnostics import FitHistory
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import Models
from gammapy.report import FitReport
from gammapy.visualization import (
    plot_flux_points,
    plot_nuisance,
    plot_spatial_residuals,
    plot_spectral_residuals,
)

log = logging.getLogger("hess_j1702")

MAX_DEVIATION = 4
DPI = 120


@dataclass
class Analysis:
    """What is fitted: the same steps serve simulated and real data."""

    datasets: Datasets  # with mask_fit and background models
    steps: list  # (label, sky models to add) of each iteration
    target: str  # component that gets a profile and flux points
    region: CircleSkyRegion  # for the spectral residuals
    energy_min: u.Quantity  # of the fit
    truth: Models = None


# --- what is fitted --------------------------------------------------------


def simulated_field(scene, seed):
    """The field of HESS J1702-420 with known sources."""
    datasets = j1702_scene.make_datasets(scene, seed=seed)
    truth = j1702_scene.true_models(scene)
    datasets.models = j1702_scene.background_models(scene)
    return Analysis(
        datasets=datasets,
        steps=[
            (label, j1702_scene.start_models(scene, names, seed=seed))
            for label, names in scene.steps
        ],
        target="HESS J1702-420B",
        region=CircleSkyRegion(j1702_scene.TARGET, 0.5 * u.deg),
        energy_min=j1702_scene.ENERGY_FIT,
        truth=truth,
    )


def real_field(data_dir):
    """MSH 15-52 in two bins of zenith angle."""
    datasets = hess_runs.make_datasets(data_dir)
    return Analysis(
        datasets=datasets,
        steps=[
            ("background", Models()),
            ("MSH1552", Models([hess_runs.start_model()])),
        ],
        target="MSH 15-52",
        region=CircleSkyRegion(hess_runs.MSH_1552.target, 0.3 * u.deg),
        energy_min=hess_runs.MSH_1552.energy_fit,
    )


# --- one iteration ---------------------------------------------------------


def run_iteration(label, new_models, previous, analysis, history):
    """Add components, fit, check the fit, write everything to the history.

    Parameters
    ----------
    label : str
        Name of the iteration.
    new_models : `~gammapy.modeling.models.Models`
        Components to add.
    previous : `~gammapy.datasets.Datasets`
        Datasets of the previous iteration; left as they are.
    analysis : `Analysis`
        The job.
    history : `~gammapy.diagnostics.FitHistory`
        History of the job.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        Fitted datasets.
    """
    datasets = previous.copy()
    datasets.models = Models([*new_models, *datasets.models])

    # Exact derivatives: some ten steps, and errors of the exact Hessian.
    result = Fit(backend="newton").run(datasets)
    if not result.success:
        log.warning(f"iteration {label}: fit failed, {result.message}")

    spatial = SpatialResiduals.from_datasets(datasets, energy_min=analysis.energy_min)
    spectral = SpectralResiduals.from_datasets(datasets, analysis.region)
    # A second run replaces the steps of the first.
    step = history.add(
        label,
        datasets,
        result,
        residuals=[spatial, spectral],
        goodness=True,
        overwrite=True,
    )
    print(f"\n{step}")
    print_table(step.parameters)
    print(spatial)
    print_table(step.residuals_spectrum)
    plot_residuals(datasets, analysis, history.folder, label)
    return datasets


def plot_residuals(datasets, analysis, out, label):
    """Save spatial and spectral residuals of fitted datasets."""
    with written_to(out) as folder:
        axes = plot_spatial_residuals(
            datasets, region=analysis.region, energy_min=analysis.energy_min
        )
        save(axes, folder / f"{label}-spatial_residuals.png")

        axes = plot_spectral_residuals(datasets, analysis.region, method="significance")
        save(axes, folder / f"{label}-spectral_residuals.png")


def run_iterations(analysis, history, progress):
    """All iterations in turn, and a table of what each one was worth."""
    datasets = analysis.datasets
    before = None
    for label, new_models in analysis.steps:
        progress.set_description(f"Iteration {label}")
        datasets = run_iteration(label, new_models, datasets, analysis, history)
        if before is not None:
            print(history.compare(before, label))
        before = label
        progress.update()

    print(history)
    with written_to(history.folder) as folder:
        save(history.plotter.plot(history), folder / "history.png")
    return datasets


# --- the target ------------------------------------------------------------


def norms_only(datasets, target):
    """Copy of fitted datasets with the target's amplitude and background norms free.

    Shapes and positions stay at their best fit: refitting two dozen parameters at
    each point of a profile would take longer than the rest of the job. The errors
    are then those for a known shape.
    """
    datasets = datasets.copy()
    amplitude = datasets.models[target].spectral_model.amplitude
    for par in datasets.models.parameters:
        par.frozen = not (par.name == "norm" or par is amplitude)
    return datasets, amplitude


def run_profile(analysis, datasets, out):
    """Profile of the target's amplitude, with the background norms at each value."""
    datasets, amplitude = norms_only(datasets, analysis.target)
    amplitude.scan_n_values = 11
    profile = Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)

    nuisance = profile["nuisance"]
    print(f"\nProfile of the amplitude of {analysis.target}")
    print_table(nuisance)
    with written_to(out) as folder:
        nuisance.write(folder / "nuisance_profile.ecsv")
        save(plot_nuisance(nuisance), folder / "nuisance_profile.png")
        table = Table({"amplitude": amplitude.scan_values * amplitude.unit})
        table["stat"] = profile["stat_scan"]
        table["delta_stat"] = table["stat"] - np.min(table["stat"])
        table.write(folder / "profile.ecsv")


def run_flux_points(analysis, datasets, out):
    """Flux points of the target, with the background norms fitted in each bin."""
    datasets, _ = norms_only(datasets, analysis.target)
    # every second edge above the threshold, for some excess in each bin
    edges = datasets[0].counts.geom.axes["energy"].edges
    edges = edges[edges > 0.999 * analysis.energy_min][::2]
    estimator = FluxPointsEstimator(
        energy_edges=edges,
        source=analysis.target,
        selection_optional=["ul"],
        reoptimize=True,
        debug=True,
    )
    flux_points = estimator.run(datasets)

    print(f"\nFlux points of {analysis.target}")
    table = flux_points.to_table(sed_type="dnde", formatted=True)
    # the nuisance values travel in columns of this table; they are printed below
    table.keep_columns(
        [column for column in table.colnames if not column.startswith("nuisance.")]
    )
    print_table(table)
    print("\nBackground norms in each bin")
    print_table(flux_points.nuisance)

    with written_to(out) as folder:
        flux_points.write(folder / "flux_points.fits")
        flux_points.nuisance.write(folder / "nuisance_flux_points.ecsv")

        axes = plot_flux_points(flux_points, datasets.models[analysis.target])
        save(axes, folder / "flux_points.png")
    return flux_points


def write_report(analysis, datasets, flux_points, history):
    """One page on the last step, and its path."""
    step = history[-1]
    report = FitReport(
        datasets,
        step.result,
        history=history,
        goodness=step.goodness,
        flux_points=flux_points,
        region=analysis.region,
        parameter=f"{analysis.target}.amplitude",
        title=f"{analysis.target}: {step.name}",
    )
    path, _data = report.write(history.folder / "report.html", overwrite=True)
    print(f"\n{report.verdict}\nThe report is {path}")


# --- the verdict -----------------------------------------------------------


def compare_to_truth(models, truth):
    """Fitted against true value for each free parameter.

    Parameters
    ----------
    models, truth : `~gammapy.modeling.models.Models`
        Fitted and true models, with the same names.

    Returns
    -------
    table : `~astropy.table.Table`
        One row per free parameter; ``deviation`` is in units of the fitted error, and
        NaN when the fit gives no error.
    """
    rows = []
    for model in models:
        for par in model.parameters.free_parameters:
            true = truth[model.name].parameters[par.name].quantity.to_value(par.unit)
            difference = par.value - true
            if par.name == "phi":
                # an ellipse turned by half a circle is the same ellipse
                difference = (difference + 90) % 180 - 90
            usable = np.isfinite(par.error) and par.error > 0
            to_limit = np.nanmin([par.value - par.min, par.max - par.value, np.inf])
            rows.append(
                {
                    "component": model.name,
                    "parameter": par.name,
                    "unit": str(par.unit),
                    "true": true,
                    "fitted": par.value,
                    "error": par.error,
                    "deviation": difference / par.error if usable else np.nan,
                    "at_limit": bool(to_limit <= 0.01 * par.error),
                }
            )
    table = Table(rows)
    for name in ["true", "fitted", "error"]:
        table[name].info.format = ".4g"
    table["deviation"].info.format = "+.2f"
    return table


def judge(table):
    """Say which parameters missed the truth; True when none did."""
    # written so that NaN, a parameter without an error, counts as missed
    missed = table[~(np.abs(table["deviation"]) <= MAX_DEVIATION)]
    if len(missed) == 0:
        print(f"All {len(table)} parameters are within {MAX_DEVIATION} sigma.")
        return True
    print(f"{len(missed)} of {len(table)} parameters miss {MAX_DEVIATION} sigma:")
    for row in missed:
        print(
            f"  {row['component']} {row['parameter']}: {row['fitted']:.4g}"
            f" +- {row['error']:.2g}, true {row['true']:.4g}"
            f" ({row['deviation']:+.1f} sigma)"
        )
    return False


# --- files -----------------------------------------------------------------


@contextmanager
def written_to(folder):
    """Collect files in a scratch folder, then move each to its place.

    A run that is interrupted leaves no half-written file, and a second run replaces
    the files of the first and nothing else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        yield Path(scratch)
        for path in Path(scratch).iterdir():
            path.replace(folder / path.name)


def save(axes, path):
    """Save and close the figure of one or several axes."""
    if isinstance(axes, dict):
        axes = list(axes.values())
    fig = np.ravel(axes)[0].figure
    fig.savefig(path, dpi=DPI)
    plt.close(fig)


def print_table(table):
    """Print all rows and columns."""
    table.pprint_all()


# --- command line ----------------------------------------------------------


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the simulated counts; default 0"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--small", action="store_true", help="coarse and fast")
    kind.add_argument(
        "--fine", action="store_true", help="maps of (24, 300, 300), many minutes"
    )
    kind.add_argument(
        "--data", action="store_true", help="real events from $GAMMAPY_DATA"
    )
    args = parser.parse_args(argv)

    if args.seed < 0:
        parser.error(f"--seed must not be negative, got {args.seed}")
    if args.out is None:
        name = "msh1552" if args.data else "hess_j1702"
        name += "_small" * args.small + "_fine" * args.fine
        args.out = Path("output") / name
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out must be a folder, {args.out} is a file")
    return args


def main(argv=None):
    """Run the job.

    Parameters
    ----------
    argv : list of str, optional
        Command line arguments. Default is those of the process.

    Returns
    -------
    status : int
        Exit status.
    """
    args = parse_args(argv)
    logging.basicConfig(level="INFO")

    if args.data:
        data_dir = hess_runs.find_data()
        if data_dir is None:
            return 2
        analysis = real_field(data_dir)
    else:
        scene = j1702_scene.SMALL if args.small else j1702_scene.FULL
        scene = j1702_scene.FINE if args.fine else scene
        analysis = simulated_field(scene, args.seed)

    history = FitHistory(args.out)
    with tqdm(total=len(analysis.steps) + 3, unit="step") as progress:
        datasets = run_iterations(analysis, history, progress)
        progress.set_description("Profile")
        run_profile(analysis, datasets, args.out)
        progress.update()
        progress.set_description("Flux points")
        flux_points = run_flux_points(analysis, datasets, args.out)
        progress.update()
        progress.set_description("Report")
        write_report(analysis, datasets, flux_points, history)
        progress.update()

    good = True
    if analysis.truth is not None:
        table = compare_to_truth(datasets.models, analysis.truth)
        print("\nFitted against true")
        print_table(table)
        with written_to(args.out) as folder:
            table.write(folder / "fitted_vs_true.ecsv")
        good = judge(table)

    print(f"Results are in {args.out}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
