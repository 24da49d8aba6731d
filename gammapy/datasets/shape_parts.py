# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a source needs to know of one dataset."""

from dataclasses import dataclass
import numpy as np

__all__ = []


@dataclass
class SourcePart:
    """What a source needs to know of one dataset; what is of images is None in spectra.

    Attributes
    ----------
    number : int
        Number of the dataset.
    energies : `~numpy.ndarray`
        Where its true energies are in those of the source, shape (n_energy,).
    inside : `~numpy.ndarray`
        Which of the bins that are kept the source is in, shape (n_bin,).
    sums : `~numpy.ndarray`
        Weighted sum of the counts per flux, shape (n_energy,); of maps that for each
        pixel of the image, shape (n_energy, n_pixel).
    response : `~numpy.ndarray`
        Exposure times energy dispersion, shape (n_bin, n_energy).
    amounts : `~numpy.ndarray`
        How much of each image of the basis is in the kernels, (n_energy, n_images).
    pixel, at : `~numpy.ndarray`
        Flat index of the pixel of each bin in the cutout, and the same among the pixels
        that are looked at, shape (n_bin,).
    """

    number: int
    energies: np.ndarray
    inside: np.ndarray
    sums: np.ndarray
    response: np.ndarray
    amounts: np.ndarray | None = None
    pixel: np.ndarray | None = None
    at: np.ndarray | None = None


def redistribution(evaluator):
    """Energy dispersion of an evaluator, shape (n_energy_true, n_energy)."""
    if evaluator.edisp is None or not evaluator.model.apply_irf["edisp"]:
        return evaluator._edisp_diagonal.pdf_matrix
    return evaluator.edisp.pdf_matrix
