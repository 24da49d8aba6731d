# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Build hooks: what goes into the wheel is the base with the overlay merged into it."""

import shutil
import sys
from pathlib import Path
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import overlay  # noqa: E402


def or_exit(function, *args):
    """Call a function of the overlay; its errors are lines for the user."""
    try:
        return function(*args)
    except overlay.OverlayError as error:
        sys.exit(str(error))


class LicenceHook(MetadataHookInterface):
    """Name our licence and the base's, which is fetched beforehand."""

    def update(self, metadata):
        folder = Path(self.root, "build", "gammapy-2.1")
        base = or_exit(overlay.find_base)
        folder.mkdir(parents=True, exist_ok=True)
        for path in base.licences:
            shutil.copy(path, folder)
        licences = [f"build/gammapy-2.1/{path.name}" for path in base.licences]
        metadata["license-files"] = ["LICENSE.rst", *licences]


class MergeHook(BuildHookInterface):
    """Merge into the folder that an editable install uses, or that a wheel packs."""

    def initialize(self, version, build_data):
        is_editable = version == "editable"
        # A wheel for another Python must not touch the folder of an editable install:
        # the compiled module of the base is for one version.
        merged = Path(self.root, "build", "merged" if is_editable else "wheel")
        or_exit(overlay.merge, or_exit(overlay.find_base), merged)

        # The base has a compiled module, so the wheel is for one platform.
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if not is_editable:
            build_data["force_include"][str(merged / "gammapy")] = "gammapy"
