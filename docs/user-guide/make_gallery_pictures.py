# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the code of ``gallery.rst`` and make its pictures, see ``pages.py``."""

import sys
from pathlib import Path
from pages import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).with_name("gallery.rst")))
