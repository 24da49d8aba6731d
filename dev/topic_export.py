# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Write topics into a checkout of Gammapy, one at a time or one after another."""

import ast
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from merging import merge_module
from overlay_base import ROOT, base_folder, read_text
from overlay_lock import LOCK, read_lock
from overlay_plan import ignored_files, overlay_files, plan_checkout
from sources import OverlayError
from topic_edits import apply_edits
from topic_material import (
    edits_by_file,
    has_material,
    read_differences,
    read_material,
    read_private_names,
)
from topic_select import qualified_definitions
from topics import read_topics

__all__ = ["TopicPlan", "added_lines", "chosen_topics", "foreign_words", "plan_topic"]

#: Words that would tell where a change comes from, or that age.
FOREIGN = re.compile(
    r"(?i)\b(?:the|this|our) fork\b|\boverlays?\b|\bupstream|_upstream_"
    r"|\b(?:gammapy|in|than|with|unlike|before|after) v?2\.[0-9]\b(?![.0-9])"
)

#: Markers of pytest and of its plugins that need no entry in the configuration.
KNOWN_MARKERS = {
    "filterwarnings",
    "parametrize",
    "remote_data",
    "skip",
    "skipif",
    "usefixtures",
    "xfail",
}

#: What new markers mean.
MARKERS = {"long": "tests that take minutes"}


@dataclass
class TopicPlan:
    """What an export of a topic writes."""

    name: str
    #: content of each new or changed file, by its path
    files: dict = field(default_factory=dict)
    #: what a human should know
    report: list = field(default_factory=list)
    #: folder of the checkout
    checkout: Path = Path()
    #: files that are to be written before, by topics that come first
    earlier: dict = field(default_factory=dict)

    def text_before(self, name):
        """Text of a file before this topic, None where there is none."""
        if name in self.earlier:
            return self.earlier[name].decode()
        path = self.checkout / name
        return read_text(path, name) if path.is_file() else None

    def text_now(self, name):
        """Text of a file as it is so far, None where there is none."""
        return (
            self.files[name].decode() if name in self.files else self.text_before(name)
        )

    @property
    def is_there(self):
        """Whether the checkout has the topic already."""
        return not self.files


def chosen_topics(topics, root, *, topic=None, up_to=None):
    """Topics to export, in their order.

    Parameters
    ----------
    topics : list of `~topics.Topic`
        All topics.
    root : `~pathlib.Path`
        Folder of the repository.
    topic, up_to : str, optional
        Name of the only topic, or of the last. Default is all that have material.

    Returns
    -------
    chosen : list of `~topics.Topic`
        The topics.

    Raises
    ------
    OverlayError
        If there is no such topic.
    """
    names = [each.name for each in topics]
    name = topic or up_to
    if name is not None and name not in names:
        near = difflib.get_close_matches(name, names, n=3) or names[:3]
        raise OverlayError(
            f"there is no topic {name!r} in dev/topics.toml; there is "
            + ", ".join(repr(each) for each in near)
        )
    if topic is not None:
        return [topics[names.index(topic)]]
    if up_to is not None:
        return topics[: names.index(up_to) + 1]
    return [each for each in topics if has_material(each, root)]


def plan_topic(topic, checkout, root=ROOT, *, topics=None, earlier=None):
    """What a topic changes in a checkout, made in memory and checked.

    Parameters
    ----------
    topic : `~topics.Topic`
        The topic.
    checkout : path-like
        Folder of the checkout, of any revision. It may have the topic already, or
        those before it.
    root : `~pathlib.Path`
        Folder of the repository.
    topics : list of `~topics.Topic`, optional
        All topics. Default is those of the repository.
    earlier : dict, optional
        Content of files that are to be written before. Default is None.

    Returns
    -------
    plan : `TopicPlan`
        Files to write; none where the topic is there.

    Raises
    ------
    OverlayError
        If something cannot be merged there, with one line for each reason.
    """
    checkout = Path(checkout)
    topics = topics or read_topics(root / "dev" / "topics.toml")
    material = read_material(topic, topics, root)
    plan = TopicPlan(topic.name, checkout=checkout, earlier=dict(earlier or {}))
    for difference in read_differences(root):
        if difference.is_in(checkout):
            mapped = material.mapped(difference)
            if mapped != material:
                plan.report.append(f"rewritten for this revision: {difference.what}")
            material = mapped
            if topic.name in difference.topics:
                plan.report.append(f"look at this: {difference.what}")
    errors = []
    private = read_private_names(root)
    for name, text in material.texts.items():
        _try(errors, _place, plan, name, text, private)
    for name, edits in edits_by_file(material.edits).items():
        _try(errors, _edit, plan, name, edits)
    if errors:
        raise OverlayError(*(f"topic {topic.name}: {error}" for error in errors))
    if plan.files:
        plan.files |= _markers(plan)
        plan.files[f"docs/release-notes/+{topic.name}.{topic.note}.rst"] = (
            material.note.encode()
        )
        _check_words(plan)
    return plan


