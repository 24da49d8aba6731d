# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Histories that lose nothing: killed writers, many steps, damaged and later files."""

import json
import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path
import pytest
import numpy as np
from gammapy.diagnostics import FitHistory, history, history_files
from .history_fields import spectra

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs fork and signals")

#: Processes that start with all that this one has loaded.
FORK = multiprocessing.get_context("fork") if os.name != "nt" else None


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "history"


def left_over(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def add_until_killed(folder, connection):
    steps = FitHistory(folder)
    for number in range(10_000):
        steps.add(f"step {number}", spectra(counts=[number + 1] * 4))
        connection.send(number)


@pytest.mark.parametrize("delay", [0.15, 0.31])
def test_killed_at_any_time(folder, delay):
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=add_until_killed, args=(folder, sender))
    process.start()
    receiver.recv()
    time.sleep(delay)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    n_known = 1
    while receiver.poll():
        try:
            n_known = receiver.recv() + 1
        except EOFError:
            break
    steps = FitHistory(folder)
    # It may have been killed between the step and the message.
    assert n_known <= len(steps) <= n_known + 1
    for number, step in enumerate(steps):
        assert step.name == f"step {number}"
        assert step.datasets[0].counts.data.flat[0] == number + 1
    steps.add("after", spectra())
    assert len(FitHistory(folder)) == len(steps) and not left_over(folder)


