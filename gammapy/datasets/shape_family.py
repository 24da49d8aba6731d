# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shapes in coordinates in which their images have slopes where sizes and ellipses end.

A point source is a Gaussian of size 0, a circle an ellipse of eccentricity 0, and with
respect to these two numbers the image has no slope there. It has one with respect to
the square of the size, and to the two parts of the square of the eccentricity, along
an axis and at 45 degrees to it: the elements of the matrix of second moments.
"""

import numpy as np
from scipy.ndimage import convolve1d
from scipy.special import ive
import astropy.units as u
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    DiskSpatialModel,
    GeneralizedGaussianSpatialModel,
    SpatialModel,
)
from .shape_images import PointImage, ShapeImage
from .shape_kinds import KINDS, SMALLEST_SIZE, STEP, STEP_HARD

__all__ = []

#: Largest difference of the squared axes of an ellipse, relative to their sum.
LARGEST_ELONGATION = 0.99

# Below it images of an ellipse are those of a circle up to rounding.
SMALLEST_ECCENTRICITY = 1e-6

# Radius of the kernel of a point that is blurred, in standard deviations, and in
# pixels for small ones, whose tails are no longer those of a Gaussian.
N_SIGMA, N_PIXELS = 6, 8


class Profile(GeneralizedGaussianSpatialModel):
    """Generalized Gaussian that is drawn as finely and as far as a Gaussian."""

    @property
    def evaluation_bin_size_min(self):
        return self.r_0.quantity / (3 * np.sqrt(2))

    @property
    def evaluation_radius(self):
        return 5 / np.sqrt(2) * self.r_0.quantity


# Models look for their parameters in their own class alone.
Profile.default_parameters = GeneralizedGaussianSpatialModel.default_parameters


class PointFamily(SpatialModel):
    """Point source and, beyond it, Gaussians by the square of their size.

    The image is that of the point source convolved with the discrete Gaussian kernel
    (Lindeberg 1990, IEEE PAMI 12, 234), whose variance is exact and whose derivative
    is half the second difference.

    Parameters
    ----------
    model : `~gammapy.modeling.models.PointSpatialModel`
        Point source. Its position is shared.
    reach : `~astropy.units.Quantity`
        Radius that sources may come to fill.
    """

    tag = ["PointFamily"]
    is_energy_dependent = False

    lon_0 = Parameter("lon_0", "0 deg")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90)
    variance = Parameter("variance", "0 deg2", min=0)

    # In place of a property of the base: radius to which it is drawn.
    evaluation_radius = None

    def __init__(self, model, reach):
        super().__init__(lon_0=model.lon_0, lat_0=model.lat_0, frame=model.frame)
        self.point = model
        self.evaluation_radius = reach

    def size_values(self):
        """Present values of the parameters of a Gaussian, by name, in deg."""
        return {"sigma": float(np.sqrt(max(self.variance.value, 0)))}

    def shape_image(self, parameters, geom):
        """Image with derivatives, see `~gammapy.datasets.shape_images.shape_image`."""
        return PointFamilyImage(self, parameters, geom)

    def integrate_geom(self, geom, oversampling_factor=None):
        """Image of a source of which nothing is free."""
        image = self.point.integrate_geom(geom.to_image())
        image.data = PointFamilyImage(self, [], geom.to_image()).value()
        return image


class PointFamilyImage(PointImage):
    """Image of a `PointFamily`."""

    is_hard = False

    def __init__(self, family, parameters, geom):
        self.family = family
        self.idx = [
            idx for idx, par in enumerate(parameters) if par is not family.variance
        ]
        self.n_parameters = len(parameters)
        super().__init__(family.point, [parameters[idx] for idx in self.idx], geom)
        self._scales = geom.pixel_scales.to_value("deg")

    def value(self):
        return self._blurred(super().value())

    def derivatives(self, *, second=False):
        slopes, bends = super().derivatives(second=second)
        first, pairs = [None] * self.n_parameters, {}
        for idx, slope in zip(self.idx, slopes, strict=True):
            first[idx] = self._blurred(slope)
        for (i, j), bend in bends.items():
            pairs[self.idx[i], self.idx[j]] = self._blurred(bend)
        for size in set(range(self.n_parameters)) - set(self.idx):
            first[size] = self._spread(self.value())
            if second:
                for idx in self.idx:
                    pairs[max(size, idx), min(size, idx)] = self._spread(first[idx])
                pairs[size, size] = self._spread(first[size])
        return first, pairs

    def _blurred(self, image):
        """Image convolved with the kernel of the present variance."""
        variance = self.family.variance.value
        if variance <= 0:
            return image
        for axis, scale in zip((1, 0), self._scales, strict=True):
            kernel = _discrete_gauss(variance / scale**2)
            image = convolve1d(image, kernel, axis=axis, mode="constant")
        return image

    def _spread(self, image):
        """Derivative with respect to the variance: half the Laplace operator."""
        return 0.5 * sum(
            convolve1d(image, [1, -2, 1], axis=axis, mode="constant") / scale**2
            for axis, scale in zip((1, 0), self._scales, strict=True)
        )


def _discrete_gauss(variance):
    """Discrete Gaussian kernel, variance in pixels squared."""
    reach = int(np.ceil(N_SIGMA * np.sqrt(variance))) + N_PIXELS
    return ive(abs(np.arange(-reach, reach + 1)), variance)


class EllipseFamily(SpatialModel):
    r"""Gaussians, generalized Gaussians and disks by their second moments.

    With the major semiaxis :math:`\sigma` and the eccentricity e the mean of the two
    variances is :math:`\sigma^2 (1 - e^2 / 2)`, and the elongation, half their
    difference divided by the mean, is :math:`k = (e^2 / 2) / (1 - e^2 / 2)`. The
    parameters are the mean and the elongation in two parts,
    :math:`k \cos 2 (\phi - \phi_0)` along the axis of the start and
    :math:`k \sin 2 (\phi - \phi_0)` across.

    Parameters
    ----------
    model : `~gammapy.modeling.models.SpatialModel`
        Model that is drawn, with its own parameters, but for the position.
    pixel : float
        Size of the pixels in deg.
    """

    tag = ["EllipseFamily"]
    is_energy_dependent = False

    lon_0 = Parameter("lon_0", "0 deg")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90)
    variance = Parameter("variance", "1 deg2")
    along = Parameter("along", 0.0, min=-LARGEST_ELONGATION, max=LARGEST_ELONGATION)
    across = Parameter("across", 0.0, min=-LARGEST_ELONGATION, max=LARGEST_ELONGATION)
    eta = Parameter("eta", 0.5, min=0.01, max=1.0)
    edge_width = Parameter("edge_width", 0.01, min=0, max=1)

    def __init__(self, model, pixel):
        super().__init__(lon_0=model.lon_0, lat_0=model.lat_0, frame=model.frame)
        self.drawn = model
        for name in ("eta", "edge_width"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        smallest = (SMALLEST_SIZE * pixel) ** 2
        round_part = 1 - model.e.value**2 / 2
        major = self.major()
        size = major.quantity.to_value("deg")
        self.variance.value = max(size**2 * round_part, smallest)
        self.along.value = min(model.e.value**2 / 2 / round_part, LARGEST_ELONGATION)
        low, high = (
            u.Quantity(bound, major.unit).to_value("deg")
            for bound in (major.min, major.max)
        )
        self.variance.min = max(smallest, np.nan_to_num(low) ** 2 * round_part)
        # One that is at its bound already is there by rounding.
        self.variance.min = min(self.variance.min, self.variance.value)
        self.variance.max = max(high**2 * round_part, self.variance.value)
        self._axis = model.phi.quantity.to_value("rad")
        self.apply()

    def major(self):
        """Parameter of the model that is drawn: its major semiaxis."""
        # No attribute: those that are parameters must be in a list of their class.
        return self.drawn.r_0 if hasattr(self.drawn, "r_0") else self.drawn.sigma

    def apply(self):
        """Give the model that is drawn the size, eccentricity and angle of these."""
        along, across = self.along.value, self.across.value
        elongation = min(np.hypot(along, across), LARGEST_ELONGATION)
        eccentricity = np.sqrt(2 * elongation / (1 + elongation))
        major = np.sqrt(self.variance.value * (1 + elongation))
        # A turn of 0 where there is no direction.
        turn = 0.5 * np.arctan2(across, along)
        self.major().quantity = u.Quantity(major, "deg")
        self.drawn.e.value = max(eccentricity, SMALLEST_ECCENTRICITY)
        self.drawn.phi.quantity = u.Quantity(self._axis + turn, "rad")

    def size_values(self):
        """Present values of size, eccentricity, angle, by name, lengths in deg."""
        self.apply()
        e = self.drawn.e.value
        values = {"e": 0.0 if e <= SMALLEST_ECCENTRICITY else e}
        values["phi"] = self.drawn.phi.quantity.to_value("deg") % 180
        size = self.major().quantity.to_value("deg")
        if not hasattr(self.drawn, "r_0"):
            return values | {"sigma": size}
        values["r_0"] = size
        for name in ("eta", "edge_width"):
            if hasattr(self.drawn, name):
                values[name] = getattr(self, name).value
        if isinstance(self.drawn, Profile):
            # A generalized Gaussian in place of a Gaussian has the same size.
            values["sigma"] = size / np.sqrt(2)
        return values

    @property
    def reach_inside(self):
        """Share of the evaluation radius that must be in a cutout."""
        drawn = type(self.drawn)
        return KINDS[
            GeneralizedGaussianSpatialModel if drawn is Profile else drawn
        ].reach_inside

    @property
    def evaluation_radius(self):
        """Radius to which it is drawn."""
        return self.drawn.evaluation_radius

    def shape_image(self, parameters, geom):
        """Image with derivatives, see `~gammapy.datasets.shape_images.shape_image`."""
        return EllipseImage(self, parameters, geom)

    def integrate_geom(self, geom, oversampling_factor=None):
        """Image of a source of which nothing is free."""
        self.apply()
        return self.drawn.integrate_geom(geom, oversampling_factor)


class EllipseImage(ShapeImage):
    """Image of an `EllipseFamily`."""

    def __init__(self, family, parameters, geom):
        super().__init__(family.drawn, parameters, geom)
        self.family = family

    def _is_hard(self, factor):
        # Profiles are soft at the start.
        return isinstance(self.model, DiskSpatialModel) and super()._is_hard(factor)

    def value(self):
        self.family.apply()
        return self._grid_now()(self.model) * self._solid_angle

    def derivatives(self, *, second=False):
        self.family.apply()
        found = super().derivatives(second=second)
        self.family.apply()
        return found

    def _drawn(self, grid):
        self.family.apply()
        return super()._drawn(grid)

    def _steps(self, pixel):
        if pixel is None:
            scale = STEP * self._sharpness()
        else:
            scale = STEP_HARD * pixel / self._major()
        return [scale * self._reach(par) for par in self.parameters]

    def _major(self):
        return self.family.major().quantity.to_value("deg")

    def _sharpness(self):
        """Length on which the image changes, in units of the major semiaxis."""
        if isinstance(self.model, DiskSpatialModel):
            return float(KINDS[DiskSpatialModel].sharpness(self.model))
        return min(1.0, 2 * self.family.eta.value)

    def _reach(self, parameter):
        """Change of a parameter that moves the edge by about the major semiaxis."""
        family = self.family
        thin = np.sqrt(1 - family.drawn.e.value**2)
        moved = self._major() * thin
        reaches = {
            "lon_0": moved / max(np.cos(family.lat_0.quantity), 0.01),
            "lat_0": moved,
            "variance": 2 * family.variance.value,
            "along": thin**2,
            "across": thin**2,
            "eta": family.eta.value / self._sharpness(),
            "edge_width": max(family.edge_width.value, 0.01) / self._sharpness(),
        }
        reach = float(reaches[parameter.name])
        if parameter.name in ("lon_0", "lat_0"):
            return u.Quantity(reach, "deg").to_value(parameter.unit)
        return reach
