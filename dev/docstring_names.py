# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names that the docstring of a merged definition may describe, in their order."""

import ast

__all__ = ["order_of"]


def parameters(node):
    """Names of the parameters of a function, without the instance."""
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    stars = [_ for _ in (args.vararg,) if _]
    names = [*plain, *stars, *args.kwonlyargs, *(_ for _ in (args.kwarg,) if _)]
    return [_.arg for _ in names if _.arg not in ("self", "cls")]


def wrapped_parameters(new, old):
    """Names of the parameters of a function whose ``*args`` may be the base's."""
    names = parameters(new)
    missing = [_ for _ in parameters(old) if _ not in names] if old else []
    by_name = [_.arg for _ in old.args.kwonlyargs] if old else []
    for star, is_last in ((new.args.vararg, False), (new.args.kwarg, True)):
        if star:
            passed = [_ for _ in missing if is_last or _ not in by_name]
            missing = [_ for _ in missing if _ not in passed]
            at = names.index(star.arg)
            names[at:at] = passed
    return names


def fields(node):
    """Names that the body of a class assigns."""
    names = []
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign | ast.Assign):
            targets = getattr(statement, "targets", None) or [statement.target]
            names += [_.id for _ in targets if isinstance(_, ast.Name)]
    return names


def members(node):
    """Names of the functions of a class, and of what they assign to ``self``."""
    functions = ast.FunctionDef, ast.AsyncFunctionDef
    names = [_.name for _ in node.body if isinstance(_, functions)]
    names += [
        _.attr
        for _ in ast.walk(node)
        if isinstance(_, ast.Attribute)
        and isinstance(_.ctx, ast.Store)
        and ast.unparse(_.value) == "self"
    ]
    return names


def merged_order(old, new):
    """Join two lists: a new name goes before the next one that both have."""
    names, waiting = list(old), []
    for name in new:
        if name not in names:
            waiting.append(name)
        elif name in old:
            at = names.index(name)
            names[at:at] = waiting
            waiting = []
    return [*names, *dict.fromkeys(waiting)]


def order_of(old, new):
    """Names that entries may have, in the order of the merged definition.

    Parameters
    ----------
    old, new : `ast.AST`
        Modules, classes or functions of the base and the overlay.

    Returns
    -------
    order : dict of str to list of str
        For each of the `ORDERED` sections.
    """
    if isinstance(new, ast.Module):
        return {}
    if not isinstance(new, ast.ClassDef):
        is_function = not isinstance(old, ast.ClassDef | ast.Module)
        names = wrapped_parameters(new, old if is_function else None)
        return {"Parameters": names, "Other Parameters": names}
    both = [_ for _ in (old, new) if isinstance(_, ast.ClassDef)]
    inits = [
        function
        for cls in both
        for function in cls.body
        if getattr(function, "name", "") == "__init__"
    ]
    values = merged_order(fields(both[0]), fields(new))
    names = values
    if inits:
        names = wrapped_parameters(inits[-1], inits[0])
    others = [name for cls in both for name in members(cls)]
    attributes = list(dict.fromkeys([*names, *values, *others]))
    return {
        "Parameters": names,
        "Other Parameters": names,
        "Attributes": attributes,
        "Methods": others,
    }
