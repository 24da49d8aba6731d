# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What each topic imports from others, and how many lines of code it has.

A unit is a file of the overlay, or a definition of one that several topics share:
of a module that Gammapy has, too, or of one of which ``topics.toml`` lists definitions.
It needs the topic of another unit when it imports a name that only the overlay has,
inside functions too.
"""

import ast
import tomllib
from dataclasses import dataclass, field
from functools import cache
from rooms import MERGED, OVERLAY, Definitions, modules, names_imported
from sources import SCOPES, Source, code_lines, definitions, plain_target
from topic_select import parts
from topics import ROOT, owner_of, topic_of

__all__ = ["Unit", "closure", "imports_of_later", "read_later", "read_units"]

TOPICS = ROOT / "dev" / "topics.toml"


@dataclass
class Unit:
    """What belongs to one topic as a whole."""

    file: str
    #: qualified name; "" for a file and for what is in none of its definitions
    definition: str
    topic: str
    n_lines: int = 0
    #: names of topics, with what is imported from each
    needs: dict = field(default_factory=dict)


def closure(topic, topics):
    """Names of all topics that come before a topic because it needs them.

    Parameters
    ----------
    topic : `~topics.Topic`
        The topic.
    topics : list of `~topics.Topic`
        All topics.

    Returns
    -------
    names : set of str
        Its own name among them.
    """
    needs = {each.name: each.needs for each in topics}
    found, waiting = set(), [topic.name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs[name]
    return found


def imports_of_later(units, topics):
    """Imports from topics that a topic does not need.

    Parameters
    ----------
    units : list of `Unit`
        From `read_units`.
    topics : list of `~topics.Topic`
        All topics.

    Returns
    -------
    found : dict of str to list of str
        By file, a line for each definition and topic.
    """
    needed = {topic.name: closure(topic, topics) for topic in topics}
    # Defects are exported in a smaller form of their own.
    defects = {topic.name for topic in topics if topic.kind == "defect"}
    found = {}
    for unit in units:
        if unit.topic in defects:
            continue
        for name, what in unit.needs.items():
            if name not in needed[unit.topic]:
                place = f"{unit.definition or 'the file'} of {unit.topic!r}"
                line = f"{place} needs {name!r} for {', '.join(sorted(what))}"
                found.setdefault(unit.file, []).append(line)
    return found


def read_later(path=TOPICS):
    """Files that may import what comes later, with the reason.

    Parameters
    ----------
    path : `pathlib.Path`, optional
        The list of topics. Default is that of the repository.

    Returns
    -------
    reasons : dict of str to str
        The table ``later``.
    """
    return tomllib.loads(path.read_text(encoding="utf-8")).get("later", {})


def read_units(topics, base, overlay=OVERLAY, merged=MERGED):
    """Units of the overlay, without tests.

    Parameters
    ----------
    topics : list of `~topics.Topic`
        All topics.
    base, overlay, merged : `pathlib.Path`
        Folders of the packages.

    Returns
    -------
    units : list of `Unit`
        The units.
    """
    reader = _Reader(topics, base, overlay, merged)
    return [
        unit for path in modules(overlay).values() for unit in reader.units_of(path)
    ]


class _Reader:
    """Reads the units of one file after another."""

    def __init__(self, topics, base, overlay, merged):
        self.topics = topics
        self.base = base
        self.overlay = overlay
        self.found = Definitions(modules(merged))
        self.merged = merged
        self.shared = {
            key.partition(":")[0] for topic in topics for key in topic.definitions
        }

    def is_shared(self, file):
        """Whether definitions of a file may belong to several topics."""
        return (self.base / file).exists() or file in self.shared

    def units_of(self, path):
        """Units of a file."""
        file = path.relative_to(self.overlay).as_posix()
        text = path.read_text()
        source = Source(text, file)
        code = code_lines(text, file)
        module = ".".join(path.relative_to(self.overlay.parent).with_suffix("").parts)
        module = module.removesuffix(".__init__")
        if not self.is_shared(file):
            unit = Unit(file, "", topic_of(file, self.topics), len(code))
            self.add_needs(unit, names_imported(source.tree, module, path))
            return [unit]
        imports = _imports_by_name(source.tree, module, path)
        own = {d.key for d in definitions(source, source.tree) if not d.imported}
        units, taken = [], set()
        for name, part in parts(source):
            lines = set(range(part.top, part.end))
            unit = Unit(file, name, owner_of(file, name, self.topics))
            unit.n_lines = len(code & lines)
            taken |= lines
            for node in part.nodes:
                self.add_needs(unit, names_imported(node, module, path))
                for used in _names_in(node):
                    self.add_needs(unit, imports.get(used, ()))
                    if used in own - {name}:
                        self.add_needs(unit, [(module, used)])
            units.append(unit)
        rest = Unit(file, "", topic_of(file, self.topics), len(code - taken))
        return [rest, *units]

    def add_needs(self, unit, names):
        """Note the topics of imported names."""
        for package, name in names:
            topic = self.topic_of_import(package, name)
            if topic not in (None, unit.topic):
                what = f"{package}:{name}" if name else package
                unit.needs.setdefault(topic, set()).add(what)

    def topic_of_import(self, package, name):
        """Topic that an imported name comes with; None where Gammapy has it."""
        module = self.found.module_of(package, name)
        if module is None:
            return None
        path = self.found.file_of(module)
        file = path.relative_to(self.merged).as_posix()
        if not (self.overlay / file).exists():
            return None
        last = module.rpartition(".")[2]
        if name is None or name == last:
            is_there = (self.base / file).exists()
            return None if is_there else topic_of(file, self.topics)
        if (self.base / file).exists() and name in _top_names(self.base / file):
            return None
        if name not in _top_names(self.overlay / file):
            return None
        return owner_of(file, name, self.topics)


def _imports_by_name(tree, module, path):
    """Names that the imports at the top of a module bind, with what they import."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            pairs = list(names_imported(node, module, path))
            for alias, pair in zip(node.names, pairs, strict=True):
                bound = alias.asname or alias.name.partition(".")[0]
                found.setdefault(bound, []).append(pair)
    return found


def _names_in(node):
    """Names that are used in a definition."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


@cache
def _top_names(path):
    """Names that a module defines itself."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, SCOPES):
            names.add(node.name)
        elif plain_target(node) is not None:
            names.add(plain_target(node))
    return names
