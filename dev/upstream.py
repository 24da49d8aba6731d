# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Prove topics on Gammapy, one after another, and write the table of the page.

    python dev/upstream.py                      on the release
    python dev/upstream.py --checkout CHECKOUT  on a later revision, too
    python dev/upstream.py --topic NAME         with all tests of this topic only
    python dev/upstream.py --quick              without the tests of packages, no table
    python dev/upstream.py --once               tests of packages after the last topic

For each topic that has material: the script shows the defect before, and not after; its
tests fail without the change and pass with it; ruff has nothing new to say with the
configuration of the tree nor with that of the main branch; and no other test of the
packages that it touches fails that did not before.
"""

import argparse
import ast
import datetime
import difflib
import json
import sys
import time
from pathlib import Path
from overlay_base import ROOT
from sources import SCOPES, code_lines
from topic_export import chosen_topics, plan_topic
from topic_material import folder_of, read_material
from topics import read_topics
from upstream_page import write_table
from upstream_style import ruff, unformatted
from upstream_trees import (
    checkout_tree,
    failed_tests,
    known_failures,
    release_tree,
    run_tests,
)

__all__ = ["Refused", "code_lines_added", "prove"]

PROOF = ROOT / "dev" / "topics" / "proof.json"
#: Most lines of code that are reviewed at once.
LIMITS = {"defect": 200, "feature": 500}


class Refused(Exception):
    """Why a topic is not proven."""


def prove(topic, topics, tree, *, packages=True, root=ROOT):
    """Export a topic into a tree, and prove it there.

    Parameters
    ----------
    topic : `~topics.Topic`
        The topic.
    topics : list of `~topics.Topic`
        All topics.
    tree : `~upstream_trees.Tree`
        The tree, with the topics before it. It is committed to.
    packages : bool, optional
        Whether to run the tests of the packages that it touches. Default is True.
    root : `~pathlib.Path`
        Folder of the repository.

    Returns
    -------
    row : dict
        What the table says.

    Raises
    ------
    Refused
        If something is not as it should be.
    """
    start = time.monotonic()
    plan = plan_topic(topic, tree.folder, root, topics=topics)
    if plan.is_there:
        return {"state": "there already"}
    counted = code_lines_added(plan)
    limit = LIMITS[topic.kind]
    if counted > limit:
        raise Refused(f"{counted} lines of code, at most {limit} are reviewed at once")
    names = own_tests(topic, topics, root)
    script = folder_of(topic, root) / "reproduce.py"
    before = ruff(tree, plan)
    if layout := unformatted(tree, plan):
        raise Refused(f"ruff format would change {layout}")
    _expect_defect(tree, script, topic, there=True)
    _write(tree, {name: c for name, c in plan.files.items() if "/tests/" in name})
    outcomes, _seconds = run_tests(tree, names)
    # None is found where a module that they import is missing.
    if outcomes and not failed_tests(outcomes):
        raise Refused(f"its tests pass without the change: {names}")
    _write(tree, plan.files)
    _expect_defect(tree, script, topic, there=False)
    outcomes, seconds = run_tests(tree, names)
    if bad := failed_tests(outcomes):
        raise Refused(f"its tests fail: {sorted(bad)}")
    if new := ruff(tree, plan) - before:
        raise Refused(f"ruff: {sorted(new)}")
    touched = packages_of(plan)
    _commit(tree, topic)
    others = 0
    for package in touched if packages else ():
        all_outcomes, _ = run_tests(tree, [package], jobs=2)
        others += len(all_outcomes)
        _check_package_tests(tree, package, all_outcomes)
    return {
        "state": "proven",
        "lines": counted,
        "files": len(plan.files),
        "tests": len(outcomes),
        "test_seconds": round(seconds, 1),
        "package_tests": others,
        "packages": [package.removeprefix("gammapy/") for package in touched],
        "seconds": round(time.monotonic() - start),
        "revision": tree.revision,
        "date": datetime.date.today().isoformat(),
    }


def _check_package_tests(tree, package, outcomes):
    """Refuse failures that are not known from the tree without topics."""
    bad = failed_tests(outcomes)
    if bad:
        bad -= known_failures(tree, package)
    if bad:
        raise Refused(f"tests of {package} fail: {sorted(bad)}")


def _expect_defect(tree, script, topic, *, there):
    """Run the script that reproduces a defect."""
    if topic.kind != "defect":
        return
    result = tree.run(tree.python, str(script))
    if (result.returncode != 0) != there:
        what = "shows no defect" if there else "still shows the defect"
        text = f"{result.stdout}{result.stderr}"[-400:]
        raise Refused(f"{script.name} {what}: {text}")


def _write(tree, files):
    """Write files into the tree."""
    for name, content in files.items():
        path = tree.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _commit(tree, topic):
    """Commit what was written of a topic, which may be nothing."""
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "--allow-empty", "--message", topic.title)


def own_tests(topic, topics, root=ROOT):
    """Tests of a topic, as pytest names them.

    Parameters
    ----------
    topic : `~topics.Topic`
        The topic.
    topics : list of `~topics.Topic`
        All topics.
    root : `~pathlib.Path`
        Folder of the repository.

    Returns
    -------
    names : list of str
        One for each function or class of a test module.

    Raises
    ------
    Refused
        If it has none.
    """
    names = []
    for name, text in read_material(topic, topics, root).texts.items():
        if Path(name).name.startswith("test_") and name.endswith(".py"):
            for node in ast.parse(text).body:
                if isinstance(node, SCOPES) and node.name.lower().startswith("test"):
                    names.append(f"{name}::{node.name}")
    if not names:
        raise Refused("it has no test")
    return names


def packages_of(plan):
    """Subpackages that a plan touches, as folders."""
    found = {
        "/".join(Path(name).parts[:2])
        for name in plan.files
        if name.startswith("gammapy/") and len(Path(name).parts) > 2
    }
    return sorted(found)


def code_lines_added(plan):
    """Number of lines of code that a plan adds to the package.

    Parameters
    ----------
    plan : `~topic_export.TopicPlan`
        The plan.

    Returns
    -------
    number : int
        Without tests, blank lines, comments and docstrings.
    """
    count = 0
    for name, content in plan.files.items():
        if "/tests/" in name or not (
            name.startswith("gammapy/") and name.endswith(".py")
        ):
            continue
        new = content.decode()
        code = code_lines(new, name)
        old = (plan.text_before(name) or "").splitlines()
        matcher = difflib.SequenceMatcher(None, old, new.splitlines(), autojunk=False)
        for tag, _i1, _i2, first, last in matcher.get_opcodes():
            if tag in ("insert", "replace"):
                count += len(code & set(range(first, last)))
    return count


# command


def main(argv=None):
    """Prove topics, and write the table."""
    parser = argparse.ArgumentParser(description="Prove topics on Gammapy.")
    parser.add_argument("--checkout", help="git repository of a later revision")
    parser.add_argument("--python", help="interpreter for it, Python >= 3.12")
    parser.add_argument("--topic", help="only this topic is tested")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="no tests of packages")
    text = "tests of each package once, after the last topic, not after each"
    how.add_argument("--once", action="store_true", help=text)
    arguments = parser.parse_args(argv)
    topics = read_topics()
    chosen = chosen_topics(topics, ROOT)
    trees = [release_tree]
    if arguments.checkout:
        trees.append(lambda: checkout_tree(arguments.checkout, arguments.python))
    status = 0
    for make in trees:
        status |= _prove_all(make(), chosen, topics, arguments)
    if not arguments.checkout:
        print("main: unproven, give a checkout with CHECKOUT=...")
    return status


def _prove_all(tree, chosen, topics, arguments):
    """Prove topics one after another in a tree."""
    rows, status = {}, 0
    for topic in chosen:
        only_write = arguments.topic not in (None, topic.name)
        try:
            if only_write:
                plan = plan_topic(topic, tree.folder, ROOT, topics=topics)
                _write(tree, plan.files)
                _commit(tree, topic)
                continue
            packages = not (arguments.quick or arguments.once)
            rows[topic.name] = prove(topic, topics, tree, packages=packages)
            print(f"{tree.name} {topic.name}: {rows[topic.name]}", flush=True)
        except Exception as error:
            status = 1
            print(f"{tree.name} {topic.name}: REFUSED {error}", flush=True)
            rows[topic.name] = {"state": "refused", "revision": tree.revision}
            tree.git("reset", "--quiet", "--hard")
            tree.git("clean", "--quiet", "--force", "-d")
        if not arguments.quick:
            _keep(tree, topic, rows[topic.name])
    if arguments.once:
        status |= _prove_packages(tree, rows)
        for topic in chosen:
            if topic.name in rows:
                _keep(tree, topic, rows[topic.name])
    if not arguments.quick:
        write_table(topics, json.loads(PROOF.read_text()))
    return status


def _prove_packages(tree, rows):
    """Run the tests of all packages that topics touch, and add to their rows."""
    status = 0
    proven = [row for row in rows.values() if row["state"] == "proven"]
    for package in sorted({name for row in proven for name in row["packages"]}):
        touching = [row for row in proven if package in row["packages"]]
        outcomes, seconds = run_tests(tree, [f"gammapy/{package}"], jobs=2)
        print(
            f"{tree.name} {package}: {len(outcomes)} tests, {seconds:.0f} s", flush=True
        )
        try:
            _check_package_tests(tree, f"gammapy/{package}", outcomes)
        except Refused as error:
            status = 1
            print(f"{tree.name}: REFUSED {error}", flush=True)
            for row in touching:
                row["state"] = "refused"
        for row in touching:
            row["package_tests"] += len(outcomes)
            row["once"] = True
    return status


def _keep(tree, topic, row):
    """Write what was found of a topic into the file of proofs."""
    proof = json.loads(PROOF.read_text()) if PROOF.is_file() else {}
    proof.setdefault(tree.name, {})[topic.name] = row
    PROOF.write_text(json.dumps(proof, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
