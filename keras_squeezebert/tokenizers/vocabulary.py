"""Vocabularies: lists of word pieces, one a line in `vocab.txt`."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file

VOCABULARY_FILE = "vocab.txt"

# The vocabulary of uncased BERT, which the published SqueezeBERT models share.
BERT_UNCASED_VOCAB = Path(__file__).with_name("bert_uncased_vocab.txt")

# What marks a piece that continues a word.
PREFIX = "##"


def read_vocabulary(path: str | os.PathLike) -> list[str]:
    """The pieces in a file that has one a line.

    Raises:
        InputError: The file is missing or is not UTF-8.

    Example:
        >>> vocabulary = read_vocabulary(BERT_UNCASED_VOCAB)
        >>> len(vocabulary), vocabulary.index("[MASK]")
        (30522, 103)
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read a vocabulary: {error}. Received: path={path}"
        ) from None
    # Not splitlines(): pieces may hold U+2028 and its like.
    return text.removesuffix("\n").split("\n")


def write_vocabulary(path: str | os.PathLike, tokens: Iterable[str]) -> None:
    """Writes the pieces to a file, one a line."""
    with (
        atomic_file(path) as draft,
        open(draft, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(f"{token}\n" for token in tokens)


def as_vocabulary(
    vocabulary: str | os.PathLike | Sequence[str] | None,
) -> tuple[str, ...]:
    """The pieces of a path, of a sequence, or, for None, those of uncased BERT.

    Raises:
        InputError: There are no pieces, or one is empty, repeated or no string.
    """
    if vocabulary is None:
        vocabulary = BERT_UNCASED_VOCAB
    if isinstance(vocabulary, str | os.PathLike):
        vocabulary = read_vocabulary(vocabulary)
    tokens = tuple(vocabulary)
    seen = {}
    for index, token in enumerate(tokens):
        if not isinstance(token, str) or not token:
            raise InputError(
                "The pieces of a vocabulary must be non-empty strings. Received: "
                f"vocabulary[{index}]={token!r}"
            )
        if (first := seen.setdefault(token, index)) != index:
            raise InputError(
                "The pieces of a vocabulary must differ from one another. Received: "
                f"vocabulary[{first}]=vocabulary[{index}]={token!r}"
            )
    if not tokens:
        raise InputError("A vocabulary must not be empty. Received: vocabulary=[]")
    return tokens
