# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Datasets whose bins can be added: on one pixel grid, with the same energies."""

from dataclasses import dataclass
from gammapy.datasets.residuals.grids import cutout_slices, joint_image_geom
from gammapy.maps.energy_bins import same_edges

__all__ = []


@dataclass
class CommonGrid:
    """Datasets on one grid, and where each of them is.

    Parameters
    ----------
    numbers : list of int
        Numbers of the datasets.
    shape : tuple of int
        Shape of maps that hold all of them, (n_energy, n_lat, n_lon).
    slices : list of tuple of slice
        Where each of them is in these maps.
    """

    numbers: list
    shape: tuple
    slices: list


def each_alone(bins):
    """Each dataset on a grid of its own.

    Parameters
    ----------
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Bins of each dataset.

    Returns
    -------
    grids : list of `CommonGrid`
        One for each.
    """
    everything = (slice(None),) * 3
    return [
        CommonGrid([number], part.shape, [everything])
        for number, part in enumerate(bins)
    ]


def common_grids(bins):
    """Datasets that can be added, together.

    Spectra are not added, because they may be of different sources, nor on-off data,
    because their alphas differ.

    Parameters
    ----------
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Bins of each dataset.

    Returns
    -------
    grids : list of `CommonGrid`
        In the order of the first dataset of each.
    """
    groups = []
    for number, part in enumerate(bins):
        for group in groups:
            if _is_same(bins[group[0]], part):
                group.append(number)
                break
        else:
            groups.append([number])
    return [_joined(group, bins) for group in groups]


def _is_same(part, other):
    return (
        part.image is not None
        and other.image is not None
        and part.stat_type == other.stat_type
        and not part.is_on_off
        and same_edges(part.axis.edges, other.axis.edges)
        and other.image.is_aligned(part.image)
    )


def _joined(numbers, bins):
    parts = [bins[number] for number in numbers]
    if len(parts) == 1:
        return CommonGrid(numbers, parts[0].shape, [(slice(None),) * 3])
    images = [part.image for part in parts]
    joint = joint_image_geom(images)
    slices = [(slice(None), *cutout_slices(joint, image)[0]) for image in images]
    return CommonGrid(numbers, (parts[0].shape[0], *joint.data_shape), slices)
