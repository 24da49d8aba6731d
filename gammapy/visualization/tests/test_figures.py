# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import matplotlib.pyplot as plt
from gammapy.visualization.figures import save_figure


def test_figures_are_closed(tmp_path):
    for path in (tmp_path / "a.png", tmp_path / "missing" / "a.png"):
        figure, _ = plt.subplots()
        if path.parent.exists():
            save_figure(figure, path)
        else:
            with pytest.raises(OSError):
                save_figure(figure, path)
        assert not plt.get_fignums()
    assert plt.imread(tmp_path / "a.png").ndim == 3
