# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Random fits of shapes and spectra, and their minimum by Minuit."""

import re
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import draw, make_dataset
from gammapy.modeling import Fit
from gammapy.modeling.iminuit import optimize_iminuit
from gammapy.modeling.models import (
    BrokenPowerLawSpectralModel,
    DiskSpatialModel,
    EBLAbsorptionNormSpectralModel,
    ExpCutoffPowerLaw3FGLSpectralModel,
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianPrior,
    GaussianSpatialModel,
    GaussianSpectralModel,
    GeneralizedGaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    PiecewiseNormSpectralModel,
    PointSpatialModel,
    PowerLaw2SpectralModel,
    PowerLawSpectralModel,
    Shell2SpatialModel,
    ShellSpatialModel,
    SkyModel,
    SmoothBrokenPowerLawSpectralModel,
    SuperExpCutoffPowerLaw3FGLSpectralModel,
    SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
    SuperExpCutoffPowerLaw4FGLSpectralModel,
)
from gammapy.modeling.smooth.minimise import scaled_matrix

FLUX = "8e-12 cm-2 s-1 TeV-1"

# Migrad stops where it expects 2e-6 or less to be gained. That is below the noise of
# stat_sum, which convolves with the precision of a float32.
TIGHT = {"tol": 1e-3, "strategy": 1}


def with_absorption():
    absorption = EBLAbsorptionNormSpectralModel(
        energy=np.geomspace(0.1, 100, 7) * u.TeV,
        param=u.Quantity([0.1, 0.3, 0.5]),
        data=np.exp(-np.outer([0.1, 0.3, 0.5], np.geomspace(0.3, 20, 7))),
        redshift=0.2,
        alpha_norm=0.8,
    )
    absorption.alpha_norm.frozen = False
    return PowerLawSpectralModel(amplitude=FLUX) * absorption


def piecewise():
    norms = PiecewiseNormSpectralModel([0.5, 2, 6, 20] * u.TeV, [1.1, 0.9, 1.2, 1.0])
    spectrum = PowerLawSpectralModel(amplitude=FLUX)
    spectrum.amplitude.frozen = True
    return spectrum * norms


#: Spectra by name, each about as bright as `FLUX`.
SPECTRA = {
    "pl": lambda: PowerLawSpectralModel(amplitude=FLUX, index=2.3),
    "2": lambda: PowerLaw2SpectralModel(
        amplitude="8e-12 cm-2 s-1", emin="1 TeV", emax="10 TeV"
    ),
    "3fgl": lambda: ExpCutoffPowerLaw3FGLSpectralModel(amplitude=FLUX, ecut="6 TeV"),
    "absorbed": with_absorption,
    "bpl": lambda: BrokenPowerLawSpectralModel(amplitude=FLUX, ebreak="2 TeV"),
    "cutoff": lambda: ExpCutoffPowerLawSpectralModel(amplitude=FLUX),
    "gauss": lambda: GaussianSpectralModel(
        amplitude="1e-11 cm-2 s-1", mean="3 TeV", sigma="1 TeV"
    ),
    "parabola": lambda: LogParabolaSpectralModel(
        amplitude="3e-12 cm-2 s-1 TeV-1", reference="2 TeV", alpha=2, beta=0.2
    ),
    "piecewise": piecewise,
    "sbpl": lambda: SmoothBrokenPowerLawSpectralModel(
        amplitude=FLUX, ebreak="2 TeV", index2=3.0
    ),
    "se3fgl": lambda: SuperExpCutoffPowerLaw3FGLSpectralModel(
        amplitude=FLUX, ecut="5 TeV", index_2=1.2
    ),
    "se4fgl": lambda: SuperExpCutoffPowerLaw4FGLSpectralModel(
        amplitude=FLUX, expfactor="1e-5", index_2=0.8
    ),
    "se4fgl-dr3": lambda: SuperExpCutoffPowerLaw4FGLDR3SpectralModel(
        amplitude=FLUX, expfactor="0.2", index_2=0.8
    ),
}

# Parameters that three energy bins do not determine beside the others.
KEPT = ("alpha_norm", "beta", "ebreak", "ecut", "expfactor", "index_2", "lambda_")


def free_values(datasets):
    """Values of the free parameters."""
    return np.array([par.value for par in datasets.parameters.free_parameters])


def set_free(datasets, values):
    """Set the values of the free parameters."""
    for par, value in zip(datasets.parameters.free_parameters, values, strict=True):
        par.value = value


