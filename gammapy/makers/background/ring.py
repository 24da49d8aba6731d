# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import numpy as np
from gammapy.utils.arguments import parse_quantity
from ..core import Maker
from .nuisance import bins_used, keep_row, log_counts, nuisance_table, on_off_row
from .options import parse_options

log = logging.getLogger(__name__)

NUISANCE_LABEL = "ring_background"


class AdaptiveRingBackgroundMaker:
    """Parameters
    ----------
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range of the counts summed with ``debug``. Bins inside the range are
        used. The datasets keep all energies. Default is all energies.
    debug : bool, optional
        Whether to keep counts and alpha in the ``meta_table`` of the dataset, see
        `AdaptiveRingBackgroundMaker.nuisance`, and to log them in one line at level
        INFO. Default is False.
    """

    # Also of a maker that was pickled before there were these options.
    energy_min = None
    energy_max = None
    debug = False

    def __init__(
        self,
        # the ring, and how far it may grow
        r_in,
        r_out_max,
        width,
        # how it grows, and where it must
        stepsize="0.02 deg",
        threshold_alpha=0.1,
        theta="0.22 deg",
        # what stays as it grows
        method="fixed_width",
        exclusion_mask=None,
        *,
        energy_min=None,
        energy_max=None,
        debug=False,
    ):
        common = parse_options(exclusion_mask, energy_min, energy_max, debug)
        for name, angle in {
            "r_in": r_in,
            "r_out_max": r_out_max,
            "width": width,
            "stepsize": stepsize,
            "theta": theta,
        }.items():
            parse_quantity(name, angle, "deg")
        growth = (stepsize, threshold_alpha, theta, method)
        self._upstream_AdaptiveRingBackgroundMaker___init__(
            r_in, r_out_max, width, *growth, exclusion_mask
        )
        self.energy_min, self.energy_max, self.debug = common

    @staticmethod
    def nuisance(datasets):
        """Counts in the rings of each observation, see `RingBackgroundMaker.nuisance`.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.MapDataset`
            Datasets, stacked or not.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per observation. None without debug.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> from gammapy.makers import AdaptiveRingBackgroundMaker
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> maker = AdaptiveRingBackgroundMaker(
        ...     r_in="0.3 deg", r_out_max="0.9 deg", width="0.3 deg", debug=True
        ... )
        >>> dataset = maker.run(datasets[0].to_image(name="image"))
        >>> maker.nuisance(dataset)["dataset", "n_bins", "success"].pprint()
        dataset n_bins success
        ------- ------ -------
          image   1656    True
        """
        return nuisance_table(datasets, NUISANCE_LABEL)

    def run(self, dataset, observation=None):
        dataset_on_off = self._upstream_AdaptiveRingBackgroundMaker_run(
            dataset, observation
        )
        return _describe(self, dataset, dataset_on_off)


class RingBackgroundMaker:
    """Parameters
    ----------
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range of the counts summed with ``debug``. Bins inside the range are
        used. The datasets keep all energies. Default is all energies.
    debug : bool, optional
        Whether to keep counts and alpha in the ``meta_table`` of the dataset, see
        `RingBackgroundMaker.nuisance`, and to log them in one line at level INFO.
        Default is False.
    """

    # Also of a maker that was pickled before there were these options.
    energy_min = None
    energy_max = None
    debug = False

    def __init__(
        self,
        r_in,
        width,
        exclusion_mask=None,
        *,
        energy_min=None,
        energy_max=None,
        debug=False,
    ):
        common = parse_options(exclusion_mask, energy_min, energy_max, debug)
        parse_quantity("r_in", r_in, "deg")
        parse_quantity("width", width, "deg")
        self._upstream_RingBackgroundMaker___init__(r_in, width, exclusion_mask)
        self.energy_min, self.energy_max, self.debug = common

    def __str__(self):
        # Not the base's: it reads attributes that no ring maker has.
        return Maker.__str__(self)

    @staticmethod
    def nuisance(datasets):
        """Counts of the measured background of each observation.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.MapDataset`
            Datasets, stacked or not.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per observation: dataset that contains it, obs_id, energy_min,
            energy_max, n_bins (bins that have a ring), counts (in these bins),
            counts_off (mean over positions of the counts in their rings; rings share
            counts, so the sum would have no meaning), alpha (mean ratio of the
            acceptances), background (sum of alpha times off counts), success, message
            (what is missing), alpha_min and alpha_max. None without debug.

        Notes
        -----
        Counts are summed inside the masks of the dataset at the time when
        this maker runs.

        The values are stored with the datasets, and written and read with them.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> from gammapy.makers import RingBackgroundMaker
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> maker = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", debug=True)
        >>> dataset = maker.run(datasets[0])
        >>> maker.nuisance(dataset)["dataset", "n_bins", "success"].pprint()
         dataset  n_bins success
        --------- ------ -------
        Fermi-LAT   8280    True
        """
        return nuisance_table(datasets, NUISANCE_LABEL)

    def run(self, dataset, observation=None):
        dataset_on_off = self._upstream_RingBackgroundMaker_run(dataset, observation)
        return _describe(self, dataset, dataset_on_off)


def _describe(maker, dataset, dataset_on_off):
    """With debug, keep and log what the rings held; returns the on-off dataset."""
    if maker.debug:
        used = bins_used(dataset, maker.energy_min, maker.energy_max)
        row = _ring_row(dataset_on_off, used)
        keep_row(dataset_on_off, NUISANCE_LABEL, row)
        log_counts(log, NUISANCE_LABEL, dataset_on_off, row)
    return dataset_on_off


def _ring_row(dataset, used):
    """Row of one observation: bins without off acceptance are counted, not summed."""
    # An adaptive ring that cannot grow enough leaves NaN.
    with_ring = used & (dataset.acceptance_off.data > 0)
    row = on_off_row(dataset, with_ring)
    row["alpha_min"] = row["alpha_max"] = np.nan
    n_without = int(used.sum() - with_ring.sum())
    if n_without:
        row["message"] = f"No off acceptance in {n_without} of {used.sum()} bins."
    if row["success"]:
        row["counts_off"] /= with_ring.any(axis=0).sum()
        alpha = (
            dataset.acceptance.data[with_ring]
            / (dataset.acceptance_off.data[with_ring])
        )
        row["alpha_min"], row["alpha_max"] = float(alpha.min()), float(alpha.max())
    return row
