"""read_dataset: the same examples from the `datasets` of the Hugging Face Hub."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_squeezebert.data.choice_examples import ChoiceExamples
from keras_squeezebert.data.examples import TextExamples
from keras_squeezebert.data.glue import GLUE
from keras_squeezebert.data.iob import sentences_to_iob2
from keras_squeezebert.data.question_examples import Answer, QuestionExamples
from keras_squeezebert.data.text_files import excerpt, listed
from keras_squeezebert.data.token_examples import TokenExamples
from keras_squeezebert.errors import InputError

Examples = TextExamples | TokenExamples | ChoiceExamples | QuestionExamples


def read_dataset(name: str, split: str) -> Examples:
    """Reads a well-known data set with the package `datasets`, which fetches it.

    What comes back is what the readers of files give: labels of GLUE are those of
    :func:`read_glue`, and tags are IOB2. What was fetched once is kept in the cache of
    `datasets`.

    Args:
        name: "glue/sst2" and so on with the keys of `GLUE`; "squad", "squad_v2",
            "conll2003" or "swag".
        split: "train", "dev" (on the Hub "validation"; either is taken) or "test"; of
            "glue/mnli" also "dev_matched" and so on, as in :func:`read_glue`.

    Returns:
        `TextExamples` of GLUE, `QuestionExamples` of SQuAD, `TokenExamples` of
        CoNLL-2003, `ChoiceExamples` of SWAG.

    Raises:
        InputError: `datasets` is not installed, there is no such data set or split, it
            cannot be fetched, or has not the form that is known.

    Example:
        >>> read_dataset("glue/snli", "train")
        Traceback (most recent call last):
        ...
        keras_squeezebert.errors.InputError: `name` must be one of 'glue/cola', ...

    Reference:
        Lhoest et al. 2021, "Datasets: A Community Library for Natural Language
        Processing".
    """
    if name not in HUB:
        raise InputError(f"`name` must be one of {listed(HUB)}. Received: {name!r}")
    source = HUB[name]
    rows = _load(source, split.replace("dev", "validation"))
    try:
        return source.read(rows)
    except InputError:
        raise
    # A column that is missing or of another type: the Hub's data sets do change.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"The data set {source.path} is not as it was known to be. Received: "
            f"{type(error).__name__}: {excerpt(error)}"
        ) from None


@dataclass(frozen=True)
class HubDataset:
    """Where a data set is, and how its rows become examples.

    Args:
        path: Its id on the Hub.
        read: A function of the `datasets.Dataset` of a split.
        config: Name of the part of it.
        revision: Branch on the Hub.
    """

    path: str
    read: Callable
    config: str | None = None
    revision: str | None = None


def _load(source, split):
    try:
        from datasets import load_dataset
    except ImportError:
        raise InputError(
            "Data sets of the Hugging Face Hub are read with `datasets`. Install it: "
            "pip install keras-squeezebert[datasets]. Received: no such package"
        ) from None
    try:
        return load_dataset(
            source.path, source.config, split=split, revision=source.revision
        )
    # Refused connections and time-outs come as types of the HTTP library.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"The split {split!r} of {source.path} cannot be had. Received: {reason}"
        ) from None


# === From rows to examples


def _glue(task, columns):
    def read(rows):
        labels = list(rows["label"])
        if all(label == -1 for label in labels):
            labels = None  # so the Hub writes that there is none
        elif GLUE[task].labels:
            labels = [_named(label, GLUE[task].labels) for label in labels]
        else:
            # Of float32: 3.8 and not 3.799999952316284.
            labels = [str(np.float32(score)) for score in labels]
        first, *second = (list(rows[column]) for column in columns)
        return TextExamples(first, labels, *second)

    return read


def _named(index, names):
    if not 0 <= index < len(names):
        raise InputError(
            f"Labels must be from 0 to {len(names) - 1}. Received: {index}"
        )
    return names[index]


def _squad(rows):
    answers = [
        [
            Answer(text, start)
            for text, start in zip(row["text"], row["answer_start"], strict=True)
        ]
        for row in rows["answers"]
    ]
    columns = (list(rows[name]) for name in ("id", "question", "context"))
    return QuestionExamples(*columns, answers)


def _conll2003(rows):
    names = rows.features["ner_tags"].feature.names
    tags = [[_named(tag, names) for tag in row] for row in rows["ner_tags"]]
    words = [list(words) for words in rows["tokens"]]
    place = "row {}, tag {}".format
    return TokenExamples(words, sentences_to_iob2(tags, "auto", place))


def _swag(rows):
    endings = zip(*(rows[f"ending{number}"] for number in range(4)), strict=True)
    choices = [
        [f"{begun} {ending}".strip() for ending in row]
        for begun, row in zip(rows["sent2"], endings, strict=True)
    ]
    labels = list(rows["label"])
    unknown = all(label == -1 for label in labels)
    return ChoiceExamples(list(rows["sent1"]), choices, None if unknown else labels)


_GLUE_COLUMNS = {
    "cola": ("sentence",),
    "sst2": ("sentence",),
    "mrpc": ("sentence1", "sentence2"),
    "stsb": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
    "mnli": ("premise", "hypothesis"),
    "qnli": ("question", "sentence"),
    "rte": ("sentence1", "sentence2"),
    "wnli": ("sentence1", "sentence2"),
    "ax": ("premise", "hypothesis"),
}

HUB = {
    **{
        f"glue/{task}": HubDataset("nyu-mll/glue", _glue(task, columns), task)
        for task, columns in _GLUE_COLUMNS.items()
    },
    "squad": HubDataset("rajpurkar/squad", _squad),
    "squad_v2": HubDataset("rajpurkar/squad_v2", _squad),
    # Its main branch is a script, which `datasets` no longer runs.
    "conll2003": HubDataset(
        "eriktks/conll2003", _conll2003, revision="refs/convert/parquet"
    ),
    "swag": HubDataset("allenai/swag", _swag, "regular"),
}
