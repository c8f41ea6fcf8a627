"""read_swag and read_codah: beginnings of stories, with four endings to choose from."""

import os

from keras_squeezebert.data.choice_examples import ChoiceExamples
from keras_squeezebert.data.records import (
    index_of,
    read_csv,
    text_of,
    value_of,
)
from keras_squeezebert.data.text_files import excerpt, read_lines
from keras_squeezebert.errors import InputError

_ENDINGS = ("ending0", "ending1", "ending2", "ending3")
_CODAH_COLUMNS = ("category", "prompt", *_ENDINGS, "label")


def read_swag(path: str | os.PathLike) -> ChoiceExamples:
    r"""Reads SWAG's CSV: `train.csv`, `val.csv`, or `test.csv`, which has no labels.

    The context is `sent1`. A choice is `sent2`, the words that all four endings go on
    from, and the ending, as SWAG's authors and Hugging Face pair them.

    Args:
        path: The file, in UTF-8, whatever its name.

    Returns:
        The examples in the order of the file.

    Raises:
        InputError: The file cannot be read, is not CSV, lacks a column, or has an empty
            value or no such label. The message tells the line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "val.csv"
        >>> _ = path.write_text(
        ...     "sent1,sent2,ending0,ending1,ending2,ending3,label\n"
        ...     "She knocks.,Someone,opens.,melts.,is a door.,sings rain.,0\n"
        ... )
        >>> read_swag(path).choices[0][:2]
        ['Someone opens.', 'Someone melts.']

    Reference:
        Zellers et al. 2018, "SWAG: A Large-Scale Adversarial Dataset for Grounded
        Commonsense Inference".
    """
    contexts, choices, labels = [], [], []
    for where, record in read_csv(path):
        contexts.append(text_of(where, record, "sent1"))
        # It may be empty: then an ending is a sentence of its own.
        begun = value_of(where, record, "sent2")
        endings = [text_of(where, record, column) for column in _ENDINGS]
        choices.append([f"{begun} {ending}".strip() for ending in endings])
        if "label" in record:
            labels.append(index_of(where, record, "label", len(_ENDINGS)))
    return _examples(path, contexts, choices, labels)


def read_codah(path: str | os.PathLike) -> ChoiceExamples:
    r"""Reads CODAH's `full_data.tsv`.

    A line is category, prompt, four endings and label, between tabs. There is no header
    and no quoting: a quote is a character like any other.

    Args:
        path: The file, in UTF-8.

    Returns:
        The examples in the order of the file; the prompt is the context, and the
        endings are the choices.

    Raises:
        InputError: The file cannot be read, a line has not seven fields, or one of them
            but the category is empty, or there is no such label. The message tells the
            line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "full_data.tsv"
        >>> _ = path.write_text("o\tWet dogs\tshake.\tfly.\tread.\tare dry.\t0\n")
        >>> read_codah(path)
        ChoiceExamples(contexts=['Wet dogs'], choices=[['shake.', 'fly.', 'read.',
        'are dry.']], labels=[0])

    Reference:
        Chen et al. 2019, "CODAH: An Adversarially-Authored Question Answering Dataset
        for Common Sense".
    """
    contexts, choices, labels = [], [], []
    for where, line in read_lines(path):
        fields = line.split("\t")
        if len(fields) != len(_CODAH_COLUMNS):
            raise InputError(
                f"{where}: expected the {len(_CODAH_COLUMNS)} fields "
                f"{', '.join(_CODAH_COLUMNS)}, between tabs. Received: "
                f"{len(fields)} fields, {excerpt(line)}"
            )
        record = dict(zip(_CODAH_COLUMNS, fields, strict=True))
        contexts.append(text_of(where, record, "prompt"))
        choices.append([text_of(where, record, column) for column in _ENDINGS])
        labels.append(index_of(where, record, "label", len(_ENDINGS)))
    return _examples(path, contexts, choices, labels)


def _examples(path, contexts, choices, labels):
    if not contexts:
        raise InputError(
            "A file of examples must have at least one. Received: no examples in "
            f"{path}"
        )
    return ChoiceExamples(contexts, choices, labels or None)
