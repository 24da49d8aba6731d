# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Source text of a module, and what its bodies define."""

import ast
import io
import re
import warnings
from dataclasses import dataclass

__all__ = [
    "Definition",
    "OverlayError",
    "Source",
    "check_syntax",
    "code_lines",
    "definitions",
]

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
        lines = [bool(pattern.match(line)) for line in self.lines]
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
        found = [docstring(child) for node in nodes for child in ast.walk(node)]
        return {
            line
            for node in found
            if node
            for line in range(node.lineno - 1, node.end_lineno)
        }

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
        return next((n for n, line in enumerate(lines) if line.strip()), len(lines))

    def blank_lines_below(self, line):
        """Number of blank lines from a line on."""
        lines = self.lines[line:]
        return next((n for n, line in enumerate(lines) if line.strip()), len(lines))


def code_lines(text, name):
    """Numbers of the lines of a module that hold code, counted from 0."""
    source = Source(text, name)
    documented = source.docstring_lines([source.tree])
    return {
        number
        for number, line in enumerate(source.lines)
        if line.strip()
        and not line.lstrip().startswith("#")
        and number not in documented
    }


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
    return min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1


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
    names = [
        ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])
    ]
    return any(name.split(".")[-1] == "overload" for name in names)


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
                types = [arg.annotation for arg in node.args.args if arg.annotation]
                key += f"({', '.join(ast.unparse(kind) for kind in types[:1])})"
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
            others = {name for name, by_import in names.items() if not by_import} - {
                name
            }
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
