"""Reads texts and labels from CSV, TSV and JSON Lines files."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_squeezebert.data.examples import TextExamples
from keras_squeezebert.errors import InputError

# Where a record stands in its file, for messages, and its values by column.
Record = tuple[str, dict[str, Any]]

# JSON can spell these ("\ud83d"), but UTF-8, and so every tokenizer, cannot.
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_examples(
    path: str | os.PathLike,
    text_column: str = "text",
    label_column: str | None = "label",
    text_pair_column: str | None = None,
) -> TextExamples:
    r"""Reads a table of examples; the suffix of the file tells its format.

    All formats are UTF-8, with or without a byte order mark.

    - `.csv`: a header, then comma-separated fields. A field may stand in double
      quotes, and must if it holds a comma, a quote (doubled) or a line break.
    - `.tsv`: a header, then tab-separated fields, as in GLUE. There is no quoting: a
      quote is a character like any other, and a field cannot hold a line break.
    - `.jsonl`: one JSON object on each line. Numbers and booleans are accepted as
      labels and kept as JSON writes them.

    Every line is an example or an error; only blank lines at the end are passed over.

    Args:
        path: File that ends in `.csv`, `.tsv` or `.jsonl`.
        text_column: Column of the text.
        label_column: Column of the label, or None for a table without labels.
        text_pair_column: Column of the second text, for pairs of texts.

    Returns:
        The examples in the order of the file.

    Raises:
        InputError: The file cannot be read, is not of its format, lacks a column, or
            has an empty value. The message tells the line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "examples.csv"
        >>> _ = path.write_text('text,label\n"Hello, you",greet\nbye,leave\n')
        >>> read_examples(path).texts
        ['Hello, you', 'bye']

    Reference:
        RFC 4180 for CSV; jsonlines.org for JSON Lines.
    """
    path = Path(path)
    read_records = _READERS.get(path.suffix.lower())
    if read_records is None:
        raise InputError(
            f"A table of examples must be one of {', '.join(_READERS)}. "
            f"Received: {path}"
        )
    texts, labels, text_pairs = [], [], []
    for where, record in read_records(path):
        texts.append(_text(where, record, text_column))
        if label_column is not None:
            labels.append(_label(where, record, label_column))
        if text_pair_column is not None:
            text_pairs.append(_text(where, record, text_pair_column))
    if not texts:
        raise InputError(
            "A table of examples must have at least one. Received: "
            f"no examples in {path}"
        )
    return TextExamples(texts, labels or None, text_pairs or None)


# === Formats


def _read_csv(path: Path) -> Iterator[Record]:
    hint = "A field with a comma, a quote or a line break must stand in double quotes."
    return _read_delimited(path, hint, delimiter=",")


def _read_tsv(path: Path) -> Iterator[Record]:
    hint = "A .tsv has no quoting: use .csv or .jsonl for texts with tabs or lines."
    return _read_delimited(path, hint, delimiter="\t", quoting=csv.QUOTE_NONE)


def _read_delimited(path: Path, hint: str, **dialect) -> Iterator[Record]:
    # With newline="" the line breaks inside quotes stay as they are.
    lines = io.StringIO(_read_text(path), newline="")
    rows = csv.reader(lines, strict=True, **dialect)
    where = f"{path}, line 1"
    try:
        header = next(rows)
        if not header or len(set(header)) < len(header):
            raise InputError(
                f"{where}: the first line must name the columns, each once. "
                f"Received: {_listed(header)}"
            )
        while True:
            where = f"{path}, line {rows.line_num + 1}"
            row = next(rows, None)
            if row is None:
                return
            if len(row) != len(header):
                raise InputError(
                    f"{where}: expected a field for each of the columns "
                    f"{_listed(header)}. {hint} Received: {len(row)} fields"
                )
            yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{where}: {hint} Received: {error}") from None


def _read_json_lines(path: Path) -> Iterator[Record]:
    # Only "\n" ends a line: JSON strings may hold the other Unicode line breaks.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", error)
            raise InputError(
                f"{where}: expected a JSON object on a line of its own ({reason}). "
                f"Received: {_excerpt(line)}"
            ) from None
        if not isinstance(record, dict):
            raise InputError(
                f"{where}: expected a JSON object. Received: {_excerpt(line)}"
            )
        yield where, record


_READERS = {".csv": _read_csv, ".tsv": _read_tsv, ".jsonl": _read_json_lines}


def _read_text(path):
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The table cannot be read. Received: {path} ({error.strerror})"
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
            f"A table of examples must have at least one. Received: {path}, empty"
        )
    return text


def _line_number(content, position):
    return len((content[:position] + b".").splitlines())


# === Values


def _text(where, record, column):
    value = _value(where, record, column)
    if not isinstance(value, str):
        raise InputError(
            f"{where}: {column!r} must be a string. Received: {_excerpt(value)}"
        )
    return value


def _label(where, record, column):
    value = _value(where, record, column)
    if isinstance(value, str):
        return value
    is_finite = isinstance(value, float) and math.isfinite(value)
    if not (isinstance(value, int) or is_finite):
        raise InputError(
            f"{where}: {column!r} must be a string, a number or a boolean. Received: "
            f"{_excerpt(value)}"
        )
    return json.dumps(value)


def _value(where, record, column):
    if column not in record:
        raise InputError(
            f"{where}: there is no column {column!r}; name one that there is. "
            f"Received: columns {_listed(record)}"
        )
    value = record[column]
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputError(
            f"{where}: {column!r} must not be empty; fill it in or remove the line. "
            f"Received: {value!r}"
        )
    if isinstance(value, str) and _SURROGATE.search(value):
        raise InputError(
            f"{where}: {column!r} holds one half of a surrogate pair, which is no "
            f"character. Received: {_excerpt(value)}"
        )
    return value


def _listed(columns):
    return ", ".join(repr(column) for column in columns) or "none"


def _excerpt(value):
    return repr(value)[:80]
