# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""List what the fork adds to Gammapy 2.1 or changes in it, and write the API pages.

Public is what a module names in `__all__`, and the members of such a class without a
leading underscore. The plan of the merge (`dev/overlay.py`) says what comes from the
overlay; names of new modules that their subpackage exports are listed there. The pages
show what a user calls: commands, what a package exports, and a few names of modules.
"""

import importlib
import inspect
from dataclasses import dataclass, field
from pathlib import Path
import click
import overlay

__all__ = ["Entry", "listed_entries", "public_entries", "write_pages"]

UPSTREAM = "https://docs.gammapy.org/2.1/api"

INTRODUCTION = """\
API
===

The functions, classes and commands that this fork adds to Gammapy 2.1 or changes in it.
Of a class that 2.1 has, only the members that differ are shown; everything else is in
the `reference of Gammapy 2.1 <{upstream}/index.html>`__.
"""

#: What users call or get although no package exports it: names in the user guide, the
#: plotters of results, and what a method returns.
CALLED = (
    "gammapy.diagnostics.nested.LikelihoodRatio",
    "gammapy.modeling.linearity.NotLinearError",
    "gammapy.modeling.linearity.why_not_linear",
    "gammapy.modeling.templates.NormTemplates",
    "gammapy.stats.on_off_profile.OnOffProfile",
    "gammapy.stats.residuals.compute_residual_errors",
    "gammapy.stats.residuals.compute_residuals",
    "gammapy.stats.residuals.compute_sqrt_ts",
    "gammapy.stats.residuals.compute_sqrt_ts_on_off",
    "gammapy.stats.weighted_poisson.compute_sqrt_ts_weighted",
    "gammapy.visualization.flux_points.FluxPointsPlotter",
    "gammapy.visualization.sky.models.ModelsPlotter",
    "gammapy.visualization.sky.spots.HotSpotsPlotter",
)


@dataclass(frozen=True)
class Entry:
    """A public name."""

    #: shortest module to import it from
    module: str
    name: str
    obj: object
    #: members that come from the overlay; None if the whole class does
    members: tuple | None = None
    #: whether its docstring comes from the overlay
    has_own_docstring: bool = True
    #: members that have the docstring of the base
    undocumented: frozenset = frozenset()
    #: `merged.Extension` of the members whose docstring extends that of the base, and
    #: under "__doc__" of the class or function itself
    extended: dict = field(default_factory=dict)

    @property
    def full_name(self):
        """Name with its module."""
        return f"{self.module}.{self.name}"

    @property
    def title(self):
        """Title of its page."""
        return f"gammapy {self.obj.name}" if self.kind == "command" else self.name

    @property
    def kind(self):
        """Word for what it is, as in the directives of autodoc."""
        if isinstance(self.obj, click.Command):
            return "command"
        if inspect.isclass(self.obj):
            is_error = issubclass(self.obj, Exception)
            return "exception" if is_error else "class"
        return "function" if callable(self.obj) else "data"

    def own_members(self):
        """Names of its public functions and properties that come from the overlay."""
        if self.kind == "class":
            names = vars(self.obj) if self.members is None else self.members
            return [name for name in names if _is_public_member(self.obj, name)]
        return []


def _is_public_member(cls, name):
    """Whether a member of a class is a public function or property."""
    if name.startswith("_"):
        return False
    member = inspect.getattr_static(cls, name, None)
    kinds = (property, classmethod, staticmethod)
    return inspect.isfunction(member) or isinstance(member, kinds)


# --- what there is ---------------------------------------------------------


def public_entries(made=None):
    """List the public names that come from the overlay.

    Parameters
    ----------
    made : `overlay.Plan`, optional
        The merge. Default is that of this checkout, whose result must be importable.

    Returns
    -------
    entries : list of `Entry`
        Sorted by module and name.
    """
    made = made or overlay.plan(overlay.fetch_base())
    entries = []
    for path in made.copied:
        if path.endswith(".py") and "/tests/" not in path:
            module = importlib.import_module(_module_name(path))
            names = getattr(module, "__all__", ())
            entries += [_new_entry(module, name) for name in names]
    for path, merged in made.modules.items():
        module = importlib.import_module(_module_name(path))
        entries += _merged_entries(module, merged)
    # A package and its module export the same object.
    entries = {entry.full_name: entry for entry in entries}.values()
    return sorted(entries, key=lambda entry: (entry.module, entry.name))


def listed_entries(entries=None):
    """Choose the public names that have a page: those that a user calls.

    Parameters
    ----------
    entries : list of `Entry`, optional
        Public names. Default is all of this checkout.

    Returns
    -------
    entries : list of `Entry`
        Commands, names that a package exports, and those of `CALLED`.
    """
    entries = public_entries() if entries is None else entries
    return [
        entry
        for entry in entries
        if entry.kind == "command"
        or entry.full_name in CALLED
        or hasattr(importlib.import_module(entry.module), "__path__")
    ]


def _module_name(path):
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _new_entry(module, name):
    obj = getattr(module, name)
    return Entry(_shortest_module(module.__name__, name, obj), name, obj)


def _shortest_module(module, name, obj):
    """First of the modules above that exports the same object."""
    parts = module.split(".")
    for n in range(2, len(parts)):
        above = importlib.import_module(".".join(parts[:n]))
        if name in getattr(above, "__all__", ()) and getattr(above, name) is obj:
            return above.__name__
    return module


def _merged_entries(module, merged):
    """Entries of a module that the base has too."""
    members = {}
    for name in sorted(merged.added | merged.replaced | merged.wrapped):
        owner, _, member = name.partition(".")
        members.setdefault(owner, []).append(member)
    for owner, names in members.items():
        for name, obj in _exported(module, owner):
            where = _shortest_module(module.__name__, name, obj)
            if names == [""]:
                is_own = owner not in merged.undocumented
                found = merged.extended.get(owner)
                extended = {"__doc__": found} if found else {}
                yield Entry(
                    where, name, obj, has_own_docstring=is_own, extended=extended
                )
                continue
            is_own = name == owner and "__doc__" in names
            entry = Entry(
                where,
                name,
                obj,
                tuple(names),
                is_own,
                frozenset(members_in(dict.fromkeys(merged.undocumented), owner)),
                members_in(merged.extended, owner),
            )
            if is_own or entry.own_members():
                yield entry


def members_in(found, owner):
    """What was found for qualified names, by the members of one class."""
    parts = {name: name.partition(".") for name in found}
    return {
        member: found[name]
        for name, (cls, _, member) in parts.items()
        if cls == owner and member
    }


def _exported(module, owner):
    """A definition, or for a class that is not exported what inherits from it."""
    exported = getattr(module, "__all__", ())
    obj = getattr(module, owner)
    if owner in exported and _is_exported(module, owner):
        yield owner, obj
    elif inspect.isclass(obj):
        for name in exported:
            other = getattr(module, name)
            if inspect.isclass(other) and issubclass(other, obj):
                yield name, other


def _is_exported(module, name):
    """Whether a name can be imported from the subpackage of its module."""
    above = importlib.import_module(module.__name__.rpartition(".")[0])
    return above.__name__ == "gammapy" or hasattr(above, name)


# --- pages -----------------------------------------------------------------


def write_pages(entries, folder):
    """Write a page for each entry and their index; files that do not change are kept.

    Parameters
    ----------
    entries : list of `Entry`
        Public names.
    folder : path-like
        Folder for the pages. Other pages in it are removed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{entry.full_name}.rst": page(entry) for entry in entries}
    pages["index.rst"] = index(entries)
    for path in folder.glob("*.rst"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def index(entries):
    """Text of the page that lists all names, by module."""
    parts = [INTRODUCTION.format(upstream=UPSTREAM)]
    for module in sorted({entry.module for entry in entries}):
        parts += ["", module, "-" * len(module), "", ".. list-table::"]
        parts += ["   :widths: 35 65", ""]
        for entry in entries:
            if entry.module == module:
                parts += _row(entry)
    parts += ["", ".. toctree::", "   :hidden:", ""]
    parts += [f"   {entry.title} <{entry.full_name}>" for entry in entries]
    return "\n".join([*parts, ""])


def _row(entry):
    link = f":doc:`{entry.title} <{entry.full_name}>`"
    names = [
        f":py:obj:`{member} <{entry.full_name}.{member}>`"
        for member in entry.own_members()
    ]
    is_changed = entry.members is not None and names
    text = f"changed: {', '.join(names)}" if is_changed else summary(entry)
    return [f"   * - {link}", f"     - {text}"]


def summary(entry):
    """First paragraph of a docstring, in one line."""
    if entry.kind == "data":
        return ""
    text = entry.obj.help if entry.kind == "command" else inspect.getdoc(entry.obj)
    return " ".join((text or "").split("\n\n")[0].split())


def page(entry):
    """Text of the page of an entry."""
    lines = [entry.title, "=" * len(entry.title), ""]
    if entry.kind == "command":
        return "\n".join([*lines, *_help(entry), ""])
    lines += [f".. currentmodule:: {entry.module}", ""]
    if entry.members is None:
        lines += [f".. auto{entry.kind}:: {entry.name}"]
        if entry.kind == "class":
            # What pydantic says of its own setting is not for readers of these pages.
            lines += ["   :members:", "   :exclude-members: model_config"]
        return "\n".join([*lines, ""])
    directive = "autoclass" if entry.has_own_docstring else "py:class"
    lines += [f".. {directive}:: {entry.name}", ""]
    lines += ["   This class is in Gammapy 2.1; here is what differs, and there are"]
    lines += [f"   `all members <{link(entry)}>`__."]
    for name in entry.own_members():
        lines += ["", f"   .. auto{_member_kind(entry, name)}:: {entry.name}.{name}"]
    return "\n".join([*lines, ""])


def _help(entry):
    """What a command prints with `--help`."""
    context = click.Context(entry.obj, info_name=entry.title, max_content_width=88)
    lines = entry.obj.get_help(context).splitlines()
    return [".. code-block:: text", "", *(f"    {line}".rstrip() for line in lines)]


def link(entry):
    """Address of a class in the reference of Gammapy 2.1."""
    return f"{UPSTREAM}/{entry.full_name}.html"


def _member_kind(entry, name):
    member = inspect.getattr_static(entry.obj, name)
    return "property" if isinstance(member, property) else "method"
