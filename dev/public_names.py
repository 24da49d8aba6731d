# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What users and their files can name: public names, arguments, classes, keys, flags.

They are read from the overlay's own text and kept in a file, one a line, which a test
compares with what is there. What moves or is renamed stays under its old name for a
release, see docs/development/rooms.rst.
"""

import ast
from pathlib import Path
from rooms import OVERLAY, modules

__all__ = ["RECORD", "read_names", "read_record"]

#: Names that have to stay, as they were before the rooms were made.
RECORD = Path(__file__).parent / "tests" / "data" / "public_names.txt"

HEADER = "# Public names that have to stay: written by dev/public_names.py\n"


def read_names(folder=OVERLAY):
    """Public names in the text of a package.

    Parameters
    ----------
    folder : `pathlib.Path`
        Folder of the package. Default is the overlay.

    Returns
    -------
    names : set of tuple of str
        What it is, the module, and: of a "name" or "class" its name; of a "function"
        its name, with a dot in a class, and its arguments, after "*" those that are
        given by keyword; of a "key" its section and the key; of a "flag" the flag.
    """
    names = set()
    for module, path in modules(folder).items():
        tree = ast.parse(path.read_text())
        public = _public(tree)
        # Also of modules without public names: a pickle names the class by its module.
        names |= {("class", module, name) for name in _classes(tree)}
        names |= {("name", module, name) for name in public or ()}
        names |= {("key", module, *key) for key in _keys(tree)}
        names |= {("flag", module, flag) for flag in _flags(tree)}
        # What is merged into a module of the base is public by its name.
        body = [node for node in tree.body if public is None or _name(node) in public]
        names |= {("function", module, *function) for function in _functions(body)}
    return names


def _name(node):
    return getattr(node, "name", "_")


def _public(tree):
    """Names in ``__all__``, None without."""
    for node in tree.body:
        targets = getattr(node, "targets", [])
        if "__all__" in {getattr(target, "id", None) for target in targets}:
            texts = [text for text in ast.walk(node) if isinstance(text, ast.Constant)]
            return [text.value for text in texts]
    return None


def _classes(tree):
    """Names of the classes of a module, without those that are its own affair."""
    classes = (node.name for node in tree.body if isinstance(node, ast.ClassDef))
    yield from (name for name in classes if not name.startswith("_"))


def _functions(body, prefix=""):
    """Public functions and methods, each with its arguments."""
    for node in body:
        name = _name(node)
        if name.startswith("_") and name != "__init__" or _is_command(node):
            continue
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{name}.")
        elif isinstance(node, ast.FunctionDef):
            given = node.args.posonlyargs + node.args.args
            by_keyword = [argument.arg for argument in node.args.kwonlyargs]
            taken = [argument.arg for argument in given]
            taken = [name for name in taken if name not in ("self", "cls")]
            yield f"{prefix}{name}", *taken, *(["*"] if by_keyword else []), *by_keyword


def _is_command(node):
    """Whether a function is called by the command line alone, with its flags."""
    return any("command(" in ast.unparse(name) for name in node.decorator_list)


def _keys(tree):
    """Pairs of a section of a configuration, and a key."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
            for line in node.body:
                if isinstance(line, ast.AnnAssign):
                    yield node.name, line.target.id


def _flags(tree):
    """Flags of the commands of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.option":
            for text in node.args:
                if isinstance(text, ast.Constant) and text.value.startswith("-"):
                    yield text.value


def read_record(path=RECORD):
    """Names that have to stay, in the form of `read_names`.

    Parameters
    ----------
    path : `pathlib.Path`
        File. Default is the one of this repository.

    Returns
    -------
    names : list of tuple of str
        The names.
    """
    lines = path.read_text().splitlines()
    return [tuple(line.split()) for line in lines if not line.startswith("#")]


def write_record(folder, path=RECORD):
    """Write the names of a package to a file.

    Parameters
    ----------
    folder : `pathlib.Path`
        Folder of the package.
    path : `pathlib.Path`
        File. Default is the one of this repository.
    """
    lines = [" ".join(name) for name in sorted(read_names(folder))]
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "\n".join(lines) + "\n")


if __name__ == "__main__":
    import sys

    write_record(Path(sys.argv[1]) if len(sys.argv) > 1 else OVERLAY)
    print(f"names: {RECORD}")
