# Licensed under a 3-clause BSD style license - see LICENSE.rst
import json
import pytest
import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.diagnostics import DiagnosticResult
from gammapy.utils.testing import check_bad_input


class Spots(DiagnosticResult):
    COLUMNS = {"name": "", "lon": ".2f", "sqrt_ts": ".1f"}

    @property
    def verdict(self):
        return f"{len(self.table)} spots <of note>."


class Other(Spots):
    pass


@pytest.fixture
def spots():
    table = Table({"name": ["a", "b & c"], "sqrt_ts": [5.125, np.nan]})
    table["lon"] = [83.633, np.inf] * u.deg
    table["n"] = [1, 2]
    return Spots(table, {"seed": 3, "radii": ["0.1 deg"]}, ["One note."])


def test_file(spots, tmp_path):
    path = tmp_path / "spots.ecsv"
    spots.write(path)
    other = Spots.read(path)
    assert other.table.colnames == ["name", "sqrt_ts", "lon", "n"]
    assert other.table["lon"].unit == "deg"
    assert other.table["sqrt_ts"][0] == 5.125
    assert np.isnan(other.table["sqrt_ts"][1])
    assert other.meta == {"seed": 3, "radii": ["0.1 deg"]}
    assert other.notes == ["One note."]
    assert str(other) == str(spots)
    assert [file.name for file in tmp_path.iterdir()] == ["spots.ecsv"]


def test_dict(spots):
    data = json.loads(json.dumps(spots.to_dict(), allow_nan=False))
    assert data["diagnostic"] == "Spots"
    assert data["verdict"] == "2 spots <of note>."
    assert data["seed"] == 3
    assert data["units"] == {"lon": "deg"}
    assert data["table"][1] == {"name": "b & c", "sqrt_ts": None, "lon": None, "n": 2}


def test_texts(spots):
    text = str(spots)
    for words in ("Spots", "2 spots", "seed            : 3", "One note.", "83.63 "):
        assert words in text
    html = spots._repr_html_()
    assert "2 spots &lt;of note&gt;." in html
    assert "b &amp; c" in html


def test_nothing_changes_it(spots):
    spots.table["name"][0] = "other"
    spots.meta["radii"].append("1 deg")
    spots.notes.append("No.")
    assert spots.table["name"][0] == "a"
    assert spots.meta["radii"] == ["0.1 deg"]
    assert spots.notes == ["One note."]


def test_bad_input(spots, tmp_path):
    check_bad_input(lambda: Spots(None), TypeError, "table", "None")
    table = Table({"name": ["a"]})
    check_bad_input(lambda: Spots(table), ValueError, "lon, sqrt_ts", "got name")
    check_bad_input(lambda: Spots.read(tmp_path / "no.ecsv"), OSError, "no.ecsv")
    check_bad_input(lambda: Spots.read(3), TypeError, "filename", "3")
    path = tmp_path / "spots.ecsv"
    table.write(path)
    check_bad_input(lambda: Spots.read(path), ValueError, "spots.ecsv", "no Spots")
    check_bad_input(lambda: spots.write(path), OSError, "overwrite=True")
    spots.write(path, overwrite=True)
    check_bad_input(lambda: Other.read(path), ValueError, "no Other but a 'Spots'")
    path.write_text("something else")
    check_bad_input(lambda: Spots.read(path), ValueError, "no Spots")


def test_later_format(spots, tmp_path, caplog):
    path = tmp_path / "spots.ecsv"
    spots.write(path)
    path.write_text(path.read_text().replace("format: 1", "format: 2"))
    assert len(Spots.read(path).table) == 2
    assert "later version" in caplog.text
