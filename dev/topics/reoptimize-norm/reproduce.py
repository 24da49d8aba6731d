"""Flux points with reoptimize=True, where the norm is the only free parameter."""

import sys
import astropy.units as u
from gammapy.datasets import SpectrumDataset
from gammapy.estimators import FluxPointsEstimator
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import SkyModel

axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
axis_true = axis.copy(name="energy_true")
geom = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[axis])
dataset = SpectrumDataset.create(geom, energy_axis_true=axis_true, name="run")
dataset.mask_safe.data[...] = True
dataset.exposure.data[...] = 1e10
dataset.edisp = None
dataset.background.data[...] = 1
dataset.models = [SkyModel.create("pl", name="source")]
dataset.fake(random_state=0)

for reoptimize in [False, True]:
    estimator = FluxPointsEstimator(
        energy_edges=[1, 10] * u.TeV,
        source="source",
        reoptimize=reoptimize,
        selection_optional="all",
    )
    try:
        flux_points = estimator.run(dataset)
    except ValueError as error:
        print(f"reoptimize={reoptimize}: ValueError: {error}")
        sys.exit(1)
    print(
        f"reoptimize={reoptimize}: sqrt_ts = {flux_points.sqrt_ts.data.squeeze():.2f}"
    )
