# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Common options of the background makers."""

import numpy as np
from gammapy.maps import Map
from gammapy.maps.energy_bins import parse_energy_range
from gammapy.utils.arguments import check_bool, check_type

__all__ = []


def parse_options(exclusion_mask, energy_min, energy_max, debug):
    """Check the common options of the background makers.

    Parameters
    ----------
    exclusion_mask : `~gammapy.maps.Map` or None
        Mask that is False, or 0, where there are sources.
    energy_min, energy_max : `~astropy.units.Quantity`, str or None
        Energy range.
    debug : bool
        Whether to keep the fitted values.

    Returns
    -------
    energy_min, energy_max : `~astropy.units.Quantity` or None
        Energy range.
    debug : bool
        Whether to keep the fitted values.

    Raises
    ------
    ValueError
        If the mask has values other than 0 and 1, or the range is not valid.
    TypeError
        If an option is of the wrong kind.
    """
    if exclusion_mask is not None:
        expected = "a map, False where there are sources"
        check_type("exclusion_mask", exclusion_mask, Map, expected)
        # FITS has no boolean images, so a mask may be one of numbers.
        if not (exclusion_mask.is_mask or np.isin(exclusion_mask.data, (0, 1)).all()):
            raise ValueError(
                f"exclusion_mask: expected {expected}, got other values than 0 and 1."
            )
    energies = parse_energy_range(energy_min, energy_max)
    return *energies, check_bool("debug", debug)