def _try(errors, function, *arguments):
    """Call a function, and note what is wrong with the overlay or the checkout."""
    try:
        function(*arguments)
    except OverlayError as error:
        errors += error.lines


def _place(plan, name, text, private):
    """Copy a text, or merge it into what is there."""
    old = plan.text_now(name)
    if old == text:
        return
    if old is not None and name.endswith(".py"):
        text = merged_text(old, text, name, private)
    elif "_upstream_" in text:
        raise OverlayError(f"{name}: {name} is not in the checkout")
    if text != old:
        plan.files[name] = text.encode()


def merged_text(old, text, name, private):
    """Text of a module of a checkout with definitions of an overlay module.

    Parameters
    ----------
    old, text : str
        Texts of the two modules.
    name : str
        Path for messages.
    private : dict of str to str
        From `~topic_material.read_private_names`.

    Returns
    -------
    text : str
        The text. Wrapped definitions have their private names.
    """
    for kept, new in private.items():
        # A definition that has been wrapped is not wrapped again.
        if kept in text and re.search(
            rf"\b(?:def|class) {new}\b|^\s*{new} =", old, re.M
        ):
            text = re.sub(rf"\b{kept}\b", new, text)
    text = merge_module(old, text, name).text
    for kept in sorted(set(re.findall(r"\b_upstream_\w+", text))):
        if kept not in private:
            raise OverlayError(f"{name}: dev/private_names.toml has no name for {kept}")
        text = re.sub(rf"\b{kept}\b", private[kept], text)
    return text


def _edit(plan, name, edits):
    """Apply edits to a file of the checkout."""
    old = plan.text_now(name)
    if old is None:
        raise OverlayError(f"{name}: is not in the checkout")
    text = apply_edits(old, edits)
    if name.endswith(".py"):
        ast.parse(text)
    if text != old:
        plan.files[name] = text.encode()


# checks


def added_lines(plan):
    """Lines that a plan adds, pairs of file and line.

    Parameters
    ----------
    plan : `TopicPlan`
        The plan.

    Returns
    -------
    lines : list of tuple of str
        The lines.
    """
    found = []
    for name, content in plan.files.items():
        texts = plan.text_before(name) or "", content.decode()
        lines = [text.splitlines() for text in texts]
        for line in difflib.unified_diff(*lines, lineterm="", n=0):
            if line.startswith("+") and not line.startswith("+++"):
                found.append((name, line[1:]))
    return found


def foreign_words(lines):
    """Words in lines that have no place in Gammapy, one message for each.

    Parameters
    ----------
    lines : list of tuple of str
        From `added_lines`.

    Returns
    -------
    messages : list of str
        The messages.
    """
    return [
        f"{name}: {found.group()!r} in {line.strip()!r}"
        for name, line in lines
        for found in [FOREIGN.search(line)]
        if found
    ]


def _check_words(plan):
    """Refuse words that would tell where a topic comes from."""
    if words := foreign_words(added_lines(plan)):
        raise OverlayError(*(f"topic {plan.name}: {message}" for message in words))


def _markers(plan):
    """The configuration of pytest, where tests have a marker that it lacks."""
    texts = [c.decode() for n, c in plan.files.items() if "/tests/" in n]
    used = {m for text in texts for m in re.findall(r"pytest\.mark\.(\w+)", text)}
    name = "pyproject.toml"
    old = plan.text_now(name)
    new = old
    for marker in sorted(used - KNOWN_MARKERS):
        if re.search(rf'["\']{marker}\b', old):
            continue
        if marker not in MARKERS:
            raise OverlayError(f"topic {plan.name}: what is the marker {marker!r}?")
        new = with_marker(new, f"{marker}: {MARKERS[marker]}")
    return {name: new.encode()} if new != old else {}


