"""What FoVBackgroundMaker does to a flat dataset, and what it should do."""

import logging
import sys
import numpy as np
from gammapy.datasets import MapDataset
from gammapy.makers import FoVBackgroundMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, TemplateNPredModel

logging.disable()
wrong = []


def check(what, value, expected):
    is_right = np.allclose(value, expected)
    print(f"{what}: {value:.3f}, expected {expected:.3f}{'' if is_right else ' <--'}")
    if not is_right:
        wrong.append(what)


def make_dataset(name=None):
    """400 counts: 200 predicted by the background and 100 by a template."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    geom = WcsGeom.create(npix=10, axes=[axis])
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=4),
        background=Map.from_geom(geom, data=2.0),
        name="flat",
    )
    template = TemplateNPredModel(Map.from_geom(geom, data=1.0), name="template")
    background_model = FoVBackgroundModel(dataset_name="flat", name=name)
    dataset.models = [template, background_model]
    return dataset


maker = FoVBackgroundMaker(method="scale")
dataset = maker.run(make_dataset())
norm = dataset.background_model.spectral_model.norm
check("norm after scale", norm.value, 300 / 200)
check("its error, sqrt(counts) / background", norm.error, 400**0.5 / 200)
maker.run(dataset)
check("norm after scale, again", norm.value, 300 / 200)

dataset = FoVBackgroundMaker(method="fit").run(make_dataset())
norm = dataset.models["template"].parameters["norm"]
check("norm of the template, which is to be kept", norm.value, 1)

dataset = make_dataset()
geom = dataset.counts.geom
dataset.mask_fit = Map.from_geom(geom, data=True, dtype=bool)
exclusion_mask = Map.from_geom(geom, data=True, dtype=bool)
exclusion_mask.data[:, :5] = False
dataset = FoVBackgroundMaker(exclusion_mask=exclusion_mask).run(dataset)
check("bins of mask_fit", dataset.mask_fit.data.sum(), 100)

for what, name, min_counts in [
    ("background model with another name", "other-name", 0),
    ("rejected dataset without mask_safe", None, 1000),
]:
    try:
        FoVBackgroundMaker(min_counts=min_counts).run(make_dataset(name))
        print(f"{what}: done")
    except Exception as error:
        print(f"{what}: {type(error).__name__}: {error} <--")
        wrong.append(what)

sys.exit(int(len(wrong) > 0))
