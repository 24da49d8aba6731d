"""An energy range in mask_fit has no effect on sums over energy."""

import sys
import astropy.units as u
from gammapy.datasets import MapDataset
from gammapy.estimators import ExcessMapEstimator
from gammapy.maps import Map, MapAxis, WcsGeom

axis = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=2)
geom = WcsGeom.create(npix=21, binsz=0.02, axes=[axis])
dataset = MapDataset(
    counts=Map.from_geom(geom, data=2),
    background=Map.from_geom(geom, data=2.0),
)
# The background is wrong below 10 TeV, so these energies are left out.
dataset.counts.data[0] = 20
dataset.mask_fit = geom.energy_mask(energy_min=10 * u.TeV)

# A pixel and the four beside it
estimator = ExcessMapEstimator("0.021 deg", energy_edges=[1, 100] * u.TeV)
maps = estimator.run(dataset)
counts = maps["counts"].data[0, 10, 10]
excess = maps["npred_excess"].data[0, 10, 10]
print(f"counts: {counts:.0f}, above 10 TeV there are 10")
print(f"excess: {excess:.0f}, above 10 TeV it is 0")

sys.exit(int(counts != 10))
