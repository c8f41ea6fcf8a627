"""A text file as a whole or by its lines: UTF-8, or an error that names the line."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_squeezebert.errors import InputError

# JSON can spell these ("\ud83d"), but UTF-8, and so every tokenizer, cannot.
SURROGATE = re.compile("[\ud800-\udfff]")


def read_text(path: str | os.PathLike) -> str:
    """The text of a file in UTF-8, without a byte order mark and the last line breaks.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read, is empty, or is not UTF-8 text.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"The file cannot be read. Received: {path} ({error.strerror})"
        ) from None
    if b"\0" in content:
        line = _line_number(content, content.index(b"\0"))
        raise InputError(
            f"{path}, line {line}: save the file as UTF-8 text. Received: a NUL byte"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_number(error.object, error.start)
        raise InputError(
            f"{path}, line {line}: save the file as UTF-8 text. Received: "
            f"byte 0x{error.object[error.start]:02x} ({error.reason})"
        ) from None
    text = text.rstrip("\r\n")
    if not text:
        raise InputError(
            f"A file of examples must have at least one. Received: {path}, empty"
        )
    return text


def read_lines(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    r"""The lines of a file in UTF-8, each after its place, for messages.

    Only "\n" and "\r\n" end a line: the other line breaks of Unicode are
    characters of a text.

    Args:
        path: The file.

    Raises:
        InputError: As in :func:`read_text`.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        yield f"{path}, line {number}", line.removesuffix("\r")


def listed(names: Any) -> str:
    """Names in quotes, for messages."""
    return ", ".join(repr(name) for name in names) or "none"


def excerpt(value: Any) -> str:
    """The beginning of a value, for messages."""
    return repr(value)[:80]


def _line_number(content, position):
    return len((content[:position] + b".").splitlines())
