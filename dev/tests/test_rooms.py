# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The rooms of the package: no circles, no arrow upwards, see docs/development."""

import ast
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import rooms  # noqa: E402

#: Rooms of ours that may draw.
DRAWING = ("visualization", "report", "scripts")

#: Lines of the longest module.
MAX_LINES = 500


@pytest.fixture(scope="module")
def arrows():
    graph = rooms.arrows()
    graph.pop(rooms.HOOK)
    return graph


def test_no_circles(arrows):
    assert rooms.circles(arrows) == []


def test_no_arrow_upwards(arrows):
    assert rooms.ways_up(arrows) == []


def test_no_private_name_of_another_module(arrows):
    private = {
        (source, target, name)
        for source, targets in arrows.items()
        for target, names in targets.items()
        for name in names
        if name and name.startswith("_") and not name.startswith("_upstream")
    }
    # The base has no public way to get datasets and parameters of either.
    assert {name for _, _, name in private} <= {"_parse_datasets"}


@pytest.mark.parametrize("module", sorted(rooms.modules()))
def test_module(module):
    text = rooms.modules()[module].read_text()
    n_lines = len(text.splitlines())
    assert n_lines <= MAX_LINES, f"{module} has {n_lines} lines: make it two."
    if rooms.room(module) not in DRAWING:
        assert "matplotlib" not in _imported_libraries(text)


def _imported_libraries(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def write_package(folder, files):
    for name, text in files.items():
        path = folder / "gammapy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "gammapy"


def test_arrows(tmp_path):
    """A package stands for the module that defines the name; strings and lazy ones."""
    package = write_package(
        tmp_path,
        {
            "a/__init__.py": '"""gammapy.b.two"""\nfrom .one import f, g\n',
            "a/one.py": (
                "def f():\n    from gammapy.b import two\n\ng = 'gammapy.b.two:h'\n"
            ),
            "b/__init__.py": "",
            "b/two.py": "from gammapy.a import f\nimport numpy\nh = 1\n",
        },
    )
    graph = rooms.arrows(package, package)
    assert graph["gammapy.a"] == {"gammapy.a.one": {"f", "g"}}
    assert graph["gammapy.a.one"] == {"gammapy.b.two": {"two", "h"}}
    assert graph["gammapy.b.two"] == {"gammapy.a.one": {"f"}}
    assert rooms.circles(graph) == [["gammapy.a.one", "gammapy.b.two"]]


def test_ways_up():
    graph = {
        "gammapy.stats.a": {"gammapy.modeling.b": {"x"}},
        "gammapy.modeling.b": {"gammapy.stats.a": {"y"}, "gammapy.utils.c": {"z"}},
        rooms.HOOK: {"gammapy.visualization.d": {"D"}},
    }
    assert rooms.ways_up(graph) == [("gammapy.stats.a", "gammapy.modeling.b")]


def test_listed_rooms():
    """Each room of the overlay has a level, but for what the base has at the top."""
    without = {rooms.room(module) for module in rooms.modules()}
    without -= {name for names in rooms.LEVELS for name in names}
    assert without <= {"conftest", "version", ""}


def test_page_names_all_rooms():
    page = Path(__file__).parents[2] / "docs" / "development" / "rooms.rst"
    text = page.read_text()
    for names in rooms.LEVELS:
        for name in names:
            assert f"``{name}``" in text, name
