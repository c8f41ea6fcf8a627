"""Texts as characters and words, in TensorFlow ops."""

import re
import sys

import numpy as np
import tensorflow as tf


def as_utf8(texts: tf.Tensor) -> tf.Tensor:
    """Texts of which all bytes are UTF-8: in place of others stands U+FFFD."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")


def substrings(texts: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """`text[start:end]` of each, counted in characters."""
    return tf.strings.substr(texts, starts, ends - starts, unit="UTF8_CHAR")


def cut(
    values: tf.RaggedTensor, rows: tf.Tensor, begins: tf.Tensor, counts: tf.Tensor
) -> tf.RaggedTensor:
    """Of some rows some values each.

    Args:
        values: Ragged (batch, values).
        rows: The rows to take, int (rows,).
        begins: The first value to take of each, int (rows,).
        counts: How many, int (rows,).
    """
    begins += tf.gather(values.row_starts(), rows)
    return tf.gather(values.flat_values, tf.ragged.range(begins, begins + counts))


# === Words

_IS_SPACE, _IS_WORD, _IS_OTHER = range(3)


def _kinds_of_characters():
    """Where Unicode goes from one kind of characters to another, and the kinds.

    They are those of Python's `\\s` and `\\w`, which RE2 has for ASCII only.
    """
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    kinds = np.full(len(everything), _IS_OTHER)
    for kind, pattern in ((_IS_SPACE, r"\s+"), (_IS_WORD, r"\w+")):
        for match in re.finditer(pattern, everything):
            kinds[slice(*match.span())] = kind
    changes = np.flatnonzero(np.diff(kinds, prepend=-1))
    return changes, kinds[changes]


def words_of(texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
    """The words of raw texts, with punctuation apart, as `tasks.word_spans` has them.

    Args:
        texts: String (batch,).

    Returns:
        Ragged (batch, words): the words, and where each starts and ends, in characters.

    Example:
        >>> words, starts, ends = words_of(tf.constant(["She left (at U.S. cost)."]))
        >>> [word.decode() for word in words[0].numpy()]
        ['She', 'left', '(', 'at', 'U.S', '.', 'cost', ')', '.']
        >>> starts.to_list()[0][4], ends.to_list()[0][4]
        (13, 16)
    """
    codes = tf.strings.unicode_decode(texts, "UTF-8")  # (batch, characters)
    changes, kinds = _kinds_of_characters()
    ranges = tf.searchsorted(
        tf.constant(changes, tf.int32), codes.flat_values, side="right"
    )
    kind = tf.gather(tf.constant(kinds, tf.int32), ranges - 1)  # (characters,)
    is_space = tf.equal(kind, _IS_SPACE)
    # Runs without spaces. Of each, what is between the first and the last character
    # of a word is one word; all else in it is punctuation.
    rows = codes.value_rowids()
    begins = tf.concat([[True], rows[1:] != rows[:-1]], axis=0)[: tf.size(rows)]
    runs = tf.cumsum(tf.cast(begins | is_space, tf.int32))
    places = tf.range(tf.size(runs))
    count = tf.reduce_max(tf.concat([runs, [0]], axis=0)) + 1
    in_word = tf.equal(kind, _IS_WORD)
    first = tf.math.unsorted_segment_min(
        tf.where(in_word, places, tf.int32.max), runs, count
    )
    last = tf.math.unsorted_segment_max(tf.where(in_word, places, -1), runs, count)
    first, last = tf.gather(first, runs), tf.gather(last, runs)
    is_inside = (first <= places) & (places <= last)
    is_start = ~is_space & (~is_inside | (places == first))
    is_end = ~is_space & (~is_inside | (places == last))

    starts, ends = tf.where(is_start)[:, 0], tf.where(is_end)[:, 0] + 1  # (words,)
    letters = tf.gather(codes.flat_values, tf.ragged.range(starts, ends))
    rows_of_words = tf.gather(rows, starts)
    offsets = tf.gather(codes.row_starts(), rows_of_words)

    def by_row(values):
        return tf.RaggedTensor.from_value_rowids(values, rows_of_words, codes.nrows())

    return (
        by_row(tf.strings.unicode_encode(letters, "UTF-8")),
        by_row(starts - offsets),
        by_row(ends - offsets),
    )
