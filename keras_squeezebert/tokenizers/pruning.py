"""prune_vocabulary: a vocabulary for the texts at hand."""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers.base import TokenizerBase
from keras_squeezebert.tokenizers.inputs import as_texts
from keras_squeezebert.tokenizers.tokenizer_fast import (
    SqueezeBertTokenizerFast,
    rust_tokenizer,
)
from keras_squeezebert.tokenizers.vocabulary import PREFIX

_BATCH_SIZE = 256  # texts that are in memory, and split on all cores


def prune_vocabulary(
    vocabulary: str | os.PathLike | Sequence[str] | None,
    texts: Iterable[str],
    min_count: int = 1,
    **options: Any,
) -> list[str]:
    """The tokens that the texts use, every single character and the special tokens.

    Known words whose pieces are all kept are split as before: the longest piece that
    fits was kept, and dropping others makes no longer one. Other words are spelt with
    smaller pieces; with a vocabulary in which all characters of its pieces also stand
    by themselves, as BERT's, no word becomes `[UNK]` by it.

    Args:
        vocabulary: Path of a `vocab.txt`, the tokens in order, or None for those of
            uncased BERT.
        texts: The texts whose pieces to keep. They are gone through once.
        min_count: How often the texts must use a piece for it to be kept.
        **options: Fields of :class:`~.options.TokenizerOptions`.

    Returns:
        The kept tokens in their old order.

    Raises:
        InputError: As :class:`SqueezeBertTokenizerFast`; `min_count` is under 1.

    Example:
        >>> small = prune_vocabulary(None, ["Squeeze the model."])
        >>> len(small)
        2002
        >>> SqueezeBertTokenizerFast(small).tokenize("Squeeze models.")
        ['squeeze', 'model', '##s', '.']
    """
    tokenizer = SqueezeBertTokenizerFast(vocabulary, **options)
    ids = kept_ids(tokenizer, count_pieces(tokenizer, texts), min_count)
    return tokenizer.convert_ids_to_tokens(ids)


def count_pieces(tokenizer: TokenizerBase, texts: Iterable[str]) -> Counter[int]:
    """How often the texts use each piece, by its id.

    Args:
        tokenizer: Either tokenizer.
        texts: Texts, which are gone through once, a few at a time, so that they need
            not fit into memory. One string is one text.

    Raises:
        InputError: One of them is no string.

    Example:
        >>> counts = count_pieces(SqueezeBertTokenizerFast(), ["no, no", "no!"])
        >>> counts[2053], counts.total()
        (3, 5)
    """
    rust = rust_tokenizer(tokenizer.get_vocab(), tokenizer.options)
    texts = iter([texts] if isinstance(texts, str) else texts)
    counts = Counter()
    while batch := as_texts(list(itertools.islice(texts, _BATCH_SIZE))):
        for encoding in rust.encode_batch_fast(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def kept_ids(
    tokenizer: TokenizerBase, counts: Mapping[int, int], min_count: int = 1
) -> list[int]:
    """Ids of the pieces used often enough, of single characters and special tokens.

    Args:
        tokenizer: Either tokenizer.
        counts: How often each id is used; see :func:`count_pieces`.
        min_count: How often is enough.

    Returns:
        The ids in ascending order.

    Raises:
        InputError: `min_count` is under 1.

    Example:
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> ids = kept_ids(tokenizer, count_pieces(tokenizer, ["yes", "no", "no"]), 2)
        >>> kept = tokenizer.convert_ids_to_tokens(ids)
        >>> [piece in kept for piece in ("yes", "no", "y", "##y", "[MASK]")]
        [False, True, True, True, True]
    """
    if min_count < 1:
        raise InputError(f"`min_count` must be positive. Received: {min_count=}")
    special = set(tokenizer.all_special_ids)
    return [
        index
        for index, token in enumerate(tokenizer.vocabulary)
        if counts.get(index, 0) >= min_count
        or index in special
        or len(token.removeprefix(PREFIX)) == 1
    ]
