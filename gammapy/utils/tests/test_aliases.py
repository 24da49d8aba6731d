# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Old names of arguments, keys, attributes and flags, all of them made up."""

import warnings
import pytest
from gammapy.utils.aliases import rename_flags, rename_keys
from gammapy.utils.deprecation import (
    GammapyDeprecationWarning,
    deprecated_renamed_argument,
)


def test_argument():
    @deprecated_renamed_argument("radius", "width", "2.2")
    def area(*, width):
        return width**2

    with pytest.warns(GammapyDeprecationWarning, match="radius.*width"):
        assert area(radius=3) == 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert area(width=3) == 9


def test_keys():
    settings = {"a": 1, "radius": 2, 3: 4}
    message = "residuals: The key 'radius' is deprecated since 2.2: use 'width'."
    with pytest.warns(GammapyDeprecationWarning) as caught:
        renamed = rename_keys(
            settings, {"radius": "width"}, since="2.2", where="residuals"
        )
    assert [str(warning.message) for warning in caught] == [message]
    assert list(renamed.items()) == [("a", 1), ("width", 2), (3, 4)]
    assert settings == {"a": 1, "radius": 2, 3: 4}
    with pytest.raises(ValueError, match="one of 'width' and 'radius', its old name"):
        rename_keys({"radius": 1, "width": 2}, {"radius": "width"}, since="2.2")


@pytest.mark.parametrize(
    ("arguments", "expected", "n_warnings"),
    [
        (["x", "--to", "a.png"], ["x", "--plot", "a.png"], 1),
        (["--to=b=c", "--to=d"], ["--plot=b=c", "--plot=d"], 2),
        (["--total", "--plot", "a"], ["--total", "--plot", "a"], 0),
        (["--", "--to"], ["--", "--to"], 0),
    ],
)
def test_flags(arguments, expected, n_warnings):
    before = list(arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert rename_flags(arguments, {"--to": "--plot"}, since="2.2") == expected
    assert len(caught) == n_warnings
    for warning in caught:
        assert warning.category is GammapyDeprecationWarning
        assert str(warning.message) == (
            "The flag '--to' is deprecated since 2.2: use '--plot'."
        )
    assert arguments == before
