# Licensed under a 3-clause BSD style license - see LICENSE.rst
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
import pytest
import matplotlib.pyplot as plt
import gammapy

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "user-guide"))

import pages  # noqa: E402

PAGE = """\
Page
====

.. code-block:: python

    x = 1 / 3

    print(f"a  {x:.3f} +- 1e-2")
    print("----")

.. code-block:: text

    a 0.334 +- 1.1e-2
    ---

- A list:

  .. code-block:: python

      import matplotlib.pyplot as plt

      fig = plt.figure(figsize=(2, 1))
      print(x < 1)

  .. image:: line.png
     :alt: Nothing

  .. code-block:: text

      True
"""


@pytest.fixture
def page(tmp_path):
    """A page, run from the root of the repository as from anywhere."""
    folder = Path.cwd()
    path = tmp_path / "page.rst"
    path.write_text(PAGE)
    yield path
    os.chdir(folder)
    plt.close("all")


def test_page(page, capsys):
    assert pages.main(page, []) == 0
    assert plt.imread(page.with_name("line.png")).shape[:2] == (100, 200)
    written = page.with_name("line.png").stat().st_mtime_ns
    assert pages.main(page, ["--check"]) == 0
    assert page.with_name("line.png").stat().st_mtime_ns == written
    assert page.read_text() == PAGE
    assert "out of date" not in capsys.readouterr().out


def test_missing_picture(page):
    with pytest.raises(FileNotFoundError, match="line.png is missing"):
        pages.main(page, ["--check"])


def test_stale_output(page, capsys):
    stale = PAGE.replace("0.334", "0.340").replace("True", "False\n      and more")
    page.write_text(stale)
    page.with_name("line.png").touch()
    assert pages.main(page, ["--check"]) == 1
    printed = capsys.readouterr().out
    assert "-a 0.340" in printed and "+a  0.333" in printed
    assert "page.rst, line 11" in printed and "2 quoted outputs" in printed
    assert page.read_text() == stale

    assert pages.main(page, ["--update"]) == 0
    assert "    a  0.333 +- 1e-2\n    ----\n\n- A list" in page.read_text()
    assert page.read_text().endswith("\n      True\n")
    assert pages.main(page, ["--check"]) == 0


def test_picture_of_function(page):
    def draw():
        plt.figure(figsize=(3, 1))

    assert pages.main(page, [], pictures={"line.png": draw}) == 0
    assert plt.imread(page.with_name("line.png")).shape[:2] == (100, 300)


@pytest.mark.parametrize("data", [None, "", "not there"])
def test_without_data(page, monkeypatch, capsys, data):
    text = PAGE.replace("x < 1", "'$GAMMAPY_DATA', no_such_name")
    page.write_text(text.replace("True", "what cannot be known"))
    if data is None:
        monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    else:
        monkeypatch.setenv("GAMMAPY_DATA", data)
    assert pages.main(page, ["--check"]) == 0
    assert "line 18: the rest needs $GAMMAPY_DATA" in capsys.readouterr().out


FILES = """\
.. code-block:: yaml
    :caption: settings.yaml

    a: 1

.. code-block:: python

    from pathlib import Path

    print(Path("settings.yaml").read_text() + Path("given.txt").read_text())

.. code-block:: text
    :class: wrap

    a: 1
    given

.. code-block:: console

    $ gammapy history history \\
        --notes

.. code-block:: text

    step: a note
"""


@pytest.fixture
def commands(monkeypatch):
    """Arguments of the commands that ran; each prints a note, and fails for "no"."""
    ran = []

    def run(command, **options):
        ran.append(command[len(pages.GAMMAPY) :])
        failed = "no" in command
        return SimpleNamespace(
            returncode=int(failed), stdout="step: a note\n", stderr="No such file\n"
        )

    monkeypatch.setattr(pages.subprocess, "run", run)
    return ran


def test_files_and_commands(page, commands, capsys):
    page.write_text(FILES)
    folders = []

    def setup(folder):
        folders.append(folder)
        (folder / "given.txt").write_text("given")

    assert pages.main(page, ["--check"], setup=setup) == 0, capsys.readouterr().out
    assert commands == [["history", "history", "--notes"]]
    assert Path.cwd() == ROOT and not folders[0].exists()


def test_bad_commands(page, commands):
    page.write_text(FILES.replace("history history", "history no"))
    with pytest.raises(RuntimeError, match="gammapy history no.*: No such file"):
        pages.main(page, [], setup=lambda folder: (folder / "given.txt").touch())
    page.write_text(FILES.replace("$ gammapy", "$ rm"))
    with pytest.raises(ValueError, match="has '. gammapy ...', got '. rm history"):
        pages.main(page, [], setup=lambda folder: (folder / "given.txt").touch())


def test_gammapy_is_the_command():
    run = subprocess.run([*pages.GAMMAPY, "--version"], capture_output=True, text=True)
    assert run.returncode == 0 and gammapy.__version__ in run.stdout


def test_error_in_page(page):
    page.write_text(PAGE.replace("1 / 3", "1 / 0"))
    with pytest.raises(ZeroDivisionError):
        pages.main(page, ["--check"])


@pytest.mark.parametrize(
    "quoted, printed, is_same",
    [
        ("x 1.00 -0.53", "x   1.02 -0.51", True),
        ("x 1.00", "x 1.03", False),
        ("4.987e-13 m", "4.985e-13 m", True),
        ("4.987e-13 m", "4.983e-13 m", False),
        ("4.987e-13 m", "4.987e-14 m", False),
        ("norm=1.00+-0.01", "norm=1.01+-0.02", True),
        ("norm=1.00", "tilt=1.00", False),
        ("20 runs", "21 runs", False),
        ("True", "False", False),
        ("a b", "a b c", False),
        ("nan 1.0", "nan 1.0", True),
        ("-- ----", "---- --", True),
    ],
)
def test_is_same_line(quoted, printed, is_same):
    assert pages.is_same_line(quoted, printed) == is_same
