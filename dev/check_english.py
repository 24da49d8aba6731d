# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Look for phrases that are not plain English, in code, messages and documentation.

The list is short: words that were found in our own texts and that a reader stumbles
over. Each has what to write instead. A file of the base is not looked at.
"""

import re
import sys
from pathlib import Path

__all__ = ["find_phrases", "main"]

ROOT = Path(__file__).parents[1]

#: Folders and files with text of ours.
PLACES = ("gammapy", "dev", "docs", "examples", "README.rst", "CHANGES.rst", "Makefile")
SUFFIXES = (".py", ".rst", ".sh", ".yaml", "")

#: Files that quote what they refuse.
QUOTING = ("dev/check_english.py", "dev/tests/test_check_english.py")

#: What is made by other targets.
MADE = ("docs/api", "docs/tutorials")

#: Phrase, as a regular expression, and what to write instead.
PHRASES = {
    r"anew": "again, or: new",
    r"choose of": "choose from",
    r"choose one of": "choose from",
    r"those who": "users who, or: whoever",
    r"who comes from": "if you come from",
    r"(that|which) (is|are) none": "that is not one, or name what it is",
    r"do not wonder": "say what differs and why",
    r"is content": "converged",
    r"does not care for": "does not depend on",
    r"not one word": "nothing",
}


def find_phrases(text, phrases=None):
    """Refused phrases of a text.

    Parameters
    ----------
    text : str
        Text.
    phrases : dict, optional
        What to write instead, by regular expression. Default is the list of this
        module.

    Returns
    -------
    found : list of tuple
        Number of the line, phrase as it is written, and what to write instead.
    """
    found = []
    for pattern, instead in (PHRASES if phrases is None else phrases).items():
        # A phrase may go on in the next line, behind the sign of a comment.
        spaced = pattern.replace(" ", r"(?:\s|#)+")
        for match in re.finditer(rf"\b{spaced}\b", text, flags=re.IGNORECASE):
            line = text.count("\n", 0, match.start()) + 1
            found.append((line, " ".join(match.group().split()), instead))
    return sorted(found)


def text_files(root=ROOT):
    """Files with text of ours."""
    for place in PLACES:
        path = root / place
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            name = file.relative_to(root).as_posix()
            is_left_out = name in QUOTING or name.startswith(MADE)
            # Caches, such as that of ruff beside a configuration of its own.
            is_cache = "__pycache__" in name or "/." in name
            if is_left_out or is_cache or file.suffix not in SUFFIXES:
                continue
            if file.is_file():
                yield file


def main(root=ROOT):
    """Print what was found, and return the exit code."""
    n_found = 0
    for file in text_files(root):
        for line, phrase, instead in find_phrases(file.read_text()):
            print(f"{file.relative_to(root)}:{line}: {phrase!r}: {instead}")
            n_found += 1
    return int(n_found > 0)


if __name__ == "__main__":
    sys.exit(main())
