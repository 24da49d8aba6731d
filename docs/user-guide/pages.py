# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the code of pages of the user guide, check what they quote, make their pictures.

The Python blocks of a page run in order, as one program, from the root of the
repository. What a block prints must be the text block that follows it; the picture that
follows a block is the figure that the block drew. A page that reads real events says
when and from which data its results were recorded. A script with the page's name,
``make_PAGE_pictures.py``, calls `main`::

    python docs/user-guide/make_residuals_pictures.py            # writes pictures, too
    python docs/user-guide/make_residuals_pictures.py --check    # as `make docs` does
    python docs/user-guide/make_residuals_pictures.py --update   # quotes and date

The exit status is 1 when the page quotes something else than what was printed. Blocks
from the first on that reads ``$GAMMAPY_DATA`` are left out when that is not there.

Blocks of the kind ``console`` have commands of gammapy after ``$``, which run in a
process of their own. A block of the kind ``yaml`` with a caption is written to the file
of that name.
"""

import argparse
import difflib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from PIL import Image, PngImagePlugin
import matplotlib
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "dev"))

import recorded  # noqa: E402

__all__ = ["is_same_line", "main", "run_page", "write_picture"]

DPI = 100

# A block with its options and its indented lines, or the path of an image.
PART = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<kind>python|text|console|yaml)\n"
    r"(?: +:caption: (?P<caption>.+)\n| +:class: .+\n)*\n"
    r"(?P<block>(?:(?:(?P=indent) {4}.*)?\n)+)"
    r"|^ *\.\. image:: (?P<image>.+)$",
    re.MULTILINE,
)

NUMBER = re.compile(r"[-+]?\d+(?:\.(?P<decimals>\d*))?(?:e(?P<exponent>[-+]\d+))?")

#: Units of the last digit by which another processor may round a number.
N_UNITS = 2

#: The command gammapy of the installation that runs the page.
GAMMAPY = (sys.executable, "-c", "from gammapy.scripts.main import cli; cli()")


def main(page, argv=None, *, pictures=None, setup=None, needs_data=False):
    """Run the page from the command line of its script.

    Parameters
    ----------
    page : path-like
        The page.
    argv : list of str, optional
        Arguments. Default is those of the process.
    pictures : dict, optional
        Functions that draw the pictures that no block draws, or the names of picture
        files that the commands of the page leave, by the name of the file. Default is
        None.
    setup : callable, optional
        Makes the files that the page reads. It is called with the folder, a temporary
        one, in which the code runs. Default is None: the code runs in the root of the
        repository.
    needs_data : bool, optional
        Whether all of the page needs ``$GAMMAPY_DATA``, and is left out without it.
        Default is False.

    Returns
    -------
    status : int
        Exit status.
    """
    page = Path(page).resolve()
    parser = argparse.ArgumentParser(description=f"Run the code of {page.name}.")
    options = parser.add_mutually_exclusive_group()
    text = "only compare what the page quotes, write no pictures"
    options.add_argument("--check", action="store_true", help=text)
    text = "write what was printed into the page"
    options.add_argument("--update", action="store_true", help=text)
    arguments = parser.parse_args(argv)
    if needs_data and not has_data():
        print(f"--- {page.name} needs $GAMMAPY_DATA, and is left out")
        return 0
    matplotlib.use("agg")
    save = close if arguments.check else save_picture
    with work_folder(setup):
        text, n_stale = run_page(page, save, pictures=pictures, exact=arguments.update)
    if arguments.update:
        if recorded.find_index():
            text = recorded.stamp(text, recorded.stamp_text(*recorded.new_stamp()))
        page.write_text(text, encoding="utf-8")
    elif n_stale:
        print(f"{page.name}: {n_stale} quoted outputs are out of date, see --update")
        return 1
    return 0


@contextmanager
def work_folder(setup=None):
    """Context in a temporary folder with files, or in the root of the repository."""
    os.chdir(ROOT)
    if setup is None:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        setup(Path(folder))
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(ROOT)


def run_page(page, save, *, pictures=None, exact=False):
    """Run the code of a page.

    Parameters
    ----------
    page : `~pathlib.Path`
        The page.
    save : callable
        Called for each picture with its path and the function that draws it, or None.
    pictures : dict, optional
        As in `main`. Default is None.
    exact : bool, optional
        Whether spaces and the rounding of numbers count. Default is False.

    Returns
    -------
    text : str
        The page with what the code prints.
    n_stale : int
        Number of text blocks that were something else.
    """
    names = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    printed, stale = "", []
    for part in PART.finditer(text):
        if part["image"]:
            path = (page.parent / part["image"]).resolve()
            save(path, (pictures or {}).get(path.name))
            continue
        where = f"{page.name}, line {text[: part.start()].count(chr(10)) + 1}"
        block = textwrap.dedent(part["block"]).strip("\n")
        if part["kind"] == "text":
            if is_stale(block, printed, where, exact=exact):
                stale.append((part.span("block"), printed, part["indent"] + " " * 4))
            printed = ""
            continue
        if part["kind"] == "yaml":
            if part["caption"]:
                Path(part["caption"]).write_text(f"{block}\n", encoding="utf-8")
            continue
        if "$GAMMAPY_DATA" in block and not has_data():
            print(f"--- {where}: the rest needs $GAMMAPY_DATA, and is left out")
            break
        print(f"--- {where}", flush=True)
        if part["kind"] == "console":
            printed = run_commands(block)
            continue
        # Log lines and progress bars are for users who run the blocks one by one.
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()) as output:
            exec(compile(block, f"{page}, block in {where}", "exec"), names)
        printed = output.getvalue()
    for (start, end), printed, indent in reversed(stale):
        lines = [line.rstrip() for line in printed.rstrip().splitlines()]
        end = start + len(text[start:end].rstrip())
        text = text[:start] + textwrap.indent("\n".join(lines), indent) + text[end:]
    return text, len(stale)


def run_commands(block):
    """Run the commands of a console block and return what they print."""
    printed = []
    for line in block.replace("\\\n", " ").splitlines():
        prompt, *command = shlex.split(line)
        if prompt != "$" or command[:1] != ["gammapy"]:
            raise ValueError(f"A console block has '$ gammapy ...', got {line!r}.")
        # Log lines and progress bars are left out, as those of Python are.
        command = [*GAMMAPY, *command[1:]]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"{line}: {run.stderr.strip()}")
        printed.append(run.stdout)
    return "".join(printed)


def has_data():
    """Whether there are data to read."""
    return Path(os.environ.get("GAMMAPY_DATA") or "missing").is_dir()


# --- quoted outputs --------------------------------------------------------


def is_stale(quoted, printed, where, *, exact=False):
    """Whether a quoted output differs; how is printed."""
    is_same = str.__eq__ if exact else is_same_line
    quoted, printed = (
        [line.rstrip() for line in x.splitlines()] for x in (quoted, printed)
    )
    while printed and not printed[-1]:
        printed.pop()
    if len(quoted) == len(printed) and all(map(is_same, quoted, printed)):
        return False
    changes = difflib.unified_diff(quoted, printed, where, "printed", lineterm="")
    print("\n".join(changes))
    return True


def is_same_line(quoted, printed):
    """Whether two lines agree up to spaces, rules and the rounding of numbers."""
    words = [re.sub("-{2,}", "--", text).split() for text in (quoted, printed)]
    return len(words[0]) == len(words[1]) and all(
        a == b or is_same_word(a, b) for a, b in zip(*words, strict=True)
    )


def is_same_word(quoted, printed):
    """Whether two words agree up to the rounding of the numbers in them."""
    if NUMBER.sub("0", quoted) != NUMBER.sub("0", printed):
        return False
    numbers = zip(NUMBER.finditer(quoted), NUMBER.finditer(printed), strict=True)
    for one, other in numbers:
        decimals = len(one["decimals"] or "") - int(one["exponent"] or 0)
        # Whole numbers count something: they are not rounded.
        n_units = N_UNITS + 0.5 if one["decimals"] or one["exponent"] else 0
        if abs(float(one[0]) - float(other[0])) > n_units * 10.0**-decimals:
            return False
    return True


# --- pictures --------------------------------------------------------------


def write_picture(figure, path, *, description=None):
    """Write a figure with a palette: flat colours need few bytes.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        Figure.
    path : `~pathlib.Path`
        PNG file.
    description : str, optional
        Text in the file. Default is None.
    """
    info = PngImagePlugin.PngInfo()
    if description:
        info.add_text("Description", description)
    with tempfile.TemporaryFile() as file:
        figure.savefig(file, dpi=DPI)
        write_image(Image.open(file), path, pnginfo=info)


def write_image(image, path, **options):
    """Write an image with a palette."""
    palette = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1}
    image = image.convert("RGB").quantize(dither=Image.Dither.NONE, **palette)
    image.save(path, optimize=True, **options)


def copy_picture(filename, path):
    """Write a picture that a command left, at the resolution of the others."""
    image = Image.open(filename)
    scale = DPI / image.info["dpi"][0]
    size = [round(scale * pixels) for pixels in image.size]
    write_image(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), path)


def save_picture(path, draw):
    """Write the current figure, that of a function, or a file of a command."""
    if isinstance(draw, str):
        copy_picture(draw, path)
    else:
        if draw is not None:
            plt.close("all")
            draw()
        write_picture(plt.gcf(), path)
    plt.close("all")
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"--- wrote {name}, {path.stat().st_size} bytes")


def close(path, draw):
    """Leave a picture as it is, which must be there."""
    plt.close("all")
    if not path.is_file():
        raise FileNotFoundError(f"The picture {path} is missing: run without --check.")
