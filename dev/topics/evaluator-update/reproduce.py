"""A model that left the map once has no predicted counts when it is back."""

import sys
from gammapy.datasets import MapDataset
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name="energy_true")
geom = WcsGeom.create(width=2, binsz=0.05, axes=[axis])
model = SkyModel(
    spectral_model=PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"),
    spatial_model=GaussianSpatialModel(sigma="0.1 deg"),
)
dataset = MapDataset(
    counts=Map.from_geom(geom.to_image().to_cube([axis.copy(name="energy")])),
    exposure=Map.from_geom(geom, data=1e13, unit="cm2 s"),
    models=[model],
)
npred = []
for lat in [0, 5, 0]:
    model.spatial_model.lat_0.value = lat
    npred.append(dataset.npred().data.sum())
    print(f"lat_0 = {lat} deg: {npred[-1]:.1f} predicted counts")

sys.exit(int(npred[2] != npred[0]))
