# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Images of spatial models and their derivatives with respect to the shape."""

import numpy as np
import astropy.units as u
from astropy.nddata import NoOverlapError
from gammapy.modeling.models import GaussianSpatialModel, PointSpatialModel
from gammapy.modeling.models.spatial import MAX_OVERSAMPLING
from gammapy.modeling.smooth.differences import derivatives
from gammapy.modeling.utils import set_values, values_restored
from .residuals.grids import cutout_slices
from .shape_gauss import GaussianOnSphere
from .shape_kinds import KINDS, hard_steps, shape_steps

__all__ = []

#: How much finer derivatives of hard edges are drawn, and how many pixels at most.
REFINED, N_FINE = 4, 400_000

# Grids that are kept: one in use, and others that steps go back and forth to.
N_GRIDS = 4


def shape_image(model, parameters, geom):
    """Image of a spatial model on a geometry.

    Parameters
    ----------
    model : `~gammapy.modeling.models.SpatialModel`
        Spatial model.
    parameters : list of `~gammapy.modeling.Parameter`
        Its parameters that are free.
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image.

    Returns
    -------
    image : `ShapeImage`
        The image.
    """
    # Models of `gammapy.datasets.shape_family` know how they are drawn.
    if hasattr(model, "shape_image"):
        return model.shape_image(parameters, geom)
    kind = PointImage if isinstance(model, PointSpatialModel) else ShapeImage
    return kind(model, parameters, geom)


class ShapeImage:
    """Image of a spatial model on a geometry, as an evaluator makes it.

    Parameters are as for `shape_image`.
    """

    def __init__(self, model, parameters, geom):
        self.model = model
        self.parameters = parameters
        self.geom = geom
        self._solid_angle = geom.solid_angle().to_value("sr")
        self._grids = {}
        self._last = None, None

    def value(self):
        """Integral over each pixel; the sum is 1 where all of the source is inside."""
        is_gauss = type(self.model) is GaussianSpatialModel
        if is_gauss and self.model.sigma.value > 0:
            # Integrating the geometry rounds an image of finer pixels to 32 bits.
            return self._grid_now()(self.model) * self._solid_angle
        return self.model.integrate_geom(self.geom).quantity.to_value("")

    @property
    def is_hard(self):
        """Whether the image jumps when edges pass from one pixel to the next."""
        return self._is_hard(self._drawing()[1])

    @property
    def has_kinks(self):
        """Whether the slopes of the image jump where the source passes a pixel."""
        return KINDS[type(self.model)].has_kinks

    def _is_hard(self, factor):
        pixel = np.max(self.geom.pixel_scales.to_value("deg")) / factor
        return KINDS[type(self.model)].is_hard(self.model, pixel)

    def derivatives(self, *, second=False):
        """Derivatives with respect to the free parameters.

        They are differences of images on the very same fine grid, which
        `SpatialModel.integrate_geom` chooses again as soon as the size changes. Where
        edges are hard the image jumps, and these are the derivatives of the same shape
        on a finer grid, taken over a part of a pixel.

        Parameters
        ----------
        second : bool, optional
            Whether to give second derivatives. Default is False.

        Returns
        -------
        first, pairs : tuple
            See `~gammapy.modeling.smooth.differences.derivatives`.
        """
        part, factor = self._drawing()
        pixel = None
        if self._is_hard(factor):
            pixel = np.max(self.geom.pixel_scales.to_value("deg")) / factor
            part, factor = self._refined(part, factor)
        steps = self._steps(pixel)
        grid = self._grid(part, factor)

        def evaluate(values):
            set_values(self.parameters, values)
            return self._drawn(grid)

        with values_restored(self.parameters):
            return derivatives(
                evaluate,
                [par.value for par in self.parameters],
                np.array(steps),
                *domain(self.parameters),
                second=second,
            )

    def _steps(self, pixel):
        """Steps of the differences; pixels of the drawing in deg where it is hard."""
        if pixel is None:
            return shape_steps(self.model, self.parameters)
        return hard_steps(self.model, self.parameters, pixel)

    def _drawn(self, grid):
        """Image for the present values."""
        return grid(self.model) * self._solid_angle

    def _grid_now(self):
        """Fine grid for the present values, the one that ``integrate_geom`` takes."""
        values = [par.value for par in self.model.parameters]
        if values != self._last[0]:
            self._last = values, self._grid(*self._drawing())
        return self._last[1]

    def _drawing(self):
        """Part of the geometry that is drawn, and smaller pixels per side."""
        pixel = np.max(self.geom.pixel_scales.to_value("deg"))
        radius = self.model.evaluation_radius.to_value("deg")
        try:
            cut = self.geom.cutout(self.model.position, 2 * max(radius, pixel))
        except (NoOverlapError, ValueError):
            return self.geom, 1
        fine = self.model.evaluation_bin_size_min.to_value("deg")
        factor = MAX_OVERSAMPLING
        if fine > 0:
            factor = min(int(np.ceil(pixel / fine)), MAX_OVERSAMPLING)
        return (cut, factor) if factor > 1 else (self.geom, 1)

    def _refined(self, part, factor):
        """The same for derivatives of hard edges, which move."""
        pixel = np.max(self.geom.pixel_scales.to_value("deg"))
        radius = self.model.evaluation_radius.to_value("deg")
        try:
            part = self.geom.cutout(self.model.position, 2 * (radius + 2 * pixel))
        except (NoOverlapError, ValueError):
            return part, factor
        n_pixels = np.prod(part.data_shape) * factor**2
        return part, factor * int(np.clip(np.sqrt(N_FINE / n_pixels), 1, REFINED))

    def _grid(self, part, factor):
        into, inside = cutout_slices(self.geom, part)
        key = (str(into), str(inside), factor)
        if key not in self._grids:
            if len(self._grids) >= N_GRIDS:
                self._grids.pop(next(iter(self._grids)))
            self._grids[key] = FineGrid(self.geom, part, factor, self.model.frame)
        return self._grids[key]


