# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of fits, now `gammapy.modeling.fit_table`; this path stays for a release."""

from .fit_log import log_row
from .fit_table import (
    add_pulls,
    best_fit_values,
    fit_row,
    stack_rows,
    unique_parameter_names,
)

__all__ = [
    "add_pulls",
    "best_fit_values",
    "fit_row",
    "log_row",
    "stack_rows",
    "unique_parameter_names",
]
