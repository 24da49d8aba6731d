# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Look for phrases that are not plain English, in code, messages and documentation.

The list has phrases that were found in our own texts more than once and that a reader
stumbles over, each with its replacement. Files of the base are not checked.

One thing has one term, that of Gammapy where there is one:

- observation (not run), with its ``obs_id``; run is what a script or an estimator does;
- component: a model of the sky or of a background; source: what is on the sky;
- predicted counts (npred), counts, excess, background; on counts and off counts;
- background norm (not normalisation) for the parameter;
- fit statistic (stat), TS for its differences, sqrt_ts or significance, unit: sigma;
- hot spot (short: spot) of either sign; deficit for too few counts;
- bound for the minimum or maximum of a parameter, upper limit for fluxes;
- nuisance parameter for all that is fitted beside the result;
- correlation radius, kernel, energy group, mask_safe, mask_fit;
- toys for options and messages, simulations in the user guide;
- starting value, starting model; figure (not picture).

What is in ``gammapy/`` is to read as if it was written there: no word of where it is
kept, nor of the version that it is added to.
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
    r"mend(s|ed|ing)?": "fix, correct",
    r"nobody (knows|asked)": "is not known, or: is not set",
    r"as ever": "as in Gammapy 2.1",
    r"at (its|their) word": "reliable",
    r"(there )?as a whole,? or not at all": "completely or not at all",
    r"arrays in, arrays out": "functions of arrays",
    r"without a word": "silently, or: without a warning",
    r"means? nothing": "is not defined, or: is not meaningful",
    r"is to be said": "name it: notes, a warning",
    r"if (this can be|these are|this is|it is) (none|no)": "if NAME has the wrong type",
    r"that there (is|are) not": "unknown",
    r"(is|are) told": "gets, or: is set",
    r"from which on": "above which",
    r"promises": "expects",
    r"are made again": "are computed again",
    r"those of before": "earlier ones",
}

_BEFORE = "Gammapy|as|by|in|of|since|than|that|what|where|with"
_UNITS = r"deg|arcmin|arcsec|sr|keV|MeV|GeV|TeV|PeV|sigma|counts|times|degrees|pixels"

#: The same for files of the package.
PACKAGE_PHRASES = {
    r"(the|this|our) fork": "say what the code does",
    r"overlays?": "say what the code does, or: on top of",
    r"upstream": "say what the code does, or: issue 1234",
    rf"({_BEFORE}) v?2\.1(?!\.?\d| ({_UNITS}))": "say what the code does",
    rf"2\.1(?='s| [a-z]+s\b| did\b| had\b)(?! ({_UNITS}))": "say what the code does",
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
        name = file.relative_to(root).as_posix()
        phrases = PHRASES | PACKAGE_PHRASES if name.startswith("gammapy/") else PHRASES
        for line, phrase, instead in find_phrases(file.read_text(), phrases):
            print(f"{name}:{line}: {phrase!r}: {instead}")
            n_found += 1
    return int(n_found > 0)


if __name__ == "__main__":
    sys.exit(main())
