# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bars that count, one at a time."""

import io
import time
import pytest
from gammapy.utils import parallel, pbar
from gammapy.utils.testing import requires_dependency


@pytest.fixture()
def shown(monkeypatch):
    """Text of all bars, at their ends."""
    stream = io.StringIO()

    class Bar(pbar.ProgressBar):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, file=stream, mininterval=0, **kwargs)

    monkeypatch.setattr(pbar, "SHOW_PROGRESS_BAR", True)
    monkeypatch.setattr(pbar, "ProgressBar", Bar)
    return stream


@requires_dependency("tqdm")
def test_bar_counts(shown):
    assert list(pbar.progress_bar(zip("abc", "def", strict=True), desc="Runs")) == [
        ("a", "d"),
        ("b", "e"),
        ("c", "f"),
    ]
    text = shown.getvalue()
    for number in range(4):
        assert f"| {number}/3 [" in text
    assert "Runs: 100%" in text


@requires_dependency("tqdm")
def test_one_bar_at_a_time(shown):
    for _run in pbar.progress_bar(range(2), desc="Outer"):
        assert pbar.is_counting()
        assert list(pbar.progress_bar(range(3), desc="Inner")) == [0, 1, 2]
    assert "Outer: 100%" in shown.getvalue() and "Inner" not in shown.getvalue()
    # Afterwards there is room for it.
    assert not pbar.is_counting()
    assert list(pbar.progress_bar(range(3), desc="Inner")) == [0, 1, 2]
    assert "Inner: 100%" in shown.getvalue()


@requires_dependency("tqdm")
def test_an_error_lets_go_of_the_line(shown):
    with pytest.raises(ValueError):
        for _run in pbar.progress_bar(range(2), desc="Outer"):
            raise ValueError
    assert not pbar.is_counting()
    bar = pbar.ProgressBar(desc="Fit")
    assert pbar.is_counting()
    bar.update(1)
    bar.close()
    assert not pbar.is_counting()
    assert "Fit: 1it" in shown.getvalue()


def test_nothing_is_shown_unasked(capsys):
    assert list(pbar.progress_bar([3, 1])) == [3, 1]
    assert not pbar.is_counting()
    assert capsys.readouterr() == ("", "")


def double(number):
    time.sleep(0.05 * number)
    return 2 * number


class Done:
    """What a pool hands out, done when it is waited for."""

    def __init__(self, pool, value):
        self.pool, self.value = pool, value

    def wait(self):
        self.pool.done.append(self.value)


class Pool:
    """Takes the place of a pool of processes: work is done when it is asked for."""

    def __init__(self):
        self.done = []

    def imap(self, function, inputs):
        for item in inputs:
            self.done.append(function(item))
            yield self.done[-1]

    def apply_async(self, function, arguments):
        return Done(self, function(*arguments))


@pytest.mark.parametrize("run", [parallel.run_pool_star_map, parallel.run_pool_async])
def test_bar_of_processes_counts_what_is_done(run, shown, monkeypatch):
    """Not what was sent, which is all of it at once."""
    pool, n_done = Pool(), []

    def counted(inputs, desc):
        for item in inputs:
            n_done.append(len(pool.done))
            yield item

    monkeypatch.setattr(parallel, "progress_bar", counted)
    run(pool, double, [(1,), (2,), (3,)], method_kwargs={}, task_name="Task")
    assert n_done == [0, 1, 2]
    assert pool.done == [2, 4, 6]


def test_processes_with_a_bar(shown):
    options = {"pool_kwargs": {"processes": 2}, "task_name": "Task"}
    results = parallel.run_multiprocessing(double, [(2,), (0,), (1,)], **options)
    assert results == [4, 0, 2]
