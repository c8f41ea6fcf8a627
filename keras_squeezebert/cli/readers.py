"""How the data of each head is read, as the options of a command say.

Readers take the path, the options' values by name, the split, and whether a table has a
column of labels.
"""

import os

from keras_squeezebert.errors import InputError

_TABLES = (".csv", ".tsv", ".jsonl")


def is_dataset(path: str | os.PathLike) -> bool:
    """Whether data is named that is to be had from the Hugging Face Hub."""
    from keras_squeezebert.data.hub import HUB

    return str(path) in HUB and not os.path.exists(path)


def glue_task(values, path):
    """The task of GLUE that data are of, by their name on the Hub or by `--glue`."""
    from keras_squeezebert.data import GLUE

    if path is None or not is_dataset(path):
        return values.get("glue")
    name = str(path).removeprefix("glue/")
    return name if name in GLUE else None


def split_of_glue(task, split):
    """A split; of MNLI the matched one, whose genres are those of its training data."""
    from keras_squeezebert.data import GLUE

    matched = f"{split}_matched"
    return matched if task in GLUE and matched in GLUE[task].files else split


def read_texts(path, values, split, labelled):
    """Texts or pairs, of a table, or of GLUE's folder with `--glue`."""
    from keras_squeezebert.data import read_examples, read_glue

    glue = glue_task(values, path)
    if glue:
        return read_glue(path, glue, split_of_glue(glue, split))
    return read_examples(
        path,
        values["text_column"],
        values["label_column"] if labelled else None,
        values["text_pair_column"],
        values["label_separator"],
    )


def read_words(path, values, split, labelled):
    """Sentences, of a table by its suffix, or else of CoNLL's columns."""
    from keras_squeezebert.data import read_conll, read_tokens

    words, tags = values["tokens_column"], values["tags_column"]
    scheme = values["tag_scheme"]
    if path.suffix.lower() in _TABLES:
        tags = (tags or "tags") if labelled else None
        return read_tokens(path, words or "tokens", tags, scheme)
    tags = _number("--tags-column", tags or "-1") if labelled else None
    return read_conll(path, tags, scheme, _number("--tokens-column", words or "0"))


def _number(flag, value):
    try:
        return int(value)
    except ValueError:
        raise InputError(
            f"Columns of CoNLL files are numbers, from 0, or from -1 for the last. "
            f"Received: {flag}={value}"
        ) from None


def read_questions(path, values, split, labelled):
    """Questions, of SQuAD's JSON."""
    from keras_squeezebert.data import read_squad

    return read_squad(path, values["repair"])


def read_contexts(path, values, split, labelled):
    """Contexts and choices, of SWAG, of CODAH, or of another table."""
    from keras_squeezebert.data import read_choices, read_codah, read_swag
    from keras_squeezebert.data.text_files import read_lines

    context, columns = values["context_column"], values["choices_column"]
    separator = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    if separator:
        _, line = next(read_lines(path))
        header = [name.strip('"') for name in line.split(separator)]
        if context not in header and "ending0" in header:
            return read_swag(path)
        if context not in header and separator == "\t" and header[-1].isdigit():
            return read_codah(path)
    choices = columns[0] if len(columns) == 1 else columns or "choices"
    label = values["label_column"] if labelled else None
    return read_choices(path, context, choices, label)


def read_paragraphs(path, values, split, labelled):
    """Texts, of which each line is one."""
    from keras_squeezebert.data import TextExamples, read_documents

    return TextExamples(list(read_documents(path)))
