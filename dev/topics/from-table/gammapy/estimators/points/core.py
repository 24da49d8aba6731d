# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
from ..map.core import OPTIONAL_QUANTITIES, REQUIRED_COLUMNS, VALID_QUANTITIES

log = logging.getLogger(__name__)

# Columns of the axes, and those of the likelihood format of GADF
OTHER_COLUMNS = [
    "time_min",
    "time_max",
    "x_min",
    "x_max",
    "x_ref",
    "norm_scan",
    "ref_e2dnde",
    "datasets",
    "loglike",
    "loglike_null",
    "dloglike_scan",
]


class FluxPoints:
    @staticmethod
    def _warn_unknown_columns(names):
        """Warn of columns which no SED type and no format has."""
        known = {*VALID_QUANTITIES, *OTHER_COLUMNS}.union(
            *REQUIRED_COLUMNS.values(), *OPTIONAL_QUANTITIES.values()
        )
        unknown = [name for name in names if name not in known]
        if unknown:
            log.warning(f"Unknown columns of flux points are not read: {unknown}")
