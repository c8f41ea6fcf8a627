"""prune_vocabulary: a vocabulary for the texts at hand."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from keras_squeezebert.tokenizers.tokenizer_fast import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.vocabulary import PREFIX


def prune_vocabulary(
    vocabulary: str | os.PathLike | Sequence[str] | None,
    texts: Iterable[str],
    **options: Any,
) -> list[str]:
    """The tokens that the texts use, every single character and the special tokens.

    Known words whose pieces are all kept are split as before: the longest piece that
    fits was kept, and dropping others makes no longer one.

    Args:
        vocabulary: Path of a `vocab.txt`, the tokens in order, or None for those of
            uncased BERT.
        texts: The texts whose pieces to keep.
        **options: Fields of :class:`~.options.TokenizerOptions`.

    Returns:
        The kept tokens in their old order.

    Raises:
        InputError: As :class:`SqueezeBertTokenizerFast`.

    Example:
        >>> small = prune_vocabulary(None, ["Squeeze the model."])
        >>> len(small)
        2002
        >>> SqueezeBertTokenizerFast(small).tokenize("Squeeze models.")
        ['squeeze', 'model', '##s', '.']
    """
    tokenizer = SqueezeBertTokenizerFast(vocabulary, **options)
    kept = set(tokenizer.options.special_tokens)
    for text in texts:
        kept.update(tokenizer.tokenize(text))
    return [
        token
        for token in tokenizer.vocabulary
        if token in kept or len(token.removeprefix(PREFIX)) == 1
    ]
