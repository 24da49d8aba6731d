# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What ruff says of a topic in a tree of Gammapy."""

import json
import re
import subprocess
import sys
from pathlib import Path
from overlay_base import ROOT

__all__ = ["ruff", "unformatted"]

#: Rules of the main branch, which the release does not have yet.
RULES = ROOT / "dev" / "topics" / "main_rules.toml"
#: What ruff checked by default when the release was made, whose configuration has no
#: list of its own. Later versions check more.
DEFAULT = ("--select", "E4,E7,E9,F")


def ruff(tree, plan):
    """What ruff says of the files of a plan, with both configurations.

    Parameters
    ----------
    tree : `~upstream_trees.Tree`
        The tree.
    plan : `~topic_export.TopicPlan`
        The plan.

    Returns
    -------
    messages : set of str
        File, rule and text of each.
    """
    files = [n for n in plan.files if n.endswith(".py") and (tree.folder / n).is_file()]
    if not files:
        return set()
    found = set()
    for config in ("pyproject.toml", RULES):
        command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config"]
        command += [str(config), "--output-format", "json", *files]
        text = (tree.folder / config).read_text(encoding="utf-8")
        if not re.search(r"^select\b", text, re.M):
            command += DEFAULT
        result = subprocess.run(
            command, cwd=tree.folder, capture_output=True, text=True
        )
        if result.returncode > 1:
            raise RuntimeError(result.stderr)
        for message in json.loads(result.stdout):
            name = Path(message["filename"]).relative_to(tree.folder)
            line = (tree.folder / name).read_text().splitlines()
            at = line[message["location"]["row"] - 1].strip() if line else ""
            found.add(f"{name}: {message['code']} {message['message']} ({at})")
    return found


def unformatted(tree, plan):
    """Files that ruff would lay out again, but not without the plan.

    Parameters
    ----------
    tree : `~upstream_trees.Tree`
        The tree, in which the plan is not written yet.
    plan : `~topic_export.TopicPlan`
        The plan.

    Returns
    -------
    names : list of str
        The files.
    """
    bad = []
    for name, content in plan.files.items():
        if name.endswith(".py") and not _is_formatted(tree, name, content.decode()):
            old = plan.text_before(name)
            if old is None or _is_formatted(tree, name, old):
                bad.append(name)
    return bad


def _is_formatted(tree, name, text):
    """Whether ruff would leave a text as it is."""
    command = [sys.executable, "-m", "ruff", "format", "--no-cache", "--check"]
    command += ["--config", "pyproject.toml", "--stdin-filename", name, "-"]
    result = subprocess.run(
        command, cwd=tree.folder, input=text, capture_output=True, text=True
    )
    return result.returncode == 0
