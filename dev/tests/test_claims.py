# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Each claim of the documentation names a test or a benchmark that there is."""

import ast
import re
from functools import cache
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "development" / "claims.rst"
TEXT = PAGE.read_text()
NAMES = sorted(set(re.findall(r"``([\w/.]+\.(?:py|txt)(?:::\w+)?)``", TEXT)))

#: Where pages of the third column are.
PLACES = ("docs/user-guide/{}.rst", "docs/{}.rst", "{}.rst")

#: What no text says without limits, and what it said.
REFUSED = {
    r"handful\s+of\s+counts": "from how many effective counts on",
    r"for\s+any\s+background\.": "for which kernels",
    r"far\s+into\s+both\s+tails": "up to how many sigma, from how many counts on",
    r"hundreds\s+of\s+times\s+(?:as\s+fast|faster)": "how many times, with a benchmark",
    r"keep\s+their\s+promise": "which one",
}


def read_rows():
    """Cells of all tables of the page, without those of the headings."""
    rows = TEXT.split("   * - ")[1:]
    cells = [re.split(r"^     - ", row, flags=re.MULTILINE) for row in rows]
    cells = [[" ".join(cell.split()) for cell in row] for row in cells]
    return [row for row in cells if row[0] != "Claim"]


@cache
def find_functions(path):
    """Functions of a file, those of classes too."""
    tree = ast.parse((ROOT / path).read_text())
    return {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }


def is_long(function):
    return any("mark.long" in ast.unparse(item) for item in function.decorator_list)


def test_there_are_claims():
    rows = read_rows()
    assert len(rows) > 40
    assert all(len(row) == 4 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


@pytest.mark.parametrize("name", NAMES)
def test_named_tests_exist(name):
    path, _, function = name.partition("::")
    assert (ROOT / path).is_file()
    if function:
        assert function in find_functions(path)


@pytest.mark.parametrize("row", read_rows(), ids=lambda row: row[0][:40])
def test_claim(row):
    """It has limits, a page, and a test or benchmark; long tests are called long."""
    claim, limits, pages, tests = row
    assert claim and limits
    for page in pages.split(", "):
        if page != "all":
            assert any((ROOT / place.format(page)).is_file() for place in PLACES), page
    names = re.findall(r"``([\w/.]+)(?:::(\w+))?``", tests)
    assert names
    for path, function in names:
        if function and is_long(find_functions(path)[function]):
            assert "long ``" in tests, f"{function} is a long test"


@pytest.mark.parametrize("phrase", REFUSED)
def test_no_claim_without_limits(phrase):
    pages = [
        ROOT / "README.rst",
        *(ROOT / "docs").glob("*.rst"),
        *(ROOT / "docs" / "user-guide").glob("*.rst"),
        *(ROOT / "examples" / "tutorials").glob("*/*.py"),
        *(ROOT / "gammapy").glob("**/*.py"),
    ]
    found = [
        str(page.relative_to(ROOT))
        for page in pages
        if re.search(phrase, page.read_text())
    ]
    assert not found, f"say instead: {REFUSED[phrase]}"
