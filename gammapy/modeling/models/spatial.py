# Licensed under a 3-clause BSD style license - see LICENSE.rst
import astropy.units as u


class DiskSpatialModel:
    @staticmethod
    def _evaluate_norm_factor(r_0, e):
        # The integrand is asked for dozens of times: plain numbers, no quantities.
        return DiskSpatialModel._upstream_DiskSpatialModel__evaluate_norm_factor(
            u.Quantity(r_0).to_value("rad"), u.Quantity(e).to_value("")
        )
