# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the documentation shows of real events is there, dated, and still true."""

import json
import re
import sys
from datetime import date
from pathlib import Path
import pytest
from PIL import Image
import matplotlib.pyplot as plt
from gammapy.utils.testing import requires_data

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "dev")]

import make_recorded  # noqa: E402
import docs_sphinx  # noqa: E402
import recorded  # noqa: E402

TUTORIALS = [
    path.stem
    for path in sorted(recorded.TUTORIALS.glob("*.py"))
    if "GAMMAPY_DATA" in path.read_text(encoding="utf-8")
]

GUIDE = ROOT / "docs" / "user-guide"
PAGES = [
    path.name
    for path in sorted(GUIDE.glob("*.rst"))
    if re.search(r"GAMMAPY_DATA/|images/report_msh", path.read_text(encoding="utf-8"))
]

PAGE = """\
Title
=====

.. GENERATED FROM PYTHON SOURCE LINES 4-6

.. code-block:: Python


    a = 1

    print(a)


.. rst-class:: sphx-glr-script-out

 .. code-block:: none

    1

.. GENERATED FROM PYTHON SOURCE LINES 7-9

Text.

.. GENERATED FROM PYTHON SOURCE LINES 9-12

.. code-block:: Python

    print("$GAMMAPY_DATA")


.. rst-class:: sphx-glr-script-out

 .. code-block:: none

    NOTE: nothing is there.

.. rst-class:: sphx-glr-timing

   **Total running time**
"""

SCRIPT = '''\
"""
Title
=====
"""
import os
import matplotlib.pyplot as plt

# %%
# Text.

# why
print(f"$GAMMAPY_DATA is not read {1 / 3:.2f}")
plt.subplots(figsize=(2, 1))[1].set_title("A line")

# %%
# More.
print(os.sep * 2)
'''


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Record of a small tutorial in folders of the test."""
    monkeypatch.setattr(recorded, "ROOT", tmp_path)
    monkeypatch.setattr(recorded, "FOLDER", tmp_path / "recorded")
    monkeypatch.setattr(recorded, "TUTORIALS", tmp_path)
    data = {"release": "H.E.S.S. DL3 DR1", "n_observations": 105}
    monkeypatch.setattr(recorded, "new_stamp", lambda: ("2026-01-02", data))
    (tmp_path / "small.py").write_text(SCRIPT)
    yield recorded.Record("small")
    plt.close("all")


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials(name):
    assert name in docs_sphinx.RECORDED and name in make_recorded.NAMES
    record = recorded.Record(name)
    assert record.problems() == []
    assert date.fromisoformat(record.content["date"]) >= date(2026, 11, 26)
    assert re.fullmatch(recorded.STAMP, record.stamp)
    blocks = record.content["blocks"]
    assert sum(len(block["pictures"]) for block in blocks) >= 1
    text = "\n".join(line for block in blocks for line in block["text"])
    assert len(text) > 1000 and "NOTE" not in text and "/tmp" not in text


def test_all_tutorials_with_data_are_known():
    assert sorted(docs_sphinx.RECORDED) == sorted(make_recorded.NAMES) == TUTORIALS


@pytest.mark.parametrize("name", PAGES)
def test_pages(name):
    """A page of the guide says when and from what its results are."""
    text = (GUIDE / name).read_text(encoding="utf-8")
    assert recorded.STAMP.search(text)
    for picture in re.findall(r"images/(report_msh\w+\.png)", text):
        path = ROOT / "docs" / "images" / picture
        assert recorded.STAMP.search(Image.open(path).info["Description"])[0] in text
        assert path.stat().st_size <= recorded.MAX_SIZE


def test_write_and_check(record):
    assert "small.json is missing" in record.problems()[0]
    make_recorded.write("small")
    assert record.problems() == [] and make_recorded.check("small") == []
    first, second = record.content["blocks"]
    assert first["text"] == ["$GAMMAPY_DATA is not read 0.33"]
    assert first["pictures"] == [{"file": "small_1.png", "alt": "A line"}]
    assert second["text"] == ["//"] and second["pictures"] == []
    image = Image.open(recorded.FOLDER / "small_1.png")
    assert image.size == (200, 100)
    assert (
        "recorded on 2026-01-02 from H.E.S.S. DL3 DR1, 105" in image.info["Description"]
    )

    # A number that is no longer true, and a picture that is lost or of another day.
    content = json.loads(record.path.read_text().replace("0.33", "0.63"))
    record.path.write_text(json.dumps(content))
    (problem,) = make_recorded.check("small")
    assert "0.63" in problem and "0.33" in problem
    record.path.write_text(json.dumps(content | {"date": "2026-01-03"}))
    (problem,) = recorded.Record("small").problems()
    assert "small_1.png is not of the record" in problem
    (recorded.FOLDER / "small_1.png").unlink()
    (problem,) = recorded.Record("small").problems()
    assert "small_1.png is missing" in problem


def test_changed_code(record):
    make_recorded.write("small")
    commented = SCRIPT.replace("# why\n", "# because of this\n\n")
    record.script.write_text(commented)
    assert record.problems() == []
    record.script.write_text(SCRIPT.replace("1 / 3", "1 / 4"))
    (problem,) = record.problems()
    assert "is of other code than small.py has" in problem
    assert make_recorded.check("small") == [problem]


def test_insert(record):
    make_recorded.write("small")
    (first, _second) = record.outputs
    text = recorded.insert(PAGE.replace("LINES 9-", f"LINES {first}-"), record)
    before, after = text.split(".. note::")
    assert before == PAGE[: len(before)] and "    1\n" in before
    assert (
        "results that were recorded on 2026-01-02 from H.E.S.S. DL3 DR1, 105" in after
    )
    assert after.count('print("$GAMMAPY_DATA")') == 1 and "NOTE" not in after
    assert "\n    $GAMMAPY_DATA is not read 0.33\n" in after
    assert ".. image:: /recorded/small_1.png\n   :alt: A line\n" in after
    assert after.endswith(PAGE[PAGE.index(".. rst-class:: sphx-glr-timing") :])


def test_stamp():
    old = "a\nrecorded on 2025-01-01 from H.E.S.S. DL3 DR1, 3 observations. b"
    data = {"release": "H.E.S.S. DL3 DR1", "n_observations": 105}
    new = recorded.stamp_text("2026-02-03", data)
    assert recorded.stamp(old, new) == (
        "a\nrecorded on 2026-02-03 from H.E.S.S. DL3 DR1, 105 observations. b"
    )
    assert recorded.stamp("no date", new) == "no date"


def test_without_data(monkeypatch, capsys):
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    assert recorded.find_index() is None
    assert make_recorded.main([]) == 1
    assert "The records stay" in capsys.readouterr().out


@requires_data()
def test_runs_are_as_recorded():
    """Norms of the runs on MSH 15-52."""
    assert make_recorded.check("hess_dr1", n_blocks=2) == []


@requires_data()
@pytest.mark.long
@pytest.mark.parametrize("name", TUTORIALS)
def test_still_true(name):
    assert make_recorded.check(name) == []
