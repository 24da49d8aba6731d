# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small norm fits from arrays, and their minimum by another method, for tests.

The model of a bin is fixed + templates.T @ norms. Nothing here calls the code that is
tested but to make datasets.
"""

import numpy as np
from scipy.optimize import linprog
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling.models import (
    Models,
    PowerLawNormSpectralModel,
    TemplateNPredModel,
)

REGION = "icrs;circle(0, 0, 0.1)"


def make_datasets(problem):
    """Dataset with a template per norm, and the norms."""
    n_bins = len(problem["counts"])
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_bins)
    geom = RegionGeom.create(REGION, axes=[axis])

    def make_map(values, dtype=float):
        data = np.array(values, dtype=dtype).reshape(-1, 1, 1)
        return RegionNDMap.from_geom(geom, data=data)

    is_weighted = problem["stat"] == "cash_weighted"
    dataset = SpectrumDataset(
        name="set",
        counts=make_map(problem["counts"]),
        background=make_map(problem["fixed"]),
        mask_safe=make_map(problem["weights"], float if is_weighted else bool),
    )
    dataset.stat_type = problem["stat"]
    models = Models()
    bounds = zip(problem["minima"], problem["maxima"], strict=True)
    for idx, (template, (low, high)) in enumerate(
        zip(problem["templates"], bounds, strict=True)
    ):
        spectrum = PowerLawNormSpectralModel()
        spectrum.tilt.frozen = True
        spectrum.norm.min, spectrum.norm.max = low, high
        model = TemplateNPredModel(
            make_map(template), spectrum, name=f"norm-{idx}", datasets_names=["set"]
        )
        models.append(model)
    dataset.models = models
    return Datasets([dataset]), [model.spectral_model.norm for model in models]


def random_problem(seed):
    """A source, backgrounds and few counts; norms may go negative."""
    rng = np.random.default_rng(seed)
    n_bins, n_norms = rng.integers(6, 25), rng.integers(2, 5)
    x = np.linspace(0, 1, n_bins)
    level = rng.choice([0.1, 1.0, 10.0])
    templates = np.exp(-rng.uniform(0, 8, (n_norms, 1)) * x)
    is_cut = rng.random((n_norms, n_bins)) < rng.choice([0.0, 0.3])
    templates[is_cut] = 0
    if rng.random() < 0.5:
        # Two that are nearly the same.
        share = rng.choice([0.9, 0.99, 0.999])
        templates[1] = share * templates[0] + (1 - share) * templates[1]
    templates *= level * rng.uniform(0.05, 1.0, (n_norms, 1))
    fixed = level * np.exp(-4 * x) * rng.choice([0.0, 1e-3, 0.5])
    if rng.random() < 0.3:
        fixed[: n_bins // 2] = 0
    truth = rng.uniform(0.2, 1.5, n_norms)
    counts = rng.poisson(fixed + truth @ templates).astype(float)
    counts[(fixed == 0) & (templates == 0).all(axis=0)] = 0
    stat = rng.choice(["cash", "cash_weighted"])
    weights = (rng.random(n_bins) < 0.8).astype(float)
    if stat == "cash_weighted":
        weights *= rng.uniform(0.3, 1.5, n_bins)
    weights[:2] = 1
    minima, maxima = np.full((2, n_norms), np.nan)
    is_bounded = rng.random(n_norms) < 0.2
    minima[is_bounded] = 0
    return {
        "stat": str(stat),
        "templates": templates,
        "fixed": fixed,
        "counts": counts,
        "weights": weights,
        "minima": minima,
        "maxima": maxima,
    }


def minimum_on_c(problem, held):
    """Minimum of the statistic where each bin with counts has a model.

    By a barrier method on t_i >= max(m_i, 0) for empty bins, from the centre that a
    linear program finds.

    Parameters
    ----------
    problem : dict
        Problem as from `random_problem`.
    held : dict
        Values of some norms by their index.

    Returns
    -------
    stat, norms : float and `~numpy.ndarray`
        The minimum, and where; infinite and None when there is none.
    """
    free = [idx for idx in range(len(problem["templates"])) if idx not in held]
    used = problem["weights"] > 0
    weights, counts = problem["weights"][used], problem["counts"][used]
    templates = problem["templates"][:, used]
    fixed = problem["fixed"][used].copy()
    for idx, value in held.items():
        fixed += value * templates[idx]
    columns = templates[free]
    size = np.maximum(columns.max(axis=1), 1e-300)
    matrix = (columns / size[:, np.newaxis]).T
    low = np.nan_to_num(problem["minima"][free], nan=-np.inf) * size
    high = np.nan_to_num(problem["maxima"][free], nan=np.inf) * size

    def put(x):
        norms = np.zeros(len(templates))
        norms[free] = x / size
        norms[list(held)] = list(held.values())
        return norms

    x = _centre(matrix, fixed, counts, low, high)
    if x is None:
        return np.inf, None
    for mu in 10.0 ** -np.arange(0, 10, 3):
        x = _newton(x, mu, matrix, fixed, counts, weights, low, high)
    return _stat(fixed + matrix @ x, counts, weights), put(x)


def _stat(npred, counts, weights):
    seen = counts > 0
    log = np.log(npred[seen])
    total = np.sum(weights * np.maximum(npred, 0))
    return 2 * (total - np.sum(weights[seen] * counts[seen] * log))


def _centre(matrix, fixed, counts, low, high):
    seen = counts > 0
    n_norms = matrix.shape[1]
    is_dead = seen & (abs(matrix).max(axis=1, initial=0) == 0)
    if np.any(fixed[is_dead] <= 0):
        return None
    rows = seen & ~is_dead
    if n_norms == 0:
        return np.zeros(0)
    scale = abs(matrix[rows]).max(axis=1, initial=0)
    result = linprog(
        np.append(np.zeros(n_norms), -1),
        np.column_stack([-matrix[rows] / scale[:, None], np.ones(rows.sum())]),
        fixed[rows] / scale,
        bounds=[
            *((a + 0.0, b - 0.0) for a, b in zip(low, high, strict=True)),
            (None, 1),
        ],
    )
    if result.status != 0 or result.x[-1] <= 1e-8:
        return None
    x = result.x[:-1]
    # Off the bounds, as far as the margin allows.
    room = 0.1 * result.x[-1] / n_norms
    x = np.where(x - low < room, low + room, x)
    return np.where(high - x < room, high - room, x)


def _newton(x, mu, matrix, fixed, counts, weights, low, high):
    """Minimum of the statistic with barriers of strength mu."""
    seen = counts > 0

    def terms(x):
        m = fixed + matrix @ x
        value, slope, bend = np.zeros((3, m.size))
        n, w = counts[seen], weights[seen]
        with np.errstate(all="ignore"):
            value[seen] = w * (m[seen] - n * np.log(m[seen]))
            slope[seen] = w * (1 - n / m[seen])
            bend[seen] = w * n / m[seen] ** 2
            # t minimises w t - mu ln(t - m) - mu ln(t).
            m, w = m[~seen], weights[~seen]
            b = w * m + 2 * mu
            root = np.sqrt((w * m) ** 2 + 4 * mu**2)
            t = np.where(b > 0, (b + root) / (2 * w), 0)
            t_minus_m = (2 * mu - w * m + root) / (2 * w)
            t = np.where(w * m < 0, mu * t_minus_m / (w * t_minus_m - mu), t)
            value[~seen] = w * t - mu * np.log(t_minus_m) - mu * np.log(t)
            slope[~seen] = mu / t_minus_m
            a, c = mu / t_minus_m**2, mu / t**2
            bend[~seen] = a * c / (a + c)
            total = value.sum() - mu * np.sum(
                np.log(np.append(x - low, high - x)[np.isfinite(np.append(low, high))])
            )
        return total, slope, bend

    if x.size == 0:
        return x
    for _ in range(200):
        total, slope, bend = terms(x)
        gradient = matrix.T @ slope - mu / (x - low) + mu / (high - x)
        hessian = (matrix.T * bend) @ matrix
        hessian += np.diag(mu / (x - low) ** 2 + mu / (high - x) ** 2)
        hessian += 1e-13 * np.trace(hessian) * np.eye(x.size)
        step = -np.linalg.solve(hessian, gradient)
        gain = -gradient @ step
        if not gain > 1e-9:
            break
        factor = 1.0
        while factor > 1e-6:
            new = terms(x + factor * step)[0]
            if new <= total - 1e-4 * factor * gain:
                break
            factor /= 2
        else:
            break
        x = x + factor * step
    return x
