# Licensed under a 3-clause BSD style license - see LICENSE.rst
import re
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from overlay_base import ROOT, base_folder  # noqa: E402
from overlay_plan import overlay_files  # noqa: E402
from topic_material import read_private_names  # noqa: E402

OVERLAY = [ROOT / name for name in overlay_files(ROOT) if name.endswith(".py")]


def words_of(paths):
    """All names in files."""
    return {
        word for path in paths for word in re.findall(r"\w+", path.read_text("utf-8"))
    }


@pytest.fixture(scope="module")
def ours():
    return words_of(OVERLAY)


def test_each_wrapped_definition_has_a_name(ours):
    wrapped = {word for word in ours if word.startswith("_upstream_")}
    assert set(read_private_names(ROOT)) == wrapped


def test_names_are_used_once(ours):
    names = list(read_private_names(ROOT).values())
    assert len(set(names)) == len(names)
    pattern = r"_[a-z][a-z0-9_]*|_[A-Z][A-Z0-9_]*"
    assert all(re.fullmatch(pattern, name) for name in names)
    theirs = words_of((base_folder() / "gammapy").rglob("*.py"))
    assert not set(names) & (ours | theirs)
