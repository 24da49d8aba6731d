# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Old place of `~gammapy.utils.atomic.write_files`."""

from gammapy.utils.atomic import check_absent, write_files  # noqa: F401

__all__ = []
