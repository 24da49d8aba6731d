# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Merge the imports of a module and its list of public names."""

import ast
import sys
from sources import IMPORTS, SCOPES, blank_lines, bound_names, docstring, kind

__all__ = ["NamesMerge"]

LINE_LENGTH = 88


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
    return [f"{head}{opening}\n", *(f"    {item},\n" for item in items), f"{closing}\n"]


def import_lines(node, names, long=False):
    """Lines of an import statement for some names of another one."""
    if isinstance(node, ast.Import):
        return [f"import {name}\n" for name in names]
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


class NamesMerge:
    """Makes the edits for imports and ``__all__``.

    Parameters
    ----------
    base, overlay : `sources.Source`
        The two modules.
    path : str
        Path for relative imports.
    edit, error : callable
        Take an edit of the base, lines with their start and end, and an error, a line
        of the overlay with its message.
    """

    def __init__(self, base, overlay, path, *, edit, error):
        self.base = base
        self.overlay = overlay
        self.path = path
        self.edit = edit
        self.error = error

    def merge_all(self, old, new):
        """Join the two lists of public names."""
        lists = [self.literal_names(definition.node) for definition in (old, new)]
        text = self.base.text_of(old.start, old.end)
        if lists[1] is None:
            self.error(new.line, "__all__ is not a plain list of names")
        elif lists[0] is None or "#" in text:
            self.error(new.line, "__all__ of the base is not a plain list of names")
        else:
            names, more = lists
            more = [name for name in dict.fromkeys(more) if name not in names]
            if more:
                items = [f'"{name}"' for name in insert_sorted(names, more)]
                brackets = "[]" if isinstance(old.node.value, ast.List) else "()"
                long = old.node.lineno != old.node.end_lineno
                lines = bracketed("__all__ = ", items, brackets, long)
                self.edit(old.start, old.end, lines)

    @staticmethod
    def literal_names(node):
        """Strings of a literal list or tuple that is assigned, else None."""
        value = node.value
        if isinstance(node, ast.Assign) and isinstance(value, (ast.List, ast.Tuple)):
            names = [getattr(elt, "value", None) for elt in value.elts]
            if all(isinstance(name, str) for name in names):
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
            names = [
                name for name in node.names if self.is_new_import(node, name, known)
            ]
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
                lines = import_lines(node, [alias_text(name) for name in names])
            place = self.import_place(node)
            added.setdefault(place, []).append((import_rank(node), lines))
        for node, more in joined.items():
            names = insert_sorted([alias_text(name) for name in node.names], more)
            lines = import_lines(node, names, node.lineno != node.end_lineno)
            self.edit(node.lineno - 1, node.end_lineno, lines)
        for at, imports in added.items():
            ordered = sorted(imports, key=lambda pair: pair[0])
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
                    pairs = [
                        origin for a in node.names for origin in self.origins(node, a)
                    ]
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
        above = [statement for statement in imports if import_rank(statement) <= rank]
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
            rest = [node for node in self.base.tree.body if node.lineno > at]
            blank = blank_lines("import", kind(rest[0]), 2) if rest else 0
            have = self.base.blank_lines_below(at)
            lines = [*["\n"] * bool(at), *lines, *["\n"] * max(0, blank - have)]
        self.edit(at, at, lines)
