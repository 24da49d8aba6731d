# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.utils.arguments import show


def from_yaml(text, sort_keys=False, checksum=False):
    try:
        return _upstream_from_yaml(text, sort_keys, checksum)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"It is no valid YAML: {reason}") from error
    except (AttributeError, TypeError):
        data = yaml.safe_load(text)
        if isinstance(data, dict):
            raise
        what = "it is empty" if data is None else f"got {show(data)}"
        raise ValueError(f"Expected YAML with keys, {what}.") from None


def read_yaml(filename, logger=None, checksum=False):
    try:
        return _upstream_read_yaml(filename, logger, checksum)
    except UnicodeDecodeError as error:
        raise ValueError(f"File {str(filename)!r} is no text: {error}") from error
    except ValueError as error:
        if filename is None:
            raise
        raise ValueError(f"File {str(filename)!r}: {error}") from error
