# Licensed under a 3-clause BSD style license - see LICENSE.rst
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from check_english import find_phrases, main  # noqa: E402


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The maps are made anew.", [(1, "anew")]),
        ("# Minuit is\n# content, we are not.", [(1, "is # content")]),
        ("A pixel that is none.\nChoose of.", [(1, "that is none"), (2, "Choose of")]),
        ("Defects are mended.", [(1, "mended")]),
        ("It is there\nas a whole or not at all.", [(1, "there as a whole or not")]),
        ("If these are no models.\nNobody knows.", [(1, "If these"), (2, "Nobody")]),
        ("A limit from which\n# on it counts.", [(1, "from which # on")]),
        ("It is told what means\nnothing.", [(1, "is told"), (1, "means nothing")]),
        ("New renewals, chosen from what there is; amendments.", []),
    ],
)
def test_find_phrases(text, found):
    result = [(line, phrase) for line, phrase, _instead in find_phrases(text)]
    assert len(result) == len(found)
    for (line, phrase), (expected_line, begin) in zip(result, found, strict=True):
        assert line == expected_line
        assert phrase.startswith(begin)


def test_main(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.rst").write_text("First line.\nMade anew.\n")
    for name in ("README.rst", "CHANGES.rst", "Makefile"):
        (tmp_path / name).write_text("")
    assert main(tmp_path) == 1
    assert capsys.readouterr().out == "docs/page.rst:2: 'anew': again, or: new\n"
    (tmp_path / "docs" / "page.rst").write_text("Made again.\n")
    (tmp_path / "docs" / ".cache").mkdir()
    (tmp_path / "docs" / ".cache" / "1234").write_bytes(b"\x8c")
    assert main(tmp_path) == 0
