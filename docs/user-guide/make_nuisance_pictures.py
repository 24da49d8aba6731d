# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the code of ``nuisance.rst`` and make its pictures.

The Python blocks of the page run in order, as one program, and print what the page
quotes; the picture that follows a block is the figure that the block drew::

    make demo  # the page looks at its results
    python docs/user-guide/make_nuisance_pictures.py

The real runs are read from ``$GAMMAPY_DATA/hess-dl3-dr1``.
"""

import os
import re
import textwrap
from pathlib import Path
import matplotlib
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("nuisance.rst")
DPI = 75

# A Python block with its indented lines, or the path of an image.
PART = re.compile(
    r"^\.\. code-block:: python\n\n(?P<code>(?:(?: {4}.*)?\n)+)"
    r"|^\.\. image:: (?P<image>.+)$",
    re.MULTILINE,
)


def main():
    """Run the page from the root of the repository."""
    os.chdir(ROOT)
    matplotlib.use("agg")
    names = {"__name__": "__main__"}
    text = PAGE.read_text(encoding="utf-8")
    for part in PART.finditer(text):
        if part["image"]:
            path = (PAGE.parent / part["image"]).resolve()
            plt.gcf().savefig(path, dpi=DPI)
            plt.close("all")
            print(f"--- wrote {path.relative_to(ROOT)}, {path.stat().st_size} bytes")
            continue
        line = text[: part.start("code")].count("\n") + 1
        print(f"--- {PAGE.name}, line {line}")
        exec(compile(textwrap.dedent(part["code"]), str(PAGE), "exec"), names)


if __name__ == "__main__":
    main()
