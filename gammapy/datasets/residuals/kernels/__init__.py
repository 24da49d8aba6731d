# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernels of joint maps: a new one is a class in a file here, and its entry below."""

import numpy as np
import astropy.units as u
from .base import KernelShape
from .gauss import Gauss
from .map import MapKernel
from .model import ModelKernel
from .point_source import PointSource
from .single import SinglePixels
from .tophat import TopHat

__all__ = []

#: Classes of kernels by the name that results and files have of them.
KERNELS = {
    kernel.name: kernel
    for kernel in (TopHat, Gauss, PointSource, ModelKernel, MapKernel, SinglePixels)
}

#: What stands for single pixels where only a text can be given.
NONE = "none"


def find_kernel(value, radius=None):
    """Kernel that a value stands for.

    Parameters
    ----------
    value : str, `~gammapy.maps.Map`, `~gammapy.modeling.models.SkyModel` or None
        Kernel, see `~gammapy.datasets.SpatialResiduals.from_datasets`.
    radius : `~astropy.units.Quantity` or str, optional
        Radius of those that have one. Default is None.

    Returns
    -------
    kernel : `~gammapy.datasets.residuals.kernels.base.Kernel`
        Kernel.

    Raises
    ------
    ValueError
        If no kernel accepts the value.
    """
    for kernel in KERNELS.values():
        if kernel.accepts(value):
            return kernel(value, radius)
    named = [repr(name) for name in choices() if name != NONE]
    objects = sorted(item.given_as for item in KERNELS.values() if not item.is_named)
    raise ValueError(
        f"Invalid kernel: {value!r}. Choose from {', '.join(named + objects)}, or "
        "None for single pixels."
    )


def choices():
    """Names of kernels in settings and commands, "none" for single pixels."""
    return [NONE if item.name is None else item.name for item in _named()]


def from_choice(name):
    """What a name among `choices` stands for."""
    return None if name == NONE else name


def make_kernel(kernel, radius, geom):
    """Weights of the neighbours of a pixel.

    Parameters
    ----------
    kernel : str, `~gammapy.maps.Map` or None
        Kernel with the same weights for all datasets.
    radius : `~astropy.units.Quantity` or str
        Radius of the top-hat or standard deviation of the Gaussian.
    geom : `~gammapy.maps.WcsGeom`
        Geometry that gives the size of a pixel.

    Returns
    -------
    weights : `~numpy.ndarray` or None
        Array with odd numbers of rows and columns, None for single pixels. The sum of
        a Gaussian is 1, the weights of a top-hat are 1.
    """
    return find_kernel(kernel, radius).weights(geom)


def make_sky_kernel(kernel, radius, geom):
    """Kernel of an image: the same everywhere, or one for each row.

    Parameters
    ----------
    kernel, radius, geom
        As for `make_kernel`.

    Returns
    -------
    kernel : `PlaneKernel`, `RowKernel` or `GaussRowKernel`
        Kernel.
    """
    return find_kernel(kernel, radius).on_sky(geom)


def label_of(residuals):
    """Text behind a quantity of `~gammapy.datasets.SpatialResiduals`."""
    if residuals.unit != "":
        return " as integral flux"
    return KERNELS[residuals.kernel].label.format(radius=residuals.correlation_radius)


def is_in_amplitudes(residuals):
    """Whether sums are in units of the amplitude of a source, as those of old files."""
    return residuals.unit == "" and KERNELS[residuals.kernel].has_bin_weights


def unit_of(residuals):
    """Unit of the sums of `~gammapy.datasets.SpatialResiduals` as text."""
    if is_in_amplitudes(residuals):
        return "amplitude of the source"
    if residuals.unit == "":
        return "counts"
    return " ".join(sorted(residuals.unit.to_string("fits").split()))


def shape_of(residuals, idx):
    """How the kernel of `~gammapy.datasets.SpatialResiduals` is drawn.

    Parameters
    ----------
    residuals : `~gammapy.datasets.SpatialResiduals`
        Residuals.
    idx : int
        Energy group.

    Returns
    -------
    shape : `~gammapy.datasets.residuals.kernels.base.KernelShape` or None
        Circle or pixel with its size as text; None where the size is not known.
    """
    radii = residuals.kernel_radius
    kernel = KERNELS[residuals.kernel]
    if radii is not None:
        size = radii[idx]
        if np.isnan(size):
            return None
        # What was given is shown as it is, what was computed with two digits.
        digits = 6 if kernel.has_radius else 2
        text = f"{size.value:.{digits}g} {size.unit}"
        return KernelShape(size, kernel.size_label.format(size=text))
    if kernel.name is not None:
        return None
    scales = residuals.counts.geom.pixel_scales.to_value("deg")
    sizes = sorted({f"{scale:.3g}" for scale in scales}, key=float)
    text = kernel.size_label.format(size=f"{' x '.join(sizes)} deg")
    return KernelShape(0.5 * u.pix, text, is_square=True)


def check_on_off(weights):
    """Raise a ValueError when off counts cannot be summed with these weights."""
    if not weights.is_uniform:
        names = [item.given_as for item in KERNELS.values() if item.is_for_on_off]
        raise ValueError(
            f"On-off datasets need the kernel {' or '.join(names)}: off counts cannot "
            "be weighted like on counts."
        )


def _named():
    return [item for item in KERNELS.values() if item.is_named]
