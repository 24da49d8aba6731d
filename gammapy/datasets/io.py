# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import numpy as np

log = logging.getLogger(__name__)


class OGIPDatasetWriter:
    def write(self, dataset):
        """Notes
        -----
        OGIP files have a column for ``mask_safe``, but not for ``mask_fit``. A
        warning gives the number of masked bins that will be used when the files are
        read.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from gammapy.datasets import SpectrumDatasetOnOff
        >>> from gammapy.datasets.io import OGIPDatasetWriter
        >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
        >>> dataset = SpectrumDatasetOnOff.read(path)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     OGIPDatasetWriter(Path(folder) / "crab.fits").write(dataset)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['crab.fits', 'crab_arf.fits', 'crab_bkg.fits', 'crab_rmf.fits']
        """
        lost, total = _bins_of_mask_fit(dataset)
        if lost:
            log.warning(
                f"Dataset {dataset.name!r}: OGIP files have no mask_fit. {lost} of "
                f"{total} bins, which mask_fit excludes, are used when "
                f"{str(self.filename)!r} is read; set mask_fit again, or write "
                "format='gadf'."
            )
        self._upstream_OGIPDatasetWriter_write(dataset)


def _bins_of_mask_fit(dataset):
    """How many bins only ``mask_fit`` masks, and how many ``mask_safe`` lets pass."""
    if dataset.mask_fit is None:
        return 0, 0
    used = np.ones(dataset.mask_fit.data.shape, dtype=bool)
    if dataset.mask_safe is not None:
        used &= dataset.mask_safe.data.astype(bool)
    lost = used & ~dataset.mask_fit.data.astype(bool)
    return np.count_nonzero(lost), np.count_nonzero(used)
