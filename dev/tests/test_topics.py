# Licensed under a 3-clause BSD style license - see LICENSE.rst
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from topics import Topic, read_topics, topic_of  # noqa: E402

OVERLAY = Path(__file__).parents[2] / "gammapy"
FILES = [path.relative_to(OVERLAY).as_posix() for path in OVERLAY.rglob("*.py")]


def test_every_file_has_a_topic():
    topics = read_topics()
    found = {file: topic_of(file, topics) for file in FILES}
    assert set(found.values()) == {topic.name for topic in topics if topic.files}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("stats/weighted_poisson.py", "residuals-weighted"),
        ("modeling/tests/test_scans.py", "nuisance"),
        ("modeling/tests/test_newton.py", "norm-fits"),
        ("datasets/tests/test_evaluator.py", "evaluators"),
    ],
)
def test_topic_of(file, name):
    assert topic_of(file, read_topics()) == name


def test_file_without_a_topic():
    topics = [
        Topic("a", "A", ("x*.py",), ()),
        Topic("b", "B", ("*y.py",), ()),
    ]
    with pytest.raises(ValueError, match="gammapy/z.py is on no topic"):
        topic_of("z.py", topics)
    with pytest.raises(ValueError, match=r"gammapy/xy.py is on the topics \['a', 'b'"):
        topic_of("xy.py", topics)


ENTRY = '[[topic]]\nname = "{}"\ntitle = "T"\nfiles = []\nneeds = {}\n'


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("a", []), ("a", [])], "two topics 'a'"),
        ([("a", ["b"]), ("b", [])], r"'a' needs \['b'\], which do not come before"),
    ],
)
def test_bad_lists(tmp_path, entries, words):
    path = tmp_path / "topics.toml"
    path.write_text("".join(ENTRY.format(*entry) for entry in entries))
    with pytest.raises(ValueError, match=words):
        read_topics(path)
