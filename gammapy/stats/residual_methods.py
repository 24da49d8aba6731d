# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The residual methods and what is known of each."""

from dataclasses import dataclass

__all__ = ["METHODS", "ResidualMethod"]


@dataclass(frozen=True)
class ResidualMethod:
    """A way to compare counts with a model.

    Parameters
    ----------
    name : str
        Name, as it is given to ``method``.
    label : str
        Text for axes and colour bars.
    is_in_sigma : bool, optional
        Whether its unit is a standard deviation. Default is False.
    """

    name: str
    label: str
    is_in_sigma: bool = False


_ALL = (
    ResidualMethod("diff", "Counts - model"),
    ResidualMethod("diff/model", "(Counts - model) / model"),
    ResidualMethod(
        "diff/sqrt(model)",
        r"(Counts - model) / $\sqrt{\mathrm{model}}$",
        is_in_sigma=True,
    ),
    ResidualMethod("significance", r"Significance [$\sigma$]", is_in_sigma=True),
)

#: Residual methods by name.
METHODS = {method.name: method for method in _ALL}
