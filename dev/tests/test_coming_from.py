# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the page for users of other tools has in its column "Here" runs as it is."""

import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
import pytest
from click.testing import CliRunner
import matplotlib.pyplot as plt
from gammapy.scripts.main import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import j1702_scene  # noqa: E402

PAGE = ROOT / "docs" / "coming_from.rst"
TOOLS = ["fermipy", "ctools", "XSPEC", "3ML", "sherpa", "cabinetry"]

#: Questions that each table answers, and what answers them.
QUESTIONS = {
    "goodness of fit": "GoodnessOfFitEstimator",
    "PS map": "PSMapEstimator",
    "search for sources": "HotSpotEstimator",
    "impacts, correlations, pulls": "ImpactEstimator",
    "history": "FitHistory",
    "report": "FitReport",
    "contours": "stat_contour",
    "profiles": "stat_profile",
}


def read_rows(text):
    """Cells of the tables, by title of their section.

    Parameters
    ----------
    text : str
        Page in reStructuredText.

    Returns
    -------
    rows : dict of list of list of str
        Rows without those of the heading.
    """
    parts = re.split(r"^(.+)\n-{3,}\n", text, flags=re.MULTILINE)
    rows = {}
    for title, part in zip(parts[1::2], parts[2::2], strict=True):
        table = part.split("   * - ")[1:]
        cells = [re.split(r"^     - ?", row, flags=re.MULTILINE) for row in table]
        rows[title] = [[" ".join(cell.split()) for cell in row] for row in cells[1:]]
    return rows


def literals(cell):
    """What stands in double backquotes."""
    return re.findall(r"``(.+?)``", cell)


TEXT = PAGE.read_text()
ROWS = read_rows(TEXT)
BLOCK = re.search(r"code-block:: python\n\n((?:    .*\n|\n)+)", TEXT)[1]
SETUP = "\n".join(line[4:] for line in BLOCK.splitlines())
COMMANDS = {code for code in literals(TEXT) if code.startswith("gammapy ")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with small datasets, and their models after a fit."""
    scene = replace(j1702_scene.SMALL, width=2.4, pixel=0.1, bins_above_fit=4)
    path = tmp_path_factory.mktemp("coming_from")
    datasets = j1702_scene.make_datasets(scene, seed=0)
    names = path / "datasets.yaml", path / "models.yaml"
    datasets.write(names[0], filename_models=names[1])
    before = Path.cwd()
    os.chdir(path)
    yield path
    os.chdir(before)
    plt.close("all")


def test_all_tools_are_there():
    title = TEXT.splitlines()[0]
    assert title == f"Coming from {', '.join(TOOLS)}"
    assert list(ROWS) == TOOLS
    assert all(len(rows) > 9 for rows in ROWS.values())
    assert all(len(row) == 3 for rows in ROWS.values() for row in rows)


@pytest.mark.parametrize("tool", TOOLS)
def test_each_table_answers_all_questions(tool):
    cells = " ".join(cell for row in ROWS[tool] for cell in row[1:])
    missing = [text for text, name in QUESTIONS.items() if name not in cells]
    assert not missing


def cells_to_run():
    """Code of each tool; what makes no name and stood in a table before is left out."""
    seen, cells = set(), {}
    for tool, rows in ROWS.items():
        codes = [code for row in rows for code in literals(row[1])]
        assert len(codes) == len(rows), f"{tool}: not one piece of code in each row"
        cells[tool] = [
            code for code in codes if code not in seen or re.match(r"\w+ = ", code)
        ]
        seen.update(codes)
    return cells


@pytest.mark.parametrize("tool", TOOLS)
def test_here_runs(tool, folder):
    names = {}
    exec(SETUP, names)
    assert names["result"].success
    for code in cells_to_run()[tool]:
        # Fits of many simulations have tests of their own.
        code = re.sub(r"n_toys=\d+", "n_toys=2", code)
        if "n_toys" not in code:
            code = code.replace("random_state=0", "random_state=0, n_toys=20")
        exec(code, names)
        plt.close("all")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_commands(command, folder):
    words = shlex.split(command)[1:]
    if words[0] in ("analysis", "report"):  # which have tests of their own
        name = words[: 1 + (words[0] == "analysis")]
        options = {word for word in words if word.startswith("--")}
        result = CliRunner().invoke(cli, [*name, "--help"])
        assert options <= set(re.findall(r"--[a-z-]+", result.output))
    else:
        result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    plt.close("all")
