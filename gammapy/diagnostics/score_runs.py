# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All score tests of existing components: one Hessian, and one step each."""

import numpy as np
from gammapy.modeling.smooth_backend import check_model
from gammapy.utils.pbar import progress_bar
from .score_candidates import Candidates, range_of
from .score_counts import CountsStatistic
from .score_models import ModelCopies
from .score_rows import Changed, Row
from .score_steps import Stepper

__all__ = []

#: Gain of the free parameters alone above which the fit is not at a minimum.
FALL = 0.1

#: Names in a note.
MOST = 6


def run_tests(datasets, free, is_wanted):
    """Make the tests of frozen parameters and of other models.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models at their best fit. They are not changed.
    free : list of `~gammapy.modeling.Parameter`
        Their free parameters.
    is_wanted : callable
        Tells of a `~gammapy.diagnostics.score_candidates.Candidate` whether to test it.

    Returns
    -------
    rows : list of `~gammapy.diagnostics.score_rows.Row`
        Tests.
    notes : list of str
        What could not be done.

    Raises
    ------
    ValueError
        If the model is not finite.
    """
    reason = datasets._why_not_smooth(free)
    copies = ModelCopies(datasets, shapes=not reason)
    candidates = Candidates(copies, free)
    tests = [test for test in candidates.tests if is_wanted(test)]
    notes = []
    if reason:
        notes.append(
            f"Derivatives are differences of predicted counts, because {reason}: the "
            "tests are less exact."
        )
    else:
        tests, why = _with_derivatives(datasets, free, tests)
        candidates.left_out += why
    if not tests:
        return [], [*notes, *_note_left_out(candidates.left_out)]
    runs = Runs(copies, candidates.free, tests, has_shapes=not reason)
    rows = [runs.row(test) for test in progress_bar(tests, desc="Score tests")]
    rows = [row for row in rows if row is not None]
    notes += _note_left_out(candidates.left_out)
    return rows, [*notes, *runs.notes()]


def _with_derivatives(datasets, free, tests):
    """Tests whose parameters have derivatives, and what has not, with the reason."""
    found, why = [], []
    for test in tests:
        reason = datasets._why_not_smooth([*free, *test.needs])
        if not reason:
            found.append(test)
        elif test.kind != "joint":
            why.append(f"{test.name} ({reason})")
    return found, why


def _note_left_out(names):
    if not names:
        return []
    names = list(dict.fromkeys(names))
    more = f", and {len(names) - MOST} more" if len(names) > MOST else ""
    return [f"Could not be tested: {', '.join(names[:MOST])}{more}."]


class Runs:
    """Tests on one statistic.

    Parameters
    ----------
    copies : `~gammapy.diagnostics.score_models.ModelCopies`
        Copies of the models.
    free : list of `~gammapy.modeling.Parameter`
        What is free in them.
    tests : list of `~gammapy.diagnostics.score_candidates.Candidate`
        Tests.
    has_shapes : bool
        Whether the statistic has exact derivatives.
    """

    def __init__(self, copies, free, tests, *, has_shapes):
        tested = [par for test in tests for par in test.parameters]
        parameters = list({id(par): par for par in [*free, *tested]}.values())
        self._index = {id(par): idx for idx, par in enumerate(parameters)}
        if has_shapes:
            statistic = copies.datasets._smooth_statistic(parameters)
            check_model(statistic)
        else:
            statistic = CountsStatistic(copies.datasets, parameters, copies.pixel)
        self._is_hard = np.zeros(len(parameters), dtype=bool)
        if has_shapes:
            self._is_hard |= statistic.is_hard
        self._free = self._numbers(free)
        low, high = np.transpose([range_of(par) for par in parameters])
        self._stepper = Stepper(statistic, low, high)
        self._fall = self._stepper.quadratic.step(self._free).gain
        self._idle = []

    def _numbers(self, parameters):
        numbers = dict.fromkeys(self._index[id(par)] for par in parameters)
        return np.array(list(numbers), dtype=int)

    def row(self, test):
        """Make a test.

        Parameters
        ----------
        test : `~gammapy.diagnostics.score_candidates.Candidate`
            Test.

        Returns
        -------
        row : `~gammapy.diagnostics.score_rows.Row` or None
            Test, None where free parameters do the same.
        """
        tested = self._numbers(test.parameters)
        tested = tested[~np.isin(tested, self._free)]
        n_free = self._stepper.quadratic.n_left(self._free, tested)
        if n_free == 0:
            self._idle.append(test)
            return None
        gain, gained = self._stepper.run(np.concatenate([self._free, tested]))
        changed = [
            Changed(
                part.component,
                part.name,
                part.place,
                part.unit,
                part.before,
                float(part.now()),
            )
            for part in test.changes
        ]
        return Row(
            name=test.name,
            kind=test.kind,
            component=test.component,
            n_free=n_free,
            n_one_sided=test.n_one_sided,
            ts=max(gain - self._fall, 0.0),
            ts_step=gained - self._fall,
            changed=changed,
            is_rough=bool(self._is_hard[tested].any()),
        )

    def notes(self):
        """Notes about the fit and the tests."""
        notes = []
        if self._fall > FALL:
            notes.append(
                "The fit is not at a minimum: one more step would lower the statistic "
                f"by about {self._fall:.2g}, subtracted from each TS; fit again."
            )
        names = [test.name for test in self._idle if test.kind != "joint"]
        if names:
            more = f", and {len(names) - MOST} more" if len(names) > MOST else ""
            notes.append(
                "Not determined by the counts, or degenerate with free parameters: "
                f"{', '.join(names[:MOST])}{more}."
            )
        return notes
