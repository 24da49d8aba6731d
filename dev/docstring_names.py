# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names that the docstring of a merged definition may describe, in their order."""

import ast

__all__ = ["order_of"]


def parameters(node):
    """Names of the parameters of a function, without the instance."""
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    stars = [arg for arg in (args.vararg,) if arg]
    names = [*plain, *stars, *args.kwonlyargs, *(arg for arg in (args.kwarg,) if arg)]
    return [name.arg for name in names if name.arg not in ("self", "cls")]


def wrapped_parameters(new, old):
    """Names of the parameters of a function whose ``*args`` may be the base's."""
    names = parameters(new)
    missing = [par for par in parameters(old) if par not in names] if old else []
    by_name = [kwonlyarg.arg for kwonlyarg in old.args.kwonlyargs] if old else []
    for star, is_last in ((new.args.vararg, False), (new.args.kwarg, True)):
        if star:
            passed = [name for name in missing if is_last or name not in by_name]
            missing = [name for name in missing if name not in passed]
            at = names.index(star.arg)
            names[at:at] = passed
    return names


def fields(node):
    """Names that the body of a class assigns."""
    names = []
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign | ast.Assign):
            targets = getattr(statement, "targets", None) or [statement.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def members(node):
    """Names of the functions of a class, and of what they assign to ``self``."""
    functions = ast.FunctionDef, ast.AsyncFunctionDef
    names = [child.name for child in node.body if isinstance(child, functions)]
    names += [
        child.attr
        for child in ast.walk(node)
        if isinstance(child, ast.Attribute)
        and isinstance(child.ctx, ast.Store)
        and ast.unparse(child.value) == "self"
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
    both = [
        definition for definition in (old, new) if isinstance(definition, ast.ClassDef)
    ]
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
