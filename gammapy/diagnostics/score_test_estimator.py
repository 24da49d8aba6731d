# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Score tests: what should be freed or added next?"""

import logging
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.datasets.core import local_datasets
from gammapy.datasets.residuals.checks import joint_stat_kind
from gammapy.utils.arguments import (
    check_choice,
    check_list,
    check_n_jobs,
    check_number,
    check_type,
    did_you_mean,
    explain_options,
    show,
)
from .hot_spots import HotSpots
from .score_candidates import KINDS
from .score_models import largest_pixel
from .score_rows import ranked
from .score_runs import run_tests
from .score_sources import run_sources, source_at
from .score_tests import ScoreTests

__all__ = ["ScoreTestEstimator"]

log = logging.getLogger(__name__)


class ScoreTestEstimator:
    r"""Expected gain of freeing parameters or adding sources, without a fit.

    The gradient and the Hessian of the fit statistic with respect to free and frozen
    parameters give the expected value of each frozen parameter, and the expected gain
    of a fit in which it is free (score test: Rao 1948, Proc. Camb. Phil. Soc. 44, 50).
    All free parameters are adjusted. The tests are:

    - frozen parameters: norms and tilts of backgrounds, parameters of spectra,
      positions, sizes, eccentricity and angle, one by one and all of a component
      together;
    - other models: a log parabola or a power law with exponential cutoff instead of a
      power law, a Gaussian instead of a point source, a generalized Gaussian instead of
      a Gaussian;
    - new sources at hot spots or positions: the amplitude by an exact norm fit that
      starts at 0, then index, position and size by one step.

    Sizes are tested by their square, and ellipses by the two components of the square
    of their eccentricity, because the first derivatives vanish at sizes and
    eccentricities of 0. The fit statistic is evaluated after each step. If the gain
    differs from the expectation by more than ``max_difference``, the test is flagged.

    Parameters
    ----------
    kinds : list of str, optional
        Kinds of tests to make: "background", "spectrum", "position", "size", "shape",
        "curvature", "cutoff", "extension", "profile", "joint", "source". Default is
        all.
    components : list of str, optional
        Names of the models to test. Default is all.
    hot_spots : `HotSpots` or `~astropy.coordinates.SkyCoord`, optional
        Positions of new sources: hot spots with an excess, or positions. Default is
        none.
    max_difference : float, optional
        Relative difference between expected gain and gain of the step above which a
        test is flagged. Default is 0.1.
    p_threshold : float, optional
        Probability after trials below which the verdict proposes a test. Default is
        0.01.
    n_jobs : int, optional
        Number of processes for new sources. The other tests use one Hessian and run in
        one process. Default is `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is "multiprocessing".

    Raises
    ------
    ValueError, TypeError
        If an option is out of range or of the wrong kind.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import ScoreTestEstimator
    >>> from gammapy.modeling import Fit
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = Fit().run(datasets)
    >>> tests = ScoreTestEstimator(kinds=["curvature", "position"]).run(datasets)
    >>> tests.table.colnames[:4]
    ['name', 'kind', 'n_free', 'value']
    """

    @explain_options
    def __init__(
        self,
        *,
        kinds=None,
        components=None,
        hot_spots=None,
        max_difference=0.1,
        p_threshold=0.01,
        n_jobs=None,
        parallel_backend=None,
    ):
        if kinds is not None:
            kinds = check_list("kinds", kinds, "a list of kinds")
            for kind in kinds:
                check_choice("kinds", kind, list(KINDS))
        self.kinds = kinds
        if components is not None:
            components = check_list("components", components, "a list of names")
        self.components = components
        if hot_spots is not None:
            expected = "HotSpots or a SkyCoord"
            check_type("hot_spots", hot_spots, (HotSpots, SkyCoord), expected)
        self.hot_spots = hot_spots
        self.max_difference = check_number("max_difference", max_difference, above=0)
        self.p_threshold = check_number("p_threshold", p_threshold, above=0)
        self.n_jobs = check_n_jobs(n_jobs, parallel_backend)
        self.parallel_backend = parallel_backend

    def run(self, datasets):
        """Make the tests.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets with models at their best fit. They are not changed.

        Returns
        -------
        tests : `ScoreTests`
            Result.

        Raises
        ------
        ValueError
            If there are no models or counts, a component is not known, or the model is
            not finite.
        TypeError
            If a dataset is not made of counts.
        """
        local = local_datasets(datasets)
        # One by one: on-off and other datasets may be fitted together.
        for dataset in local or [None]:
            joint_stat_kind([dataset] if dataset else [])
        models = local.unique_models
        if not models:
            raise ValueError("datasets: there are no models; set datasets.models.")
        _check_names(self.components, [model.name for model in models])
        free = list(local.parameters.free_parameters)
        rows, notes = run_tests(local, free, self._is_wanted)
        if self.hot_spots is not None and self._is_kind("source"):
            more, said = self._source_rows(local)
            rows, notes = rows + more, notes + said
        for note in notes:
            log.warning(note)
        table, steps = ranked(rows, self.max_difference)
        return ScoreTests(table, self._meta(local, steps), notes)

    def _is_kind(self, kind):
        return self.kinds is None or kind in self.kinds

    def _is_wanted(self, test):
        """Whether a test of existing components was asked for."""
        is_one = self.components is None or test.component in self.components
        return self._is_kind(test.kind) and is_one

    def _source_rows(self, datasets):
        """Rows of new sources, and notes."""
        rows, notes = [], []
        sources = _new_sources(self.hot_spots, datasets)
        found = run_sources(
            datasets,
            [model for model, _p_global in sources],
            n_jobs=self.n_jobs,
            parallel_backend=self.parallel_backend,
        )
        for (_model, p_global), (row, note) in zip(sources, found, strict=True):
            if note:
                notes.append(f"{note[0].upper()}{note[1:]}.")
            if row is not None:
                row.p_local = p_global
                rows.append(row)
        is_searched = isinstance(self.hot_spots, HotSpots)
        if is_searched and any(np.isnan(row.p_local) for row in rows):
            notes.append(
                "P-values of new sources do not include trials of positions: pass "
                "HotSpots with toys."
            )
        return rows, notes

    def _meta(self, datasets, steps):
        """Options as plain data, and the steps."""
        return {
            "datasets_names": list(datasets.names),
            "kinds": self.kinds,
            "components": self.components,
            "max_difference": self.max_difference,
            "p_threshold": self.p_threshold,
            "n_tests": len(steps),
            "steps": steps,
        }


def _check_names(names, known):
    for name in names or ():
        if name not in known:
            raise ValueError(
                f"components: the datasets have no model {show(name)}"
                f"{did_you_mean(name, known)}; there are {', '.join(known)}."
            )


def _new_sources(hot_spots, datasets):
    """Models of new sources, and the probability of their spots where it is known."""
    known = {model.name for model in datasets.unique_models}
    if isinstance(hot_spots, HotSpots):
        models = hot_spots.to_models()
        rows = {f"spot-{row['number']}": row for row in hot_spots.table}
        found = [(model, float(rows[model.name]["p_global"])) for model in models]
    else:
        pixel = largest_pixel(datasets)
        positions = SkyCoord([hot_spots]) if hot_spots.isscalar else hot_spots
        found = [
            (source_at(position, f"source-{number}", pixel), np.nan)
            for number, position in enumerate(positions, start=1)
        ]
    return [
        (_with_free_name(model, known), probability) for model, probability in found
    ]


def _with_free_name(model, known):
    """The model, or a copy of it where another one has its name."""
    name = model.name
    while name in known:
        name = f"new-{name}"
    return model if name == model.name else model.copy(name=name)
