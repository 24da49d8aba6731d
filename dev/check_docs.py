# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Check the docstrings of all public names that the fork adds or replaces.

    python dev/check_docs.py

Each has a summary, a section for its parameters that agrees with the signature, says
what it returns and raises, and functions and classes have an example. A class may have
its example in a method. What has the docstring of Gammapy 2.1 is not checked; of one
that extends it, only what is new. Examples are run, each for itself in an empty folder;
those that read ``$GAMMAPY_DATA`` only where it is there. The exit status is 1 when
something is wrong.
"""

import ast
import contextlib
import doctest
import inspect
import io
import os
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate
from pytest_doctestplus.output_checker import FLOAT_CMP, OutputChecker
import matplotlib
import matplotlib.pyplot as plt
from docs_api import public_entries

__all__ = ["check_entry"]

#: What numpydoc finds that matters here, of the names in its documentation.
CODES = {
    "GL07",  # order of the sections
    "GL08",  # no docstring
    "SS01",  # no summary
    "SS02",  # its first letter
    "SS03",  # its period
    "SS06",  # its length: a line
    "PR01",  # a parameter without description
    "PR02",  # a description without parameter
    "PR03",  # another order than in the signature
    "PR04",  # no type
    "PR07",  # no text
    "RT01",  # no section for what is returned
    "RT03",  # no text for it
    "YD01",  # no section for what is yielded
}


def check_entry(entry):
    """List what is wrong with the docstrings of a public name.

    Parameters
    ----------
    entry : `docs_api.Entry`
        Public name.

    Returns
    -------
    problems : list of str
        One line each, with the name.
    """
    if entry.kind in ("command", "data"):
        return []
    objects = {
        f"{entry.full_name}.{member}": inspect.getattr_static(entry.obj, member)
        for member in entry.own_members()
        if member not in entry.undocumented
    }
    if entry.has_own_docstring:
        objects = {entry.full_name: entry.obj} | objects
    extended = {
        f"{entry.full_name}.{name}": extension
        for name, extension in entry.extended.items()
    }
    if "__doc__" in entry.extended:
        extended[entry.full_name] = entry.extended["__doc__"]
    problems = []
    for name, obj in objects.items():
        extension = extended.get(name)
        found = check_form(name, obj, extension) + check_raises(obj)
        text = extension.overlay if extension else None
        problems += [
            f"{name}: {problem}" for problem in found + check_example(obj, text)
        ]
    if not entry.has_own_docstring and "__init__" in (entry.members or ()):
        problems.append(f"{entry.full_name}: its __init__ differs, its docstring not")
    if entry.has_own_docstring and not _has_example(entry):
        problems.append(f"{entry.full_name}: there is no example")
    return problems


def check_form(name, obj, extension=None):
    """List what numpydoc finds in the docstring of an object with a full name.

    Of a docstring that extends the base's, what is wrong with that one does not count.
    """
    problems = [error for error in validate(name)["errors"] if error[0] in CODES]
    if extension:
        problems = _new_problems(name, problems, extension)
    return [
        text
        for code, text in problems
        if code != "PR01" or not _has_all_attributes(obj)
    ]


def _new_problems(name, problems, extension):
    """Leave out the problems of a docstring that the base's has as well."""
    obj = Validator._load_obj(name)
    base = get_doc_object(obj, doc=extension.base)
    theirs = [error for error in validate(base)["errors"] if error[0] in CODES]
    of_all = {code for code, _ in theirs} - {"PR01", "PR02", "PR04", "PR07"}
    problems = [
        (code, text)
        for code, text in problems
        if code != "PR01" and code not in of_all and (code, text) not in theirs
    ]
    doc = get_doc_object(obj)
    # the base lists parameters of some classes as attributes
    described = [*Validator(doc).doc_all_parameters, *_attributes(doc)]
    known = {name.strip("\\*") for name in [*described, *extension.parameters]}
    missing = {par.strip("*") for par in Validator(doc).signature_parameters} - known
    if missing:
        names = ", ".join(sorted(missing))
        problems.append(("PR01", f"Parameters {names} not documented"))
    return problems


def _has_all_attributes(obj):
    """Whether the section Attributes of a class has the fields that it is made from."""
    if not inspect.isclass(obj):
        return False
    return set(inspect.signature(obj).parameters) <= _attributes(get_doc_object(obj))


def _attributes(doc):
    """Names in the section Attributes of a docstring that was parsed."""
    return set(", ".join(attribute.name for attribute in doc["Attributes"]).split(", "))


def check_raises(obj):
    """List the exceptions that a function raises and its docstring does not name."""
    function = _function(obj)
    if not inspect.isfunction(function):
        return []
    section = (inspect.getdoc(function) or "").partition("\nRaises\n")[2]
    missing = [error for error in sorted(raised_by(function)) if error not in section]
    return [f"raises {name}, which is in no section Raises" for name in missing]


def check_example(obj, text=None):
    """Run the example in a docstring and list what goes wrong.

    The text is given where the docstring extends the base's, whose examples do not
    count.
    """
    text = inspect.cleandoc(text) if text else inspect.getdoc(_function(obj)) or ""
    examples = doctest.DocTestParser().get_examples(text)
    if any(doctest.SKIP in example.options for example in examples):
        return ["a part of its example does not run"]
    if "$GAMMAPY_DATA" in text and not has_data():
        return []
    test = doctest.DocTest(examples, {}, "example", None, 0, text)
    # numbers may differ in their last digits, as between machines
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | FLOAT_CMP
    runner = doctest.DocTestRunner(checker=OutputChecker(), optionflags=flags)
    output = io.StringIO()
    with empty_folder(), contextlib.redirect_stderr(io.StringIO()):
        runner.run(test, out=output.write)
        plt.close("all")
    return [output.getvalue().strip()] if output.getvalue() else []


def _function(obj):
    """The function of a method."""
    return getattr(obj, "__func__", obj)


def has_data():
    """Whether there are data to read."""
    return Path(os.environ.get("GAMMAPY_DATA") or "missing").is_dir()


@contextlib.contextmanager
def empty_folder():
    """Work in a folder of its own, which is removed in the end."""
    folder = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        try:
            yield
        finally:
            os.chdir(folder)


def raised_by(function):
    """Names of the exceptions that a function itself raises.

    One that is raised inside of a function in it, or raised again, does not count.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names, waiting = set(), list(ast.iter_child_nodes(tree.body[0]))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            names.add(ast.unparse(node.exc.func))
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return names - {"NotImplementedError"}


def _has_example(entry):
    """Whether the docstring has an example, or a method of the class."""
    if entry.kind == "exception":
        return True
    objects = [entry.obj]
    objects += [getattr(entry.obj, member) for member in entry.own_members()]
    return any(">>> " in (inspect.getdoc(member) or "") for member in objects)


def main():
    """Check all names and return the exit status."""
    matplotlib.use("agg")
    # the base prints underlined names in examples, which numpydoc takes for sections
    warnings.filterwarnings("ignore", "Unknown section", UserWarning)
    problems = [problem for entry in public_entries() for problem in check_entry(entry)]
    for problem in problems:
        print(problem)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
