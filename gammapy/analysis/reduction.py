# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From observations to datasets; `Analysis` and `Workflow` are called sessions."""

import logging
from gammapy.data import ObservationGroups
from gammapy.datasets import Datasets
from gammapy.makers import stack_groups
from gammapy.utils.pbar import progress_bar
from .background import check_observations, find_exclusion_mask, reduction_options
from .sections import StackConfig

__all__ = []

log = logging.getLogger(__name__)

#: Name of the dataset that all runs are stacked into
STACKED = "stacked"


def is_in_bins(config):
    """Whether the runs are stacked in bins."""
    return isinstance(config.datasets.stack, StackConfig)


def group_observations(session, owner):
    """Group observations as the configuration says.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the geometry; offsets are measured from its centre.

    Returns
    -------
    groups : `~gammapy.data.ObservationGroups`
        Groups; a single one when the configuration has no bins.
    """
    check_observations(session)
    bins = {}
    if is_in_bins(owner.config):
        by = owner.config.datasets.stack.by
        bins = {"zenith": by.zenith, "offset": by.offset}
    center = owner._create_geometry().center_skydir
    groups = ObservationGroups.from_observations(session.observations, center, **bins)
    log.info(f"\n{groups}")
    return groups


def prepare_reduction(session, owner):
    """Groups of observations, where they are stacked in bins, and the exclusion mask.

    Earlier results are replaced, because bins and options may have changed.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations and gets the results.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the geometry and the makers.
    """
    session.observation_groups = session.exclusion_result = None
    if not session.observations:
        return
    if is_in_bins(owner.config):
        session.observation_groups = group_observations(session, owner)
    if owner.config.datasets.background.exclusion_maker is not None:
        session.exclusion_result = find_exclusion_mask(session, owner)


def reduce_groups(session, owner):
    """Reduce maps and stack them group by group.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations and their groups.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the reference dataset and the makers.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per group.
    """
    makers = [
        owner._create_dataset_maker(),
        owner._create_safe_mask_maker(),
        owner._create_background_maker(),
    ]
    return stack_groups(
        session.observation_groups,
        session.observations,
        owner._create_reference_dataset(),
        [maker for maker in makers if maker is not None],
        **reduction_options(owner.config),
    )


def extract_spectra(session, owner):
    """Extract spectra, and stack all of them or each group, if configured.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations and their groups.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the reference dataset and the makers.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per observation or per group. A warning names the observations
        without an off region, which are left out, and the groups without any other
        observations.

    Raises
    ------
    ValueError
        If there is nothing to stack, because no observation has an off region.
    """
    extract = SpectrumExtraction(owner)
    if not owner.config.datasets.stack:
        return extract(session.observations)
    groups = session.observation_groups
    runs_of = {STACKED: session.observations}
    if groups is not None:
        runs_of = {
            name: groups.select(session.observations, name) for name in groups.names
        }
    datasets = Datasets()
    for name, runs in runs_of.items():
        spectra = extract(runs)
        _report_without_off(runs, spectra, name)
        if spectra:
            datasets.append(spectra.stack_reduce(name=name))
    if not datasets:
        raise ValueError(
            "No observation has an off region: check the exclusion mask and the size of"
            " datasets.on_region."
        )
    return datasets


class SpectrumExtraction:
    """What makes one spectrum per run.

    Parameters
    ----------
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the reference dataset and the makers.
    """

    def __init__(self, owner):
        self.reference = owner._create_reference_dataset()
        self.dataset_maker = owner._create_dataset_maker()
        self.background_maker = owner._create_background_maker()
        self.safe_mask_maker = owner._create_safe_mask_maker()

    def __call__(self, observations):
        """Spectra of the observations, without those that have no off region."""
        log.info(f"Extracting the spectra of {len(observations)} observations.")
        spectra = [
            self._extract(observation)
            for observation in progress_bar(observations, desc="Observations")
        ]
        return Datasets([spectrum for spectrum in spectra if spectrum is not None])

    def _extract(self, observation):
        spectrum = self.dataset_maker.run(self.reference.copy(), observation)
        if self.background_maker is not None:
            spectrum = self.background_maker.run(spectrum, observation)
            if spectrum.counts_off is None:
                log.debug(f"No off region, left out: observation {observation.obs_id}.")
                return None
        return self.safe_mask_maker.run(spectrum, observation)


def _report_without_off(observations, spectra, name):
    """Name the runs of a group that have no spectrum."""
    kept = {str(spectrum.meta_table["OBS_ID"][0]) for spectrum in spectra}
    missing = [str(run.obs_id) for run in observations if str(run.obs_id) not in kept]
    if missing:
        end = "" if kept else ", which has no other observations"
        log.warning(
            f"Observations without an off region, left out of {name}{end}:"
            f" {', '.join(missing)}."
        )
