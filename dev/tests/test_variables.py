# Licensed under a 3-clause BSD style license - see LICENSE.rst
import ast
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("dev", "docs/user-guide", "examples", "gammapy")


def reads_of_underscore(text):
    """Lines where a variable is read whose name says nothing."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name)
        and node.id == "_"
        and isinstance(node.ctx, ast.Load)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_variables_have_names(folder):
    """A name `_` is for what is not used."""
    found = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / folder).rglob("*.py")
        if (lines := reads_of_underscore(path.read_text()))
    }
    assert found == {}


def test_what_is_found():
    text = "names = [_.name for _ in models]\nfor _ in range(2):\n    run()\n"
    assert reads_of_underscore(text) == [1]
