# Licensed under a 3-clause BSD style license - see LICENSE.rst


def check_bad_input(call, error, *words):
    """Check that a call fails with one line that holds some words.

    Parameters
    ----------
    call : callable
        Function without arguments.
    error : type
        Kind of the error; those that Gammapy has for bad input are ValueError,
        TypeError and OSError.
    *words : str
        What the message must hold: the argument, the value, the way out.

    Returns
    -------
    message : str
        The message.

    Examples
    --------
    >>> from gammapy.stats.residuals import compute_residuals
    >>> from gammapy.utils.testing import check_bad_input
    >>> message = check_bad_input(
    ...     lambda: compute_residuals([1], [2], "sigma"), ValueError, "method: 'sigma'"
    ... )
    """
    assert error in (ValueError, TypeError, OSError)
    try:
        call()
    except error as caught:
        message = str(caught)
    else:
        raise AssertionError(f"No {error.__name__} was raised.")
    assert "\n" not in message.strip(), f"More than one line: {message}"
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    return message


def given(function, **defaults):
    """Function of some arguments, which gets all others from attributes of an object.

    Parameters
    ----------
    function : callable or str
        Function; the name of a method of ``obj`` of the object.
    **defaults : str
        By argument the name of an attribute. With a method, ``obj`` is the one that it
        is a method of.

    Returns
    -------
    function : callable
        Function of the object and keyword arguments, which come first.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from gammapy.utils.testing import given
    >>> show = given("format", obj="template")
    >>> show(SimpleNamespace(template="{a} TeV"), a=3)
    '3 TeV'
    """
    obj = defaults.pop("obj", None)

    def called(scene, **arguments):
        run = function if obj is None else getattr(getattr(scene, obj), function)
        values = {
            name: getattr(scene, attribute) for name, attribute in defaults.items()
        }
        return run(**values | arguments)

    return called
