# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the commands of ``hli.rst`` and keep their pictures, see ``pages.py``.

All of it needs ``$GAMMAPY_DATA``, and takes a minute of CPU.
"""

import shutil
import sys
from pathlib import Path
from pages import ROOT, main

PAGE = Path(__file__).with_name("hli.rst")

#: Results of the command that the page shows.
RESULTS = (
    "residuals_maps",
    "residuals_spectrum",
    "flux_points",
    "flux_points_nuisance",
    "datasets_background",
)


def copy_configuration(folder):
    """Copy the configuration into the folder in which the commands run."""
    shutil.copy(ROOT / "examples" / "msh1552.yaml", folder)


if __name__ == "__main__":
    pictures = {f"hli_{name}.png": f"msh1552/{name}.png" for name in RESULTS}
    options = {"setup": copy_configuration, "needs_data": True}
    sys.exit(main(PAGE, pictures=pictures, **options))
