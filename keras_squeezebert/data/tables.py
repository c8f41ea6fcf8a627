"""Reads examples of one's own from CSV, TSV and JSON Lines files, for three heads.

Questions about texts have a form of their own, :func:`read_squad`.
"""

import os
from collections.abc import Sequence

from keras_squeezebert.data.choice_examples import ChoiceExamples
from keras_squeezebert.data.examples import TextExamples
from keras_squeezebert.data.iob import sentences_to_iob2
from keras_squeezebert.data.records import (
    index_of,
    label_of,
    read_records,
    text_of,
    texts_of,
)
from keras_squeezebert.data.token_examples import TokenExamples
from keras_squeezebert.errors import InputError


def read_examples(
    path: str | os.PathLike,
    text_column: str = "text",
    label_column: str | None = "label",
    text_pair_column: str | None = None,
    label_separator: str | None = None,
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
        label_separator: What stands between labels, for examples of any number of
            them. An empty field has none. In `.jsonl` they may be a list of strings
            instead. Default: each example has one label.

    Returns:
        The examples in the order of the file.

    Raises:
        InputError: The file cannot be read, is not of its format, lacks a column, or
            has an empty value. The message tells the line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "examples.csv"
        >>> _ = path.write_text('text,label\n"Hello, you",greet\nbye,leave\n')
        >>> read_examples(path).texts
        ['Hello, you', 'bye']
        >>> _ = path.write_text("text,label\nHi all,greet;plural\nhm,\n")
        >>> read_examples(path, label_separator=";").labels
        [['greet', 'plural'], []]

    Reference:
        RFC 4180 for CSV; jsonlines.org for JSON Lines.
    """
    _check_separator(label_separator)
    texts, labels, text_pairs = [], [], []
    for where, record in read_records(path):
        texts.append(text_of(where, record, text_column))
        if label_column is not None and label_separator is None:
            labels.append(label_of(where, record, label_column))
        elif label_column is not None:
            several = texts_of(where, record, label_column, label_separator)
            # Many put a space after the separator.
            labels.append([label.strip() for label in several])
        if text_pair_column is not None:
            text_pairs.append(text_of(where, record, text_pair_column))
    _check_any(texts, path)
    return TextExamples(texts, labels or None, text_pairs or None)


def read_tokens(
    path: str | os.PathLike,
    tokens_column: str = "tokens",
    tags_column: str | None = "tags",
    scheme: str = "auto",
) -> TokenExamples:
    r"""Reads sentences whose words have tags, one sentence a record.

    In `.jsonl` words and tags are lists of strings. In `.csv` and `.tsv`, and in a
    `.jsonl` that has strings, one space stands between them.

    Args:
        path: File that ends in `.csv`, `.tsv` or `.jsonl`, of the formats of
            :func:`read_examples`.
        tokens_column: Column of the words.
        tags_column: Column of the tags, or None for a table without tags.
        scheme: What tags of entities are in, of those that :func:`to_iob2` knows;
            "plain" for any other tags. "auto" finds it from the whole file, or says
            that it cannot.

    Returns:
        The sentences in the order of the file, the tags of entities in IOB2.

    Raises:
        InputError: The file cannot be read, is not of its format, lacks a column, a
            sentence has another number of tags than of words, or a tag does not fit
            the scheme. The message tells the line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "examples.jsonl"
        >>> line = '{"tokens": ["to", "New", "York"], "tags": ["O", "I-LOC", "I-LOC"]}'
        >>> _ = path.write_text(line)
        >>> read_tokens(path).tags
        [['O', 'B-LOC', 'I-LOC']]
    """
    places, words, tags = [], [], []
    for where, record in read_records(path):
        places.append(where)
        words.append(texts_of(where, record, tokens_column, " "))
        if not words[-1]:
            raise InputError(
                f"{where}: {tokens_column!r} must have a word. Received: "
                f"{record[tokens_column]!r}"
            )
        if tags_column is None:
            continue
        tags.append(texts_of(where, record, tags_column, " "))
        if len(tags[-1]) != len(words[-1]):
            raise InputError(
                f"{where}: {tags_column!r} must have a tag for each word. Received: "
                f"{len(tags[-1])} tags, {len(words[-1])} words"
            )
    _check_any(words, path)
    if tags_column is None:
        return TokenExamples(words)

    def place(sentence, word):
        return f"{places[sentence]}, tag {word + 1}"

    return TokenExamples(words, sentences_to_iob2(tags, scheme, place))


def read_choices(
    path: str | os.PathLike,
    context_column: str = "context",
    choices_columns: str | Sequence[str] = "choices",
    label_column: str | None = "label",
) -> ChoiceExamples:
    r"""Reads contexts with several choices, of which one is right.

    Args:
        path: File that ends in `.csv`, `.tsv` or `.jsonl`, of the formats of
            :func:`read_examples`.
        context_column: Column of the context.
        choices_columns: In `.jsonl`, the column with a list of choices; or, in any
            format, the columns with a choice each.
        label_column: Column of the index of the right choice, from 0, or None for a
            table without labels.

    Returns:
        The examples in the order of the file.

    Raises:
        InputError: The file cannot be read, is not of its format, lacks a column, has
            an empty value, another number of choices than in its first example, or an
            index of none of them. The message tells the line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "examples.csv"
        >>> _ = path.write_text("context,a,b,label\nShe opened,the door.,a rain.,0\n")
        >>> read_choices(path, choices_columns=["a", "b"])
        ChoiceExamples(contexts=['She opened'], choices=[['the door.', 'a rain.']],
        labels=[0])
    """
    contexts, choices, labels = [], [], []
    for where, record in read_records(path):
        contexts.append(text_of(where, record, context_column))
        choices.append(_choices(where, record, choices_columns))
        expected, received = len(choices[0]), len(choices[-1])
        if received < 2 or received != expected:
            raise InputError(
                f"{where}: examples must have two choices or more, and all as many as "
                f"the first, which has {expected}. Received: {received} choices"
            )
        if label_column is not None:
            labels.append(index_of(where, record, label_column, received))
    _check_any(contexts, path)
    return ChoiceExamples(contexts, choices, labels or None)


def _choices(where, record, columns):
    if isinstance(columns, str):
        return texts_of(where, record, columns, separator=None)
    return [text_of(where, record, column) for column in columns]


def _check_separator(separator):
    if separator == "":
        raise InputError(
            "`label_separator` must be a character or more, or None. Received: "
            "label_separator=''"
        )


def _check_any(examples, path):
    if not examples:
        raise InputError(
            "A table of examples must have at least one. Received: "
            f"no examples in {path}"
        )
