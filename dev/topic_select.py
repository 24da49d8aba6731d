# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The part of an overlay module that belongs to a topic."""

import ast
from sources import IMPORTS, SCOPES, Source, definitions, docstring

__all__ = ["parts", "qualified_definitions", "select_definitions"]


def qualified_definitions(text, path):
    """Names of what a module of the overlay defines, members of classes one by one.

    Parameters
    ----------
    text, path : str
        Text of the module, and its path for messages.

    Returns
    -------
    names : list of str
        Such as "Fit.run", or "Fit" for a class without members.
    """
    return [name for name, _part in parts(Source(text, path))]


def parts(source):
    """What a module defines, members of classes one by one.

    Parameters
    ----------
    source : `~sources.Source`
        The module.

    Yields
    ------
    name : str
        Qualified name.
    definition : `~sources.Definition`
        The definition.
    """
    for definition in definitions(source, source.tree):
        if definition.imported or definition.key == "__all__":
            continue
        members = _members(source, definition)
        for member in members:
            yield f"{definition.key}.{member.key}", member
        if not members:
            yield definition.key, definition


def select_definitions(text, path, names):
    """Text of a module of the overlay with some of its definitions.

    Parameters
    ----------
    text, path : str
        Text of the module, and its path for messages.
    names : collection of str
        Qualified names to keep, from `qualified_definitions`.

    Returns
    -------
    text : str
        The text. Imports and entries of ``__all__`` that only the others need are
        left out, as are docstrings of modules and classes without a kept definition.
    """
    source = Source(text, path)
    dropped = set()
    for definition in definitions(source, source.tree):
        if definition.imported or definition.key == "__all__":
            continue
        members = _members(source, definition)
        if definition.key in names:
            continue
        kept = [m for m in members if f"{definition.key}.{m.key}" in names]
        away = members if kept else [definition]
        for member in away:
            if member not in kept:
                dropped |= set(range(member.top, member.end))
    lines = [line for n, line in enumerate(source.lines) if n not in dropped]
    return _without_unused_names("".join(lines), path)


def _members(source, definition):
    """Definitions in the body of a class."""
    if not isinstance(definition.node, ast.ClassDef):
        return []
    return [m for m in definitions(source, definition.node) if not m.imported]


def _without_unused_names(text, path):
    """Text without imports and public names that nothing in it has."""
    source = Source(text, path)
    tree = source.tree
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    defined = {definition.key for definition in definitions(source, tree)}
    lines = list(source.lines)
    for node in tree.body:
        if isinstance(node, IMPORTS):
            names = [
                a for a in node.names if _bound(a) in used or path.endswith("t__.py")
            ]
            if len(names) < len(node.names):
                _rewrite(lines, node, names)
    for definition in definitions(source, tree):
        if definition.key == "__all__":
            listed = ast.literal_eval(definition.node.value)
            kept = [name for name in listed if name in defined]
            if kept != listed:
                quoted = ", ".join(f'"{name}"' for name in kept)
                _replace(lines, definition.node, f"__all__ = [{quoted}]\n" * bool(kept))
    if not any(isinstance(node, SCOPES) for node in tree.body):
        note = docstring(tree)
        if note is not None:
            _replace(lines, note, "")
    return "".join(lines)


def _bound(alias):
    return alias.asname or alias.name.split(".")[0]


def _rewrite(lines, node, aliases):
    """Write an import with fewer names; the merge lays it out."""
    names = [f"{a.name} as {a.asname}" if a.asname else a.name for a in aliases]
    text = f"import {', '.join(names)}\n"
    if isinstance(node, ast.ImportFrom):
        text = f"from {'.' * node.level}{node.module or ''} {text}"
    _replace(lines, node, text if names else "")


def _replace(lines, node, text):
    """Put a text in place of a statement; the number of lines stays."""
    lines[node.lineno - 1] = text
    lines[node.lineno : node.end_lineno] = [""] * (node.end_lineno - node.lineno)
