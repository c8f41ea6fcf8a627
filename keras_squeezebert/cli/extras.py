"""check_extra: whether the packages of an extra are there."""

import importlib.util

from keras_squeezebert.errors import InputError


def check_extra(extra: str, *packages: str, need: str) -> None:
    """Looks for packages without importing them.

    Args:
        extra: The name of ours that installs them.
        *packages: Their names in Python.
        need: Who needs what, for the message.

    Raises:
        InputError: One of them is not installed.

    Example:
        >>> check_extra("serve", "no_such_package", need="It needs a package")
        Traceback (most recent call last):
        ...
        keras_squeezebert.errors.InputError: It needs a package that is not there: ...
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(packages) == 1 else "are"
        raise InputError(
            f"{need} that {verb} not there: pip install keras-squeezebert[{extra}]. "
            f"Received: no {missing[0]}"
        )
