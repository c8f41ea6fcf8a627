"""read_conll: words and their tags in columns, as CoNLL-2003 has them."""

import os
import re

from keras_squeezebert.data.iob import sentences_to_iob2
from keras_squeezebert.data.text_files import excerpt, read_lines
from keras_squeezebert.data.token_examples import TokenExamples
from keras_squeezebert.errors import InputError

_NEW_DOCUMENT = "-DOCSTART-"
_SPACES = re.compile(" +")


def read_conll(
    path: str | os.PathLike,
    tag_column: int | None = -1,
    scheme: str = "auto",
    word_column: int = 0,
) -> TokenExamples:
    r"""Reads a file that has a word a line, and a blank line between sentences.

    A line has as many columns as all others. They stand between spaces, or, if it has a
    tab, between tabs, so that a word may hold spaces. Lines of `-DOCSTART-` end a
    sentence as blank ones do; that there a document begins is not kept.

    Args:
        path: The file, in UTF-8.
        tag_column: Column of the tag, from 0, or from −1 for the last; None for a file
            without tags.
        scheme: What tags of entities are in, of those that :func:`to_iob2` knows;
            "plain" for any other tags. "auto" finds it from the whole file, or says
            that it cannot.
        word_column: Column of the word.

    Returns:
        The sentences in the order of the file, the tags of entities in IOB2.

    Raises:
        InputError: The file cannot be read, has no words, a line has other columns
            than the first, or a tag does not fit the scheme. The message tells the
            line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "examples.conll"
        >>> _ = path.write_text("to TO O\nNew NNP I-LOC\nYork NNP I-LOC\n\nno DT O\n")
        >>> read_conll(path).tags
        [['O', 'B-LOC', 'I-LOC'], ['O']]

    Reference:
        Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared
        Task".
    """
    sentences = [[]]  # of (place, columns)
    for where, line in read_lines(path):
        columns = _columns(line)
        if not columns or columns[0] == _NEW_DOCUMENT:
            if sentences[-1]:
                sentences.append([])
        else:
            sentences[-1].append((where, columns))
    if not sentences[-1]:
        sentences.pop()
    if not sentences:
        raise InputError(
            f"A file of examples must have at least one. Received: no words in {path}"
        )
    _check_columns(sentences, word_column, tag_column)
    words = [[columns[word_column] for _, columns in rows] for rows in sentences]
    if tag_column is None:
        return TokenExamples(words)
    tags = [[columns[tag_column] for _, columns in rows] for rows in sentences]

    def place(sentence, word):
        return sentences[sentence][word][0]

    return TokenExamples(words, sentences_to_iob2(tags, scheme, place))


def _columns(line):
    if not line.strip():
        return []
    # Not `split()`, for which a word may not be a no-break space.
    return line.split("\t") if "\t" in line else _SPACES.split(line.strip(" "))


def _check_columns(sentences, word_column, tag_column):
    _, first = sentences[0][0]
    for name, column in [("word_column", word_column), ("tag_column", tag_column)]:
        if column is not None and not -len(first) <= column < len(first):
            raise InputError(
                f"`{name}` must be one of the {len(first)} columns, from 0 to "
                f"{len(first) - 1}. Received: {name}={column}"
            )
    if tag_column is not None and (tag_column - word_column) % len(first) == 0:
        where, _ = sentences[0][0]
        raise InputError(
            f"{where}: words and tags must stand in different columns. Received: "
            f"{len(first)} columns, word_column={word_column}, tag_column={tag_column}"
        )
    for rows in sentences:
        for where, columns in rows:
            if len(columns) != len(first) or not all(columns):
                raise InputError(
                    f"{where}: expected {len(first)} columns, none of them empty, as "
                    f"in the first line. Received: {excerpt(columns)}"
                )
