# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small edits inside definitions of Gammapy: ``dev/topics/NAME/edits.toml``.

An edit is a table ``[[edit]]`` with ``file``, ``definition`` (qualified, "" for the
module) and one of

- ``at``, ``action``, ``text``: ``at`` is how a statement begins; the whole statement is
  replaced by the text ("replace"), removed ("delete"), or the text goes above it
  ("before") or below it ("after");
- ``old``, ``new``: words, and what is there then;
- ``docstring``: sections that extend the docstring.

Files that are not Python have ``old`` and ``new`` only. ``number`` counts, from 1,
where there is more than one such place; without it there has to be exactly one.
"""

import ast
import textwrap
import tomllib
from dataclasses import dataclass
import docstrings
from docstring_names import order_of
from sources import SCOPES, OverlayError, Source, docstring, first_line

__all__ = ["Edit", "apply_edits", "read_edits"]

ACTIONS = ("replace", "before", "after", "delete")


@dataclass(frozen=True)
class Edit:
    """One edit; fields that do not belong to its kind are None."""

    file: str
    definition: str = ""
    at: str | None = None
    action: str | None = None
    text: str | None = None
    old: str | None = None
    new: str | None = None
    docstring: str | None = None
    number: int | None = None

    @property
    def where(self):
        """File and definition for messages."""
        return f"{self.file}: {self.definition or 'the module'}"


def read_edits(text, name):
    """Edits of a file.

    Parameters
    ----------
    text : str
        Text of the file.
    name : str
        Its name, for messages.

    Returns
    -------
    edits : list of `Edit`
        The edits.

    Raises
    ------
    OverlayError
        If a key is not known, or an edit has not exactly one of ``at``, ``old`` and
        ``docstring``.
    """
    edits = []
    for number, entry in enumerate(tomllib.loads(text).get("edit", []), 1):
        try:
            edit = Edit(**entry)
        except TypeError as error:
            raise OverlayError(f"{name}: edit {number}: {error}") from None
        kinds = [edit.at, edit.old, edit.docstring]
        if sum(kind is not None for kind in kinds) != 1:
            raise OverlayError(
                f"{name}: edit {number} needs exactly one of at, old and docstring."
            )
        if edit.at is not None and edit.action not in ACTIONS:
            raise OverlayError(
                f"{name}: edit {number}: action is not one of {ACTIONS}."
            )
        edits.append(edit)
    return edits


def apply_edits(text, edits):
    """Text of a file after edits, one after another.

    Parameters
    ----------
    text : str
        Text of the file.
    edits : list of `Edit`
        Edits of this file.

    Returns
    -------
    text : str
        The new text. An edit whose outcome is there already changes nothing.

    Raises
    ------
    OverlayError
        If a definition or a place is not there, or there more than once.
    """
    for edit in edits:
        if not edit.file.endswith(".py"):
            start, end = _find_words(text, edit, (0, len(text)))
            text = text if start is None else text[:start] + edit.new + text[end:]
            continue
        source = Source(text, edit.file)
        scope = _find_definition(source.tree, edit)
        if edit.docstring is not None:
            text = _extend_docstring(source, scope, edit)
        elif edit.at is not None:
            text = _edit_statement(source, scope, edit)
        else:
            start, end = _find_words(text, edit, _span(source, scope))
            text = text if start is None else text[:start] + edit.new + text[end:]
    return text


def _find_definition(tree, edit):
    """Node of the definition, or the module."""
    node = tree
    for name in filter(None, edit.definition.split(".")):
        found = [
            child
            for child in ast.walk(node)
            if isinstance(child, SCOPES) and child.name == name and child is not node
        ]
        direct = [child for child in found if child in node.body]
        # A property and its setter share a name; the first is meant.
        found = direct[:1] or found
        if len(found) != 1:
            raise OverlayError(
                f"{edit.where}: there are {len(found)} such definitions."
            )
        node = found[0]
    return node


def _span(source, scope):
    """Offsets of the text of a definition."""
    if isinstance(scope, ast.Module):
        return 0, len(source.text)
    start = len("".join(source.lines[: first_line(scope)]))
    return start, len("".join(source.lines[: source.end(scope)]))


def _find_words(text, edit, span):
    """Offsets of the words to replace; None where the outcome is there already."""
    start, end = span
    part = text[start:end]
    done = part.count(edit.new) if edit.new else 0
    # What is new may hold what was there.
    held = done * edit.new.count(edit.old) if done else 0
    if done and part.count(edit.old) == held > 0:
        return None, None
    # Whole lines that are added stay added when others come between.
    added = edit.new.replace(edit.old, "", 1)
    if edit.old in edit.new and "\n" in added.strip(" ") and added in part:
        return None, None
    places, at = [], part.find(edit.old)
    while at >= 0:
        places.append(start + at)
        at = part.find(edit.old, at + 1)
    if not places and done:
        return None, None
    at = _choose(places, edit, f"the words {edit.old!r}")
    return at, at + len(edit.old)


def _choose(places, edit, what):
    """The place that an edit means."""
    if edit.number is None and len(places) != 1:
        raise OverlayError(f"{edit.where}: {what} are there {len(places)} times.")
    number = edit.number or 1
    if not 1 <= number <= len(places):
        raise OverlayError(
            f"{edit.where}: {what} are there {len(places)} times, not {number}."
        )
    return places[number - 1]


def _statements(source, scope):
    """Statements inside a definition, at any depth, in order."""
    found = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.stmt) and node is not scope
    ]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def _edit_statement(source, scope, edit):
    """Text after an edit of a statement."""
    start, end = _span(source, scope)
    statements = _statements(source, scope)
    indents = {node.col_offset for node in statements} if edit.text else ()
    if any(
        _indented(edit.text, indent) in source.text[start:end] for indent in indents
    ):
        return source.text
    found = [
        node
        for node in statements
        if source.lines[first_line(node)].lstrip().startswith(edit.at)
    ]
    if not found and edit.action == "delete":
        return source.text
    node = _choose(found, edit, f"statements that begin with {edit.at!r}")
    top, end = first_line(node), node.end_lineno
    if edit.action == "before":
        # Above the comments of the statement, too.
        top = end = source.top(node, source.floor(scope))
    elif edit.action == "after":
        top = end
    new = _indented(edit.text or "", node.col_offset)
    return "".join([*source.lines[:top], new, *source.lines[end:]])


def _indented(text, indent):
    """A text at an indentation, without blank lines around it."""
    text = textwrap.dedent(text).strip("\n")
    return textwrap.indent(f"{text}\n", " " * indent) if text else ""


def _new_lines(text):
    """Lines of a docstring without headings, which many have."""
    lines = [line.strip() for line in text.splitlines()]
    headings = {n for n, line in enumerate(lines) if line and not line.strip("-")}
    return {
        line
        for n, line in enumerate(lines)
        if line and n not in headings and n + 1 not in headings
    }


def _extend_docstring(source, scope, edit):
    """Text with an extended docstring."""
    old = docstring(scope)
    if old is None:
        raise OverlayError(f"{edit.where} has no docstring to extend.")
    if _new_lines(edit.docstring) <= _new_lines(old.value.value):
        return source.text
    indented = _indented(edit.docstring, old.col_offset).lstrip()
    literal = f'"""{indented}{" " * old.col_offset}"""'
    base = ast.get_source_segment(source.text, old)
    try:
        new = docstrings.extend(base, literal, order_of(scope, scope), old.col_offset)
    except docstrings.DocstringError as error:
        messages = [message for _line, message in error.problems]
        raise OverlayError(*(f"{edit.where}: {text}" for text in messages)) from None
    lines = source.lines
    start, end = old.lineno - 1, old.end_lineno
    text = f"{' ' * old.col_offset}{new}{source.rest(old)}"
    return "".join([*lines[:start], text, *lines[end:]])
