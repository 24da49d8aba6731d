# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Extend a docstring of the base by one of the overlay.

An overlay docstring that begins with a section heading of numpydoc extends, one that
begins with a sentence replaces. What extends holds only what is new:

- an entry that the base has, under the same name, replaces that entry alone. Names
  that the base describes together, like ``x, y : float``, are replaced together.
- another entry of Parameters, Attributes or Methods must be in the signature, or be a
  member of the class. It goes after its predecessor there.
- another entry of Raises or Warns goes to the end.
- another entry of Returns, Yields or Receives stands below an entry ``...``, which is
  all that the base has: nothing else tells a value that is new from one that the base
  calls otherwise.
- text of the other sections, like Notes and Examples, is appended.
- a section that the base lacks is made where numpydoc wants it.

Everything is done on the source text, line by line: the base's lines keep their bytes.
"""

import inspect
import re
from dataclasses import dataclass

__all__ = ["DocstringError", "extend", "is_extending"]

#: Sections in the order of numpydoc.
SECTIONS = (
    "Parameters",
    "Attributes",
    "Methods",
    "Returns",
    "Yields",
    "Receives",
    "Other Parameters",
    "Raises",
    "Warns",
    "Warnings",
    "See Also",
    "Notes",
    "References",
    "Examples",
)
#: Sections whose new entries are looked up in the signature or the class.
ORDERED = ("Parameters", "Other Parameters", "Attributes", "Methods")
#: Sections in which only `REST` can tell what is new.
VALUES = ("Returns", "Yields", "Receives")
ENTRIES = (*ORDERED, *VALUES, "Raises", "Warns")
REST = "..."

# Headings of the base as they are found, too: "Note", "Other parameters".
TITLES = {section.lower(): section for section in SECTIONS}
TITLES |= {
    section.lower().removesuffix("s"): section
    for section in SECTIONS
    if section != "Warnings"
}

UNDERLINE = re.compile(r"""\s*([-=~^"'`*+#])\1{2,}\s*$""")
# "x", "x, *args : int", "run(a, b)" in a section Methods
NAMES = re.compile(r"([\\*]*\w+(?:\s*,\s*[\\*]*\w+)*)\s*(?:[:(]|$)")
LITERAL = re.compile(r"""([rRuU]?)(\"{3}|'{3}|"|')(.*)\2$""", re.DOTALL)


class DocstringError(Exception):
    """What is wrong with docstrings: pairs of a line of the overlay's and a message."""

    def __init__(self, *problems):
        super().__init__(*problems)
        self.problems = problems


@dataclass
class Section:
    """Lines of a docstring: what is above the first heading, or a section."""

    title: str
    lines: list
    #: index of the first line in the docstring
    at: int = 0

    @property
    def end(self):
        """Index of the line below the last one that is not blank."""
        filled = [n for n, line in enumerate(self.lines) if line.strip()]
        return filled[-1] + 1 if filled else 0


@dataclass
class Entry:
    """Lines of a section that describe one name, or several together."""

    names: tuple
    lines: list
    #: index of the first line in the docstring
    at: int = 0


class Literal:
    """A docstring in the source: its prefix, quotes and text."""

    def __init__(self, text):
        match = LITERAL.match(text)
        # two literals side by side would match as well
        if match is None or (len(match[2]) == 1 and match[2] in match[3]):
            raise DocstringError((0, "is no plain string"))
        self.prefix, self.quotes, self.text = match.groups()

    @property
    def is_raw(self):
        """Whether a backslash is one."""
        return self.prefix in ("r", "R")


def is_extending(text):
    """Whether a docstring begins with an underlined heading, not with a sentence."""
    lines = inspect.cleandoc(text).split("\n")
    return len(lines) > 1 and bool(UNDERLINE.match(lines[1])) and bool(lines[0].strip())


def extend(base, overlay, order, indent):
    """Source of a docstring of the base, extended.

    Parameters
    ----------
    base, overlay : str
        Source of the two literals, with their quotes.
    order : dict of str to list of str
        For each of the `ORDERED` sections the names that an entry may have.
    indent : int
        Indentation that the docstring is to have.

    Returns
    -------
    text : str
        Source of the literal. The first line is not indented.

    Raises
    ------
    DocstringError
        With everything that is wrong.
    """
    old, new = Literal(base), Literal(overlay)
    quotes = old.quotes if len(old.quotes) == 3 else '"""'
    check_literals(old, new, quotes)
    lines = old.text.split("\n")
    # the white space before the closing quotes belongs to them
    closed = len(lines) > 1 and not lines[-1].strip()
    lines = lines[:-1] if closed else lines
    margin = margin_of(lines, indent)
    sections = split(lines, margin, TITLES)
    problems = []
    for added in overlay_sections(new.text, problems):
        problems += _merge_section(sections, added, order, margin)
    if problems:
        raise DocstringError(*problems)
    lines = [line for section in sections for line in section.lines]
    first, *rest = [*lines, " " * margin]
    rest = [shifted(line, indent - margin) for line in rest]
    return "\n".join([f"{old.prefix}{quotes}{first}", *rest]) + quotes


def check_literals(old, new, quotes):
    """Check that text of one literal means the same in the other."""
    if new.is_raw != old.is_raw and "\\" in new.text:
        prefix = "with" if old.is_raw else "without"
        raise DocstringError(
            (0, f"holds a backslash: write it {prefix} r, as the base")
        )
    if old.quotes != quotes and ("\\" in old.text or quotes in old.text):
        raise DocstringError((0, "cannot be joined to a string with escapes"))
    if quotes in new.text:
        raise DocstringError((0, f"holds {quotes}, which are the quotes of the base"))


def indentation(line):
    """Width of the white space that begins a line."""
    return len(line) - len(line.lstrip())


def shifted(line, width):
    """A line that is indented by more, or by less where it can be."""
    if width >= 0:
        return " " * width + line if line.strip() or width == 0 else line
    return line[min(-width, indentation(line)) :]


def margin_of(lines, indent):
    """Indentation of the headings, or without any of the text."""
    found = [indentation(lines[n]) for n in range(1, len(lines)) if title(lines, n)]
    found = found or [indentation(line) for line in lines[1:] if line.strip()]
    return min(found, default=indent)


def title(lines, n, titles=TITLES):
    """Title of the section that begins at a line, or None."""
    if n + 1 < len(lines) and UNDERLINE.match(lines[n + 1]):
        return titles.get(lines[n].strip().lower())
    return None


def split(lines, margin, titles):
    """Sections of a docstring; the first one has no title."""
    sections = [Section("", [])]
    for n, line in enumerate(lines):
        # the first line follows the quotes
        name = title(lines, n, titles)
        if name and (n == 0 or indentation(line) == margin):
            sections.append(Section(name, [], n))
        sections[-1].lines.append(line)
    return sections


def overlay_sections(text, problems):
    """Sections of a docstring of the overlay, not indented."""
    above = len(text) - len(text.lstrip())
    offset = text[:above].count("\n")
    lines = inspect.cleandoc(text).split("\n")
    for n, line in enumerate(lines[:-1]):
        name = line.strip()
        is_title = re.fullmatch(r"[A-Z][a-z]+( [A-Za-z][a-z]+)*", line)
        is_heading = n == 0 or (is_title and UNDERLINE.match(lines[n + 1]))
        if is_heading and name not in SECTIONS:
            problems.append((n + offset, f"{name} is no section of numpydoc"))
    sections = split(lines, 0, {section.lower(): section for section in SECTIONS})[1:]
    seen = set()
    for section in sections:
        section.at += offset
        section.lines = section.lines[: section.end]
        if section.title in seen:
            problems.append((section.at, f"{section.title} is there twice"))
        if not any(line.strip() for line in section.lines[2:]):
            problems.append((section.at, f"{section.title} is empty"))
        seen.add(section.title)
    return sections


# sections


def _merge_section(sections, added, order, margin):
    """Merge a section of the overlay, and list what is wrong."""
    old = next((section for section in sections if section.title == added.title), None)
    is_new = old is None
    if is_new:
        old = Section(added.title, [shifted(line, margin) for line in added.lines[:2]])
    if added.title in ENTRIES:
        merge = _EntryMerge(sections, old, added, order, margin, is_new)
        problems = merge.run()
    else:
        problems = _append_text(old, added, margin)
    if is_new and not problems:
        _insert_section(sections, old)
    return problems


def _insert_section(sections, new):
    """Insert a section in the order of numpydoc, with blank lines around."""
    rank = SECTIONS.index(new.title)
    ranks = [
        SECTIONS.index(section.title) if section.title else -1 for section in sections
    ]
    at = next((n for n, own in enumerate(ranks) if own > rank), len(sections))
    above = sections[at - 1]
    if above.lines and above.end == len(above.lines):
        above.lines.append("")
    if at < len(sections):
        new.lines.append("")
    sections.insert(at, new)


def _append_text(old, added, margin):
    """Append text to a section, and list what is wrong."""
    label = re.compile(r"\s*\.\. \[(\w+)\]")
    labels = {line[1] for line in map(label.match, old.lines) if line}
    text = added.lines[2:]
    problems = [
        (added.at + 2 + n, f"{added.title}: the base has a reference [{match[1]}]")
        for n, match in enumerate(map(label.match, text))
        if match and match[1] in labels
    ]
    blank = [""] if old.end > 2 else []
    old.lines[old.end : old.end] = [*blank, *(shifted(line, margin) for line in text)]
    return problems


def names_of(header):
    """Names that the first line of an entry describes, without stars."""
    header = header.strip()
    # not all of the base has a blank before the colon
    match = NAMES.match(header)
    head = match[1] if match else header
    return tuple(name.strip().lstrip("\\*") for name in head.split(","))


def entries_of(section, margin):
    """Lines of a section below its heading that are no entry, and its entries."""
    loose, entries = [], []
    for n, line in enumerate(section.lines[2:], start=2):
        if line.strip() and indentation(line) <= margin:
            entries.append(Entry(names_of(line), [line], section.at + n))
        elif entries:
            entries[-1].lines.append(line)
        else:
            loose.append(line)
    return loose, entries


class _EntryMerge:
    """Merges the entries of one section."""

    def __init__(self, sections, old, added, order, margin, is_new):
        self.sections = sections
        self.section = old
        self.added = added
        self.title = added.title
        self.order = order.get(self.title, [])
        self.margin = margin
        self.is_new = is_new
        self.loose, self.entries = entries_of(old, margin)
        self.problems = []

    def run(self):
        """Merge into the section of the base, and list what is wrong."""
        loose, entries = entries_of(self.added, 0)
        if any(line.strip() for line in loose):
            self.problem(self.added, f"{self.title} begins with no entry")
        below_rest = False
        for entry in entries:
            if entry.names == (REST,):
                below_rest = True
                self.check_rest(entry)
            elif self.is_allowed(entry, below_rest):
                self.merge(entry)
        lines = [line for entry in self.entries for line in entry.lines]
        self.section.lines = [*self.section.lines[:2], *self.loose, *lines]
        return self.problems

    def problem(self, entry, message):
        """Note an error at an entry of the overlay."""
        self.problems.append((entry.at, message))

    def check_rest(self, entry):
        """Check an entry that stands for all that the base has."""
        if self.title not in VALUES:
            places = ", ".join(VALUES)
            self.problem(entry, f"{self.title}: {REST} has a meaning in {places} only")
        elif self.is_new:
            self.problem(entry, f"{self.title}: {REST} stands for nothing in the base")

    def is_allowed(self, entry, below_rest):
        """Whether the names of an entry are known, or may be new."""
        known = {name for old in self.entries for name in old.names}
        unknown = [name for name in entry.names if name not in known]
        for name in unknown:
            where = f"{self.title}: {name}"
            if self.title in ORDERED and name not in self.order:
                what = "is no member of the class"
                if self.title in ("Parameters", "Other Parameters"):
                    what = "is not in the signature"
                self.problem(entry, f"{where} {what}, and not in the base's docstring")
                return False
            if other := self.elsewhere(name):
                self.problem(entry, f"{where} is in section {other} of the base")
                return False
            if self.title in VALUES and not self.is_new and not below_rest:
                has = ", ".join(sorted(known))
                self.problem(
                    entry,
                    f"{where} is not in the base's docstring, which has {has}: write"
                    f" {REST} above what is new",
                )
                return False
        return True

    def elsewhere(self, name):
        """The other section of the base that describes a parameter, or None."""
        pair = ("Parameters", "Other Parameters")
        for section in self.sections:
            if self.title in pair and section.title in set(pair) - {self.title}:
                _, entries = entries_of(section, self.margin)
                if any(name in entry.names for entry in entries):
                    return section.title
        return None

    def merge(self, entry):
        """Replace the entries of the same names, or insert a new one."""
        same = [known for known in self.entries if set(known.names) & set(entry.names)]
        counts = [name for old in same for name in old.names]
        for name in dict.fromkeys(counts):
            if name not in entry.names:
                together = ", ".join(
                    next(entry.names for entry in same if name in entry.names)
                )
                self.problem(
                    entry,
                    f"{self.title}: {', '.join(entry.names)} is one of {together} in"
                    " the base: describe them together",
                )
                return
            if counts.count(name) > 1:
                self.problem(entry, f"{self.title}: {name} is in the base twice")
                return
        end = Section("", entry.lines).end
        lines = [shifted(line, self.margin) for line in entry.lines[:end]]
        if not same:
            self.insert(Entry(entry.names, lines))
            return
        old = same[0]
        old.lines[: Section("", old.lines).end] = lines
        old.names = entry.names
        self.entries = [known for known in self.entries if known not in same[1:]]

    def insert(self, new):
        """Insert a new entry next to its neighbours in the signature."""
        at = len(self.entries)
        if self.title in ORDERED:
            places = {
                name: n for n, entry in enumerate(self.entries) for name in entry.names
            }
            here = self.order.index(new.names[0])
            before = [places[title] for title in self.order[:here] if title in places]
            after = [places[title] for title in self.order[here:] if title in places]
            at = before[-1] + 1 if before else min(after, default=at)
        if at:
            # blank lines between entries stay where they are, below the new one
            above = self.entries[at - 1]
            end = Section("", above.lines).end
            new.lines += above.lines[end:]
            del above.lines[end:]
        self.entries.insert(at, new)