def half_a_file(self, stem, suffix, content):
    (self.stage / "half.fits").write_bytes(content[: len(content) // 2])
    kill()


#: What is replaced in the process that is killed, and whether the step is there then.
MOMENTS = {
    "half a file of data": (history_files.DataFiles, "add", half_a_file, False),
    "before the models": (history, "write_models", lambda *args: kill(), False),
    "before any move": (history, "move_in", lambda *args: kill(), False),
    "between data and step": (Path, "rename", lambda *args: kill(), False),
    "before the old one is removed": (
        history,
        "remove_step",
        lambda *args: kill(),
        True,
    ),
}


def replace(folder, moment):
    owner, name, function, _ = MOMENTS[moment]
    setattr(owner, name, function)
    FitHistory(folder).add("b", spectra(counts=[7] * 4), note="new", overwrite=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment(folder, moment):
    steps = FitHistory(folder)
    for name in ("a", "b", "c"):
        steps.add(name, spectra(), note="old")
    process = FORK.Process(target=replace, args=(folder, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    is_replaced = MOMENTS[moment][-1]
    steps = FitHistory(folder)
    assert steps.names == ["a", "b", "c"]
    assert steps["b"].note == ("new" if is_replaced else "old")
    for step in steps:
        wanted = 7 if step.name == "b" and is_replaced else 150
        assert step.datasets[0].counts.data.flat[0] == wanted
    steps.add("b", spectra(counts=[8] * 4), overwrite=True)
    assert steps.names == ["a", "b", "c"] and not left_over(folder)
    assert len(list((folder / "steps").iterdir())) == 3


def add_some(folder, label):
    for number in range(5):
        FitHistory(folder).add(f"{label}-{number}", spectra(label))


def test_two_processes_at_once(folder):
    processes = [FORK.Process(target=add_some, args=(folder, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    steps = FitHistory(folder)
    assert sorted(steps.names) == sorted(
        f"{name}-{idx}" for name in "ab" for idx in range(5)
    )
    assert len({step.record["position"] for step in steps}) == 10
    assert all(len(step.datasets) == 1 for step in steps)


def test_fifty_steps(folder):
    steps = FitHistory(folder)
    datasets = spectra()
    for number in range(50):
        datasets.models.parameters["norm"].value = 1 + 0.001 * number
        steps.add(f"step {number}", datasets)
    table = FitHistory(folder).table()
    assert table["name"].tolist() == [f"step {number}" for number in range(50)]
    # 450 counts of 400: stat = 2 [400 m - 450 ln m] up to a constant.
    norm = 1 + 0.001 * np.arange(50)
    stat = 2 * (400 * norm - 450 * np.log(norm))
    np.testing.assert_allclose(table["stat"] - table["stat"][0], stat - 800, atol=1e-6)
    assert len(list((folder / "data").iterdir())) == 1
    assert steps["step 49"].datasets.models.parameters["norm"].value == 1.049


@pytest.fixture
def three(folder):
    steps = FitHistory(folder)
    for number, name in enumerate(("a", "b", "c")):
        steps.add(name, spectra(counts=[100 + number] * 4))
    return steps


def step_path(steps, name):
    return steps[name].folder


def one_line(caplog):
    (record,) = [item for item in caplog.records if item.levelno >= logging.WARNING]
    text = record.getMessage()
    assert "\n" not in text
    return text


@pytest.mark.parametrize("damage", ["missing", "half", "other", "lacks"])
def test_damaged_record(three, folder, caplog, damage):
    path = step_path(three, "b") / "step.json"
    original = path.read_text()
    if damage == "missing":
        path.unlink()
    else:
        record = json.loads(original)
        del record["stat"]
        texts = {"half": original[: len(original) // 2], "other": "[1]"}
        path.write_text(texts.get(damage, json.dumps(record)))
    steps = FitHistory(folder)
    assert steps.names == ["a", "c"]
    # Said once, however often it is asked.
    assert len(steps.table()) == 2
    text = one_line(caplog)
    assert "is ignored" in text and str(path) in text
    steps.add("d", spectra())
    steps.remove("a")
    # Nothing of it is lost, nor is its place taken.
    path.write_text(original)
    assert steps.names == ["b", "c", "d"] and len(steps["b"].datasets) == 1


def test_missing_and_damaged_data(three, folder):
    (path,) = three["b"].data_files()
    content = path.read_bytes()
    path.unlink()
    steps = FitHistory(folder)
    assert len(steps.table()) == 3 and steps["b"].parameters["value"][1] == 1
    with pytest.raises(
        OSError, match="Step 'b' of the history: file .*missing"
    ) as error:
        steps["b"].datasets  # noqa: B018
    assert "\n" not in str(error.value)
    assert len(steps["c"].datasets) == 1
    path.write_bytes(content[:-2880])
    with pytest.raises(ValueError, match="Step 'b'.*damaged"):
        steps["b"].datasets  # noqa: B018
    # The same data make it whole again, when they are added once more.
    path.unlink()
    steps.add("again", spectra(counts=[101] * 4))
    assert steps["b"].datasets.names == ["run"]


def test_missing_models(three):
    (step_path(three, "b") / "models.yaml").unlink()
    assert len(three.table()) == 3
    with pytest.raises(OSError, match="Step 'b' of the history.*models.yaml"):
        three["b"].models  # noqa: B018
    assert three.compare("a", "b").n_dof is None


def test_later_version(three, folder, caplog):
    path = step_path(three, "b") / "step.json"
    models = path.with_name("models.yaml")
    record = json.loads(path.read_text())
    record |= {"format": 99, "what is this": [1]}
    record["versions"]["gammapy"] = "9.9"
    path.write_text(json.dumps(record))
    text = models.read_text().replace("FoVBackgroundModel", "BackgroundModelOf2040")
    models.write_text(text)
    steps = FitHistory(folder)
    assert len(steps.table()) == 3
    text = one_line(caplog)
    assert "'b'" in text and "later version of gammapy, 9.9" in text
    with pytest.raises(ValueError, match="which gammapy 9.9 wrote") as error:
        steps["b"].datasets  # noqa: B018
    assert "\n" not in str(error.value)


def test_strange_files_are_left_alone(three, folder):
    (folder / "steps" / "notes.txt").write_text("mine")
    (folder / "steps" / "mine").mkdir()
    (folder / "data" / "mine.fits").write_text("mine")
    assert FitHistory(folder).names == ["a", "b", "c"]
    three.remove("a")
    assert (folder / "data" / "mine.fits").read_text() == "mine"
    assert (folder / "steps" / "notes.txt").exists()
