# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All parameters of models after a fit: a table, and which are at a bound."""

import numpy as np
from astropy.table import Table
from .fit_table import is_at_limit, unique_parameter_names
from .models import DatasetModels

__all__ = ["names_at_limit", "parameters_table", "parameters_text", "show_with_error"]

#: Numbers between these are shown without a power of 10.
PLAIN = 1e-3, 1e5


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

    A parameter is at its bound if it is closer to it than a hundredth of its error. Its
    error is not meaningful, nor are those of correlated parameters.

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


def parameters_text(models):
    """Free parameters of models with their errors, as text.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models after a fit.

    Returns
    -------
    text : str
        A line that counts them, and one for each. Values are shown to the second
        digit of their error; what is at a bound, or has no error, says so.

    Examples
    --------
    >>> from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
    >>> from gammapy.modeling.parameter_table import parameters_text
    >>> model = SkyModel(PowerLawSpectralModel(index=2.4987), name="source")
    >>> model.spectral_model.index.error = 0.0867
    >>> model.spectral_model.amplitude.frozen = True
    >>> print(parameters_text([model]))
    Fitted parameters, 1 of 3:
      source.spectral.index  2.499 +- 0.087
    """
    models = DatasetModels(models)
    names = unique_parameter_names(models)
    parameters = models.parameters.unique_parameters
    free = parameters.free_parameters
    at_limit = names_at_limit(models)
    width = max((len(names[id(par)]) for par in free), default=0)
    lines = [f"Fitted parameters, {len(free)} of {len(parameters)}:"]
    for par in free:
        name = names[id(par)]
        words = [show_with_error(par.value, par.error), par.unit.to_string("fits")]
        if name in at_limit:
            words.append("(at a limit)")
        elif not par.error > 0:
            words.append("(without an error)")
        lines.append(f"  {name:{width}}  {' '.join(word for word in words if word)}")
    return "\n".join(lines)


def show_with_error(value, error):
    """A value with its error, both to the second digit of the error.

    Parameters
    ----------
    value, error : float
        Numbers; an error that is 0 or none is left out.

    Returns
    -------
    text : str
        Text.

    Examples
    --------
    >>> from gammapy.modeling.parameter_table import show_with_error
    >>> show_with_error(228.5312, 0.01482), show_with_error(7.938e-12, 6.957e-13)
    ('228.531 +- 0.015', '(7.94 +- 0.70)e-12')
    """
    if not (np.isfinite(error) and error > 0):
        return f"{value:.4g}"
    size = max(abs(value), error)
    low, high = PLAIN
    power = 0 if low <= size < high else int(np.floor(np.log10(size)))
    value, error = value / 10.0**power, error / 10.0**power
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    text = f"{value:.{digits}f} +- {error:.{digits}f}"
    return text if power == 0 else f"({text})e{power:+03d}"
