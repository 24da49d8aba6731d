# Licensed under a 3-clause BSD style license - see LICENSE.rst
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from check_english import PACKAGE_PHRASES, find_phrases, main  # noqa: E402


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


@pytest.mark.parametrize(
    "text",
    [
        "# 2.1 takes it as 0.",
        '"""Defect of 2.1: a KeyError."""',
        "Options that Gammapy 2.1\n    does not have.",
        "# As in v2.1.",
        "What 2.1's example means.",
        "What only the fork has.",
        "The overlay's own.",
        "(upstream issue 6719)",
    ],
)
def test_words_of_the_origin(text):
    assert len(find_phrases(text, PACKAGE_PHRASES)) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "The map is 2.1 deg wide, in 2.1 TeV, of 2.1 sigma.",
        "Gautschi 2004, section 2.1)",
        "f(1.0, 2.1, 2.11)",
        "_upstream_Fit_run, deprecated since 2.2, forks of a road",
    ],
)
def test_fine_words(text):
    assert find_phrases(text, PACKAGE_PHRASES) == []


def test_package_has_no_word_of_its_origin(tmp_path, capsys):
    for place in ("gammapy", "dev"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "code.py").write_text("# Not in 2.1.\n")
    for name in ("README.rst", "CHANGES.rst", "Makefile"):
        (tmp_path / name).write_text("")
    assert main(tmp_path) == 1
    expected = "gammapy/code.py:1: 'in 2.1': say what the code does\n"
    assert capsys.readouterr().out == expected


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
