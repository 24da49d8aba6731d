# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals for the arguments of a plot function."""

from gammapy.datasets import SpatialResiduals, SpectralResiduals

__all__ = []


def spatial_residuals(datasets, options):
    """Spatial residuals if given, or those of datasets with these options."""
    return _as_residuals(SpatialResiduals, datasets, (), options)


def spectral_residuals(datasets, region, options):
    """Spectral residuals if given, or those of datasets in a region."""
    args = () if region is None else (region,)
    return _as_residuals(SpectralResiduals, datasets, args, options)


def _as_residuals(cls, datasets, args, options):
    if not isinstance(datasets, cls):
        return cls.from_datasets(datasets, *args, **options)
    if args or options:
        given = ", ".join([*(["region"] if args else []), *options])
        raise ValueError(
            f"These residuals are computed already: {given} comes too late."
        )
    return datasets
