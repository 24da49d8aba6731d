# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Candidates for score tests: frozen parameters, components, other models."""

from dataclasses import dataclass, field
import numpy as np
import astropy.units as u
from gammapy.datasets.shape_family import PointFamily
from gammapy.datasets.shape_kinds import SHAPES
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    SkyModel,
    TemplateNPredModel,
)
from .score_models import OF_SHAPE

__all__ = []

#: Kinds of tests, in the order in which they are made, and what each frees.
KINDS = {
    "background": "norm or tilt of a background",
    "spectrum": "parameter of a spectrum",
    "position": "position",
    "size": "size of a source",
    "shape": "eccentricity, angle or profile",
    "curvature": "log parabola instead of a power law",
    "cutoff": "exponential cutoff of a power law",
    "extension": "Gaussian instead of a point source",
    "profile": "generalized Gaussian instead of a Gaussian",
    "joint": "all frozen parameters of a component, tilts of all backgrounds",
    "source": "new source",
}

#: Kinds that put another model in place of one.
UPGRADES = ("curvature", "cutoff", "extension", "profile", "source")

#: In place of the name of one component.
SEVERAL = "several"

#: Parameters that say in which units others are, or of which integrals they are.
FIXED = ("reference", "emin", "emax")

#: Parameters of shapes that are not tested where they have no slope.
AT_ZERO = ("e", "phi")


@dataclass
class Change:
    """Value of a parameter before a step, and what gives the present one.

    Parameters
    ----------
    component, name : str
        Names of the model and of the parameter.
    unit : str
        Unit.
    before : float
        Value before.
    now : callable
        Gives the present value.
    place : int
        Which one it is of those of this name in the model.
    """

    component: str
    name: str
    unit: str
    before: float
    now: callable
    place: int = 0


@dataclass
class Candidate:
    """One test.

    Parameters
    ----------
    name : str
        Such as "tilt of bin-3-bkg".
    kind : str
        One of `KINDS`.
    component : str
        Name of the model, "several" for those of several.
    parameters : list of `~gammapy.modeling.Parameter`
        What is freed in the copies of the models.
    changes : list of `Change`
        What that means in the models.
    needs : list of `~gammapy.modeling.Parameter`
        Parameters of the models that must have derivatives for it.
    n_one_sided : int
        How many start at a bound.
    """

    name: str
    kind: str
    component: str
    parameters: list
    changes: list
    needs: list = field(default_factory=list)
    n_one_sided: int = 0


