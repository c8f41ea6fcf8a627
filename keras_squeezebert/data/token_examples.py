"""TokenExamples: sentences as words, with or without a tag for each."""

from dataclasses import dataclass

from keras_squeezebert.data.checks import (
    check_as_many,
    check_lists_of_strings,
)
from keras_squeezebert.errors import InputError


@dataclass(frozen=True)
class TokenExamples:
    """Parallel lists of sentences and of their words' tags.

    Args:
        words: The words of each sentence, of which it has one at least.
        tags: A tag for each word, or None where none are known. Tags of entities are
            IOB2, in which each entity begins with a B; see :func:`to_iob2`. Others,
            such as parts of speech, are as they are.

    Raises:
        InputError: Something other than lists of strings, an empty sentence or word,
            or another number of tags than of words.

    Example:
        >>> examples = TokenExamples([["to", "New", "York"]], [["O", "B-LOC", "I-LOC"]])
        >>> len(examples)
        1
    """

    words: list[list[str]]
    tags: list[list[str]] | None = None

    def __post_init__(self):
        check_lists_of_strings("words", self.words)
        for row, words in enumerate(self.words):
            if not all(words) or not words:
                raise InputError(
                    "A sentence must have a word, and a word a character. Received: "
                    f"words[{row}]={words!r}"
                )
        if self.tags is not None:
            check_lists_of_strings("tags", self.tags)
            check_as_many("tags", self.tags, "words", self.words)
            for row, tags in enumerate(self.tags):
                check_as_many(f"tags[{row}]", tags, f"words[{row}]", self.words[row])

    def __len__(self) -> int:
        return len(self.words)
