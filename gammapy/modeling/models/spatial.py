# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import astropy.units as u

# Below this radius in radians a disk is flat to 1e-9 of its solid angle, and one minus
# its cosine has lost the same.
FLAT = 1e-4


class DiskSpatialModel:
    @staticmethod
    def _evaluate_norm_factor(r_0, e):
        # The integrand is asked for dozens of times: plain numbers, no quantities.
        r_0, e = u.Quantity(r_0).to_value("rad"), u.Quantity(e).to_value("")
        if r_0 < FLAT:
            # The integrand divides by zero below 1e-8.
            area = np.pi * r_0**2 * np.sqrt(1 - e**2)
            return np.inf if area == 0 else 1 / area
        return DiskSpatialModel._upstream_DiskSpatialModel__evaluate_norm_factor(r_0, e)
