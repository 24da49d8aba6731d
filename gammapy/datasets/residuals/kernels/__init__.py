# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernels of joint maps."""

import astropy.units as u
from ..convolution import make_kernel
from ..sky_geometry import cylinder_of
from .gauss_rows import GaussRowKernel
from .plane import PlaneKernel
from .rows import row_kernel

__all__ = []


def make_sky_kernel(kernel, radius, geom):
    """Kernel of an image: the same everywhere, or one for each row.

    Discs and Gaussians have a shape for each row when the image has a cylindrical
    projection and the disc in pixels is wrong somewhere by more than `TOLERANCE` in
    solid angle: far from the equator, or where the image goes around the sky.

    Parameters
    ----------
    kernel, radius, geom
        As for `~gammapy.datasets.residuals.convolution.make_kernel`.

    Returns
    -------
    kernel : `PlaneKernel` or `RowKernel`
        Kernel.
    """
    weights = make_kernel(kernel, radius, geom)
    if not isinstance(kernel, str):
        return PlaneKernel(weights)
    name = {"tophat": f"Discs of {radius}", "gauss": f"Gaussians of {radius}"}[kernel]
    radius = u.Quantity(radius).to_value("deg")
    # A disc with most of the kernel.
    extent = radius if kernel == "tophat" else 2 * radius
    rows = row_kernel(geom, extent)
    if rows is None:
        return PlaneKernel(weights, extent, name=name)
    return rows if kernel == "tophat" else GaussRowKernel(cylinder_of(geom), radius)