def minimise_with_minuit(datasets):
    """Minimum of the statistic by Minuit with a tight tolerance.

    It is the statistic with derivatives, which is compared with `stat_sum` elsewhere
    and takes a fraction of the time.
    """
    parameters = datasets.parameters
    free = parameters.free_parameters
    statistic = datasets._smooth_statistic(free)
    parameters.autoscale()
    factors = optimize_iminuit(free, statistic.stat, **TIGHT)[0]
    free.set_parameter_factors(factors)


def probe_nearby(datasets, *, n_points=60):
    """Lowest statistic at random points within about half an error."""
    free = datasets.parameters.free_parameters
    best = free_values(datasets)
    statistic = datasets._smooth_statistic(free)
    found = statistic.derivatives(best, second=True)
    scaled, scales = scaled_matrix(found.fisher)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    axes = vectors * np.sqrt(2 / np.maximum(eigenvalues, 1e-3))
    low, high = statistic.bounds
    rng = np.random.default_rng(0)
    lowest = np.inf
    for _number in range(n_points):
        step = axes @ rng.normal(size=len(best)) / np.sqrt(len(best))
        values = np.clip(best + 0.5 * rng.random() * step * scales, low, high)
        lowest = np.fmin(lowest, statistic.stat(values))
    set_free(datasets, best)
    return lowest


def jumps(result):
    """Size of the jumps of the statistic that a result tells, else 0."""
    found = re.search(r"jumps by up to ([\d.e+-]*\d)", result.message)
    return float(found.group(1)) if found else 0.0


def compare_with_minuit(datasets, *, from_start=False, plain=False):
    """Fit with Newton's method, and what Minuit gains over it.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models, at the start.
    from_start : bool, optional
        Whether Minuit begins at the start, too. Default is False: where Newton ended.
    plain : bool, optional
        Whether Minuit, from the start, minimises ``stat_sum`` itself. Default is False.

    Returns
    -------
    result : `~gammapy.modeling.FitResult`
        Result of Newton's method, whose values are set again.
    gain : float
        How much lower the lowest statistic of Minuit is; NaN without a success.
    """
    start = free_values(datasets)
    result = Fit(backend="newton").run(datasets)
    best = free_values(datasets)
    np.testing.assert_allclose(
        result.total_stat, datasets.stat_sum(), atol=1e-3, rtol=0
    )
    if not result.success:
        return result, np.nan
    lowest = probe_nearby(datasets)
    for values in [best, start] if from_start else [best]:
        set_free(datasets, values)
        minimise_with_minuit(datasets)
        lowest = np.fmin(lowest, datasets.stat_sum())
    if plain:
        set_free(datasets, start)
        Fit(backend="minuit", optimize_opts=TIGHT).optimize(datasets)
        lowest = np.fmin(lowest, datasets.stat_sum())
    set_free(datasets, best)
    datasets.stat_sum()
    return result, result.total_stat - lowest


def shake(datasets, rng, size=1.0):
    """Start about one error, or less, from the truth and inside the bounds."""
    for par in datasets.parameters.free_parameters:
        scale = {"lon_0": 0.05, "lat_0": 0.05, "phi": 15, "e": 0.1}.get(par.name)
        scale = scale or 0.15 * abs(par.value) or 0.02
        value = par.value + size * scale * rng.uniform(-1, 1)
        low = np.nan_to_num(par.min, nan=-np.inf)
        par.value = np.clip(value, low, np.nan_to_num(par.max, nan=np.inf))


def random_shape(rng, *, may_be_hard=True):
    """Point, Gaussian, generalized Gaussian, disk or shell, round or not."""
    lon, lat = rng.uniform(-0.7, 0.7, size=2) * u.deg
    position = {"lon_0": lon, "lat_0": lat}
    size = rng.uniform(0.15, 0.5) * u.deg
    kinds = ["point", "gauss", "general", "soft", "disk", "shell", "shell2"]
    kind = rng.choice(kinds, p=[0.22, 0.3, 0.14, 0.1, 0.08, 0.08, 0.08])
    if not may_be_hard and kind in ("disk", "shell", "shell2"):
        kind = "soft"
    if kind == "point":
        return PointSpatialModel(**position)
    if kind == "shell":
        return ShellSpatialModel(**position, radius=size, width=0.4 * size)
    if kind == "shell2":
        return Shell2SpatialModel(**position, r_0=1.2 * size, eta=rng.uniform(0.2, 0.5))
    if kind == "gauss":
        shape = GaussianSpatialModel(**position, sigma=0.7 * size)
    elif kind == "general":
        eta = rng.uniform(0.2, 0.7)
        shape = GeneralizedGaussianSpatialModel(**position, r_0=size, eta=eta)
        shape.eta.frozen = rng.random() < 0.5
    else:
        edge = {"soft": rng.uniform(0.3, 0.7), "disk": 0.01}[kind]
        shape = DiskSpatialModel(**position, r_0=size, edge_width=edge)
    if rng.random() < 0.35:
        shape.e.value, shape.phi.value = rng.uniform(0.6, 0.9), rng.uniform(-90, 90)
        shape.e.frozen = shape.phi.frozen = False
    return shape


