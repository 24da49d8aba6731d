# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Who imports whom: the arrows between the modules of the overlay.

An arrow is what a module's own text imports, inside functions too, and modules that it
names in strings. A package stands for the module that defines the name: Gammapy itself
has circles through its packages, which nobody can follow.

The base is read only to find where a name is defined.
"""

import ast
import re
from functools import cache
from pathlib import Path

__all__ = [
    "LEVELS",
    "Definitions",
    "arrows",
    "circles",
    "modules",
    "names_imported",
]

OVERLAY = Path(__file__).parents[1] / "gammapy"
MERGED = Path(__file__).parents[1] / "build" / "merged" / "gammapy"

#: A string that names a module, or an object in one.
MODULE = re.compile(r"gammapy(\.\w+)+(:\w+)?")


def modules(folder=OVERLAY):
    """Files of the modules below a folder by their names, without tests.

    Parameters
    ----------
    folder : `pathlib.Path`
        Folder of the package. Default is the overlay.

    Returns
    -------
    modules : dict of `pathlib.Path`
        For instance "gammapy.stats.residuals".
    """
    paths = [path for path in sorted(folder.rglob("*.py")) if "tests" not in path.parts]
    return {_module_name(path, folder): path for path in paths}


def _module_name(path, folder):
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(folder=OVERLAY, merged=MERGED):
    """Modules that each module of a folder imports, and with them the names.

    Parameters
    ----------
    folder, merged : `pathlib.Path`
        The package whose text is read, and the one that defines the names. Default is
        the overlay and the merged package.

    Returns
    -------
    arrows : dict of dict
        By the name of the module, then by that of the imported one: a set of names.
    """
    everything = Definitions(modules(merged))
    found = {}
    for module, path in modules(folder).items():
        found[module] = {}
        tree = ast.parse(path.read_text())
        for package, name in names_imported(tree, module, path):
            target = everything.module_of(package, name)
            if target is not None and target != module:
                found[module].setdefault(target, set()).add(name)
    return found


def names_imported(tree, module, path):
    """Pairs of a module and a name in it, None for the module itself.

    Parameters
    ----------
    tree : `ast.AST`
        What imports, a module or a part of it.
    module : str
        Name of the module.
    path : `pathlib.Path`
        Its file.
    """
    texts = {id(text) for text in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _absolute(node, module, path)
            yield from ((package, alias.name) for alias in node.names)
        elif _names_module(node) and id(node) not in texts:
            package, _, name = node.value.partition(":")
            yield package, name or None


def _names_module(node):
    """Whether a string is the name of a module, or of something in one."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return is_text and MODULE.fullmatch(node.value)


def _docstrings(tree):
    """String constants that stand alone as a statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _absolute(node, module, path):
    """Name of the module that an import is from, relative or not."""
    if not node.level:
        return node.module
    parts = module.split(".")
    n_up = node.level - (path.name == "__init__.py")
    parts = parts[: len(parts) - n_up]
    return ".".join([*parts, node.module] if node.module else parts)


class Definitions:
    """Where the names of a package are defined.

    Parameters
    ----------
    files : dict of `pathlib.Path`
        Files of its modules by name.
    """

    def __init__(self, files):
        self._files = files

    def file_of(self, module):
        """File of a module."""
        return self._files[module]

    def module_of(self, package, name):
        """Module that defines a name; None for one of another library."""
        if name is not None and f"{package}.{name}" in self._files:
            return f"{package}.{name}"
        if package not in self._files:
            # An attribute of a module, written with a dot.
            above, _, last = package.rpartition(".")
            return self.module_of(above, last) if above in self._files else None
        if name is None or name in self._own_names(package):
            return package
        for source, names in self._from(package):
            if name in names or "*" in names:
                target = self.module_of(source, name)
                if target is not None and name in self._own_names(target):
                    return target
        return package

    @cache  # noqa: B019, there is one object per run
    def _own_names(self, module):
        """Names that a module defines itself."""
        names = set()
        for node in ast.parse(self._files[module].read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = getattr(node, "targets", None) or [node.target]
                names |= {target.id for target in targets if hasattr(target, "id")}
        return names

    @cache  # noqa: B019
    def _from(self, module):
        """What a module imports at its top: pairs of a module and names."""
        path = self._files[module]
        found = []
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                found.append((_absolute(node, module, path), names))
        return found


def circles(graph):
    """Sets of modules that import each other.

    Parameters
    ----------
    graph : dict
        Imported modules by module, see `arrows`.

    Returns
    -------
    circles : list of list of str
        Modules of each circle, sorted; empty when there is none.
    """
    reached = {module: _reached(module, graph) for module in graph}
    found = {
        tuple(sorted(other for other in within if module in reached.get(other, ())))
        for module, within in reached.items()
        if module in within
    }
    return [list(circle) for circle in sorted(found)]


def _reached(module, graph):
    """All modules that a module imports, directly or not."""
    seen, waiting = set(), [module]
    while waiting:
        for target in graph.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


#: Rooms from the bottom up; a room may import those above it in this list.
LEVELS = (
    ("stats", "maps", "utils"),
    ("data", "irf", "modeling"),
    ("datasets",),
    ("estimators", "makers"),
    ("diagnostics",),
    ("visualization",),
    ("report",),
    ("analysis", "workflow", "scripts"),
)

#: The one way up: objects name their plotter, which is loaded when it is asked for.
HOOK = "gammapy.utils.plotter"


def room(module):
    """Room of a module: the subpackage that it is in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def level(module):
    """Level of the room of a module; None for a room that is not listed."""
    levels = {name: number for number, names in enumerate(LEVELS) for name in names}
    return levels.get(room(module))


def ways_up(graph):
    """Arrows from a room to one above it, as pairs of modules, but for the hook."""
    pairs = [(source, target) for source in graph for target in graph[source]]
    return [
        (source, target)
        for source, target in pairs
        if source != HOOK
        and None not in (level(source), level(target))
        and level(source) < level(target)
    ]


def draw(graph, path):
    """Draw the rooms from the bottom up, with an arrow for each that imports another.

    Parameters
    ----------
    graph : dict
        Imported modules by module, see `arrows`.
    path : `pathlib.Path`
        Picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6.4))
    ax = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    places = {}
    for height, names in enumerate(LEVELS):
        for idx, name in enumerate(names):
            places[name] = (idx + 0.5) / len(names), height
    used = {room(module) for module in graph}
    pairs = {(room(a), room(b)) for a in graph if a != HOOK for b in graph[a]}
    for source, target in sorted(pairs):
        if source == target or not {source, target} <= places.keys():
            continue
        style = {"arrowstyle": "-|>", "color": "0.6", "shrinkA": 14, "shrinkB": 14}
        # Arrows past another room are bent, so that it does not hide them.
        is_far = places[source][1] - places[target][1] > 1
        style["connectionstyle"] = f"arc3,rad={0.25 if is_far else 0.05}"
        ax.annotate("", places[target], places[source], arrowprops=style)
    for name, place in places.items():
        color = "black" if name in used else "0.6"
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": color}
        ax.text(*place, name, ha="center", va="center", color=color, bbox=box)
    ax.set(xlim=(0, 1), ylim=(-0.6, len(LEVELS) - 0.4))
    ax.axis("off")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    picture = OVERLAY.parent / "docs" / "images" / "rooms.png"
    draw(arrows(), picture)
    print(f"picture: {picture.relative_to(OVERLAY.parent)}")
