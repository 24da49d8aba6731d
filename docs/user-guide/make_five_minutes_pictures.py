# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the code of ``five_minutes.rst`` and make its pictures, see ``pages.py``."""

import sys
from pathlib import Path
from pages import ROOT, main

sys.path.append(str(ROOT / "examples"))
import j1702_files  # noqa: E402

PAGE = Path(__file__).with_name("five_minutes.rst")

if __name__ == "__main__":
    sys.exit(main(PAGE, setup=j1702_files.write_fit))
