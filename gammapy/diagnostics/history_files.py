# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of a history: each one named after its content, so that none is written twice.

What is in the folder ``data`` never changes. The files of a step name what they need
there by paths that start at their own folder, so that the history can be moved.
"""

import hashlib
import io
import json
import re
from pathlib import Path
from gammapy.datasets.filenames import file_stem
from gammapy.modeling.models import LightCurveTemplateTemporalModel, Models
from gammapy.modeling.models.copies import copy_models
from gammapy.utils.atomic import staging_folder
from gammapy.utils.scripts import make_path, to_yaml, write_yaml

__all__ = []

#: Folder of what steps have in common, and that of the steps.
DATA, STEPS = "data", "steps"
#: Files of a step.
RECORD, DATASETS, MODELS = "step.json", "datasets.yaml", "models.yaml"
#: Path from the folder of a step to that of the data.
UP = f"../../{DATA}"
#: Cards of FITS files that tell when they were made.
DATES = ("CREATED", "DATE")
#: Names of the folders of steps.
NUMBERED = re.compile(r"(\d{4,})-")
#: Digits of the checksum in a name.
N_DIGITS = 16


class DataFiles:
    """The folder of data of a history, and a new one for what it lacks.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the history.
    stage : `~pathlib.Path`
        Folder for new files.
    """

    def __init__(self, folder, stage):
        self.stage, self._folder = stage, folder / DATA
        self.added, self.used = [], []

    def add(self, stem, suffix, content):
        """Add a file unless it is there.

        Parameters
        ----------
        stem, suffix : str
            Begin and end of the name.
        content : bytes
            Content.

        Returns
        -------
        name : str
            Name of the file in the folder of data.
        """
        name = f"{stem}-{checksum(content)}{suffix}"
        path = self.stage / name
        if not (self._folder / name).is_file() and not path.exists():
            path.write_bytes(content)
            self.added.append(path)
        if name not in self.used:
            self.used.append(name)
        return name


def checksum(content):
    """Checksum of bytes, as the names of files have it."""
    return hashlib.sha256(content).hexdigest()[:N_DIGITS]


def checksum_of_name(name):
    """Checksum that the name of a file has."""
    return Path(name).stem.rsplit("-", 1)[-1]


def read_checked(path):
    """Raise an error when a file of the folder of data is missing or damaged.

    Parameters
    ----------
    path : `~pathlib.Path`
        File.
    """
    if not path.is_file():
        raise OSError(f"file {str(path)!r} is missing.")
    if checksum(path.read_bytes()) != checksum_of_name(path.name):
        raise ValueError(f"file {str(path)!r} is damaged: its checksum is another one.")


def write_datasets(datasets, data, folder):
    """Write datasets, and their list to the folder of a step.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    data : `DataFiles`
        Files.
    folder : `~pathlib.Path`
        New folder of the step.

    Returns
    -------
    entries : list of dict
        Name, type, file and statistic of each dataset.
    """
    entries = []
    for dataset in datasets:
        stem = file_stem(dataset.name).replace(" ", "_")
        filename = data.add(stem, ".fits", _dataset_content(dataset, data))
        entries.append(
            {
                "name": dataset.name,
                "type": dataset.to_dict()["type"],
                "filename": f"{UP}/{filename}",
                "stat_type": dataset.stat_type,
            }
        )
    # In Gammapy's form, for Datasets.read.
    keys = ("name", "type", "filename")
    listed = [{key: entry[key] for key in keys} for entry in entries]
    write_yaml(to_yaml({"datasets": listed}), folder / DATASETS, checksum=True)
    return entries


def _dataset_content(dataset, data):
    """Bytes of the FITS file of a dataset, the same whenever they are made."""
    if not hasattr(dataset, "to_hdulist"):
        return _content_of(lambda path: dataset.write(path), data, ".fits")
    hdulist = dataset.to_hdulist()
    for hdu in hdulist:
        for name in DATES:
            hdu.header.remove(name, ignore_missing=True)
    buffer = io.BytesIO()
    hdulist.writeto(buffer)
    return buffer.getvalue()


def _content_of(write, data, suffix):
    """Bytes of the file that a function writes to a path."""
    path = data.stage / f"unnamed{suffix}"
    try:
        write(path)
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def write_models(models, data, folder):
    """Write models with their covariance to the folder of a step.

    Templates go to the folder of data. Unlike `~gammapy.modeling.models.Models.write`
    this leaves the models, and the files that they were read from, as they are.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models.
    data : `DataFiles`
        Files.
    folder : `~pathlib.Path`
        New folder of the step.
    """
    models = Models(copy_models(models))
    for model in models:
        for part in _parts(model):
            if hasattr(part, "filename"):
                _add_template(part, data)
    models.update_link_label()
    content = {"components": [model.to_dict(full_output=True) for model in models]}
    if len(models.parameters):
        content["covariance"] = f"{Path(MODELS).stem}_covariance.dat"
        path = folder / content["covariance"]
        models.write_covariance(path, format="ascii.fixed_width", delimiter="|")
    write_yaml(to_yaml(content), folder / MODELS, checksum=True)


def _parts(model):
    """A model and what it is made of."""
    yield model
    for part in getattr(model, "_models", ()):
        yield from _parts(part)


def _add_template(part, data):
    """Add the file of a template, and let the model name it."""
    before = part.filename
    if hasattr(part, "write"):
        # What is in memory counts, not what the file has by now.
        suffix = "".join(Path(before or "").suffixes) or ".fits"
        content = _content_of(lambda path: _write_template(part, path), data, suffix)
    elif before is not None and make_path(before).is_file():
        suffix, content = make_path(before).suffix, make_path(before).read_bytes()
    else:
        return
    part.filename = f"{UP}/{data.add('template', suffix, content)}"


def _write_template(part, path):
    part.filename = str(path)
    options = {"overwrite": True}
    if isinstance(part, LightCurveTemplateTemporalModel) and part.is_energy_dependent:
        options["format"] = "map"
    part.write(**options)


def write_record(record, folder):
    """Write the facts of a step to its folder."""
    text = json.dumps(record, indent=1, allow_nan=False)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def move_in(data, folder, step, number, name):
    """Move new data, then the folder of a step; the latter makes the step.

    Parameters
    ----------
    data : `DataFiles`
        New files.
    folder : `~pathlib.Path`
        Folder of the history.
    step : `~pathlib.Path`
        New folder of the step.
    number : int
        Number that the name of the folder begins with.
    name : str
        Name of the step.

    Returns
    -------
    path : `~pathlib.Path`
        Folder of the step.
    """
    for part in (DATA, STEPS):
        (folder / part).mkdir(exist_ok=True)
    for path in data.added:
        path.replace(folder / DATA / path.name)
    path = folder / STEPS / f"{number:04d}-{file_stem(name).replace(' ', '_')}"
    step.rename(path)
    return path


def step_folders(folder):
    """Folders of the steps of a history, in the order in which they were written.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the history.

    Returns
    -------
    folders : dict of `~pathlib.Path`
        By their numbers.
    """
    folder = folder / STEPS
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if (match := NUMBERED.match(path.name)) and path.is_dir():
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def remove_step(path):
    """Remove the folder of a step, which vanishes at once."""
    with staging_folder(path.parents[1]) as stage:
        path.rename(stage / path.name)
