# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Templates, now in `gammapy.modeling.newton`; this path stays for a release."""

from .newton.collected import Planes as Planes
from .newton.negative_bins import Anchor as Anchor
from .newton.templates import NormTemplates

__all__ = ["NormTemplates"]
