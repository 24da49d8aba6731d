# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
from astropy.table import Table
from gammapy.utils.ecsv import read_ecsv, write_ecsv
from gammapy.utils.testing import check_bad_input

WHAT = {"key": "diagnostic", "kind": "Sizes", "number": 2}


def size_of(table):
    return float(table["size"][0]), table.meta["seed"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "sizes.ecsv"
    write_ecsv(Table({"size": [1.5]}), path, **WHAT, meta={"seed": 3})
    return path


def test_round_trip(path, caplog):
    assert read_ecsv(path, size_of, **WHAT) == (1.5, 3)
    assert not caplog.records
    meta = Table.read(path).meta
    assert list(meta.items()) == [("diagnostic", "Sizes"), ("format", 2), ("seed", 3)]


def test_overwrite(path):
    before = path.read_bytes()
    table = Table({"size": [2.0]})
    with pytest.raises(OSError, match=r"sizes.ecsv"):
        write_ecsv(table, path, **WHAT, meta={})
    assert path.read_bytes() == before
    write_ecsv(table, path, **WHAT, meta={"seed": 4}, overwrite=True)
    assert read_ecsv(path, size_of, **WHAT) == (2, 4)
    with pytest.raises(OSError, match="folder"):
        write_ecsv(table, path.parent / "none" / "sizes.ecsv", **WHAT, meta={})


def test_later_format(path, caplog):
    caplog.set_level(logging.WARNING)
    assert read_ecsv(path, size_of, **WHAT | {"number": 1}) == (1.5, 3)
    assert "later version" in caplog.text


def test_bad_files(path, tmp_path):
    def read(name, **options):
        return lambda: read_ecsv(tmp_path / name, size_of, **WHAT | options)

    other = "has no Angles but a 'Sizes'"
    check_bad_input(read("sizes.ecsv", kind="Angles"), ValueError, other)
    damaged = "damaged, or not a file that Sizes.write made"
    check_bad_input(read("sizes.ecsv", key="residuals"), ValueError, damaged)
    (tmp_path / "text.ecsv").write_text("no table")
    check_bad_input(read("text.ecsv"), ValueError, "text.ecsv", damaged)
    Table({"length": [1]}).write(tmp_path / "plain.ecsv")
    check_bad_input(read("plain.ecsv"), ValueError, "plain.ecsv", damaged)
    # The columns are not those that are wanted.
    write_ecsv(Table({"length": [1]}), tmp_path / "length.ecsv", **WHAT, meta={})
    check_bad_input(read("length.ecsv"), ValueError, "length.ecsv", damaged)
    with pytest.raises(OSError, match="no file"):
        read("none.ecsv")()
    what = WHAT | {"meta": {}}
    write = write_ecsv
    table = Table({"size": [1.0]})
    check_bad_input(lambda: write(table, 3, **what), TypeError, "filename", "3")
    what["overwrite"] = "yes"
    check_bad_input(lambda: write(table, path, **what), TypeError, "overwrite")
