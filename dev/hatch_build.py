# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Build hook: what goes into the wheel is the base with the overlay merged into it."""

import shutil
import sys
from pathlib import Path
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import overlay  # noqa: E402


class MergeHook(BuildHookInterface):
    """Merge into ``build/merged``, which a wheel packs and an editable install uses."""

    def initialize(self, version, build_data):
        merged = Path(self.root, "build", "merged")
        try:
            base = overlay.find_base()
            overlay.merge(base, merged)
        except overlay.OverlayError as error:
            sys.exit(str(error))

        licences = Path(self.root, "build", "gammapy-2.1")
        licences.mkdir(parents=True, exist_ok=True)
        for path in base.licences:
            shutil.copy(path, licences)

        # The base has a compiled module, so the wheel is for one platform.
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"][str(merged / "gammapy")] = "gammapy"
