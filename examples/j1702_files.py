# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Datasets and models in files, to try pages of the user guide with.

    python examples/j1702_files.py fit FOLDER      a fit that is not a good one
    python examples/j1702_files.py field FOLDER    all components, with true values

Both write ``datasets.yaml`` and ``models.yaml``, with the files that belong to them, of
the simulated field of HESS J1702-420.
"""

import argparse
from dataclasses import replace
from pathlib import Path
import j1702_scene
from gammapy.modeling import Fit

__all__ = ["make_field", "make_fit", "write_field", "write_fit"]


def make_fit():
    """Two datasets and a fit to them: an ellipse that was fitted as a circle.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with the fitted models.
    """
    datasets = j1702_scene.make_datasets(j1702_scene.SMALL, seed=0)
    shape = datasets.models["HESS J1702-420B"].spatial_model
    shape.e.value, shape.e.frozen, shape.phi.frozen = 0, True, True
    Fit(backend="newton").run(datasets)
    return datasets


def make_field():
    """Two datasets of the field with all components, at their true values.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with the models that they were simulated from.
    """
    steps = j1702_scene.FULL.steps
    scene = replace(j1702_scene.SMALL, steps=steps, width=4.0, pixel=0.05)
    return j1702_scene.make_datasets(scene, seed=0)


def write_fit(folder):
    """Write what `make_fit` makes to a folder, which is made when missing."""
    write(make_fit(), folder)


def write_field(folder):
    """Write what `make_field` makes to a folder, which is made when missing."""
    write(make_field(), folder)


def write(datasets, folder):
    """Write datasets and their models, over those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets.write(
        folder / "datasets.yaml",
        filename_models=folder / "models.yaml",
        overwrite=True,
    )


def main(argv=None):
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["fit", "field"], help="what to write")
    parser.add_argument("folder", type=Path, help="where to write it")
    args = parser.parse_args(argv)
    {"fit": write_fit, "field": write_field}[args.what](args.folder)
    print(f"{args.folder / 'datasets.yaml'}, {args.folder / 'models.yaml'}")


if __name__ == "__main__":
    main()
