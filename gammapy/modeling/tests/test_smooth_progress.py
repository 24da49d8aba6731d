# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a fit shows while it runs, and what it leaves when it is interrupted."""

import pickle
import signal
import subprocess
import sys
from types import SimpleNamespace
import pytest
from numpy.testing import assert_allclose
from gammapy.modeling import Fit, fit_progress
from gammapy.modeling.tests.test_smooth_minuit import one_source

CHILD = """
import logging, signal, time
logging.basicConfig()
# Processes in the background of a shell ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from gammapy.datasets.shape_terms import SmoothStatistic
from gammapy.modeling import Fit
from gammapy.modeling.tests.test_smooth_minuit import one_source

datasets = one_source()
before = [vars(par).copy() for par in datasets.parameters]
stat = SmoothStatistic.stat
n_calls = 0

def slow(self, values=None):
    global n_calls
    n_calls += 1
    if n_calls == 4:
        print("running", flush=True)
    if n_calls >= 4:
        time.sleep(0.5)
    return stat(self, values)

SmoothStatistic.stat = slow
try:
    Fit({backend!r}).run(datasets)
except KeyboardInterrupt:
    values = [par.value for par in datasets.parameters]
    print(values == [state["_factor"] * state["_scale"] for state in before])
"""


class Bar:
    """Takes the place of the bar of tqdm."""

    made = []

    def __init__(self, iterable, *, desc, initial):
        self.desc, self.initial = desc, initial
        self.n_steps, self.texts, self.is_closed = 0, [], False
        self.made.append(self)

    def update(self, number):
        self.n_steps += number

    def set_postfix_str(self, text, refresh):
        self.texts.append(text)

    def close(self):
        self.is_closed = True


@pytest.fixture
def bars(monkeypatch):
    shown = SimpleNamespace(
        ProgressBar=Bar, SHOW_PROGRESS_BAR=True, is_counting=lambda: False
    )
    monkeypatch.setattr(fit_progress, "pbar", shown)
    monkeypatch.setattr(fit_progress, "DELAY", 0)
    monkeypatch.setattr(Bar, "made", [])
    return Bar.made


@pytest.mark.parametrize("backend", [None, "newton"])
def test_bar_of_a_long_fit(backend, bars):
    result = Fit(backend).optimize(one_source())
    (bar,) = bars
    assert bar.desc == "Fit" and bar.is_closed
    assert 2 <= bar.n_steps <= result.nfev
    assert bar.texts[-1].startswith(f"stat {result.total_stat:.2f}")
    assert ("expected gain" in bar.texts[0]) == (backend == "newton")


@pytest.mark.parametrize("backend", ["minuit", "scipy"])
def test_bar_of_a_fit_with_the_statistic_of_the_datasets(backend, bars):
    """Options of `Fit` are used, too."""
    datasets = one_source()
    result = Fit(backend).optimize(datasets)
    (bar,) = bars
    assert bar.desc == "Fit" and bar.is_closed
    assert bar.n_steps >= 2
    assert bar.texts[-1].startswith(f"stat {result.total_stat:.2f}")


def test_results_go_to_other_processes(bars):
    """What Minuit leaves refers to the statistic, not to the bar."""
    datasets = one_source()
    result = Fit("minuit").optimize(datasets)
    n_steps = bars[0].n_steps
    function = result.minuit.fcn._fcn.__self__.function
    assert function.__self__ is datasets
    copied = pickle.loads(pickle.dumps(function))
    assert copied.__name__ == "stat_sum"
    assert_allclose(copied(), result.total_stat)
    # Whoever asks for it later is not counted.
    function()
    assert bars[0].n_steps == n_steps


def test_no_bar_inside_another_one(bars, monkeypatch):
    monkeypatch.setattr(fit_progress.pbar, "is_counting", lambda: True)
    Fit("newton").optimize(one_source())
    assert not bars


@pytest.mark.parametrize("show, delay", [(False, 0), (True, 100)])
def test_no_bar(show, delay, bars, monkeypatch):
    monkeypatch.setattr(fit_progress.pbar, "SHOW_PROGRESS_BAR", show)
    monkeypatch.setattr(fit_progress, "DELAY", delay)
    Fit("newton").optimize(one_source())
    assert not bars


@pytest.mark.parametrize("backend", [None, "newton"])
def test_interrupt_from_the_keyboard(backend):
    """A signal to a process that fits: it says what was reached, and puts all back."""
    command = [sys.executable, "-c", CHILD.format(backend=backend)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        output, log = process.communicate(timeout=60)
    assert output == "True\n", log
    assert "Fit interrupted after" in log and "at stat " in log
    assert "The parameters were reset." in log
