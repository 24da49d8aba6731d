# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables and choices of the guide and of docstrings are those of the registries."""

import re
from pathlib import Path
from typing import get_args
from gammapy.analysis.sections import ResidualsConfig
from gammapy.datasets import SpatialResiduals
from gammapy.datasets.residuals.kernels import KERNELS, choices
from gammapy.scripts.residuals import cli_residuals
from gammapy.stats import residuals
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.residuals.panels import PANELS

GUIDE = Path(__file__).parents[2] / "docs" / "user-guide" / "residuals.rst"


def test_kernels_of_the_guide():
    section = GUIDE.read_text().partition("\n   * - ``kernel``\n")[2]
    table = section.partition("\n\n")[0]
    first = [row.replace("`", "") for row in re.findall(r"\n   \* - (.*)", table)]
    shown = [row.removesuffix(", the default").replace('"', "'") for row in first]
    assert set(shown) == {kernel.given_as for kernel in KERNELS.values()}
    assert len(shown) == len(KERNELS)


def test_kernels_of_the_docstring():
    text = SpatialResiduals.from_datasets.__doc__
    for kernel in KERNELS.values():
        assert kernel.given_as.split()[-1].strip("'") in text, kernel.name


def test_methods_of_the_guide_and_the_docstring():
    section = GUIDE.read_text().partition("\nMethods\n-------\n")[2]
    assert re.findall(r"\n``(.*)``\n    \.\. math::", section) == list(METHODS)
    for name, method in METHODS.items():
        assert re.search(
            rf"``{re.escape(name)}`` +{re.escape(method.formula)}\n", residuals.__doc__
        )


def test_choices_of_the_command():
    options = {option.name: option for option in cli_residuals.params}
    assert list(options["kernel"].type.choices) == choices()
    assert list(options["method"].type.choices) == list(METHODS)
    assert all(name in options["panels"].help for name in PANELS)


def test_choices_of_the_settings():
    fields = ResidualsConfig.model_fields
    assert list(get_args(fields["kernel"].annotation)) == choices()
    assert list(get_args(fields["method"].annotation)) == list(METHODS)
    (panel,) = get_args(fields["panels"].annotation)
    assert list(get_args(panel)) == list(PANELS)
