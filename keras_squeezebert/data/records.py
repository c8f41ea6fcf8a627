"""read_records: the rows of CSV, TSV and JSON Lines files, and checks of their values.

Every line is a record or an error; only blank lines at the end are passed over.
"""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_squeezebert.data.text_files import (
    SURROGATE,
    excerpt,
    listed,
    read_lines,
    read_text,
)
from keras_squeezebert.errors import InputError

# Where a record stands in its file, for messages, and its values by column.
Record = tuple[str, dict[str, Any]]


def read_records(path: str | os.PathLike) -> Iterator[Record]:
    """The records of a table, one after the other; the suffix tells its format.

    Args:
        path: File that ends in `.csv`, `.tsv` or `.jsonl`.

    Raises:
        InputError: The file cannot be read, or a line is not of its format.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"A table of examples must be one of {', '.join(_READERS)}. "
            f"Received: {path}"
        )
    return read(path)


# === Formats


def read_csv(path: str | os.PathLike) -> Iterator[Record]:
    """The records of a file that is CSV, whatever its name."""
    hint = "A field with a comma, a quote or a line break must stand in double quotes."
    return _read_delimited(path, hint, delimiter=",")


def _read_tsv(path):
    hint = "A .tsv has no quoting: use .csv or .jsonl for texts with tabs or lines."
    return _read_delimited(path, hint, delimiter="\t", quoting=csv.QUOTE_NONE)


def _read_delimited(path, hint, **dialect):
    # With newline="" the line breaks inside quotes stay as they are.
    lines = io.StringIO(read_text(path), newline="")
    rows = csv.reader(lines, strict=True, **dialect)
    where = f"{path}, line 1"
    try:
        header = next(rows)
        if not header or len(set(header)) < len(header):
            raise InputError(
                f"{where}: the first line must name the columns, each once. "
                f"Received: {listed(header)}"
            )
        while True:
            where = f"{path}, line {rows.line_num + 1}"
            row = next(rows, None)
            if row is None:
                return
            if len(row) != len(header):
                raise InputError(
                    f"{where}: expected a field for each of the columns "
                    f"{listed(header)}. {hint} Received: {len(row)} fields"
                )
            yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{where}: {hint} Received: {error}") from None


def _read_json_lines(path):
    for where, line in read_lines(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", error)
            raise InputError(
                f"{where}: expected a JSON object on a line of its own ({reason}). "
                f"Received: {excerpt(line)}"
            ) from None
        if not isinstance(record, dict):
            raise InputError(
                f"{where}: expected a JSON object. Received: {excerpt(line)}"
            )
        yield where, record


_READERS = {".csv": read_csv, ".tsv": _read_tsv, ".jsonl": _read_json_lines}

# === Values


def text_of(where: str, record: dict[str, Any], column: str) -> str:
    """A value that must be a string, and not blank."""
    value = value_of(where, record, column)
    if not isinstance(value, str):
        raise InputError(
            f"{where}: {column!r} must be a string. Received: {excerpt(value)}"
        )
    return check_text(where, column, value)


def texts_of(
    where: str, record: dict[str, Any], column: str, separator: str | None
) -> list[str]:
    """A value that must be a list of strings, or one string to be separated.

    Args:
        where: Where the record stands, for messages.
        record: The record.
        column: Column of the value.
        separator: What stands between the strings; None for a list only.
    """
    value = value_of(where, record, column)
    if isinstance(value, str) and separator is not None:
        value = value.split(separator) if value.strip() else []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InputError(
            f"{where}: {column!r} must be a list of strings. Received: {excerpt(value)}"
        )
    return [check_text(where, column, text) for text in value]


def label_of(where: str, record: dict[str, Any], column: str) -> str:
    """A label: a string that is not blank, or a number or boolean of JSON."""
    value = value_of(where, record, column)
    if isinstance(value, str):
        return check_text(where, column, value)
    is_finite = isinstance(value, float) and math.isfinite(value)
    if not (isinstance(value, int) or is_finite):
        raise InputError(
            f"{where}: {column!r} must be a string, a number or a boolean. Received: "
            f"{excerpt(value)}"
        )
    return json.dumps(value)


def index_of(where: str, record: dict[str, Any], column: str, length: int) -> int:
    """An index of one of `length` things, as an integer or in digits."""
    value = value_of(where, record, column)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        value = int(value)
    is_index = isinstance(value, int) and not isinstance(value, bool)
    if not is_index or not 0 <= value < length:
        raise InputError(
            f"{where}: {column!r} must be an index from 0 to {length - 1}. Received: "
            f"{excerpt(value)}"
        )
    return value


def value_of(where: str, record: dict[str, Any], column: str) -> Any:
    """A value that must be there, even if it is an empty string or list."""
    if column not in record:
        raise InputError(
            f"{where}: there is no column {column!r}; name one that there is. "
            f"Received: columns {listed(record)}"
        )
    value = record[column]
    if value is None:
        raise InputError(
            f"{where}: {column!r} must not be empty; fill it in or remove the line. "
            f"Received: {value!r}"
        )
    return value


def check_text(where: str, name: str, text: str) -> str:
    """The text, if it is not blank and UTF-8 can hold it."""
    if not text.strip():
        raise InputError(
            f"{where}: {name!r} must not be empty; fill it in or remove the line. "
            f"Received: {text!r}"
        )
    if SURROGATE.search(text):
        raise InputError(
            f"{where}: {name!r} holds one half of a surrogate pair, which is no "
            f"character. Received: {excerpt(text)}"
        )
    return text
