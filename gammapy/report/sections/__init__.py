# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sections of a report. A new one is a file, and an entry here."""

from .backgrounds import BackgroundsSection
from .flux_points import FluxPointsSection
from .goodness import GoodnessSection
from .history import HistorySection
from .hot_spots import HotSpotsSection
from .impacts import ImpactsSection
from .maps import MapsSection
from .parameters import ParametersSection
from .provenance import ProvenanceSection
from .score_tests import ScoreTestsSection
from .spectra import SpectraSection

__all__ = []

#: Sections by name, in the order of the page.
SECTIONS = {
    section.name: section
    for section in (
        GoodnessSection(),
        MapsSection(),
        HotSpotsSection(),
        SpectraSection(),
        ParametersSection(),
        BackgroundsSection(),
        ScoreTestsSection(),
        ImpactsSection(),
        FluxPointsSection(),
        HistorySection(),
        ProvenanceSection(),
    )
}
