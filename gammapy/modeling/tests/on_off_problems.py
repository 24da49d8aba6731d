# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small on-off fits from arrays, and their minimum by scipy, for tests.

The likelihood is written out with an expectation for each off bin. Nothing here calls
the code that is tested but to make datasets.
"""

import numpy as np
from scipy.optimize import minimize
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling.models import (
    Models,
    PowerLawNormSpectralModel,
    TemplateNPredModel,
)

REGION = "icrs;circle(0, 0, 0.1)"


def make_on_off(data, name):
    """Dataset of arrays: n_on, n_off, alpha, mask."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=len(data["n_on"]))
    geom = RegionGeom.create(REGION, axes=[axis])

    def make_map(values, dtype=float):
        values = np.array(values, dtype=dtype).reshape(-1, 1, 1)
        return RegionNDMap.from_geom(geom, data=values)

    return SpectrumDatasetOnOff(
        name=name,
        counts=make_map(data["n_on"]),
        counts_off=make_map(data["n_off"]),
        acceptance=make_map(data["alpha"]),
        acceptance_off=make_map(np.ones(len(data["alpha"]))),
        mask_safe=make_map(data["mask"], bool),
    )


def make_datasets(problem):
    """Datasets with a template per norm that they have in common, and the norms."""
    datasets = Datasets(
        [make_on_off(data, f"set-{idx}") for idx, data in enumerate(problem["sets"])]
    )
    geom = datasets[0].counts.geom
    models = Models()
    for idx, template in enumerate(problem["templates"]):
        spectrum = PowerLawNormSpectralModel()
        spectrum.tilt.frozen = True
        template = RegionNDMap.from_geom(geom, data=template.reshape(-1, 1, 1))
        models.append(TemplateNPredModel(template, spectrum, name=f"norm-{idx}"))
    datasets.models = models
    return datasets, [model.spectral_model.norm for model in models]


def random_problem(rng):
    """One to four datasets; few counts, on or off counts of 0, any alphas."""
    n_bins, n_norms = rng.integers(4, 9), rng.integers(1, 4)
    x = np.linspace(0, 1, n_bins)
    level = rng.choice([0.3, 3.0, 30.0])
    templates = level * np.exp(-rng.uniform(0, 5, (n_norms, 1)) * x)
    templates *= rng.uniform(0.2, 1.0, (n_norms, 1))
    truth = rng.uniform(0, 2, n_norms)
    sets = []
    for _number in range(rng.integers(1, 5)):
        alpha = rng.choice([0.05, 0.3, 1.0, 2.5]) * np.ones(n_bins)
        if rng.random() < 0.5:
            alpha *= rng.uniform(0.5, 2, n_bins)
        background = rng.choice([0.2, 2.0, 20.0]) * np.exp(-3 * x)
        mask = rng.random(n_bins) < 0.9
        mask[0] = True
        sets.append(
            {
                "n_on": rng.poisson(truth @ templates + background).astype(float),
                "n_off": rng.poisson(background / alpha).astype(float),
                "alpha": alpha,
                "mask": mask,
            }
        )
    return {"templates": templates, "sets": sets}


def minimum(problem, held=None):
    """Minimum of the likelihood written out, over norms and all expected off counts.

    Bounds are kept by a barrier, which is made lower step by step.

    Parameters
    ----------
    problem : dict
        Problem as from `random_problem`.
    held : dict, optional
        Values of some norms by their index. Default is None.

    Returns
    -------
    stat, norms : float and `~numpy.ndarray`
        The minimum, and where.
    """
    held = held or {}
    n_on, n_off, alpha = (
        np.concatenate([data[name][data["mask"]] for data in problem["sets"]])
        for name in ("n_on", "n_off", "alpha")
    )
    columns = [problem["templates"][:, data["mask"]] for data in problem["sets"]]
    templates = np.concatenate(columns, axis=1)
    free = [idx for idx in range(len(templates)) if idx not in held]
    fixed = sum((value * templates[idx] for idx, value in held.items()), 0 * alpha)
    # Rows of on and off expectations as functions of norms and off expectations.
    zeros = np.zeros((len(alpha), len(free)))
    rows = np.block([[templates[free].T, np.diag(alpha)], [zeros, np.eye(len(alpha))]])
    offset, counts = np.append(fixed, 0 * alpha), np.append(n_on, n_off)

    def stat(x, barrier):
        mean = offset + rows @ x
        if np.any(mean <= 0):
            return np.inf
        return 2 * (np.sum(mean) - (counts + barrier) @ np.log(mean))

    def gradient(x, barrier):
        return 2 * rows.T @ (1 - (counts + barrier) / (offset + rows @ x))

    def hessian(x, barrier):
        weights = (counts + barrier) / (offset + rows @ x) ** 2
        return 2 * (rows.T * weights) @ rows

    start = np.maximum(n_off, 1) + np.maximum(-fixed, 0) / alpha
    x = np.append(np.zeros(len(free)), start)
    for barrier in 10.0 ** -np.arange(0, 10):
        x = minimize(stat, x, (barrier,), "trust-exact", gradient, hessian, tol=1e-9).x
    norms = np.zeros(len(templates))
    norms[free] = x[: len(free)]
    norms[list(held)] = list(held.values())
    logs = np.log(counts, out=np.zeros(counts.shape), where=counts > 0)
    return stat(x, 0.0) + 2 * np.sum(counts * (logs - 1)), norms
