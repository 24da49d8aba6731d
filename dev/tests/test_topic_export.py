# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the export of topics, on a made-up checkout and on the release."""

import ast
import subprocess
import sys
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "dev"))
import overlay  # noqa: E402
import upstream  # noqa: E402
from sources import SCOPES, OverlayError  # noqa: E402
from topic_export import (  # noqa: E402
    chosen_topics,
    foreign_words,
    merged_text,
    plan_everything,
    plan_topics,
    with_marker,
)
from topic_material import read_differences  # noqa: E402
from topics import read_topics  # noqa: E402
from upstream_page import render_first, render_later  # noqa: E402
from upstream_trees import release_tree  # noqa: E402

FIT = '''"""Fitting."""
import math


class Fit:
    """A fit."""

    def run(self, datasets):
        """Run.

        Parameters
        ----------
        datasets : list
            Datasets.
        """
        stat = datasets.stat_sum()
        return math.sqrt(stat)
'''
PYPROJECT = '[project]\nname = "gammapy"\n\n[tool.pytest.ini_options]\naddopts = ""\n'
LIST = """[[topic]]
name = "negative"
title = "Fits of negative statistics"
kind = "defect"
note = "bug"
files = []
definitions = ["modeling/fit.py:Fit.run"]

[[topic]]
name = "log"
title = "Fits say what they do"
files = ["modeling/*.py", "modeling/tests/*.py"]
definitions = ["modeling/fit.py:log"]
needs = ["negative"]
from_overlay = true

[[topic]]
name = "later"
title = "More"
files = ["more/*.py"]
needs = ["log"]
"""
EDITS = """[[edit]]
file = "gammapy/modeling/fit.py"
definition = "Fit.run"
at = "stat = datasets.stat_sum"
action = "after"
text = '''
if stat < 0:
    raise ValueError("The statistic is negative.")
'''

[[edit]]
file = "gammapy/modeling/fit.py"
definition = "Fit.run"
docstring = '''Raises
------
ValueError
    If the statistic is negative.
'''
"""
TEST = """import pytest
from gammapy.modeling.fit import Fit


def test_negative():
    with pytest.raises(ValueError, match="negative"):
        Fit().run([])
"""
OVERLAY = """import logging
from .fit_log import text

log = logging.getLogger(__name__)


class Fit:
    def run(self, datasets):
        return _add(self._upstream_Fit_run(datasets))

    def say(self):
        log.info(text())
"""
DIFFERENCE = """[[difference]]
what = "stat_sum is stat_sum_likelihood"
found = "gammapy/modeling/fit.py:stat_sum_likelihood"
pattern = 'datasets\\.stat_sum\\b'
new = "datasets.stat_sum_likelihood"
files = "gammapy/*"
"""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.check_output(command, text=True)


@pytest.fixture
def root(tmp_path):
    """A repository with two topics that have material."""
    root = tmp_path / "root"
    write(
        root,
        {
            "gammapy/modeling/fit.py": OVERLAY,
            "gammapy/modeling/fit_log.py": "def text():\n    return 'a'\n",
            "gammapy/modeling/tests/test_log.py": "import pytest\n\n\n"
            "@pytest.mark.long\ndef test_log():\n    pass\n",
            "gammapy/more/__init__.py": "",
            "dev/private_names.toml": '_upstream_Fit_run = "_run_once"\n',
            "dev/topics.toml": LIST,
            "dev/topics/main.toml": DIFFERENCE,
            "dev/upstream.lock": "gammapy == 2.1\n"
            "gammapy/modeling/fit.py Fit.run sha256:1 sha256:2\n",
            "dev/topics/negative/edits.toml": EDITS,
            "dev/topics/negative/note.rst": "Negative statistics are an error.\n",
            "dev/topics/negative/reproduce.py": "",
            "dev/topics/negative/gammapy/modeling/tests/test_fit.py": TEST,
            "dev/topics/log/note.rst": "Fits have a log.\n",
        },
    )
    return root


@pytest.fixture
def checkout(tmp_path):
    """A checkout that has Fit and one test of it."""
    checkout = tmp_path / "checkout"
    tests = "from gammapy.modeling.fit import Fit\n\n\ndef test_old():\n    Fit()\n"
    write(
        checkout,
        {
            "pyproject.toml": PYPROJECT,
            "CITATION.cff": "title: Gammapy\n",
            "gammapy/__init__.py": "",
            "gammapy/modeling/__init__.py": "",
            "gammapy/modeling/fit.py": FIT,
            "gammapy/modeling/tests/__init__.py": "",
            "gammapy/modeling/tests/test_fit.py": tests,
        },
    )
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "a")
    return checkout