class FineGrid:
    """Pixels of a part of a geometry, divided into smaller ones.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the image.
    part : `~gammapy.maps.WcsGeom`
        Part of it.
    factor : int
        Smaller pixels per side.
    frame : str
        Frame of the model.
    """

    def __init__(self, geom, part, factor, frame):
        self.shape = geom.data_shape
        self.into, self.inside = cutout_slices(geom, part)
        self.factor = factor
        fine = part.upsample(factor, axis_name=None) if factor > 1 else part
        self.coords = fine.get_coord(frame=frame, sparse=True)
        self._gauss = None

    def _values(self, model):
        if type(model) is not GaussianSpatialModel:
            return model(self.coords.lon, self.coords.lat).to_value("sr-1")
        if self._gauss is None:
            self._gauss = GaussianOnSphere(self.coords.lon, self.coords.lat)
        return self._gauss(model)

    def __call__(self, model):
        """Mean of a model in each pixel, per sr, shape of the image."""
        values = self._values(model)
        n_lat, n_lon = (size // self.factor for size in values.shape)
        blocks = values.reshape(n_lat, self.factor, n_lon, self.factor)
        image = np.zeros(self.shape)
        image[self.into] = blocks.mean(axis=(1, 3))[self.inside]
        return image


class PointImage(ShapeImage):
    """Image of a point source: the four pixels around it share it.

    The image is linear in the position between the centres of the pixels and has bends
    there. At a bend these are the derivatives towards larger pixel numbers.
    """

    def derivatives(self, *, second=False):
        position = self._position()
        cell = np.floor(position).astype(int)
        inside = position - cell
        n_lat, n_lon = self.geom.data_shape
        weights = [
            _spread(axis, number, size)
            for axis, number, size in zip(inside, cell, (n_lon, n_lat), strict=True)
        ]
        (x, dx), (y, dy) = weights
        along = (np.outer(y, dx), np.outer(dy, x))
        both = np.outer(dy, dx)
        slopes, bends = self._slopes(second)
        first = [along[0] * lon + along[1] * lat for lon, lat in slopes]
        pairs = {}
        for (i, j), bend in bends.items():
            cross = slopes[i][0] * slopes[j][1] + slopes[i][1] * slopes[j][0]
            pairs[i, j] = both * cross + along[0] * bend[0] + along[1] * bend[1]
        return first, pairs

    def _position(self):
        return np.array(self.model.position.to_pixel(self.geom.wcs))

    def _slopes(self, second):
        """Derivatives of the position in pixels."""

        def evaluate(values):
            set_values(self.parameters, values)
            return self._position()

        values = [par.value for par in self.parameters]
        # Half a pixel: the map is nearly flat.
        pixel = np.max(self.geom.pixel_scales)
        steps = [0.5 * pixel.to_value(par.unit) for par in self.parameters]
        with values_restored(self.parameters):
            return derivatives(
                evaluate,
                values,
                np.array(steps),
                *domain(self.parameters),
                second=second,
            )


def _spread(inside, number, size):
    """Weights of the pixels along one axis, and their derivative."""
    weights = np.zeros((2, size))
    for idx, weight, slope in (
        (number, 1 - inside, -1.0),
        (number + 1, inside, 1.0),
    ):
        if 0 <= idx < size:
            weights[:, idx] = weight, slope
    return weights


def period(parameter):
    """Period of a parameter in its unit; NaN when it has none or a narrow range.

    Ellipses are the same after half a turn.
    """
    turn = u.Quantity(180, "deg")
    if parameter.name != "phi" or not parameter.unit.is_equivalent("deg"):
        return np.nan
    turn = turn.to_value(parameter.unit)
    return np.nan if parameter.max - parameter.min < turn else turn


def domain(parameters):
    """Bounds of parameters, infinite where there are none or an angle goes on."""
    low = np.array([par.min for par in parameters], dtype=float)
    high = np.array([par.max for par in parameters], dtype=float)
    goes_on = np.isfinite([period(par) for par in parameters])
    low = np.where(np.isnan(low) | goes_on, -np.inf, low)
    high = np.where(np.isnan(high) | goes_on, np.inf, high)
    return low, high
