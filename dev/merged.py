# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the merge of a module gives: its text, and what was done to the base."""

import hashlib
from dataclasses import dataclass, field

__all__ = ["Digest", "Extension", "Merged"]


@dataclass(frozen=True)
class Digest:
    """Hashes of a definition of the base; "-" where there is nothing."""

    code: str
    docstring: str

    @classmethod
    def of(cls, *parts):
        """Digest of the lines of the code and of the docstring."""
        return cls(*map(_digest, parts))


def _digest(lines):
    """Hash of lines of text, "-" for none."""
    text = "\n".join(lines)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if lines else "-"


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
