# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import astropy.units as u
from gammapy.utils.array import check_array, check_broadcast


def test_check_array():
    array = check_array("counts", [[1, 2], [3, 4]])
    assert array.dtype == float
    assert array.tolist() == [[1, 2], [3, 4]]
    assert check_array("counts", u.Quantity(3)) == 3


@pytest.mark.parametrize("values", ["many", [[1, 2], [3]], [1, None], [1] * u.TeV])
def test_check_array_of_something_else(values):
    with pytest.raises(TypeError, match="counts: expected numbers without a unit, got"):
        check_array("counts", values)


def test_check_broadcast():
    arrays = {"counts": check_array("counts", [1, 2]), "npred": check_array("npred", 1)}
    check_broadcast(**arrays)
    arrays["npred"] = check_array("npred", [1, 2, 3])
    with pytest.raises(ValueError, match=r"counts, npred: .*, got \(2,\), \(3,\)"):
        check_broadcast(**arrays)
