"""Models of which none has a position: spectra alone, or isotropic emission."""

import sys
from gammapy.maps import Map
from gammapy.modeling.models import ConstantSpatialModel, Models, SkyModel

spectrum = SkyModel.create("pl", name="spectrum")
isotropic = SkyModel.create("pl", name="isotropic")
isotropic.spatial_model = ConstantSpatialModel()
ax = Map.create(width=2, binsz=0.1).plot()


def run(function, models):
    """Print what a function gives, and return whether that is wrong."""
    try:
        result = function(models)
    except Exception as error:
        result = error
    print(f"{models.names}: {result!r}")
    return result is None or isinstance(result, Exception)


is_wrong = [
    run(function, models)
    for models in [Models([spectrum]), Models([isotropic])]
    for function in [
        lambda models: models.positions,
        lambda models: models.plot_positions(ax=ax),
        lambda models: models.plot_regions(ax=ax),
    ]
]
sys.exit(any(is_wrong))
