# Licensed under a 3-clause BSD style license - see LICENSE.rst
from pathlib import Path
from gammapy.analysis.products import RESULT_FILES
from gammapy.analysis.written import CONTENTS, files_text

FILES = {"datasets_file": Path("data/runs.yaml"), "models_file": Path("out/m.yaml")}


def test_folder_by_folder():
    """Each file once, with what it holds."""
    names = ["data/runs.yaml", "data/a.fits", "out/m.yaml", "out/m_covariance.dat"]
    paths = [Path(name) for name in (*names, "out/parameters.ecsv", "data/runs.yaml")]
    text = files_text(paths, **FILES, history=Path.cwd() / "history/steps/0000-first")
    assert text.splitlines() == [
        "Written to data:",
        "  a.fits     counts and responses",
        "  runs.yaml  datasets",
        "Written to out:",
        "  m.yaml            models",
        "  m_covariance.dat  covariance of the parameters",
        "  parameters.ecsv   free and frozen parameters with full precision",
        "Written to history/steps/0000-first: step of the history of fits",
    ]


def test_many_datasets():
    """They do not hide the rest."""
    paths = [Path(f"data/run-{number:03}.fits") for number in range(360)]
    text = files_text([*paths, Path("data/runs.yaml")], **FILES)
    assert text.splitlines() == [
        "Written to data:",
        "  runs.yaml                      datasets",
        "  run-000.fits ... run-359.fits  counts and responses, 360 files",
    ]


def test_all_results_are_known():
    assert set(RESULT_FILES) <= set(CONTENTS)
