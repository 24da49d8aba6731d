# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of the sky and what is drawn on them."""

__all__ = []
