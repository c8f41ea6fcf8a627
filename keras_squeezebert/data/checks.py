"""Checks that the containers of examples share."""

from keras_squeezebert.errors import InputError


def check_strings(name, values):
    if not isinstance(values, list):
        raise InputError(
            f"`{name}` must be a list of strings. Received: {type(values).__name__}"
        )
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise InputError(
                f"`{name}` must be a list of strings. Received: {name}[{row}]={value!r}"
            )


def check_lists_of_strings(name, rows):
    if not isinstance(rows, list):
        raise InputError(
            f"`{name}` must be a list of lists of strings. Received: "
            f"{type(rows).__name__}"
        )
    for row, values in enumerate(rows):
        check_strings(f"{name}[{row}]", values)


def check_as_many(name, values, other_name, others):
    if len(values) != len(others):
        raise InputError(
            f"`{name}` must be as long as `{other_name}`. Received: {len(values)} "
            f"{name}, {len(others)} {other_name}"
        )
