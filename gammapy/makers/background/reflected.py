# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.utils.regions import compound_region_to_regions
from .nuisance import bins_used, keep_row, log_counts, nuisance_table, on_off_row
from .options import parse_options

NUISANCE_LABEL = "reflected_background"


class ReflectedRegionsBackgroundMaker:
    """Attributes
    ----------
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range of the counts summed with ``debug``. Bins inside the range are
        used. The datasets keep all energies. Default is all energies.
    debug : bool, optional
        Whether to keep the number of regions and counts in the ``meta_table`` of the
        dataset, see `ReflectedRegionsBackgroundMaker.nuisance`, and to log them in one
        line at level INFO. Default is False.

    Notes
    -----
    If a dataset has no off region, its ``mask_safe`` is set to False
    everywhere.
    """

    # Also of a maker that was pickled before there were these options.
    energy_min = None
    energy_max = None
    debug = False

    def __init__(
        self,
        region_finder=None,
        exclusion_mask=None,
        *,
        energy_min=None,
        energy_max=None,
        debug=False,
        **kwargs,
    ):
        common = parse_options(exclusion_mask, energy_min, energy_max, debug)
        self._upstream_ReflectedRegionsBackgroundMaker___init__(
            region_finder, exclusion_mask, **kwargs
        )
        self.energy_min, self.energy_max, self.debug = common

    @staticmethod
    def nuisance(datasets):
        """Off regions and counts of the background of each observation.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpectrumDataset`
            Datasets, stacked or not.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per observation: dataset that contains it, obs_id, energy_min,
            energy_max, n_bins (number of summed energy bins), counts, counts_off (in
            all off regions), alpha (mean ratio of the acceptances), background (sum of
            alpha times off counts), success, message (why there is no background) and
            n_regions. None without debug.

        Notes
        -----
        Counts are summed inside the masks of the dataset at the time when
        this maker runs. The mask of a `~gammapy.makers.SafeMaskMaker` that runs later
        is not used.

        The values are stored with the datasets. OGIP files cannot store them; use the
        default format of `~gammapy.datasets.SpectrumDatasetOnOff.write`.

        Examples
        --------
        >>> from gammapy.data import DataStore
        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.makers import SpectrumDatasetMaker
        >>> from gammapy.makers import ReflectedRegionsBackgroundMaker
        >>> from gammapy.maps import MapAxis, RegionGeom
        >>> data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
        >>> observation = data_store.obs(23523)
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.11)", axes=[axis])
        >>> dataset = SpectrumDatasetMaker(selection=["counts"]).run(
        ...     SpectrumDataset.create(geom, name="crab"), observation
        ... )
        >>> maker = ReflectedRegionsBackgroundMaker(debug=True)
        >>> dataset = maker.run(dataset, observation)
        >>> print(maker.nuisance(dataset)["counts", "counts_off", "n_regions"])
        counts counts_off n_regions
        ------ ---------- ---------
            99         81        12
        """
        return nuisance_table(datasets, NUISANCE_LABEL)

    def run(self, dataset, observation):
        # Taken first: the mask of an observation without off regions is set to False.
        used = None
        if self.debug:
            used = bins_used(dataset, self.energy_min, self.energy_max)
        dataset_on_off = self._upstream_ReflectedRegionsBackgroundMaker_run(
            dataset, observation
        )
        if self.debug:
            row = on_off_row(dataset_on_off, used)
            row["n_regions"] = _number_of_regions(dataset_on_off.counts_off)
            if row["n_regions"] == 0:
                row["message"] = self._why_no_region(dataset, observation)
            keep_row(dataset_on_off, NUISANCE_LABEL, row)
            log_counts(log, NUISANCE_LABEL, dataset_on_off, row)
        return dataset_on_off

    def _why_no_region(self, dataset, observation):
        """Reason why there is no off region."""

        def find(exclusion_mask):
            center = observation.get_pointing_icrs(observation.tmid)
            return self.region_finder.run(geom.region, center, exclusion_mask)[0]

        geom = dataset.counts.geom
        reason = "there is no room around the pointing"
        if geom.is_all_point_sky_regions and find(self.exclusion_mask):
            reason = "the regions overlap within the RAD_MAX of the instrument response"
        elif self.exclusion_mask is not None and find(None):
            reason = "the exclusion mask leaves no room"
        return f"No off region found: {reason}."


def _number_of_regions(counts_off):
    """Number of off regions that counts were summed over."""
    if counts_off is None:
        return 0
    return len(compound_region_to_regions(counts_off.geom.region))
