# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base classes of the kernels of joint maps."""

from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.utils.arguments import parse_quantity
from .plane import PlaneKernel
from .rows import row_kernel
from .same_weights import SameWeights

__all__ = []


@dataclass(frozen=True)
class KernelShape:
    """What is drawn of a kernel, and the text beside it.

    A circle, or a square of twice the ``radius``, an angle or a number of pixels.
    """

    radius: u.Quantity
    text: str
    is_square: bool = False


class Kernel:
    """What is summed around each pixel of joint maps.

    Parameters
    ----------
    value : str, object or None
        What was given as the kernel; each class `accepts` some.
    radius : `~astropy.units.Quantity` or str, optional
        What was given as ``correlation_radius``.
    """

    #: Name in results and files.
    name = None
    #: What is given to get it, for error messages.
    given_as = None
    #: Whether a text gives it, so that files of settings and commands can.
    is_named = True
    #: Whether it depends on ``correlation_radius``.
    has_radius = False
    #: Whether on-off data may use it: off counts cannot be weighted like on counts.
    is_for_on_off = False
    #: Text behind a quantity that is summed with it, which may hold "{radius}".
    label = ""
    #: Text that says how large it is, which may hold "{size}": the radius, or the size
    #: of a pixel for kernels without one.
    size_label = "{size}"
    #: Whether each energy bin of each dataset has weights of its own, so that sums are
    #: amplitudes, and maps fluxes, instead of counts.
    has_bin_weights = False

    def __init__(self, value=None, radius=None):
        self.value = value
        self.radius = radius

    @classmethod
    def accepts(cls, value):
        """Whether a value stands for this kernel."""
        return isinstance(value, str) and value == cls.name

    @property
    def correlation_radius(self):
        """Radius as a quantity, None for a kernel without one."""
        return u.Quantity(self.radius) if self.has_radius else None

    def on(self, geom, *, is_on_off=False):
        """What makes the sums on an image geometry.

        Parameters
        ----------
        geom : `~gammapy.maps.WcsGeom`
            Geometry of the images.
        is_on_off : bool, optional
            Whether the datasets have off counts. Default is False.

        Returns
        -------
        weights : `SameWeights` or `BinWeights`
            Object that reduces datasets to images, warns, and finishes the images.
        """
        raise NotImplementedError


class WeightsKernel(Kernel):
    """Kernel with the same weights for all datasets and energy bins."""

    def weights(self, geom):
        """Weights in pixels, an array with odd numbers of rows and columns.

        None for single pixels.
        """
        raise NotImplementedError

    def on_sky(self, geom):
        """Kernel of an image: the same everywhere, or one for each row."""
        return PlaneKernel(self.weights(geom))

    def drawn_radius(self, geom):
        """Radius of the circle that stands for it, None for a pixel."""
        return self.correlation_radius

    def on(self, geom, *, is_on_off=False):
        kernel = self.on_sky(geom)
        radius = self.drawn_radius(geom)
        return SameWeights(kernel, geom, is_on_off=is_on_off, radius=radius)


class RadialKernel(WeightsKernel):
    """Kernel that only depends on the distance on the sky.

    Discs and Gaussians have a shape for each row when the image has a cylindrical
    projection and the disc in pixels is wrong somewhere by more than the tolerance of
    `~gammapy.datasets.residuals.sky_geometry.worst_disc` in solid angle: far from the
    equator, or where the image goes around the sky.
    """

    has_radius = True
    #: What warnings call several of them.
    plural = "Kernels"
    #: Where it ends, and how large a disc with most of it is, in radii.
    reach = 1
    extent = 1

    def profile(self, separation, radius):
        """Weights at distances, both in deg."""
        raise NotImplementedError

    def on_rows(self, disc, geom, radius):
        """Kernel for each row of an image, from the disc with most of it."""
        raise NotImplementedError

    def weights(self, geom):
        scales = u.Quantity(geom.pixel_scales).to_value("deg")
        radius = _parse_radius(self.radius, scales, geom)
        reach = self.reach * radius
        # The last bit of radius / scale must not decide whether a pixel belongs.
        n_x, n_y = (int(reach / scale * (1 + 1e-9)) for scale in scales)
        y, x = np.mgrid[-n_y : n_y + 1, -n_x : n_x + 1]
        return self.profile(np.hypot(x * scales[0], y * scales[1]), radius)

    def on_sky(self, geom):
        weights = self.weights(geom)
        radius = u.Quantity(self.radius).to_value("deg")
        extent = self.extent * radius
        disc = row_kernel(geom, extent)
        if disc is None:
            name = f"{self.plural} of {self.radius}"
            return PlaneKernel(weights, extent, name=name)
        return self.on_rows(disc, geom, radius)


def _parse_radius(radius, scales, geom):
    quantity = parse_quantity("correlation_radius", radius, "deg")
    radius = quantity.to_value("deg")
    widths = scales * np.array(geom.data_shape[::-1])
    if not scales.min() <= radius <= widths.max():
        raise ValueError(
            f"correlation_radius {quantity} is not between the size of a pixel, "
            f"{scales.min():.4g} deg, and of the map, {widths.max():.4g} deg; "
            "kernel=None uses single pixels."
        )
    return radius
