# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All parameters of models after a fit: a table, and which are at a bound."""

from astropy.table import Table
from .fit_table import is_at_limit, unique_parameter_names

__all__ = ["names_at_limit", "parameters_table"]


def parameters_table(models):
    """Table of the parameters, with all digits.

    ``models.to_parameters_table()`` is for the eye: a file that is made of it has four
    digits.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models.

    Returns
    -------
    table : `~astropy.table.Table`
        The same columns, without formats.

    Examples
    --------
    >>> from gammapy.modeling.models import FoVBackgroundModel, Models
    >>> from gammapy.modeling.parameter_table import parameters_table
    >>> models = Models([FoVBackgroundModel(dataset_name="run")])
    >>> models[0].spectral_model.norm.value = 1.23456789
    >>> parameters_table(models)["value"][1].item()
    1.23456789
    """
    table = models.to_parameters_table()
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].info.format = None
    return Table(table)


def names_at_limit(models):
    """Names of the free parameters that are at one of their bounds.

    Closer than a hundredth of its error a parameter is at its bound: the error of such
    a one means nothing, and neither do the errors of what is correlated with it.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models after a fit.

    Returns
    -------
    names : list of str
        Such as "MODEL.spectral.norm", each once.

    Examples
    --------
    >>> from gammapy.modeling.models import FoVBackgroundModel, Models
    >>> from gammapy.modeling.parameter_table import names_at_limit
    >>> models = Models([FoVBackgroundModel(dataset_name="run")])
    >>> models[0].spectral_model.norm.max = 1
    >>> names_at_limit(models)
    ['run-bkg.spectral.norm']
    """
    names = unique_parameter_names(models)
    free = models.parameters.unique_parameters.free_parameters
    return [names[id(par)] for par in free if is_at_limit(par, par.error)]