def commit(checkout):
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "b")


def test_one_topic(root, checkout):
    names, report = overlay.export(checkout, root, topic="negative")
    assert report == []
    assert names == [
        "docs/release-notes/+negative.bug.rst",
        "gammapy/modeling/fit.py",
        "gammapy/modeling/tests/test_fit.py",
    ]
    text = (checkout / "gammapy/modeling/fit.py").read_text()
    assert "datasets.stat_sum()\n        if stat < 0:\n            raise" in text
    assert "Datasets.\n\n        Raises\n        ------\n        ValueError" in text
    tests = (checkout / "gammapy/modeling/tests/test_fit.py").read_text()
    assert tests.startswith("import pytest\nfrom gammapy")
    assert tests.count("def test_") == 2
    assert git(checkout, "status", "--porcelain", "CITATION.cff") == ""


def test_after_it_was_merged(root, checkout):
    overlay.export(checkout, root, topic="negative")
    commit(checkout)
    names, report = overlay.export(checkout, root, topic="negative")
    assert (names, report) == ([], ["topic negative: is there already"])
    names, report = overlay.export(checkout, root, up_to="log")
    assert report == ["topic negative: is there already"]
    assert "gammapy/modeling/fit_log.py" in names
    assert not [name for name in names if "negative" in name]


def test_wrapped_definition(root, checkout):
    """It gets its private name, once, and its docstring moves to the wrapper."""
    text = LIST.replace('["modeling/fit.py:Fit.run"]', "[]")
    write(root, {"dev/topics.toml": text.replace("fit.py:log", "fit.py:Fit")})
    overlay.export(checkout, root, up_to="log")
    text = (checkout / "gammapy/modeling/fit.py").read_text()
    assert "def _run_once(self, datasets):" in text
    assert "_add(self._run_once(datasets))" in text and "_upstream_" not in text
    again = merged_text(
        text,
        "class Fit:\n    def run(self, datasets):\n"
        "        return self._upstream_Fit_run(datasets) + 1\n",
        "gammapy/modeling/fit.py",
        {"_upstream_Fit_run": "_run_once"},
    )
    assert again.count("def _run_once") == 1
    assert "return self._run_once(datasets) + 1" in again


def test_part_of_a_module(root, checkout):
    """Only the definitions of a topic, and the imports that they need."""
    overlay.export(checkout, root, up_to="log")
    text = (checkout / "gammapy/modeling/fit.py").read_text()
    assert "def say(self)" in text and "from .fit_log import text" in text
    # This one belongs to the other topic, which has material of its own.
    assert "_run_once" not in text


def test_marker(root, checkout):
    overlay.export(checkout, root, topic="log")
    text = (checkout / "pyproject.toml").read_text()
    assert 'markers = [\n    "long: tests that take minutes",\n]\n' in text
    assert with_marker(text, "slow: s").count("markers = [") == 1
    commit(checkout)
    write(root, {"dev/topics/log/gammapy/a.py": "x = 1\n"})
    assert "pyproject.toml" not in overlay.export(checkout, root, topic="log")[0]


def test_later_revision(root, checkout):
    text = FIT.replace("stat_sum", "stat_sum_likelihood")
    write(checkout, {"gammapy/modeling/fit.py": text})
    commit(checkout)
    _names, report = overlay.export(checkout, root, topic="negative")
    assert report == ["rewritten for this revision: stat_sum is stat_sum_likelihood"]
    text = (checkout / "gammapy/modeling/fit.py").read_text()
    assert "datasets.stat_sum_likelihood()\n        if stat < 0" in text


def test_everything(root, checkout, monkeypatch):
    monkeypatch.setattr("topic_export.check_lock", lambda *arguments: ["compared"])
    names, report = overlay.export(checkout, root)
    assert report == ["compared"]
    assert {"gammapy/more/__init__.py", "gammapy/modeling/fit_log.py"} <= set(names)
    text = (checkout / "gammapy/modeling/fit.py").read_text()
    assert text.count("def run(") == text.count("def _run_once(") == 1
    assert "if stat < 0" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("negative-2", "there is no topic 'negative-2'.*'negative'"),
        ("later", "no material"),
    ],
)
def test_no_topic(root, checkout, name, words):
    with pytest.raises(OverlayError, match=words):
        overlay.export(checkout, root, topic=name)
    assert git(checkout, "status", "--porcelain") == ""


