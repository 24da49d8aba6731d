# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files to try the pages of the user guide with."""

import sys
from pathlib import Path
import pytest
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets

sys.path.insert(0, str(Path(__file__).parents[1]))
import j1702_files  # noqa: E402


@pytest.mark.parametrize("what, make", [("fit", "make_fit"), ("field", "make_field")])
def test_files(tmp_path, what, make):
    folder = tmp_path / "new" / what
    j1702_files.main([what, str(folder)])
    j1702_files.main([what, str(folder)])
    paths = folder / "datasets.yaml", folder / "models.yaml"
    datasets = Datasets.read(paths[0], filename_models=paths[1])
    expected = getattr(j1702_files, make)()
    assert datasets.models.names == expected.models.names
    assert_allclose(datasets.stat_sum(), expected.stat_sum(), rtol=1e-6)
    assert_allclose(
        datasets.models.covariance.data, expected.models.covariance.data, rtol=1e-4
    )
    shape = datasets.models["HESS J1702-420B"].spatial_model
    assert (shape.e.value == 0) == (what == "fit")


def test_other_files(tmp_path, capsys):
    with pytest.raises(SystemExit):
        j1702_files.main(["fits", str(tmp_path)])
    assert "choose from" in capsys.readouterr().err
