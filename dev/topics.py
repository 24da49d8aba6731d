# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The list of topics, ``topics.toml``: what belongs to which, and what is needed first.

Each has

- ``name`` and ``title``;
- ``files``: patterns below ``gammapy/``. Of patterns that a file has, the longest says
  which topic it belongs to;
- ``definitions``: definitions of other files that belong to it, as
  ``modeling/fit.py:Fit.run``;
- ``needs``: names of topics that have to be merged before;
- ``kind``: "defect" or "feature", and ``note``: type of the release note;
- ``facts``: what a human needs to know to propose it.

The first topics have material of their own in ``topics/NAME``, see
``docs/development/upstream.rst``. With ``from_overlay`` their files and definitions of
the overlay are exported too, else that material is all.
"""

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["KINDS", "Topic", "owner_of", "read_topics", "topic_of"]

ROOT = Path(__file__).parents[1]

KINDS = ("defect", "feature")


@dataclass(frozen=True)
class Topic:
    """A change to Gammapy that can be reviewed by itself."""

    name: str
    title: str
    files: tuple = ()
    needs: tuple = ()
    definitions: tuple = ()
    kind: str = "feature"
    note: str = "feature"
    from_overlay: bool = False
    facts: dict = field(default_factory=dict)


def read_topics(path=ROOT / "dev" / "topics.toml"):
    """Topics in the order in which they can be merged.

    Parameters
    ----------
    path : `pathlib.Path`
        File. Default is that of the repository.

    Returns
    -------
    topics : list of `Topic`
        The topics.

    Raises
    ------
    ValueError
        If a name is there twice, or a topic needs one that does not come before it.
    """
    topics = []
    for entry in tomllib.loads(path.read_text())["topic"]:
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
        try:
            topic = Topic(**values)
        except TypeError as error:
            raise ValueError(f"{path.name}: {entry.get('name')!r}: {error}") from None
        before = [other.name for other in topics]
        if topic.kind not in KINDS:
            raise ValueError(
                f"{path.name}: {topic.name!r}: kind is not one of {KINDS}."
            )
        if topic.name in before:
            raise ValueError(f"{path.name}: there are two topics {topic.name!r}.")
        missing = set(topic.needs) - set(before)
        if missing:
            raise ValueError(
                f"{path.name}: {topic.name!r} needs {sorted(missing)}, which do not "
                "come before it."
            )
        topics.append(topic)
    return topics


def topic_of(file, topics):
    """Name of the topic that a file belongs to.

    Parameters
    ----------
    file : str
        Path below ``gammapy/``.
    topics : list of `Topic`
        Topics.

    Returns
    -------
    name : str
        Name of the topic.

    Raises
    ------
    ValueError
        If no topic has it, or two have it with patterns of the same length.
    """
    found = [
        (len(pattern.replace("*", "")), topic.name)
        for topic in topics
        for pattern in topic.files
        # A star stays in its folder.
        if fnmatchcase(file, pattern) and file.count("/") == pattern.count("/")
    ]
    if not found:
        raise ValueError(f"gammapy/{file} is on no topic: add it to dev/topics.toml.")
    longest = max(found)[0]
    names = {name for length, name in found if length == longest}
    if len(names) > 1:
        raise ValueError(f"gammapy/{file} is on the topics {sorted(names)}.")
    return names.pop()


def owner_of(file, definition, topics):
    """Name of the topic that a definition of a file belongs to.

    Parameters
    ----------
    file : str
        Path below ``gammapy/``.
    definition : str
        Qualified name, such as "Fit.run".
    topics : list of `Topic`
        Topics.

    Returns
    -------
    name : str
        Name of the topic that lists it, or else that of the file.

    Raises
    ------
    ValueError
        If two topics list it, or none has the file.
    """
    parts = definition.split(".")
    keys = {f"{file}:{'.'.join(parts[: n + 1])}" for n in range(len(parts))}
    names = {topic.name for topic in topics if keys & set(topic.definitions)}
    if len(names) > 1:
        raise ValueError(f"gammapy/{file}: {definition} is on {sorted(names)}.")
    return names.pop() if names else topic_of(file, topics)