def with_marker(text, marker):
    """A ``pyproject.toml`` in which a marker of pytest is registered.

    Parameters
    ----------
    text : str
        The text.
    marker : str
        Name and meaning.

    Returns
    -------
    text : str
        The new text.
    """
    line = f'    "{marker}",\n'
    if found := re.search(r"^markers = \[\n", text, re.M):
        return text[: found.end()] + line + text[found.end() :]
    head = "[tool.pytest.ini_options]\n"
    if head not in text:
        raise OverlayError("pyproject.toml: has no [tool.pytest.ini_options]")
    return text.replace(head, f"{head}markers = [\n{line}]\n")


# everything


def plan_topics(topics, checkout, root=ROOT, *, earlier=None):
    """What several topics change in a checkout, one after another.

    Parameters
    ----------
    topics : list of `~topics.Topic`
        The topics, in their order.
    checkout : path-like
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder of the repository.
    earlier : dict, optional
        Content of files that are to be written before. Default is None.

    Returns
    -------
    plans : list of `TopicPlan`
        Each on top of those before it.
    """
    files, plans = dict(earlier or {}), []
    for topic in topics:
        plan = plan_topic(topic, checkout, root, earlier=files)
        files |= plan.files
        plans.append(plan)
    return plans


def plan_everything(checkout, root=ROOT):
    """What the topics with material and then the whole overlay change.

    Parameters
    ----------
    checkout : path-like
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder of the repository.

    Returns
    -------
    plans : list of `TopicPlan`
        Those of the topics and that of the overlay.

    Raises
    ------
    OverlayError
        If code that the overlay replaces or wraps differs, other than by the topics.
    """
    checkout = Path(checkout)
    path = root / "dev" / "topics.toml"
    all_topics = read_topics(path) if path.is_file() else []
    topics = chosen_topics(all_topics, root)
    materials = [read_material(topic, all_topics, root) for topic in topics]
    _check_not_exported(checkout, root, {n for each in materials for n in each.texts})
    report = check_lock(checkout, root, _touched(materials))
    plans = plan_topics(topics, checkout, root)
    grown = _new_in(materials, root)
    private = read_private_names(root)
    files = {name: text for plan in plans for name, text in plan.files.items()}
    rest = TopicPlan("overlay", report=report, checkout=checkout, earlier=files)
    names = overlay_files(root)
    ignored = ignored_files(checkout, names)
    errors = []
    for name in names:
        if name in ignored:
            continue
        text = read_text(root / name, name)
        # A file that only topics have grows to what it is in the overlay.
        if not (checkout / name).is_file() or name in grown:
            if text != rest.text_before(name):
                rest.files[name] = text.encode()
            continue
        _try(errors, _place, rest, name, text, private)
    if errors:
        raise OverlayError(*errors)
    rest.files |= _markers(rest)
    _check_words(rest)
    return [*plans, rest]


def _check_not_exported(checkout, root, of_topics):
    """Refuse a checkout in which a new file of the overlay is already."""
    for name in sorted(set(overlay_files(root)) - of_topics):
        content, there = (root / name).read_bytes(), checkout / name
        if content and there.is_file() and there.read_bytes() == content:
            raise OverlayError(
                f"{checkout} holds an earlier export ({name}): check out a branch"
                " without it first"
            )


def _new_in(materials, root):
    """Files of topics that Gammapy lacks, which are in the overlay too."""
    locked = {path for path, _name in read_lock(root / LOCK)}
    names = {name for material in materials for name in material.texts}
    names &= set(overlay_files(root)) - locked
    # The lock does not name files to which the overlay only adds.
    return {name for name in names if not (base_folder(root) / name).exists()}


def _touched(materials):
    """Definitions that topics change, pairs of file and qualified name."""
    found = set()
    for material in materials:
        found |= {(edit.file, edit.definition) for edit in material.edits}
        for name, text in material.texts.items():
            if name.endswith(".py"):
                names = qualified_definitions(text, name)
                found |= {(name, definition) for definition in names}
    return found


def check_lock(checkout, root, touched):
    """Check that what the overlay replaces or wraps is as it was.

    Parameters
    ----------
    checkout : `~pathlib.Path`
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder of the repository.
    touched : set of tuple of str
        Definitions that may differ, as topics that were merged changed them.

    Returns
    -------
    report : list of str
        A line for each definition that differs, and one with their number.

    Raises
    ------
    OverlayError
        If the code of another one differs or vanished.
    """
    try:
        _made, lines = plan_checkout(checkout, root, accepted=touched)
    except OverlayError as error:
        raise OverlayError(
            *error.lines,
            "nothing was written: export topics that have material of their own, with "
            "--topic NAME or --up-to NAME, which need less of the checkout",
        ) from None
    return lines
