# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real processes that are killed while they write."""

import os
import signal
import subprocess
import sys
import pytest
from gammapy.utils.atomic import (
    EndedBySignal,
    UnwoundBySigterm,
    remove_left_over,
    staging_folder,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals and locks")

BEGIN = """
import sys, time
from pathlib import Path

folder = Path(sys.argv[1])

def go_slow(path, *args, **kwargs):
    Path(path).write_text("half of it")
    print("writing", flush=True)
    time.sleep(60)
"""

PROGRAMS = {
    "stage": """
from gammapy.utils.atomic import staging_folder
with staging_folder(folder) as stage:
    go_slow(stage / "a.txt")
""",
    "files": """
from gammapy.analysis.files import write_files
write_files({folder / "new" / "a.txt": go_slow, folder / "b.txt": go_slow})
""",
    "residuals": """
from types import SimpleNamespace
from gammapy.datasets.residuals.io import write_hdulist
write_hdulist(SimpleNamespace(writeto=go_slow), folder / "b.txt", overwrite=True)
""",
}


def start(program, folder):
    """Process that is in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + PROGRAMS[program], str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    return process


def end(process, number):
    process.send_signal(number)
    code = process.wait(timeout=60)
    process.stdout.close()
    return code


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "program", ["stage", "files", pytest.param("residuals", marks=pytest.mark.long)]
)
def test_sigterm_leaves_nothing_behind(program, tmp_path):
    (tmp_path / "b.txt").write_text("before")
    process = start(program, tmp_path)
    assert len(names(tmp_path)) > 1
    # It still ends by the signal, as its parents expect.
    assert end(process, signal.SIGTERM) == -signal.SIGTERM
    assert names(tmp_path) == ["b.txt"]
    assert (tmp_path / "b.txt").read_text() == "before"


def test_next_run_removes_what_a_killed_one_left(tmp_path):
    (tmp_path / "b.txt").write_text("before")
    (tmp_path / ".unfinished_of_mine").mkdir()
    living, dead = (start("stage", tmp_path) for _ in range(2))
    before = set(tmp_path.glob(".unfinished-*-*"))
    assert end(dead, signal.SIGKILL) == -signal.SIGKILL
    assert set(tmp_path.glob(".unfinished-*-*")) == before  # nobody could remove it

    with staging_folder(tmp_path) as stage:
        (left,) = before & set(tmp_path.glob(".unfinished-*-*"))
        assert (left / "a.txt").read_text() == "half of it"
        remove_left_over(tmp_path)
        assert stage.exists()
    assert end(living, signal.SIGTERM) == -signal.SIGTERM
    assert names(tmp_path) == [".unfinished_of_mine", "b.txt"]


def test_lock_that_somebody_took_first(tmp_path, monkeypatch):
    from gammapy.utils import atomic

    lock, calls = atomic._lock, []

    def late(path):
        if not calls:
            calls.append(path)
            path.rmdir()  # as what removes left over folders would
        return lock(path)

    monkeypatch.setattr(atomic, "_lock", late)
    with staging_folder(tmp_path) as stage:
        assert calls and stage.is_dir()
        remove_left_over(tmp_path)
        assert stage.is_dir()
    assert names(tmp_path) == []


def test_folders_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("gammapy.utils.atomic.fcntl", None)
    with staging_folder(tmp_path) as stage:
        remove_left_over(tmp_path)
        assert stage.is_dir()
    assert names(tmp_path) == []


@pytest.fixture
def default_sigterm():
    """No handler of SIGTERM, as ray leaves one in the process that used it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_signal_waits_while_held(monkeypatch, default_sigterm):
    sent = []
    monkeypatch.setattr(os, "kill", lambda *args: sent.append(args))
    done = []
    with pytest.raises(EndedBySignal), UnwoundBySigterm() as sigterm:
        with sigterm.held():
            signal.raise_signal(signal.SIGTERM)
            done.append("held")
        done.append("never")
    assert done == ["held"] and sent == [(os.getpid(), signal.SIGTERM)]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_handlers_of_others_stay():
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *args: calls.append(args))
    try:
        with UnwoundBySigterm():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(calls) == 1
