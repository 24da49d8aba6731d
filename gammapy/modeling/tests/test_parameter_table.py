# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.modeling.parameter_table import parameters_text, show_with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (228.5312, 0.01482, "228.531 +- 0.015"),
        (-59.1733, 0.0082, "-59.1733 +- 0.0082"),
        (143.6, 11.46, "144 +- 11"),
        (2.5, 0.0999, "2.500 +- 0.100"),
        (7.938e-12, 6.957e-13, "(7.94 +- 0.70)e-12"),
        (-3e-5, 2e-5, "(-3.0 +- 2.0)e-05"),
        (1e-14, 2e-12, "(0.0 +- 2.0)e-12"),
        (2.5e6, 1.234e5, "(2.50 +- 0.12)e+06"),
        (0.0, 0.5, "0.00 +- 0.50"),
        (1e-9, 1.0, "0.0 +- 1.0"),
        (1.23456, 0.0, "1.235"),
        (1.23456, np.nan, "1.235"),
        (1.23456, np.inf, "1.235"),
    ],
)
def test_show_with_error(value, error, text):
    assert show_with_error(value, error) == text


def test_parameters_text():
    source = SkyModel(
        PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1"),
        PointSpatialModel(lon_0="83.6331 deg", lat_0="22.0145 deg"),
        name="the source",
    )
    background = FoVBackgroundModel(dataset_name="run")
    models = [source, background]
    source.parameters["amplitude"].error = 2e-13
    source.parameters["lon_0"].error = 0.004
    source.parameters["lat_0"].frozen = True
    source.parameters["index"].max = 2
    source.parameters["index"].error = 0.1
    lines = parameters_text(models).splitlines()
    assert lines == [
        "Fitted parameters, 4 of 8:",
        "  the source.spectral.index      2.00 +- 0.10 (at a limit)",
        "  the source.spectral.amplitude  (3.00 +- 0.20)e-12 TeV-1 s-1 cm-2",
        "  the source.spatial.lon_0       83.6331 +- 0.0040 deg",
        "  run-bkg.spectral.norm          1 (without an error)",
    ]
    for par in source.parameters:
        par.frozen = True
    background.parameters["norm"].frozen = True
    assert parameters_text(models) == "Fitted parameters, 0 of 8:"
