# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reports that the documentation shows.

    python docs/make_reports.py FOLDER        reports of the J1702 scene
    python docs/make_reports.py --pictures    pictures of reports for the user guide

`make docs` makes the former. Pictures need Chromium, and those of real events
``$GAMMAPY_DATA/hess-dl3-dr1``; they and their page have the date and the data release.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from PIL import Image, PngImagePlugin
import matplotlib

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
PAGE = ROOT / "docs" / "user-guide" / "report.rst"
sys.path += [str(ROOT / "examples"), str(ROOT / "dev")]

import hess_runs  # noqa: E402
import j1702_files  # noqa: E402
import j1702_scene  # noqa: E402
import recorded  # noqa: E402
from gammapy.diagnostics import GoodnessOfFitEstimator  # noqa: E402
from gammapy.modeling import Fit  # noqa: E402
from gammapy.modeling.models import Models  # noqa: E402
from gammapy.report import FitReport  # noqa: E402

#: Component that the bad fit lacks.
MISSING = "HESS J1702-420A"

BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
)


def j1702_report(*, missing=""):
    """Report of the simulated field of HESS J1702-420, with or without a component."""
    scene = j1702_scene.FULL
    datasets = j1702_scene.make_datasets(scene, seed=0)
    names = [name for _label, part in scene.steps for name in part if name != missing]
    sources = j1702_scene.start_models(scene, names, seed=0)
    datasets.models = Models([*sources, *j1702_scene.background_models(scene)])
    result = Fit(backend="newton").run(datasets)
    what = f"HESS J1702-420 without {missing}" if missing else "HESS J1702-420"
    return FitReport(
        datasets,
        result,
        # Its simulations take longer than all else.
        goodness=GoodnessOfFitEstimator(n_toys=0, random_state=0).run(datasets),
        parameter="HESS J1702-420B.amplitude",
        title=f"{what} (simulated)",
    )


def msh1552_report():
    """Report of real events, MSH 15-52."""
    data_dir = Path(os.environ["GAMMAPY_DATA"]) / "hess-dl3-dr1"
    # without progress bars and tables
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        datasets = hess_runs.make_datasets(data_dir)
    datasets.models = Models([hess_runs.start_model(), *datasets.models])
    result = Fit(backend="newton").run(datasets)
    return FitReport(datasets, result, title="MSH 15-52")


def write_reports(folder):
    """Write the reports of the J1702 scene."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, missing in (("good", ""), ("bad", MISSING)):
        report = j1702_report(missing=missing)
        report.write(folder / f"j1702_{name}.html", overwrite=True)


def take_picture(report, filename, *, top=0, height=1400, width=1000, stamp=""):
    """Picture of a part of a report, from a distance to its top."""
    info = PngImagePlugin.PngInfo()
    if stamp:
        info.add_text("Description", stamp)
    with tempfile.TemporaryDirectory() as folder:
        page, picture = Path(folder) / "report.html", Path(folder) / "page.png"
        report.write(page)
        size = f"--window-size={width},{top + height}"
        profile = f"--user-data-dir={folder}/profile"
        command = [*BROWSER, profile, size, f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        image = Image.open(picture).convert("RGB").crop((0, top, width, top + height))
    # Few colours: the file is a third.
    image = image.quantize(256, dither=Image.Dither.NONE)
    image.save(filename, optimize=True, pnginfo=info)
    print(f"{filename.relative_to(ROOT)}: {filename.stat().st_size / 1000:.0f} kB")


def main(argv=None):
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--pictures", action="store_true")
    args = parser.parse_args(argv)
    matplotlib.use("agg")
    if args.folder is not None:
        write_reports(args.folder)
    if args.pictures:
        report = j1702_report(missing=MISSING)
        take_picture(report, IMAGES / "report_j1702.png", height=640)
        report = FitReport(j1702_files.make_fit())
        take_picture(report, IMAGES / "five_minutes_report.png", height=610)
    if args.pictures and recorded.find_index():
        report, stamp = msh1552_report(), recorded.stamp_text(*recorded.new_stamp())
        take_picture(report, IMAGES / "report_msh1552.png", stamp=stamp)
        take_picture(report, IMAGES / "report_msh1552_maps.png", top=2100, stamp=stamp)
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(recorded.stamp(text, stamp), encoding="utf-8")


if __name__ == "__main__":
    main()