def test_no_place(root, checkout):
    """Nothing is written, and each reason is said."""
    write(checkout, {"gammapy/modeling/fit.py": FIT.replace("stat =", "value =")})
    commit(checkout)
    with pytest.raises(OverlayError, match="topic negative: .*are there 0 times"):
        overlay.export(checkout, root, up_to="log")
    assert git(checkout, "status", "--porcelain") == ""


def test_dirty(root, checkout):
    write(checkout, {"gammapy/modeling/fit.py": f"{FIT}\n\nx = 1\n"})
    with pytest.raises(OverlayError, match=r"fit.py: has uncommitted changes"):
        overlay.export(checkout, root, topic="negative")


@pytest.mark.parametrize(
    "line",
    ["# 2.1 and in 2.1 it fails", "the fork", "an overlay", "self._upstream_Fit_run()"],
)
def test_foreign_words(line, root, checkout):
    assert len(foreign_words([("a.py", line)])) == 1
    write(root, {"dev/topics/log/gammapy/b.py": f"# {line}\n"})
    with pytest.raises(OverlayError, match="topic log"):
        overlay.export(checkout, root, topic="log")


@pytest.mark.parametrize("line", ["index=2.1", "amplitude 2.2e-9", "Fit(2.1)"])
def test_fine_words(line):
    assert foreign_words([("a.py", line)]) == []


# the topics of the repository, on the release


def defined(text):
    """Names of the functions and classes of a module."""
    return {node.name for node in ast.parse(text).body if isinstance(node, SCOPES)}


@pytest.fixture
def release(tmp_path):
    return release_tree(tmp_path / "v2.1")


def test_topics_on_the_release(release):
    """They apply one after another, are small, and change nothing when repeated."""
    topics = read_topics()
    chosen = chosen_topics(topics, ROOT)
    assert len(chosen) >= 12
    plans = plan_topics(chosen, release.folder)
    for topic, plan in zip(chosen, plans, strict=True):
        assert 0 < upstream.code_lines_added(plan) <= upstream.LIMITS[topic.kind]
        assert not [name for name in plan.files if "CITATION" in name]
        note = f"docs/release-notes/+{topic.name}.{topic.note}.rst"
        assert plan.files[note].strip()
        assert upstream.own_tests(topic, topics)
        assert b"_upstream_" not in b"".join(plan.files.values())
        if topic.kind == "defect":
            assert not topic.needs and {"defect", "issue", "main"} <= set(topic.facts)
    files = {name: text for plan in plans for name, text in plan.files.items()}
    again = plan_topics(chosen, release.folder, earlier=files)
    assert [plan.name for plan in again if not plan.is_there] == []


def test_everything_on_the_release(release):
    """Each definition of the release is there still, if only under a private name."""
    plans = plan_everything(release.folder)
    for name, content in plans[-1].files.items():
        path = release.folder / name
        if name.endswith(".py") and path.is_file():
            old, new = map(defined, (path.read_text(), content.decode()))
            assert old <= new, name
    assert b"_upstream_" not in b"".join(plans[-1].files.values())


@pytest.mark.parametrize("number", [0, pytest.param(None, marks=pytest.mark.long)])
def test_proof(number, release):
    """Scripts and tests fail before and pass after; ruff reports nothing."""
    topics = read_topics()
    chosen = chosen_topics(topics, ROOT)
    for topic in chosen if number is None else chosen[number : number + 1]:
        row = upstream.prove(topic, topics, release, packages=False)
        assert row["state"] == "proven" and row["tests"] > 0


def test_differences():
    """Rows name topics of the list."""
    rows = read_differences(ROOT)
    names = {topic.name for topic in read_topics()}
    assert len(rows) >= 6 and all(set(row.topics) <= names for row in rows)


def test_page():
    topics = read_topics()
    proof = {"v2.1": {topics[0].name: {"state": "refused", "revision": "2.1"}}}
    first, later = render_first(topics, proof), render_later(topics)
    names = [topic.name for topic in topics]
    assert all((f"``{name}``" in first) != (f"``{name}``" in later) for name in names)
    assert first.count("unproven") >= 12
