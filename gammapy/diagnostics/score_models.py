# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Copies of models and datasets in which everything can be freed that a test frees.

The models are copies, in which power laws may be curved and cut off, point sources may
have a size, and Gaussians other profiles: all of it is 0 at the start. The datasets
share all maps and the responses of their sources.
"""

from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets
from gammapy.datasets.residuals.planes import independent_copy
from gammapy.datasets.shape_evaluators import copied_evaluator
from gammapy.datasets.shape_family import EllipseFamily, PointFamily, Profile
from gammapy.modeling.models import (
    DiskSpatialModel,
    ExpCutoffPowerLawNormSpectralModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    LogParabolaNormSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.modeling.models.copies import copy_models

__all__ = []

#: Radius that a point source may come to fill, in pixels.
N_PIXELS = 10

#: Parameters of shapes that families have others for.
OF_SHAPE = ("sigma", "r_0", "e", "phi", "eta", "edge_width")

#: Shapes whose ellipses and sizes have families.
ELLIPSES = (DiskSpatialModel, GaussianSpatialModel, GeneralizedGaussianSpatialModel)


@dataclass
class ModelCopy:
    """One model, and its copy.

    Parameters
    ----------
    model : `~gammapy.modeling.models.Model`
        Model of the user.
    other : `~gammapy.modeling.models.Model`
        Copy.
    curvature, cutoff : `~gammapy.modeling.Parameter` or None
        What a power law has in the copy besides, 0 at the start.
    family : `~gammapy.modeling.models.SpatialModel` or None
        Shape of the copy, where it has other parameters than that of the model.
    """

    model: object
    other: object
    curvature: object = None
    cutoff: object = None
    family: object = None


class ModelCopies:
    """Copies of the models of datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets. They are not changed.
    more : `~gammapy.modeling.models.SkyModel`, optional
        A source that is there, too, and alone has the parameters of a family; all other
        models are as they were. Default is none.
    shapes : bool, optional
        Whether shapes have the parameters of families. Default is True.

    Attributes
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with the copies.
    parts : list of `ModelCopy`
        Models and their copies.
    """

    def __init__(self, datasets, *, more=None, shapes=True):
        models = [*datasets.unique_models, *([] if more is None else [more])]
        copies = copy_models(models)
        stacked = [par for model in models for par in model.parameters]
        others = [par for model in copies for par in model.parameters]
        self._others = {
            id(par): other for par, other in zip(stacked, others, strict=True)
        }
        self._n_uses = {id(par): 0 for par in stacked}
        for par in stacked:
            self._n_uses[id(par)] += 1
        self.pixel = largest_pixel(datasets)
        self._in_spectra = {
            id(model)
            for dataset in datasets
            if dataset.counts.geom.is_region
            for model in dataset.models or []
        }
        self.parts = [
            self._upgraded(model, other, shapes, more)
            for model, other in zip(models, copies, strict=True)
        ]
        self.datasets = _with_models(datasets, Models(copies))

    def copy_of(self, parameter):
        """Parameter of the copies in place of one of a model."""
        return self._others[id(parameter)]

    def is_linked(self, parameter):
        """Whether a parameter of the models is one of several."""
        return self._n_uses[id(parameter)] > 1

    def _upgraded(self, model, other, shapes, more):
        part = ModelCopy(model, other)
        if not isinstance(model, SkyModel) or more not in (None, model):
            return part
        if more is None and type(model.spectral_model) is PowerLawSpectralModel:
            reference = model.spectral_model.reference.quantity
            # Frozen norms and indices stay what they are, 1 and 0.
            bend = LogParabolaNormSpectralModel(reference=reference)
            cut = ExpCutoffPowerLawNormSpectralModel(lambda_="0 TeV-1")
            other.spectral_model = other.spectral_model * bend * cut
            part.curvature, part.cutoff = bend.beta, cut.lambda_
            part.cutoff.min = 0
        is_drawn = self.pixel is not None and id(model) not in self._in_spectra
        if shapes and is_drawn:
            part.family = self._family(model, other)
            if part.family is not None:
                other.spatial_model = part.family
        return part

    def _family(self, model, other):
        """Shape of the copy, None where that of the model stays."""
        shape = other.spatial_model
        if type(shape) is PointSpatialModel:
            return PointFamily(shape, u.Quantity(N_PIXELS * self.pixel, "deg"))
        if type(shape) not in ELLIPSES:
            return None
        own = [par for par in model.spatial_model.parameters if par.name in OF_SHAPE]
        # Of other parameters neither priors nor links can be kept.
        if any(par.prior is not None or self.is_linked(par) for par in own):
            return None
        if type(shape) is GaussianSpatialModel:
            return EllipseFamily(_as_profile(shape), self.pixel)
        if type(shape) is DiskSpatialModel:
            return EllipseFamily(shape, self.pixel)
        is_soft = shape.eta.value * shape.r_0.quantity.to_value("deg") > self.pixel
        return EllipseFamily(shape, self.pixel) if is_soft else None


def _as_profile(shape):
    """Gaussian as a generalized Gaussian, with the same position."""
    size = shape.sigma
    profile = Profile(
        lon_0=shape.lon_0,
        lat_0=shape.lat_0,
        r_0=np.sqrt(2) * size.quantity,
        eta=0.5,
        e=shape.e.quantity,
        phi=shape.phi.quantity,
        frame=shape.frame,
    )
    profile.r_0.min, profile.r_0.max = (
        u.Quantity(np.sqrt(2) * bound, size.unit).to_value(profile.r_0.unit)
        for bound in (size.min, size.max)
    )
    return profile


def largest_pixel(datasets):
    """Largest pixel of the maps in deg, None without a map."""
    geoms = [dataset.counts.geom for dataset in datasets]
    scales = [
        np.max(geom.pixel_scales.to_value("deg"))
        for geom in geoms
        if not geom.is_region and not geom.is_hpx
    ]
    return max(scales, default=None)


def _with_models(datasets, models):
    """The same datasets with other models of the same names."""
    copies = []
    for dataset in datasets:
        other = independent_copy(dataset, models)
        evaluators = getattr(other, "evaluators", {})
        for name, evaluator in getattr(dataset, "evaluators", {}).items():
            if evaluator.exposure is not None:
                own = copied_evaluator(evaluator, evaluators[name].model)
                evaluators[name] = own
        copies.append(other)
    return Datasets(copies)
