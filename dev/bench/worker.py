# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Measure in one environment: a request per line comes in, an answer goes out.

It runs with the fork and with plain Gammapy 2.1, so it imports what only the fork has
inside functions. A request is ``{"task": name, **arguments}`` as JSON, an answer a
dict; the process ends with its input.
"""

import json
import os
import sys
import time
import tracemalloc
import numpy as np
from scipy.signal import fftconvolve
import gammapy
from gammapy.datasets import Datasets
from gammapy.estimators import ExcessMapEstimator
from gammapy.modeling.models import FoVBackgroundModel

RADIUS = "0.1 deg"


class Worker:
    """Datasets and what is measured on them."""

    def __init__(self):
        self.datasets = self.geom = self.kernel = self.edges = None

    # --- tasks ---

    def load(self, directory, n_copies=None):
        """Read datasets and evaluate their models, so that the caches are warm."""
        datasets = Datasets.read(
            f"{directory}/datasets.yaml", filename_models=f"{directory}/models.yaml"
        )
        if n_copies is not None:
            datasets = copy_datasets(datasets, n_copies)
        self.datasets = datasets
        self.geom = datasets[0].counts.geom
        self.kernel = disc(self.geom)
        self.edges = fit_range(datasets[0])
        for dataset in datasets:
            dataset.npred()
        return {
            "version": gammapy.__version__,
            "shape": [int(n_pixels) for n_pixels in self.geom.data_shape],
            "n_datasets": len(datasets),
        }

    def time(self, what):
        """Time of one call in seconds."""
        function = getattr(self, what)
        start = time.perf_counter()
        function()
        return {"seconds": time.perf_counter() - start}

    def memory(self, what):
        """Peak memory of one call above what was there, in float64 cubes."""
        function = getattr(self, what)
        tracemalloc.start()
        function()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {"cubes": peak / (8 * np.prod(self.geom.data_shape))}

    def save(self, what, filename):
        """Write counts and significance of one call."""
        counts, sqrt_ts = getattr(self, what)()
        np.savez(filename, counts=counts, sqrt_ts=sqrt_ts)
        return {}

    def forget(self):
        """Drop what the evaluation of the models has cached."""
        self.datasets.models = self.datasets.models
        return {}

    # --- what is measured ---

    def stacked(self):
        """One dataset of all, with the models of the sources."""
        stacked = self.datasets.stack_reduce(name="stacked")
        # the backgrounds are in it, with their norms
        stacked.models = [
            model
            for model in self.datasets.models
            if not isinstance(model, FoVBackgroundModel)
        ]
        return stacked

    def upstream(self):
        """Make the joint significance map as Gammapy 2.1 does."""
        # Its energy edges keep out the bins below, for of mask_fit it uses only
        # where any bin of an image is inside.
        estimator = ExcessMapEstimator(
            RADIUS, selection_optional=[], energy_edges=self.edges
        )
        result = estimator.run(self.stacked())
        return result["counts"].data[0], result["sqrt_ts"].data[0]

    def residuals(self):
        """Make the joint significance map as the fork does."""
        return spatial_residuals(self.datasets)

    def residuals_stacked(self):
        """Make the fork's map of the stacked dataset."""
        return spatial_residuals(self.stacked())

    def floor(self):
        """Do what any joint map needs: models, masks, one convolution of the images."""
        images = np.zeros((2, *self.geom.data_shape[1:]))
        for dataset in self.datasets:
            mask = dataset.mask.data
            # the fastest masked sum of numpy: eight times faster than sum(where=mask)
            images[0] += np.einsum("ijk,ijk->jk", dataset.counts.data, mask)
            images[1] += np.einsum("ijk,ijk->jk", dataset.npred().data, mask)
        return fftconvolve(images, self.kernel[np.newaxis], mode="same", axes=(1, 2))


def spatial_residuals(datasets):
    """Counts and significance of the fork."""
    from gammapy.datasets import SpatialResiduals

    result = SpatialResiduals.from_datasets(
        datasets, kernel="tophat", correlation_radius=RADIUS
    )
    return result.counts.data[0], result.sqrt_ts.data[0]


def copy_datasets(datasets, n_copies):
    """Copies of datasets in turn: own background models, common sources."""
    copies = Datasets()
    models = [
        model for model in datasets.models if not isinstance(model, FoVBackgroundModel)
    ]
    for idx in range(n_copies):
        copies.append(datasets[idx % len(datasets)].copy(name=f"copy-{idx}"))
        models.append(FoVBackgroundModel(dataset_name=f"copy-{idx}"))
    copies.models = models
    return copies


def disc(geom):
    """Disc of the correlation radius."""
    radius = float(RADIUS.split()[0]) / np.mean(geom.pixel_scales.to_value("deg"))
    n = int(radius + 1e-6)
    y, x = np.mgrid[-n : n + 1, -n : n + 1]
    return (x**2 + y**2 <= (radius + 1e-6) ** 2).astype(float)


def fit_range(dataset):
    """First and last energy of the mask, two edges of the axis."""
    used = np.nonzero(dataset.mask.data.any(axis=(1, 2)))[0]
    return dataset.counts.geom.axes["energy"].edges[[used[0], used[-1] + 1]]


def serve(worker):
    """Answer requests until the input ends.

    Parameters
    ----------
    worker : object
        Its methods are the tasks.
    """
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("task"))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(Worker())
