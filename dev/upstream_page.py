# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Write the tables of ``docs/development/upstream.rst``."""

import sys
from overlay_base import ROOT
from topic_material import has_material

sys.path.insert(0, str(ROOT / "dev" / "bench"))
from page import replace_part, table  # noqa: E402

__all__ = ["render_first", "render_later", "write_table"]

PAGE = ROOT / "docs" / "development" / "upstream.rst"


def write_table(topics, proof, page=PAGE):
    """Write both tables into the page.

    Parameters
    ----------
    topics : list of `~topics.Topic`
        The topics.
    proof : dict
        Rows by tree and topic, from `upstream.prove`.
    page : `~pathlib.Path`
        The page.
    """
    text = page.read_text(encoding="utf-8")
    for name, part in (
        ("proof", render_first(topics, proof)),
        ("later", render_later(topics)),
    ):
        text = replace_part(text, name, part)
    page.write_text(text, encoding="utf-8")


def render_first(topics, proof):
    """Table of the topics that have material.

    Parameters
    ----------
    topics : list of `~topics.Topic`
        The topics.
    proof : dict
        Rows by tree and topic.

    Returns
    -------
    text : str
        The table.
    """
    rows = [
        ("", "topic", "lines", "tests", *(_head(proof, t) for t in ("v2.1", "main")))
    ]
    chosen = [topic for topic in topics if has_material(topic, ROOT)]
    for number, topic in enumerate(chosen, 1):
        row = proof.get("v2.1", {}).get(topic.name, {})
        cells = [
            _state(proof.get(tree, {}).get(topic.name)) for tree in ("v2.1", "main")
        ]
        title = f"``{topic.name}``: {topic.title}"
        rows.append((number, title, row.get("lines", ""), row.get("tests", ""), *cells))
    return table((5, 51, 8, 8, 14, 14), rows)


def _head(proof, tree):
    """Head of a column: the revision."""
    revisions = {
        row["revision"] for row in proof.get(tree, {}).values() if "revision" in row
    }
    return " and ".join(sorted(revisions)) or tree


def _state(row):
    """What a proof says, with its date."""
    if row is None:
        return "unproven"
    if row["state"] != "proven":
        return row["state"]
    if not row["package_tests"]:
        return f"{row['date']}, tests of the topic only"
    if row.get("once"):
        return f"{row['date']}, {row['package_tests']} tests after the last topic"
    return f"{row['date']}, {row['package_tests']} tests in {row['seconds']} s"


def render_later(topics):
    """Table of the topics that are listed only.

    Parameters
    ----------
    topics : list of `~topics.Topic`
        The topics.

    Returns
    -------
    text : str
        The table.
    """
    rows = [("topic", "change", "needs")]
    rows += [
        (f"``{topic.name}``", topic.title, ", ".join(topic.needs))
        for topic in topics
        if not has_material(topic, ROOT)
    ]
    return table((20, 55, 25), rows)
