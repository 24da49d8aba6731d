# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Merge one overlay module into the base module of the same path.

The standard library's `ast` gives the positions, the text itself is spliced line by
line: what the overlay does not name keeps its bytes. The rules, for a name in a
module or, member by member, in a class:

- in both: the overlay's definition replaces the base's, decorators and the comment
  lines directly above it included. The base's own comments stay when it has none.
- only in the overlay: added before the next overlay definition that the base has
  too, at the end of the body when none follows.
- a class header is either bare (``class Fit:``, the base's header stays) or repeats
  the base's bases, keywords and decorators.
- `x`, `x.setter` and `x.deleter` are separate definitions, overloads are one.
- ``_upstream_NAME``, in a class ``_upstream_CLASS_NAME``, keeps the base's definition
  under that name directly above its replacement. A class kept so is replaced whole.
- `__all__` is a union, an import is added once.
- a docstring that begins with a section heading extends the base's, see
  `dev/docstrings.py`. One that begins with a sentence replaces it. A function without
  docstring has that of the base.

Comments of the overlay that stand apart from a definition are notes to its reader
and are not merged.
"""

import ast
import re
from collections import Counter
import docstrings
from docstring_names import order_of
from merged import Digest, Extension, Merged
from names_merge import NamesMerge
from sources import (
    IMPORTS,
    SCOPES,
    OverlayError,
    Source,
    blank_lines,
    check_syntax,
    definitions,
    docstring,
    kind,
    plain_target,
)

__all__ = ["OverlayError", "merge_module"]

PREFIX = "_upstream_"


def merge_module(base, overlay, path):
    """Merge the text of an overlay module into the text of its base module.

    Parameters
    ----------
    base, overlay : str
        Text of the two modules.
    path : str
        Path for messages and for relative imports, like ``gammapy/modeling/fit.py``.

    Returns
    -------
    merged : `Merged`
        The merged module.
    """
    merge = _ModuleMerge(Source(base, f"{path} (base)"), Source(overlay, path), path)
    return merge.run()


class _ModuleMerge:
    """Collects the edits of one module, and every error before giving up."""

    def __init__(self, base, overlay, path):
        self.base = base
        self.overlay = overlay
        self.path = path
        self.edits = []
        self.errors = []
        self.result = Merged()
        self.uses = self.find_uses(overlay.tree)
        self.names = NamesMerge(base, overlay, path, edit=self.edit, error=self.error)
        #: names under which replaced definitions can be kept
        self.keepable = Counter()
        #: docstrings of the overlay that have one of the base to extend
        self.extending = set()

    def run(self):
        """Merge, or raise with all errors."""
        self.merge_docstring(self.base.tree, self.overlay.tree, ())
        self.names.merge_imports()
        self.merge_body(self.base.tree, self.overlay.tree, ())
        self.check_uses()
        self.check_docstrings()
        if not self.errors:
            self.result.text = self.apply()
            try:
                check_syntax(self.result.text, self.path)
            except OverlayError as error:
                self.errors.append(f"{error} (in the merged text)")
        if self.errors:
            raise OverlayError(*self.errors, merged=self.result)
        return self.result

    def error(self, line, message):
        """Note an error at a line of the overlay, counted from 1."""
        self.errors.append(f"{self.path}:{line}: {message}")

    def edit(self, start, end, lines):
        """Replace lines of the base; an insertion when start and end are equal."""
        self.edits.append((start, end, lines))

    def apply(self):
        """The text of the base with all edits."""
        if not self.edits:
            return self.base.text
        lines = []
        position = 0
        # stable: insertions at one line keep their order and come before its removal
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2]):
            lines += [*self.base.lines[position:start], *new]
            position = end
        return "".join(lines + self.base.lines[position:])

    # bodies and their definitions

    def merge_body(self, old_parent, new_parent, scope):
        """Merge the definitions of a module or class."""
        targets = {}
        for old in definitions(self.base, old_parent):
            targets.setdefault(old.key, []).append(old)
        self.refuse_statements(new_parent, scope)
        waiting = []
        seen = {}
        for new in definitions(self.overlay, new_parent):
            if new.key in seen and not new.imported:
                first = seen[new.key]
                name = self.qualified(scope, new)
                self.error(new.line, f"{name} is defined on line {first} already")
                continue
            seen[new.key] = new.line
            if new.imported or not new.is_plain:
                continue
            name = self.qualified(scope, new)
            if new.name.startswith(PREFIX):
                self.error(new.line, f"{name}: names in {PREFIX} are for originals")
            if not self.stands_alone(self.overlay, new, name, new.line):
                continue
            if new.key in targets:
                old = self.counterpart(targets[new.key], new, scope)
                if old:
                    self.insert_before(old, waiting, old_parent, scope)
                    self.merge_definition(old, new, scope)
                    waiting = []
                continue
            self.result.added.add(name)
            self.result.lines[name] = new.line
            if new.is_accessor and new.name in targets:
                self.insert_accessor(new, targets, scope)
            elif new.is_accessor and new.name not in seen:
                owner = name.removesuffix(new.key) + new.name
                self.error(new.line, f"{name} targets nothing: the base has no {owner}")
            else:
                waiting.append(new)
        self.insert_at_end(waiting, old_parent, scope)

    @staticmethod
    def qualified(scope, definition):
        """Name of a definition within its module."""
        return ".".join((*scope, definition.key))

    def refuse_statements(self, parent, scope):
        """Note an error for each statement that has no meaning in an overlay."""
        where = f"class {'.'.join(scope)}" if scope else "an overlay module"
        for node in parent.body:
            if isinstance(node, SCOPES) or plain_target(node) is not None:
                continue
            if node is docstring(parent) or (isinstance(node, IMPORTS) and not scope):
                continue
            text = self.overlay.lines[node.lineno - 1].strip()
            text = text if len(text) <= 40 else f"{text[:37]}..."
            allowed = "definitions" if scope else "imports and definitions"
            self.error(
                node.lineno, f"refused statement `{text}`: {where} holds {allowed} only"
            )

    def stands_alone(self, source, definition, name, line):
        """Check that lines can be moved without moving another statement."""
        alone = all(source.is_alone(node) for node in definition.nodes)
        if not alone:
            where = " in the base" if source is self.base else ""
            self.error(line, f"{name} shares its line with another statement{where}")
        return alone

    def counterpart(self, found, new, scope):
        """The base definition that an overlay definition replaces, None on error."""
        old = found[0]
        name = self.qualified(scope, new)
        lines = ", ".join(str(definition.line) for definition in found)
        message = None
        if all(definition.imported for definition in found):
            message = f"{name} is an import in the base (line {lines})"
        elif len(found) > 1:
            message = f"{name} is bound more than once in the base (lines {lines})"
        elif old.others:
            others = ", ".join(sorted(old.others))
            message = (
                f"{name} cannot be replaced: the statement on line {old.line} of the"
                f" base binds {others} too"
            )
        if message:
            self.error(new.line, message)
            return None
        return old if self.stands_alone(self.base, old, name, new.line) else None

    def merge_definition(self, old, new, scope):
        """Replace a definition, or merge it when both are classes."""
        if new.key == "__all__" and not scope:
            self.names.merge_all(old, new)
            return
        kept = PREFIX + "_".join((*scope, new.name))
        if not new.is_accessor:
            self.keepable[kept] += 1
        both = isinstance(old.node, ast.ClassDef) and isinstance(new.node, ast.ClassDef)
        if both and kept not in self.uses:
            self.merge_class(old, new, (*scope, new.name))
        else:
            self.replace(old, new, scope, kept)

    def merge_class(self, old, new, scope):
        """Merge a class member by member."""
        self.check_header(old.node, new.node, ".".join(scope))
        for source, node in ((self.base, old.node), (self.overlay, new.node)):
            if not source.is_alone(node.body[0]):
                where = " in the base" if source is self.base else ""
                self.error(
                    new.line,
                    f"{'.'.join(scope)} has its body on the line of its header{where}",
                )
                return
        body = self.base.top(old.node.body[0], old.node.lineno)
        self.lock(".".join(scope), old.start, body, new.line, [])
        self.merge_docstring(old.node, new.node, scope)
        self.merge_body(old.node, new.node, scope)

    def check_header(self, old, new, name):
        """Check that a class header is bare or the base's."""

        def dump(nodes):
            return [ast.dump(node) for node in nodes]

        bases = dump(new.bases + new.keywords)
        decorators = dump(new.decorator_list)
        if (bases and bases != dump(old.bases + old.keywords)) or (
            decorators and decorators != dump(old.decorator_list)
        ):
            self.error(
                new.lineno,
                f"the header of class {name} differs from the base's: repeat that one,"
                f" or write `class {new.name}:` to leave it",
            )

    def replace(self, old, new, scope, kept):
        """Replace a definition, and keep the base's when it is used."""
        name = self.qualified(scope, new)
        self.lock(name, old.start, old.end, new.line, old.nodes)
        lines = self.with_docstring(old, new, name)
        if new.is_accessor:
            uses = set().union(*(self.find_uses(node) for node in new.nodes))
            keep = kept in uses
        else:
            keep = kept in self.uses
        start = old.top if new.top < new.start else old.start
        if not old.is_plain:
            start = old.top
        if keep and self.can_keep(old, new, name, kept):
            gap = 1 if scope else 2
            start = old.start
            blank = blank_lines(kind(old.node), kind(new.node), gap)
            lines = [
                *self.renamed(old, new, kept),
                *["\n"] * blank,
                *lines,
            ]
            self.result.wrapped.add(name)
        else:
            self.result.replaced.add(name)
        if docstring(new.node) is None and (keep or docstring(old.node)):
            self.result.undocumented.add(name)
        self.edit(start, old.end, lines)

    def lock(self, name, start, end, line, nodes):
        """Note the hashes of lines of the base, the docstrings of nodes apart.

        Of the source text and not of `ast.dump`, which differs between versions of
        Python. White space at the end of lines and blank lines do not count.
        """
        documented = self.base.docstring_lines(nodes)
        parts = {True: [], False: []}
        for number in range(start, end):
            if text := self.base.lines[number].rstrip():
                parts[number in documented].append(text)
        self.result.locked[name] = Digest.of(parts[False], parts[True])
        self.result.lines[name] = line

    # keeping the original

    @staticmethod
    def find_uses(tree):
        """First line of each name that asks to keep an original."""
        uses = {}
        for node in ast.walk(tree):
            name = getattr(node, "id", None) or getattr(node, "attr", None)
            if isinstance(name, str) and name.startswith(PREFIX):
                uses[name] = min(node.lineno, uses.get(name, node.lineno))
        return uses

    def check_uses(self):
        """Check that each name that keeps an original has exactly one."""
        for name, line in self.uses.items():
            count = self.keepable[name]
            if count == 0:
                self.error(
                    line,
                    f"{name} keeps nothing: the overlay replaces no definition of that"
                    " name that the base has",
                )
            elif count > 1:
                self.error(line, f"{name} stands for {count} definitions")

    def can_keep(self, old, new, name, kept):
        """Check that the base's definition can be renamed."""
        message = None
        if not old.is_plain:
            statement = type(old.node).__name__.lower()
            message = (
                f"the original of {name} cannot be kept: line {old.line} of the base"
                f" defines it inside a compound statement ({statement})"
            )
        elif new.is_accessor and new.key.split(".")[-1] not in ("setter", "deleter"):
            message = f"the original of {name} cannot be kept: replace it"
        elif new.is_accessor and not self.keepable[kept]:
            message = (
                f"the original of {name} can be kept only together with the property:"
                f" redefine {name.rsplit('.', 1)[0]} too"
            )
            self.keepable[kept] += 1
        if message:
            self.error(new.line, message)
        return message is None

    def renamed(self, old, new, kept):
        """Lines of a base definition under another name."""
        lines = self.base.lines[old.start : old.end]
        name = re.escape(new.name)
        for node in old.nodes:
            head = r"(?:(?:async\s+)?def|class)\s+" if isinstance(node, SCOPES) else ""
            places = [(node.lineno, rf"^(\s*{head}){name}\b")]
            if new.is_accessor:
                places += [
                    (decorator.lineno, rf"^(\s*@\s*){name}(?=\s*\.)")
                    for decorator in node.decorator_list
                ]
            for line, pattern in places:
                index = line - 1 - old.start
                lines[index] = re.sub(pattern, rf"\g<1>{kept}", lines[index])
        return lines

    # docstrings

    def with_docstring(self, old, new, name):
        """Lines of a definition, with the base's docstring as far as it has none."""
        lines = self.overlay.lines[new.top : new.end]
        if not (isinstance(old.node, SCOPES) and isinstance(new.node, SCOPES)):
            return lines
        theirs, ours = docstring(old.node), docstring(new.node)
        if theirs is None or (ours and not docstrings.is_extending(ours.value.value)):
            return lines
        first = new.node.body[0]
        if not self.overlay.is_alone(first):
            self.error(
                new.line,
                f"write the body of {name} on lines of its own: it has the docstring of"
                " the base",
            )
            return lines
        if ours:
            at, end = first.lineno - 1 - new.top, first.end_lineno - new.top
            text = self.extended(old.node, new.node, name)
        else:
            at = end = self.overlay.top(first, new.node.lineno) - new.top
            text = ast.get_source_segment(self.base.text, theirs)
        text = f"{' ' * first.col_offset}{text}{self.base.rest(theirs)}"
        return [*lines[:at], text, *lines[end:]]

    def extended(self, old_parent, new_parent, name):
        """Source of a docstring of the base, extended by one of the overlay."""
        old, new = docstring(old_parent), docstring(new_parent)
        self.extending.add(new)
        self.result.extended[name] = Extension(
            old.value.value,
            new.value.value,
            tuple(order_of(old_parent, old_parent).get("Parameters", ())),
        )
        texts = [
            ast.get_source_segment(source.text, node)
            for source, node in ((self.base, old), (self.overlay, new))
        ]
        order = order_of(old_parent, new_parent)
        try:
            return docstrings.extend(*texts, order, new.col_offset)
        except docstrings.DocstringError as error:
            for line, message in error.problems:
                self.error(new.lineno + line, f"docstring of {name}: {message}")
            return texts[0]

    def check_docstrings(self):
        """Check that each docstring that extends has one of the base."""
        for node in ast.walk(self.overlay.tree):
            text = docstring(node)
            if text is None or text in self.extending:
                continue
            if docstrings.is_extending(text.value.value):
                name = getattr(node, "name", "the module")
                self.error(
                    text.lineno,
                    f"docstring of {name}: begins with a section, but the base has none"
                    " to extend",
                )

    # new definitions

    def insert_before(self, old, waiting, parent, scope):
        """Insert new definitions above a base definition and its comments."""
        at = parent.body.index(old.nodes[0])
        above = kind(parent.body[at - 1]) if at else None
        self.insert(old.top, waiting, above, kind(old.node), scope)

    def insert_at_end(self, waiting, parent, scope):
        """Insert new definitions at the end of a module or class."""
        above = "docstring" if self.base.lines else None
        if parent.body:
            above = kind(parent.body[-1])
        end = self.base.end(parent) if scope else len(self.base.lines)
        self.insert(end, waiting, above, None, scope)

    def insert_accessor(self, new, targets, scope):
        """Insert a new setter or the like below the property and its accessors."""
        found = [
            part
            for parts in targets.values()
            for part in parts
            if part.name == new.name
        ]
        self.insert(
            max(definition.end for definition in found),
            [new],
            "definition",
            None,
            scope,
        )

    def insert(self, at, news, above, below, scope):
        """Insert definitions at a line of the base."""
        gap = 1 if scope else 2
        lines = []
        have = self.base.blank_lines_above(at)
        for new in news:
            blank = blank_lines(above, kind(new.nodes[0]), gap)
            lines += ["\n"] * max(0, blank - have)
            lines += self.overlay.lines[new.top : new.end]
            above = kind(new.node)
            have = 0
        if news:
            lines += ["\n"] * blank_lines(above, below, gap)
            self.edit(at, at, lines)

    def merge_docstring(self, old_parent, new_parent, scope):
        """Extend, replace or add the docstring of a module or class."""
        old, new = docstring(old_parent), docstring(new_parent)
        name = ".".join((*scope, "__doc__"))
        if new is None or (old is not None and old.value.value == new.value.value):
            return
        for source, node in ((self.overlay, new), (self.base, old)):
            if node is not None and not source.is_alone(node):
                self.error(new.lineno, f"{name} shares its line with another statement")
                return
        lines = self.overlay.lines[new.lineno - 1 : new.end_lineno]
        if old is not None:
            start, end = old.lineno - 1, old.end_lineno
            self.lock(name, start, end, new.lineno, [old_parent])
            self.result.replaced.add(name)
            if docstrings.is_extending(new.value.value):
                text = self.extended(old_parent, new_parent, name)
                lines = [f"{' ' * new.col_offset}{text}{self.base.rest(old)}"]
            self.edit(start, end, lines)
            return
        self.result.added.add(name)
        self.result.lines[name] = new.lineno
        at = self.base.header
        below = old_parent.body[0] if old_parent.body else None
        if scope:
            at = self.base.top(below, self.base.floor(old_parent))
        if at < len(self.base.lines) and self.base.lines[at].strip():
            lines = [*lines, "\n"]
        self.edit(at, at, lines)
