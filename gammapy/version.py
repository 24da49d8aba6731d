# Licensed under a 3-clause BSD style license - see LICENSE.rst
from importlib import metadata

version = metadata.version("gammapy")
