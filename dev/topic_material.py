# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a topic consists of: its texts, its edits and its release note.

The material is that of the folder ``dev/topics/NAME`` and, for topics that are exported
from the overlay, the files and definitions of the overlay that the list gives them.
"""

import re
import tomllib
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from overlay_base import read_text
from overlay_plan import overlay_files
from sources import OverlayError
from topic_edits import read_edits
from topic_select import qualified_definitions, select_definitions
from topics import owner_of, topic_of

__all__ = [
    "Difference",
    "Material",
    "edits_by_file",
    "folder_of",
    "has_material",
    "read_differences",
    "read_material",
    "read_private_names",
]

#: Files in the folder of a topic that are not exported.
NOTES = ("edits.toml", "note.rst", "reproduce.py")


@dataclass
class Material:
    """Texts and edits that make a topic."""

    #: text of each file, in the form of the overlay, by its path in Gammapy
    texts: dict = field(default_factory=dict)
    edits: list = field(default_factory=list)
    #: text of the release note
    note: str = ""

    def mapped(self, difference):
        """The material for a revision that has a difference."""
        texts = {name: difference.apply(name, t) for name, t in self.texts.items()}
        words = ("at", "text", "old", "new", "docstring")
        edits = []
        for edit in self.edits:
            values = {word: getattr(edit, word) for word in words}
            new = {
                word: difference.apply(edit.file, value)
                for word, value in values.items()
                if value is not None
            }
            edits.append(replace(edit, **new))
        return replace(self, texts=texts, edits=edits)


@dataclass(frozen=True)
class Difference:
    """What is different in a later revision of Gammapy, a row of a table."""

    what: str
    #: path and definition, or words of the file, which only that revision has
    found: str
    pattern: str = ""
    new: str = ""
    files: str = "*"
    #: topics whose author has to look, where words do not do
    topics: tuple = ()

    def is_in(self, checkout):
        """Whether a checkout has it."""
        path, _colon, words = self.found.partition(":")
        file = Path(checkout) / path
        return file.is_file() and words in file.read_text(encoding="utf-8")

    def apply(self, file, text):
        """A text for a revision that has it."""
        if not self.pattern or not fnmatchcase(file, self.files):
            return text
        return re.sub(self.pattern, self.new, text)


def read_differences(root):
    """The table of differences, ``dev/topics/main.toml``.

    Returns
    -------
    differences : list of `Difference`
        The rows.
    """
    path = root / "dev" / "topics" / "main.toml"
    if not path.is_file():
        return []
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("difference", [])
    return [Difference(**row) for row in rows]


def read_private_names(root):
    """Names under which wrapped definitions are exported, by ``_upstream_NAME``.

    Returns
    -------
    names : dict of str to str
        The names.
    """
    path = root / "dev" / "private_names.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def folder_of(topic, root):
    """Folder with the material of a topic."""
    return root / "dev" / "topics" / topic.name


def has_material(topic, root):
    """Whether a topic can be exported by itself."""
    return (folder_of(topic, root) / "note.rst").is_file()


def read_material(topic, topics, root):
    """Material of a topic.

    Parameters
    ----------
    topic : `~topics.Topic`
        The topic.
    topics : list of `~topics.Topic`
        All topics.
    root : `~pathlib.Path`
        Folder of the repository.

    Returns
    -------
    material : `Material`
        The material.

    Raises
    ------
    OverlayError
        If there is none.
    """
    folder = folder_of(topic, root)
    if not has_material(topic, root):
        raise OverlayError(
            f"topic {topic.name!r} is listed, but has no material of its own yet, as "
            f"dev/topics/{topic.name}/note.rst: export --all writes it with all others"
        )
    made = Material(note=read_text(folder / "note.rst", f"{topic.name}/note.rst"))
    if topic.from_overlay:
        made.texts |= _overlay_texts(topic, topics, root)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = "__pycache__" in name or path.name.startswith(".")
        if path.is_file() and name not in NOTES and not hidden:
            made.texts[name] = read_text(path, f"dev/topics/{topic.name}/{name}")
    edits = folder / "edits.toml"
    if edits.is_file():
        name = f"dev/topics/{topic.name}/edits.toml"
        made.edits = read_edits(read_text(edits, name), name)
    return made


def _overlay_texts(topic, topics, root):
    """Texts of the overlay that belong to a topic, by path."""
    texts = {}
    for name in overlay_files(root):
        file = name.removeprefix("gammapy/")
        listed = any(key.startswith(f"{file}:") for key in topic.definitions)
        is_its_own = topic_of(file, topics) == topic.name
        if not (listed or is_its_own):
            continue
        text = read_text(root / name, name)
        shared = any(
            key.startswith(f"{file}:") for other in topics for key in other.definitions
        )
        if shared and file.endswith(".py"):
            names = [
                definition
                for definition in qualified_definitions(text, name)
                if owner_of(file, definition, topics) == topic.name
            ]
            text = select_definitions(text, name, names)
        texts[name] = text
    return texts


def edits_by_file(edits):
    """Edits of each file, in order."""
    found = {}
    for edit in edits:
        found.setdefault(edit.file, []).append(edit)
    return found
