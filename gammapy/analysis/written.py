# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lists of the files that an analysis wrote."""

from itertools import groupby
from pathlib import Path

__all__ = []

#: What files hold, by the ends of their names.
CONTENTS = {
    "config_used.yaml": "all settings of this analysis",
    "_background.ecsv": "background of each observation",
    "_background.png": "the same, as a figure",
    "_exclusion.fits": "exclusion mask, its significance and rounds",
    "_groups.ecsv": "groups of observations",
    "_groups.png": "the same, as a figure",
    "fit_result.yaml": "result of the fit",
    "parameters.ecsv": "free and frozen parameters with full precision",
    "residuals_maps.fits": "residual maps, for SpatialResiduals.read and ds9",
    "residuals_maps.png": "residual maps, as a figure",
    "residuals_maps_by_dataset.png": "residual maps of each dataset, as a figure",
    "residuals_distribution.ecsv": "mean and width of the significance",
    "residuals_spectrum.ecsv": "residuals against energy",
    "residuals_spectrum.png": "the same, as a figure",
    "flux_points.ecsv": "flux points, for FluxPoints.read",
    "flux_points.png": "flux points with the model, as a figure",
    "flux_points_nuisance.ecsv": "nuisance parameters in the fit of each flux point",
    "flux_points_nuisance.png": "the same, as a figure",
    "light_curve.ecsv": "light curve",
    "report.html": "report of the fit, for a browser",
    "report.json": "numbers of the report",
    "excess_map.fits": "excess map",
    "_covariance.dat": "covariance of the parameters",
}
#: What all others hold.
OF_DATASETS = "counts and responses"

#: Files of datasets that are listed by name; of more there are the first and the last.
N_DATASETS = 6


def files_text(paths, *, datasets_file, models_file, history=None):
    """List of files, folder by folder, with what they hold.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
        Files; one that is there twice is listed once.
    datasets_file, models_file : `~pathlib.Path`
        Files of the datasets and of the models.
    history : `~pathlib.Path`, optional
        Folder of the step of a history. Default is None.

    Returns
    -------
    text : str
        Lines.
    """
    contents = {datasets_file: "datasets", models_file: "models"}
    paths = sorted(set(paths), key=lambda path: (str(path.parent), str(path.name)))
    lines = []
    for folder, group in groupby(paths, key=lambda path: path.parent):
        rows = _shortened(
            [(path.name, contents.get(path) or _content(path.name)) for path in group]
        )
        lines.append(f"Written to {_folder(folder)}:")
        width = max(len(name) for name, _content in rows)
        lines += [f"  {name:{width}}  {content}".rstrip() for name, content in rows]
    if history is not None:
        lines.append(f"Written to {_folder(history)}: step of the history of fits")
    return "\n".join(lines)


def _content(name):
    """What a file holds, by its name; those without another name are of datasets."""
    found = (text for end, text in CONTENTS.items() if name.endswith(end))
    return next(found, OF_DATASETS)


def _shortened(rows):
    """Rows of which those of single datasets are few."""
    of_datasets = [name for name, content in rows if content == OF_DATASETS]
    if len(of_datasets) <= N_DATASETS:
        return rows
    kept = [row for row in rows if row[1] != OF_DATASETS]
    names = f"{of_datasets[0]} ... {of_datasets[-1]}"
    return [*kept, (names, f"{OF_DATASETS}, {len(of_datasets)} files")]


def _folder(folder):
    """Name of a folder, from the working directory where it is inside."""
    folder, here = Path(folder).absolute(), Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)
