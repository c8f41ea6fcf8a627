"""read_documents, read_paragraphs: plain text to learn language from, line by line."""

import gzip
import logging
import lzma
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_squeezebert.data.text_files import listed
from keras_squeezebert.errors import InputError

logger = logging.getLogger(__name__)

# How files are opened, by the ends of their names.
_KINDS = {".txt": open, ".txt.gz": gzip.open, ".txt.xz": lzma.open}
_NAME = re.compile(r".+?(\.txt|\.txt\.gz|\.txt\.xz)")
_REPLACEMENT = "\ufffd"


def read_documents(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    errors: str = "strict",
    max_line_bytes: int = 16 * 2**20,
) -> Iterator[str]:
    r"""Reads text of which each line is a paragraph or a document of its own.

    The files are read as the iterator is: of them all, one line is in memory. Blank
    lines are passed over. Only "\n" ends a line, or "\r\n"; the other line breaks of
    Unicode stand inside a document.

    Args:
        paths: A file or several, in UTF-8, with or without a byte order mark: `.txt`,
            or compressed as `.txt.gz` or `.txt.xz`.
        errors: "strict", for which bytes that are not UTF-8, and NUL, are an error; or
            "replace", which puts a U+FFFD for them, and logs in how many lines as a
            warning when a file ends.
        max_line_bytes: Length of a line beyond which it is an error, and not read to
            its end: a file that is not text may have no line breaks at all.

    Returns:
        An iterator over the documents, in the order of the files and their lines.

    Raises:
        InputError: There is no such file, or of another kind; and while it is read:
            it is not whole, a line is too long or not UTF-8, or a file has no document.
            The message tells the line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "texts.txt.gz"
        >>> with gzip.open(path, "wt", encoding="utf-8") as file:
        ...     _ = file.write("One paragraph.\n\nAnother one.\n")
        >>> list(read_documents(path))
        ['One paragraph.', 'Another one.']
    """
    return (text for _, text in read_paragraphs(paths, errors, max_line_bytes))


def read_paragraphs(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    errors: str = "strict",
    max_line_bytes: int = 16 * 2**20,
) -> Iterator[tuple[int, str]]:
    """As :func:`read_documents`, where blank lines part documents of several lines.

    Returns:
        An iterator over `(document, paragraph)`: the number of the document, which
        begins with each file and after blank lines, and the text of a line.

    Raises:
        InputError: As there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "texts.txt"
        >>> _ = path.write_text("A title\\nIts text.\\n\\nAnother title\\n")
        >>> list(read_paragraphs(path))
        [(0, 'A title'), (0, 'Its text.'), (1, 'Another title')]
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    paths = [Path(path) for path in paths]
    if errors not in ("strict", "replace"):
        raise InputError(
            f"`errors` must be 'strict' or 'replace'. Received: errors={errors!r}"
        )
    if max_line_bytes < 1:
        raise InputError(
            "`max_line_bytes` must be positive. Received: "
            f"max_line_bytes={max_line_bytes}"
        )
    if not paths:
        raise InputError("`paths` must name a file at least. Received: paths=[]")
    openers = [_opener(path) for path in paths]
    return _all_paragraphs(paths, openers, errors, max_line_bytes)


def _opener(path):
    """How the file is opened; that it is there is checked before any is read."""
    name = _NAME.fullmatch(path.name.lower())
    if name is None:
        raise InputError(
            f"A file of documents must be one of {listed(_KINDS)}. Received: {path}"
        )
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"The file cannot be read. Received: {path} ({kind})")
    return _KINDS[name[1]]


def _all_paragraphs(paths, openers, errors, max_line_bytes):
    document = -1
    for path, opener in zip(paths, openers, strict=True):
        is_blank = True
        for text in _lines_of_text(path, opener, errors, max_line_bytes):
            if text:
                document += is_blank
                yield document, text
            is_blank = not text


def _lines_of_text(path, opener, errors, max_line_bytes):
    """The text of each line, empty where it is blank."""
    found = replaced = 0
    for number, line in _lines(path, opener, max_line_bytes):
        where = f"{path}, line {number}"
        text, mended = _decoded(where, line.rstrip(b"\r\n"), errors)
        replaced += mended
        if number == 1:
            text = text.removeprefix("\ufeff")
        is_blank = not text.strip()
        found += not is_blank
        yield "" if is_blank else text
    if not found:
        raise InputError(
            f"A file of documents must have at least one. Received: {path}, empty"
        )
    if replaced:
        logger.warning(
            "%s: replaced what is not UTF-8 text, in %d lines of %d",
            *(path, replaced, number),
        )


def _lines(path, opener, max_line_bytes):
    """Number and bytes of each line."""
    number = 0
    try:
        with opener(path, "rb") as file:
            # Two more, for the line break.
            while line := file.readline(max_line_bytes + 2):
                number += 1
                if len(line.rstrip(b"\r\n")) > max_line_bytes:
                    raise InputError(
                        f"{path}, line {number}: expected lines of at most "
                        f"{max_line_bytes:,} bytes. Break them into paragraphs, or "
                        "raise `max_line_bytes`. Received: a longer one, beginning "
                        f"{line[:40]!r}"
                    )
                yield number, line
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(
            f"{path}, line {number + 1}: the file cannot be read on. Received: {error}"
        ) from None


def _decoded(where, line, errors):
    """The text of a line, and whether something in it was replaced."""
    fault = None
    try:
        text = line.decode("utf-8")
        if "\0" in text:
            fault = "a NUL byte"
    except UnicodeDecodeError as error:
        text = line.decode("utf-8", "replace")
        fault = f"byte 0x{line[error.start]:02x} ({error.reason})"
    if fault and errors == "strict":
        raise InputError(
            f"{where}: save the file as UTF-8 text, or read it with errors='replace'. "
            f"Received: {fault}"
        )
    return text.replace("\0", _REPLACEMENT), fault is not None
