"""The one exception for mistakes that a caller can mend."""


class InputError(ValueError):
    """What was given does not fit; the message says how, and what would.

    Raised for wrong values, shapes, files and columns. The command line prints its
    message and exits with code 2; anything else that escapes is a defect of ours and
    keeps its traceback. The message ends with what was received::

        raise InputError(f"`groups` must divide `filters`. Received: groups={groups}")
    """
