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
import hashlib
import io
import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
import docstrings
from docstring_names import order_of

__all__ = ["Digest", "Merged", "OverlayError", "check_syntax", "merge_module"]

PREFIX = "_upstream_"
LINE_LENGTH = 88

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class OverlayError(Exception):
    """What is wrong with the overlay or its base: one line for each error."""

    def __init__(self, *lines, merged=None):
        super().__init__("\n".join(lines))
        self.lines = lines
        #: what was found of a module that could not be merged
        self.merged = merged


@dataclass(frozen=True)
class Digest:
    """Hashes of a definition of the base; "-" where there is nothing."""

    code: str
    docstring: str


@dataclass(frozen=True)
class Extension:
    """What a docstring was made from."""

    base: str
    overlay: str
    #: names in the signature of the base
    parameters: tuple


@dataclass
class Merged:
    """The text of a merged module and, by qualified names, what was merged."""

    text: str = ""
    #: `Digest` of the base's text that the overlay relies on: each definition that is
    #: replaced or wrapped, the header and docstring of each class that is merged
    locked: dict = field(default_factory=dict)
    replaced: set = field(default_factory=set)
    wrapped: set = field(default_factory=set)
    added: set = field(default_factory=set)
    #: `Extension` of those of the others whose docstring extends the base's
    extended: dict = field(default_factory=dict)
    #: those of the others that have none of their own
    undocumented: set = field(default_factory=set)
    #: line numbers in the overlay
    lines: dict = field(default_factory=dict)


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


def check_syntax(text, path, what=""):
    """Raise an `OverlayError` when a text is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = getattr(error, "msg", error)
        raise OverlayError(f"{path}:{line}: {what}{message}") from None


class Source:
    """Lines and syntax tree of a module. Line numbers here count from 0."""

    def __init__(self, text, path):
        if "\r" in text:
            raise OverlayError(f"{path}:1: holds carriage returns: use plain newlines")
        check_syntax(text, path)
        self.text = text
        # not splitlines(), which also splits at form feeds and the like
        self.lines = list(io.StringIO(text))
        if self.lines and not self.lines[-1].endswith("\n"):
            self.lines[-1] += "\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.tree = ast.parse(text)

    @property
    def header(self):
        """Number of first lines that belong to the file, not to a definition."""
        pattern = re.compile(r"#!|#.*coding[:=]|# Licensed")
        lines = [bool(pattern.match(_)) for _ in self.lines]
        return [*lines, False].index(False)

    def floor(self, node):
        """Line above which the comments of a body's first statement cannot reach."""
        return self.header if isinstance(node, ast.Module) else node.lineno

    def indent(self, line):
        """Width of the white space that begins a line."""
        return len(self.lines[line]) - len(self.lines[line].lstrip())

    def is_comment(self, line):
        """Whether a line, outside of any statement, is a comment."""
        return self.lines[line].lstrip().startswith("#")

    def top(self, node, floor):
        """First of the comment lines directly above a statement."""
        line = first_line(node)
        indent = self.indent(line)
        while line > floor and self.is_comment(line - 1):
            if self.indent(line - 1) != indent:
                break
            line -= 1
        return line

    def end(self, node):
        """Line below a statement and the deeper comments that close its body."""
        end = line = node.end_lineno
        while isinstance(node, SCOPES) and line < len(self.lines):
            if self.lines[line].strip():
                if not self.is_comment(line) or self.indent(line) <= node.col_offset:
                    break
                end = line + 1
            line += 1
        return end

    def docstring_lines(self, nodes):
        """Lines of the docstrings of definitions and of all that is in them."""
        found = [docstring(_) for node in nodes for _ in ast.walk(node)]
        return {line for _ in found if _ for line in range(_.lineno - 1, _.end_lineno)}

    def is_alone(self, node):
        """Whether a statement shares none of its lines with another one."""
        # offsets of the syntax tree count bytes of UTF-8
        before = self.lines[node.lineno - 1].encode()[: node.col_offset]
        return not before.strip() and self.rest(node).strip()[:1] in ("", "#")

    def rest(self, node):
        """What follows a statement on its last line, with the end of the line."""
        line = self.lines[node.end_lineno - 1].encode()
        return line[node.end_col_offset :].decode()

    def text_of(self, start, end):
        """The text from one line up to another."""
        return "".join(self.lines[start:end])

    def blank_lines_above(self, line):
        """Number of blank lines directly above a line."""
        lines = self.lines[:line][::-1]
        return next((n for n, _ in enumerate(lines) if _.strip()), len(lines))

    def blank_lines_below(self, line):
        """Number of blank lines from a line on."""
        lines = self.lines[line:]
        return next((n for n, _ in enumerate(lines) if _.strip()), len(lines))


