# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Minimum of a smooth statistic: arrays alone, it knows no datasets."""

__all__ = []
