# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Old names of keys in YAML files and of flags, which stay for a release.

Old names of arguments stay by `~gammapy.utils.deprecation.deprecated_renamed_argument`,
those of attributes by `~gammapy.utils.deprecation.deprecated_attribute`.
"""

import warnings
from gammapy.utils.deprecation import GammapyDeprecationWarning

__all__ = ["rename_flags", "rename_keys"]


def rename_keys(settings, names, *, since, where=""):
    """Settings with new names for old keys, with a warning for each.

    Parameters
    ----------
    settings : dict
        Settings of one section; they are not changed.
    names : dict
        New names by old ones.
    since : str
        Release since which the old ones are deprecated.
    where : str, optional
        Section, for the messages. Default is "", none.

    Returns
    -------
    settings : dict
        Settings, in their order.

    Raises
    ------
    ValueError
        If a key is given by its old and by its new name.

    Examples
    --------
    >>> import warnings
    >>> from gammapy.utils.aliases import rename_keys
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     rename_keys({"radius": "0.1 deg"}, {"radius": "width"}, since="2.2")
    ...     print(caught[0].message)
    {'width': '0.1 deg'}
    The key 'radius' is deprecated since 2.2: use 'width'.
    """
    prefix = f"{where}: " if where else ""
    renamed = {}
    for key, value in settings.items():
        new = names.get(key, key) if isinstance(key, str) else key
        if new != key:
            if new in settings:
                raise ValueError(
                    f"{prefix}expected one of {new!r} and {key!r}, its old name, got"
                    f" both: remove {key!r}."
                )
            _warn(f"{prefix}The key {key!r}", new, since)
        renamed[new] = value
    return renamed


def rename_flags(arguments, names, *, since):
    """Arguments of a command with new names for old flags, with a warning for each.

    Parameters
    ----------
    arguments : list of str
        Arguments; they are not changed.
    names : dict
        New flags by old ones, such as ``{"--old": "--new"}``.
    since : str
        Release since which the old ones are deprecated.

    Returns
    -------
    arguments : list of str
        Arguments.

    Examples
    --------
    >>> import warnings
    >>> from gammapy.utils.aliases import rename_flags
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     rename_flags(["--to=a.png", "--force"], {"--to": "--plot"}, since="2.2")
    ...     print(caught[0].message)
    ['--plot=a.png', '--force']
    The flag '--to' is deprecated since 2.2: use '--plot'.
    """
    # What follows is no flag, whatever it looks like.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    renamed = []
    for argument in arguments[:end]:
        flag, *value = argument.split("=", maxsplit=1)
        new = names.get(flag, flag)
        if new != flag:
            _warn(f"The flag {flag!r}", new, since)
        renamed.append("=".join([new, *value]))
    return [*renamed, *arguments[end:]]


def _warn(what, new, since):
    warnings.warn(
        f"{what} is deprecated since {since}: use {new!r}.",
        GammapyDeprecationWarning,
        stacklevel=3,
    )