@dataclass
class Definition:
    """The statements of a body that bind one name; several when overloaded."""

    key: str  # as in the lock: "x", "x.setter"
    name: str
    nodes: list
    top: int  # first line with the comments directly above
    start: int  # first line with the decorators
    end: int  # the line below
    imported: bool = False
    #: other names that the same statement binds other than by import
    others: frozenset = frozenset()

    @property
    def node(self):
        """The statement, the last one when overloaded."""
        return self.nodes[-1]

    @property
    def is_accessor(self):
        """Whether this is a setter or the like, which needs another definition."""
        return self.key != self.name

    @property
    def is_plain(self):
        """Whether the statement is a function, a class or the constant itself."""
        return isinstance(self.node, SCOPES) or plain_target(self.node) is not None

    @property
    def line(self):
        """Line number for messages."""
        return self.start + 1


def first_line(node):
    """First line of a statement, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(_.lineno for _ in decorators)]) - 1


def plain_target(node):
    """Name that an assignment binds, None when it is not to a single plain name."""
    targets = [node.target] if isinstance(node, ast.AnnAssign) else None
    if isinstance(node, ast.Assign):
        targets = node.targets
    if targets and len(targets) == 1 and isinstance(targets[0], ast.Name):
        return targets[0].id
    return None


def is_docstring(node):
    """Whether a statement is a plain string."""
    value = getattr(node, "value", None)
    return (
        isinstance(node, ast.Expr)
        and isinstance(value, ast.Constant)
        and isinstance(value.value, str)
    )


def docstring(node):
    """The docstring statement of a module, class or function, or None."""
    if not isinstance(node, (*SCOPES, ast.Module)) or not node.body:
        return None
    return node.body[0] if is_docstring(node.body[0]) else None


def is_overload(node):
    """Whether a function is decorated with `typing.overload`."""
    names = [ast.unparse(_) for _ in getattr(node, "decorator_list", [])]
    return any(_.split(".")[-1] == "overload" for _ in names)


def key_and_name(node):
    """Key and name of a function or class.

    ``@x.setter`` gives "x.setter" and "x", ``@f.register`` over ``def _(a: int)``
    gives "f.register(int)" and "f".
    """
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not isinstance(target, ast.Attribute) or not isinstance(node, FUNCTIONS):
            continue
        name = ast.unparse(target.value)
        if name == node.name or (target.attr == "register" and node.name == "_"):
            key = ast.unparse(decorator)
            if target is decorator and target.attr == "register":
                types = [_.annotation for _ in node.args.args if _.annotation]
                key += f"({', '.join(ast.unparse(_) for _ in types[:1])})"
            return key, name
    return node.name, node.name


def bound_names(node):
    """Yield the names that a statement binds, each with the node that binds it."""
    if isinstance(node, IMPORTS):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0], node
    elif isinstance(node, SCOPES):
        yield node.name, node
    elif isinstance(node, ast.Name):
        # a deleted name counts, for it cannot be replaced either
        if not isinstance(node.ctx, ast.Load):
            yield node.id, node
    elif not isinstance(node, COMPREHENSIONS):
        for child in ast.iter_child_nodes(node):
            yield from bound_names(child)


def definitions(source, parent):
    """List what the body of a module or class defines, in order."""
    found = []
    floor = source.floor(parent)
    for node in parent.body:
        lines = source.top(node, floor), first_line(node), source.end(node)
        floor = lines[-1]
        if isinstance(node, SCOPES):
            key, name = key_and_name(node)
            last = found[-1] if found else None
            if last and last.key == key and is_overload(last.node):
                last.nodes.append(node)
                last.end = floor
            else:
                found.append(Definition(key, name, [node], *lines))
            continue
        names = {}
        for name, binding in bound_names(node):
            names[name] = names.get(name, True) and isinstance(binding, IMPORTS)
        for name, imported in names.items():
            others = {_ for _, by_import in names.items() if not by_import} - {name}
            found.append(
                Definition(name, name, [node], *lines, imported, frozenset(others))
            )
    return found


def kind(node):
    """Kind of a statement, for the blank lines around it."""
    if isinstance(node, SCOPES):
        return "definition"
    if isinstance(node, IMPORTS):
        return "import"
    return "docstring" if is_docstring(node) else "line"


def blank_lines(above, below, gap):
    """Number of blank lines between two kinds of statements, as PEP 8 has it."""
    if above is None or below is None:
        return 0
    if "definition" in (above, below):
        # a docstring is followed by one blank line in a class, by two in a module
        return gap
    return 0 if above == below else 1


def insert_sorted(items, new):
    """Add names to a list in its own order, at the end when it is not sorted."""

    def by_type(item):
        # the order of ruff and isort: CONSTANT, Class, function
        name = item.split(" as ")[0]
        case = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
        return case, name

    for order in (str, by_type, str.lower):
        if items == sorted(items, key=order):
            return sorted([*items, *new], key=order)
    return [*items, *new]


def bracketed(head, items, brackets, long):
    """Lines of a bracketed list: on one line if it fits, else one item per line."""
    opening, closing = brackets
    line = f"{head}{opening}{', '.join(items)}{closing}\n"
    if len(line) <= LINE_LENGTH + 1 and not long:
        return [line]
    return [f"{head}{opening}\n", *(f"    {_},\n" for _ in items), f"{closing}\n"]


def import_lines(node, names, long=False):
    """Lines of an import statement for some names of another one."""
    if isinstance(node, ast.Import):
        return [f"import {_}\n" for _ in names]
    head = f"from {'.' * node.level}{node.module or ''} import "
    line = f"{head}{', '.join(names)}\n"
    if len(line) <= LINE_LENGTH + 1 and not long:
        return [line]
    return bracketed(head, names, "()", True)


def alias_text(alias):
    """An imported name as it is written."""
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def import_rank(node):
    """Section of an import: future, standard library, others, gammapy, relative."""
    if isinstance(node, ast.ImportFrom) and node.level:
        return 4
    module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
    package = module.split(".")[0]
    if package == "__future__":
        return 0
    if package in sys.stdlib_module_names:
        return 1
    return 3 if package == "gammapy" else 2


def digest(lines):
    """Hash of lines of text, "-" for none."""
    text = "\n".join(lines)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if lines else "-"


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
        #: names under which replaced definitions can be kept
        self.keepable = Counter()
        #: docstrings of the overlay that have one of the base to extend
        self.extending = set()

    def run(self):
        """Merge, or raise with all errors."""
        self.merge_docstring(self.base.tree, self.overlay.tree, ())
        self.merge_imports()
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
        for start, end, new in sorted(self.edits, key=lambda _: _[:2]):
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
        alone = all(source.is_alone(_) for _ in definition.nodes)
        if not alone:
            where = " in the base" if source is self.base else ""
            self.error(line, f"{name} shares its line with another statement{where}")
        return alone

    def counterpart(self, found, new, scope):
        """The base definition that an overlay definition replaces, None on error."""
        old = found[0]
        name = self.qualified(scope, new)
        lines = ", ".join(str(_.line) for _ in found)
        message = None
        if all(_.imported for _ in found):
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
            self.merge_all(old, new)
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
            return [ast.dump(_) for _ in nodes]

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
            uses = set().union(*(self.find_uses(_) for _ in new.nodes))
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
        self.result.locked[name] = Digest(digest(parts[False]), digest(parts[True]))
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
                    (_.lineno, rf"^(\s*@\s*){name}(?=\s*\.)")
                    for _ in node.decorator_list
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
        found = [_ for parts in targets.values() for _ in parts if _.name == new.name]
        self.insert(max(_.end for _ in found), [new], "definition", None, scope)

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

    def merge_all(self, old, new):
        """Join the two lists of public names."""
        lists = [self.literal_names(_.node) for _ in (old, new)]
        text = self.base.text_of(old.start, old.end)
        if lists[1] is None:
            self.error(new.line, "__all__ is not a plain list of names")
        elif lists[0] is None or "#" in text:
            self.error(new.line, "__all__ of the base is not a plain list of names")
        else:
            names, more = lists
            more = [_ for _ in dict.fromkeys(more) if _ not in names]
            if more:
                items = [f'"{_}"' for _ in insert_sorted(names, more)]
                brackets = "[]" if isinstance(old.node.value, ast.List) else "()"
                long = old.node.lineno != old.node.end_lineno
                lines = bracketed("__all__ = ", items, brackets, long)
                self.edit(old.start, old.end, lines)

    @staticmethod
    def literal_names(node):
        """Strings of a literal list or tuple that is assigned, else None."""
        value = node.value
        if isinstance(node, ast.Assign) and isinstance(value, (ast.List, ast.Tuple)):
            names = [getattr(_, "value", None) for _ in value.elts]
            if all(isinstance(_, str) for _ in names):
                return names
        return None

    def merge_imports(self):
        """Add the imports of the overlay that the base lacks."""
        known = self.base_bindings()
        joined = {}
        added = {}
        for node in self.overlay.tree.body:
            if not isinstance(node, IMPORTS):
                continue
            names = [_ for _ in node.names if self.is_new_import(node, _, known)]
            if not names:
                continue
            statement = self.joinable(node)
            if statement is not None:
                joined.setdefault(statement, []).extend(map(alias_text, names))
                continue
            if len(names) == len(node.names) and self.overlay.is_alone(node):
                # as it is written, with its comments
                lines = self.overlay.lines[node.lineno - 1 : node.end_lineno]
            else:
                lines = import_lines(node, [alias_text(_) for _ in names])
            place = self.import_place(node)
            added.setdefault(place, []).append((import_rank(node), lines))
        for node, more in joined.items():
            names = insert_sorted([alias_text(_) for _ in node.names], more)
            lines = import_lines(node, names, node.lineno != node.end_lineno)
            self.edit(node.lineno - 1, node.end_lineno, lines)
        for at, imports in added.items():
            ordered = sorted(imports, key=lambda _: _[0])
            self.insert_imports(at, [line for _, lines in ordered for line in lines])

    def base_bindings(self):
        """What each name at the module level of the base is bound to."""
        known = {}
        for statement in self.base.tree.body:
            note = ""
            if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(
                statement.test
            ):
                note = " under TYPE_CHECKING"
            for name, node in bound_names(statement):
                if isinstance(node, IMPORTS):
                    pairs = [_ for a in node.names for _ in self.origins(node, a)]
                elif isinstance(getattr(node, "ctx", None), ast.Del):
                    pairs = [(name, "deleted")]
                else:
                    pairs = [(name, "a definition")]
                for bound, origin in pairs:
                    known.setdefault(bound, set()).add(f"{origin}{note}")
        return known

    def origins(self, node, alias):
        """Pairs of a name that an import binds and the absolute name of the object.

        ``import a.b`` binds a, and makes sure that a.b is there: that is two pairs.
        """
        name = alias.asname or alias.name
        if isinstance(node, ast.Import):
            package = name.split(".")[0]
            if alias.asname is None and package != name:
                return [(package, package), (name, name)]
            return [(name, alias.name)]
        package = self.path.split("/")[: -node.level] if node.level else []
        module = [node.module] if node.module else []
        return [(name, ".".join([*package, *module, alias.name]))]

    def is_new_import(self, node, alias, known):
        """Whether the base lacks an imported name; note an error when it clashes."""
        if alias.name == "*":
            self.error(node.lineno, "refused statement: `import *`")
            return False
        new = False
        for name, origin in self.origins(node, alias):
            bound = known.setdefault(name, set())
            if bound and (origin not in bound or "deleted" in bound):
                self.error(
                    node.lineno,
                    f"import of {name} from {origin}: the base binds that name to"
                    f" something else ({', '.join(sorted(bound))})",
                )
                return False
            new = new or not bound
            bound.add(origin)
        return new

    def leading_imports(self):
        """Imports of the base above its first function or class."""
        found = []
        for node in self.base.tree.body:
            if isinstance(node, SCOPES):
                break
            if isinstance(node, IMPORTS):
                found.append(node)
        return found

    @property
    def is_init(self):
        """Whether this is a package, where the order of imports matters."""
        return self.path.endswith("__init__.py")

    def joinable(self, new):
        """The base's import statement that imports from the same module, or None."""
        if isinstance(new, ast.Import) or (self.is_init and new.module is None):
            return None
        for node in self.leading_imports():
            if not isinstance(node, ast.ImportFrom) or not self.base.is_alone(node):
                continue
            text = self.base.text_of(node.lineno - 1, node.end_lineno)
            same = (node.module, node.level) == (new.module, new.level)
            # a comment would be lost, and a star cannot be joined
            if same and "#" not in text and node.names[0].name != "*":
                return node
        return None

    def import_place(self, new):
        """Line of the base above which a new import statement goes."""
        imports = self.leading_imports()
        rank = import_rank(new)
        above = [_ for _ in imports if import_rank(_) <= rank]
        if self.is_init and rank:
            above = imports
        if above:
            return above[-1].end_lineno
        text = docstring(self.base.tree)
        floor = text.end_lineno if text else self.base.header
        return self.base.top(imports[0], floor) if imports else floor

    def insert_imports(self, at, lines):
        """Insert import statements, with blank lines when the base has no others."""
        if not self.leading_imports():
            rest = [_ for _ in self.base.tree.body if _.lineno > at]
            blank = blank_lines("import", kind(rest[0]), 2) if rest else 0
            have = self.base.blank_lines_below(at)
            lines = [*["\n"] * bool(at), *lines, *["\n"] * max(0, blank - have)]
        self.edit(at, at, lines)
