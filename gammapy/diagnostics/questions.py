# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the goodness of fit: which bins they use, and how these are divided.

A question puts the bins of each dataset into numbered zones, and says which tests each
zone is in. Cells do not reach from one zone to another.
"""

from dataclasses import dataclass
import numpy as np
from scipy.ndimage import distance_transform_edt
import astropy.units as u
from gammapy.datasets.residuals.energies import energy_groups
from gammapy.maps.energy_bins import energy_unit, format_energy_range, same_edges

__all__ = []

#: Energy groups that are made when none are given.
N_GROUPS = 4

#: Share of the predicted counts of a component that its region holds.
CONTAINMENT = 0.68

#: Annuli around the centre of each map.
N_ANNULI = 3


@dataclass
class Question:
    """One way to divide the bins.

    Parameters
    ----------
    zones : callable
        Function of `~gammapy.diagnostics.fitted_bins.FittedBins` and the number of the
        dataset that gives the zone of each bin, -1 for none.
    tests : dict of list of str
        By zone the names of the tests that it is in.
    sky, energy : bool
        In what zones are split.
    joint : bool
        Whether datasets on one grid are added.
    """

    zones: callable
    tests: dict
    sky: bool = True
    energy: bool = True
    joint: bool = True


def make_questions(datasets, bins, *, energy_edges=None, components=None):
    """All questions about some datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Their bins.
    energy_edges : `~astropy.units.Quantity`, optional
        Edges of energy groups. Default is None, those of `default_groups`.
    components : list of str, optional
        Names of the components whose regions are looked at. Default is all sources.

    Returns
    -------
    questions : list of `Question`
        The first has the test "all".

    Raises
    ------
    ValueError
        If an energy is no edge of a bin of each dataset.
    """
    if energy_edges is None:
        edges = default_groups(bins)
    else:
        edges = energy_groups(datasets, None, None, energy_edges)
    questions = [_everything(edges)]
    if len(bins) > 1:
        questions.append(_per_dataset(bins, edges))
    is_map = any(np.prod(part.shape[1:]) > 1 for part in bins)
    if len(edges) > 2:
        questions.append(_per_energy(edges, is_map))
    if not is_map:
        return questions
    known = dict.fromkeys(name for part in bins for name in part.images)
    for name in known if components is None else components:
        questions += _around_component(name, edges)
    return [*questions, _image(edges), _per_offset(datasets, bins, edges)]


def default_groups(bins):
    """Edges of energy groups of about equal width in log(energy).

    Parameters
    ----------
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Bins. Edges are those of the first dataset with bins.

    Returns
    -------
    edges : `~astropy.units.Quantity`
        Edges, one group where datasets have different energy bins.
    """
    used = [part for part in bins if part.index.size]
    axis = used[0].axis
    unit = energy_unit(axis)
    energies = np.concatenate([_energy_index(part) for part in used])
    if not all(same_edges(part.axis.edges, axis.edges) for part in used):
        low = min(part.axis.edges[0] for part in used)
        return u.Quantity([low, max(part.axis.edges[-1] for part in used)], unit)
    first, last = energies.min(), energies.max() + 1
    wanted = np.linspace(0, 1, min(N_GROUPS, last - first) + 1)
    inside = np.log(axis.edges.value[first : last + 1])
    targets = inside[0] + wanted * (inside[-1] - inside[0])
    # Rounded, or which of two edges that are as near is taken depends on the unit.
    position = np.round(np.interp(targets, inside, np.arange(inside.size)), 9)
    nearest = np.rint(position).astype(int)
    return axis.edges[first + np.unique(nearest)].to(unit)


def _energy_index(part):
    """Index of the energy bin of each bin."""
    return part.index // max(1, int(np.prod(part.shape[1:])))


def _image_of(part, image):
    """Values of an image at each bin."""
    return np.ravel(image)[part.index % max(1, int(np.prod(part.shape[1:])))]


def _group_of(part, edges):
    """Number of the energy group of each bin, -1 outside."""
    centre = part.axis.center.to_value(edges.unit)
    group = np.searchsorted(edges.value, centre) - 1
    group[group >= len(edges) - 1] = -1
    return group[_energy_index(part)]


def _within(part, edges, zones):
    """Zones of the bins inside the energies, -1 elsewhere."""
    return np.where(_group_of(part, edges) >= 0, zones, -1)


def _everything(edges):
    """All in one, in cells that respect energy groups."""
    tests = {group: ["all"] for group in range(len(edges) - 1)}
    return Question(lambda part, number: _group_of(part, edges), tests)


def _per_dataset(bins, edges):
    """Spectrum of each dataset."""
    tests = {number: [f"dataset {part.name}"] for number, part in enumerate(bins)}
    return Question(
        lambda part, number: _within(part, edges, number),
        tests,
        sky=False,
        joint=False,
    )


def _image(edges):
    """Image of all energies."""
    return Question(
        lambda part, number: _within(part, edges, 0), {0: ["image"]}, energy=False
    )


def _per_energy(edges, is_map):
    """Image in each energy group; of spectra there is only the energy."""
    tests = {
        group: [f"energy {format_energy_range(low, high, edges.unit, dash='-')}"]
        for group, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True))
    }
    return Question(
        lambda part, number: _group_of(part, edges),
        tests,
        sky=is_map,
        energy=not is_map,
    )


def _around_component(name, edges):
    """Spectra in the region of a component and in the ring around it, and its image."""

    def zones(part, number):
        image = part.images.get(name)
        if image is None:
            return np.full(part.index.size, -1)
        region = component_region(image)
        zones = np.where(region, 0, np.where(ring_around(region), 1, -1))
        return _within(part, edges, _image_of(part, zones))

    def groups(part, number):
        return np.where(zones(part, number) == 0, _group_of(part, edges), -1)

    spectra = {0: [f"spectrum of {name}"], 1: [f"ring around {name}"]}
    # What is missing has another spectrum, so that energies are kept apart.
    images = {group: [f"image of {name}"] for group in range(len(edges) - 1)}
    return [
        Question(zones, spectra, sky=False),
        Question(groups, images, energy=False),
    ]


def component_region(image):
    """Smallest set of pixels with 68 percent of the predicted counts.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Predicted counts of a component, shape (n_lat, n_lon).

    Returns
    -------
    region : `~numpy.ndarray` of bool
        Pixels of the region, none without predicted counts.
    """
    values = np.maximum(image, 0).ravel()
    order = np.argsort(-values, kind="stable")
    total = np.cumsum(values[order])
    region = np.zeros(values.size, dtype=bool)
    if total[-1] > 0:
        n_pixels = 1 + np.searchsorted(total, CONTAINMENT * total[-1])
        region[order[:n_pixels]] = True
    return region.reshape(image.shape)


def ring_around(region):
    """Pixels around a region, as far as the radius of a disc of its area.

    Parameters
    ----------
    region : `~numpy.ndarray` of bool
        Pixels of the region.

    Returns
    -------
    ring : `~numpy.ndarray` of bool
        Pixels of the ring.
    """
    if not region.any():
        return region
    distance = distance_transform_edt(~region)
    return ~region & (distance <= np.sqrt(np.sum(region) / np.pi))


def _per_offset(datasets, bins, edges):
    """Spectra in annuli around the centre of each map."""
    images = [_separation(dataset.counts.geom) for dataset in datasets]
    largest = max(
        np.max(_image_of(part, image), initial=0.0)
        for part, image in zip(bins, images, strict=True)
    )
    radii = np.linspace(0, largest * (1 + 1e-9), N_ANNULI + 1)

    def zones(part, number):
        offset = _image_of(part, images[number])
        return _within(part, edges, np.searchsorted(radii, offset, side="right") - 1)

    tests = {
        annulus: [f"offset {radii[annulus]:.2g}-{radii[annulus + 1]:.2g} deg"]
        for annulus in range(N_ANNULI)
    }
    return Question(zones, tests, sky=False)


def _separation(geom):
    """Separation of each pixel from the centre of the map, in deg."""
    image = geom.to_image()
    if image.is_region:
        return np.zeros(image.data_shape)
    separation = image.separation(image.center_skydir).to_value("deg")
    return np.nan_to_num(separation)