def random_spectrum(rng):
    """Spectrum on the list, with at most one parameter that is hard to determine."""
    name = rng.choice(list(SPECTRA), p=[0.28, *np.full(12, 0.06)])
    spectrum = SPECTRA[name]()
    kept = [par for par in spectrum.parameters if par.name in KEPT and not par.frozen]
    free = rng.choice(kept) if kept and rng.random() < 0.3 else None
    for par in kept:
        par.frozen = par is not free or par.name == "ebreak" == name
    if name == "bpl":
        spectrum.ebreak.frozen = True
    for par in spectrum.parameters:
        if par.name == "amplitude" and not par.frozen:
            par.value *= rng.uniform(0.7, 2.5)
            if rng.random() < 0.7:
                par.min = 0
        if par.name in ("index", "alpha", "index_1"):
            par.frozen = rng.random() < 0.2
            if rng.random() < 0.25:
                par.prior = GaussianPrior(mu=par.value + 0.1, sigma=0.2)
    return spectrum


def random_problem(rng, *, draw_counts=True):
    """One to five datasets, one to six sources; bounds, priors, links, frozen.

    Parameters
    ----------
    rng : `~numpy.random.Generator`
        Random numbers.
    draw_counts : bool, optional
        Whether to draw counts, which takes most of the time. Default is True.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models, at a start up to an error or two off.
    """
    n_datasets = rng.choice([1, 2, 3, 4, 5], p=[0.5, 0.25, 0.1, 0.1, 0.05])
    names = ["a", "b", "c", "d", "e"][:n_datasets]
    scale = 1.5 / np.sqrt(n_datasets)
    datasets = Datasets(
        [
            make_dataset(name, scale=scale * rng.uniform(0.6, 1.4), n_pixels=20)
            for name in names
        ]
    )
    chances = [0.4, 0.3, 0.15, 0.08, 0.04, 0.03]
    n_sources = rng.choice(np.arange(1, 7), p=chances)
    sources = [
        SkyModel(
            spectral_model=random_spectrum(rng),
            # Two of them would take a minute of Minuit.
            spatial_model=random_shape(rng, may_be_hard=number == 0),
            name=f"src-{number}",
        )
        for number in range(n_sources)
    ]
    _add_limits(sources, rng)
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in names]
    for background in backgrounds:
        spectrum = background.spectral_model
        spectrum.tilt.frozen = rng.random() < 0.6
        spectrum.norm.frozen = rng.random() < 0.1
        if rng.random() < 0.2:
            spectrum.norm.prior = GaussianPrior(mu=1, sigma=0.05)
    if n_datasets > 1 and rng.random() < 0.3:
        # Both datasets have the same norm.
        backgrounds[1].spectral_model.norm = backgrounds[0].spectral_model.norm
    if n_datasets > 1 and n_sources > 1 and rng.random() < 0.2:
        sources[-1].datasets_names = names[:1]
    datasets.models = Models([*sources, *backgrounds])
    seed = rng.integers(2**31)
    if draw_counts:
        draw(datasets, seed)
    shake(datasets, rng)
    return datasets


def _add_limits(sources, rng):
    """Bounds, priors, frozen parameters and links of shapes."""
    for source in sources:
        shape = source.spatial_model
        for par in shape.parameters:
            if par.name in ("lon_0", "lat_0"):
                if rng.random() < 0.1:
                    par.min, par.max = par.value - 0.02, par.value + 0.3
                par.frozen = rng.random() < 0.15
            elif par.name in ("sigma", "r_0", "radius", "width"):
                par.frozen = rng.random() < 0.15
                if rng.random() < 0.15:
                    par.prior = GaussianPrior(mu=1.05 * par.value, sigma=0.05)
                if rng.random() < 0.1:
                    par.max = 1.05 * par.value
    first, *others = sources
    for other in others:
        if rng.random() < 0.15:
            # Two components of one object.
            other.spatial_model.lon_0 = first.spatial_model.lon_0
            other.spatial_model.lat_0 = first.spatial_model.lat_0
        names = [par.name for par in first.spectral_model.parameters]
        is_alike = type(other.spectral_model) is type(first.spectral_model)
        if rng.random() < 0.15 and "index" in names and is_alike:
            other.spectral_model.index = first.spectral_model.index