class Candidates:
    """All tests of the models of datasets.

    Parameters
    ----------
    copies : `~gammapy.diagnostics.score_models.ModelCopies`
        Copies of the models.
    free : list of `~gammapy.modeling.Parameter`
        Free parameters of the models.

    Attributes
    ----------
    free : list of `~gammapy.modeling.Parameter`
        What is free in the copies.
    tests : list of `Candidate`
        Tests.
    left_out : list of str
        What cannot be tested, and why.
    """

    def __init__(self, copies, free):
        self._copies = copies
        self._free = {id(par) for par in free}
        self._known = set()
        self.free, self.tests, self.left_out = [], [], []
        for part in copies.parts:
            self._add_model(part)
        tilts = [
            test
            for test in self.tests
            if test.kind == "background" and test.changes[0].name == "tilt"
        ]
        self._join("tilts of all backgrounds", SEVERAL, tilts)

    def _add_model(self, part):
        n_before = len(self.tests)
        self._add_spectrum(part)
        if part.family is not None:
            self._add_family(part)
        elif isinstance(part.model, SkyModel) and part.model.spatial_model:
            self._add_shape(part)
        own = self.tests[n_before:]
        name = part.model.name
        self._join(f"all frozen parameters of {name}", name, own)
        self._add_upgrades(part)

    def _join(self, name, component, tests):
        """Add a test of several together."""
        if len(tests) < 2:
            return
        self.tests.append(
            Candidate(
                name,
                "joint",
                component,
                [par for test in tests for par in test.parameters],
                [change for test in tests for change in test.changes],
                [par for test in tests for par in test.needs],
                sum(test.n_one_sided for test in tests),
            )
        )

    def _add_test(self, part, name, kind, pairs, *, changes=None, needs=None):
        """Add a test of parameters of the copies, given with those of the models."""
        model = part.model.name
        parameters = [other for _par, other in pairs]
        if changes is None:
            changes = [_change(part.model, par, other) for par, other in pairs]
        if needs is None:
            needs = [par for par, _other in pairs]
        n_one_sided = sum(par.value <= par.min for par in parameters)
        name = f"{name} of {model}"
        test = Candidate(name, kind, model, parameters, changes, needs, n_one_sided)
        self.tests.append(test)
        return test

    def _new(self, parameters):
        """Parameters that were not seen before, as part of another model."""
        found = [par for par in parameters if id(par) not in self._known]
        self._known |= {id(par) for par in found}
        return found

    def _pairs(self, parameters):
        """Frozen parameters with their copies; free ones are noted."""
        frozen = []
        for par in self._new(parameters):
            other = self._copies.copy_of(par)
            if id(par) in self._free:
                self.free.append(other)
            else:
                frozen.append((par, other))
        return frozen

    # --- what the models have --------------------------------------------------

    def _add_spectrum(self, part):
        model = part.model
        spectrum = getattr(model, "spectral_model", None)
        if spectrum is None:
            return
        is_background = isinstance(model, (FoVBackgroundModel, TemplateNPredModel))
        kind = "background" if is_background else "spectrum"
        # Products of spectra have several parameters of one name.
        names = [par.name for par in spectrum.parameters]
        for par, other in self._pairs(spectrum.parameters):
            if par.name in FIXED or _is_idle(par, spectrum):
                continue
            name = par.name
            if names.count(name) > 1:
                name = f"{name} ({_place(spectrum, par)})"
            self._add_test(part, name, kind, [(par, other)])

    def _add_position(self, part, pairs):
        moved = [pair for pair in pairs if pair[0].name in ("lon_0", "lat_0")]
        if moved:
            name = "position" if len(moved) == 2 else moved[0][0].name
            self._add_test(part, name, "position", moved)

    def _add_shape(self, part):
        """Parameters of a shape that stays as it is."""
        shape = part.model.spatial_model
        pairs = self._pairs(shape.parameters)
        if type(shape) not in SHAPES:
            if pairs:
                kind = type(shape).__name__
                self.left_out.append(f"the shape of {part.model.name} ({kind})")
            return
        self._add_position(part, pairs)
        is_round = hasattr(shape, "e") and shape.e.value == 0
        for par, other in pairs:
            if par.name in ("lon_0", "lat_0"):
                continue
            if par.name in AT_ZERO and is_round:
                if par.name == "e":
                    what = f"e of {part.model.name}, whose image has no slope at e = 0"
                    self.left_out.append(what)
                continue
            kind = "size" if par.unit.is_equivalent("deg") else "shape"
            kind = "shape" if par.name == "phi" else kind
            self._add_test(part, par.name, kind, [(par, other)])

    def _add_family(self, part):
        """Parameters of a shape in the coordinates of its family."""
        shape, family = part.model.spatial_model, part.family
        pairs = self._pairs(
            [par for par in shape.parameters if par.name not in OF_SHAPE]
        )
        self._add_position(part, pairs)
        if isinstance(family, PointFamily):
            return
        size = shape.r_0 if hasattr(shape, "r_0") else shape.sigma
        self._new([size, shape.e, shape.phi])
        self._add_one(part, size, [family.variance], "size")
        if shape.e.value > 0:
            self._add_one(part, shape.e, [family.along], "shape")
            self._add_one(part, shape.phi, [family.across], "shape")
        elif {id(shape.e), id(shape.phi)} & self._free:
            self.free += [family.along, family.across]
        else:
            changes = [_of_family(part, par) for par in (shape.e, shape.phi)]
            both = [(shape.e, family.along), (shape.phi, family.across)]
            self._add_test(part, "ellipse", "shape", both, changes=changes)
        for name in ("eta", "edge_width"):
            if hasattr(shape, name):
                par, other = getattr(shape, name), getattr(family, name)
                self._new([par])
                self._add_one(part, par, [other], "shape")

    def _add_one(self, part, par, others, kind):
        """A parameter that others stand for."""
        if id(par) in self._free:
            self.free += others
            return
        pairs = [(par, other) for other in others]
        changes = [_of_family(part, par)]
        self._add_test(part, par.name, kind, pairs, changes=changes)

    # --- what they may have besides ------------------------------------------

    def _add_upgrades(self, part):
        if part.curvature is not None:
            spectrum = part.model.spectral_model
            for kind, par in (("curvature", part.curvature), ("cutoff", part.cutoff)):
                self._add_test(
                    part,
                    kind,
                    kind,
                    [(None, par)],
                    changes=[_change(part.model, par, par)],
                    needs=[spectrum.index],
                )
        shape = getattr(part.model, "spatial_model", None)
        if part.family is None:
            if type(shape).__name__ in ("PointSpatialModel", "GaussianSpatialModel"):
                self.left_out.append(f"other shapes of {part.model.name}")
            return
        family = part.family
        if isinstance(family, PointFamily):
            kind, par = "extension", family.variance
            changes = [
                Change(
                    part.model.name,
                    "sigma",
                    "deg",
                    0.0,
                    lambda: family.size_values()["sigma"],
                )
            ]
        elif type(shape) is GaussianSpatialModel:
            kind, par = "profile", family.eta
            changes = [_change(part.model, par, par)]
        else:
            return
        pairs = [(None, par)]
        needs = [shape.lon_0]
        self._add_test(part, kind, kind, pairs, changes=changes, needs=needs)


def _change(model, parameter, other):
    """Change of a parameter that has a copy."""
    same = [par for par in model.parameters if par.name == parameter.name]
    places = [place for place, par in enumerate(same) if par is parameter]
    return Change(
        model.name,
        parameter.name,
        str(parameter.unit),
        parameter.value,
        lambda: other.value,
        # A parameter that the model has not yet is its only one.
        places[0] if places else 0,
    )


def _of_family(part, parameter):
    """Change of a parameter that a family computes."""

    def now():
        value = part.family.size_values()[name]
        return u.Quantity(value, "deg").to_value(unit) if unit else value

    name, unit = parameter.name, str(parameter.unit)
    return Change(part.model.name, name, unit, parameter.value, now)


def _is_idle(parameter, spectrum):
    """Whether a parameter acts on nothing while another one is 0."""
    cut = getattr(spectrum, "lambda_", None)
    return parameter.name == "alpha" and cut is not None and cut.value == 0


def _place(spectrum, parameter):
    """Part of a product of spectra that has a parameter."""
    for number, model in enumerate((spectrum.model1, spectrum.model2), start=1):
        if any(par is parameter for par in model.parameters):
            return f"model {number}"
    return ""


def range_of(parameter):
    """Changes of a parameter that take it to its bounds, not above and below 0."""
    low, high = parameter.min - parameter.value, parameter.max - parameter.value
    low = -np.inf if np.isnan(low) else min(low, 0.0)
    high = np.inf if np.isnan(high) else max(high, 0.0)
    return low, high
