# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that are written completely, or not at all."""

import pytest
from astropy.table import Table
from gammapy.utils.atomic import write_files


def text_writer(text):
    return lambda path: path.write_text(text)


def fail(path):
    path.write_text("half of it")
    raise RuntimeError("the disk is full")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_write_files(tmp_path):
    table = Table({"a": [1, 2]})
    paths = {
        tmp_path / "new" / "deep" / "table.ecsv": table.write,
        str(tmp_path / "text.txt"): text_writer("text"),
    }
    written = write_files(paths)
    assert written == [tmp_path / "new/deep/table.ecsv", tmp_path / "text.txt"]
    assert names(tmp_path) == ["new", "new/deep", "new/deep/table.ecsv", "text.txt"]
    assert Table.read(written[0])["a"].tolist() == [1, 2]
    write_files({tmp_path / "text.txt": text_writer("other")})
    assert written[1].read_text() == "other"


def test_failure_leaves_what_there_was(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    writers = {
        tmp_path / "a.txt": text_writer("after"),
        tmp_path / "new" / "deep" / "b.txt": text_writer("b"),
        tmp_path / "c.txt": fail,
    }
    with pytest.raises(RuntimeError, match="the disk is full"):
        write_files(writers)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


def test_refusal_comes_first(tmp_path):
    (tmp_path / "b.txt").write_text("before")
    calls = []
    writers = {tmp_path / "a.txt": calls.append, tmp_path / "b.txt": calls.append}
    with pytest.raises(OSError, match="b.txt' exists; overwrite=True replaces it"):
        write_files(writers, overwrite=False)
    assert not calls and names(tmp_path) == ["b.txt"]

    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(OSError, match="a.txt' and 1 more exist; overwrite=True replac"):
        write_files(writers, overwrite=False)

    (tmp_path / "a.txt").unlink()
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match="a.txt' is a folder"):
        write_files(writers)
    assert not calls


def test_folders_are_made_or_not(tmp_path):
    writers = {tmp_path / "new" / "a.txt": text_writer("a")}
    with pytest.raises(OSError, match="a.txt' is in a folder that does not exist"):
        write_files(writers, make_folders=False)
    assert not names(tmp_path)
    assert write_files(writers)[0].read_text() == "a"


def test_files_that_come_with_one(tmp_path):
    def write_two(path):
        path.with_name("other.txt").write_text("new")
        path.write_text("list")

    (tmp_path / "other.txt").write_text("before")
    with pytest.raises(OSError, match="other.txt' exists"):
        write_files({tmp_path / "list.txt": write_two}, overwrite=False)
    assert names(tmp_path) == ["other.txt"]
    assert (tmp_path / "other.txt").read_text() == "before"
    assert write_files({tmp_path / "list.txt": write_two}) == [tmp_path / "list.txt"]
    assert (tmp_path / "other.txt").read_text() == "new"


def test_links_stay(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    write_files({tmp_path / "link.txt": text_writer("after")})
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "after"
