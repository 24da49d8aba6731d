# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names of the files that datasets are written to."""

import re

__all__ = []

# Separators of folders, begin of a variable, control characters, and leading dots,
# which hide a file.
NO_PART_OF_A_NAME = re.compile(r"[/\\$\x00-\x1f\x7f]|^\.+")


def file_stem(name):
    """Name of a dataset as part of a file name.

    Parameters
    ----------
    name : str
        Name of a dataset, which may be any text.

    Returns
    -------
    stem : str
        The name, with "_" instead of characters that would change the folder or hide
        the file.

    Examples
    --------
    >>> from gammapy.datasets.filenames import file_stem
    >>> file_stem("HESS J1702-420"), file_stem("../$HOME")
    ('HESS J1702-420', '___HOME')
    """
    return NO_PART_OF_A_NAME.sub("_", name) or "_"


def check_filenames(datasets):
    """Raise a ValueError if two datasets have the same file.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with different names.
    """
    names = {}
    for dataset in datasets:
        filename = dataset.to_dict()["filename"]
        if filename in names:
            raise ValueError(
                f"Datasets {names[filename]!r} and {dataset.name!r} would both be "
                f"written to {filename!r}; rename one of them."
            )
        names[filename] = dataset.name
