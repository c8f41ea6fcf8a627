"""WordPieces: strings to ids of word pieces, in TensorFlow ops."""

import functools
import re

import numpy as np
import tensorflow as tf
import tensorflow_text

from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers.code_points import (
    BLOCK,
    CLASS,
    MARKS,
    REMOVED,
    SAME,
    CodePointTable,
    code_point_table,
)
from keras_squeezebert.tokenizers.options import TokenizerOptions
from keras_squeezebert.tokenizers.vocabulary import PREFIX

_LONGEST_WORD = 100  # in characters; longer ones are unknown
_SPACE = ord(" ")

# The least code points that take two, three and four bytes.
_UTF8_SIZES = (0x80, 0x800, 0x10000)

# Op by op, an eager call would take ten times as long.
_graph = functools.partial(
    tf.function, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
)


class WordPieces:
    """BERT's normaliser, pre-tokeniser and word pieces, exactly as the Rust library's.

    Args:
        vocabulary: The tokens in order.
        options: How to normalise, and the special tokens.

    Call arguments:
        texts: A string tensor of shape (batch,); bytes that are not UTF-8 are dropped.

    Returns:
        A RaggedTensor of int32 ids, (batch, pieces).

    Raises:
        InputError: TensorFlow Text cannot hold a token: one of over 256 bytes, say.

    Example:
        >>> options = TokenizerOptions()
        >>> pieces = WordPieces((*options.special_tokens, "e", "##lan"), options)
        >>> pieces(tf.constant(["Élan [MASK]"])).to_list()
        [[5, 6, 4]]
        >>> ids, starts, ends = pieces.with_offsets(tf.constant(["Élan [MASK]"]))
        >>> starts.to_list(), ends.to_list()
        ([[0, 1, 5]], [[1, 4, 11]])
    """

    def __init__(self, vocabulary: tuple[str, ...], options: TokenizerOptions):
        marks = dict(zip(options.special_tokens, MARKS, strict=True))
        # The longest first, as one token may begin another.
        self._marks = sorted(marks.items(), key=lambda pair: -len(pair[0]))
        self._unknown = marks[options.unk_token]
        # By code point from the one before the first mark to the one after the last.
        self._widths = [1, *map(len, options.special_tokens), 1]
        # A token that is itself a mark, which no text can hold, takes the other name.
        names = marks | {mark: token for token, mark in marks.items()}
        self._table = code_point_table(
            options.do_lower_case,
            options.strips_accents,
            options.tokenize_chinese_chars,
        )
        try:
            with tf.init_scope():
                self._tokenizer = tensorflow_text.FastWordpieceTokenizer(
                    [names.get(token, token) for token in vocabulary],
                    suffix_indicator=PREFIX,
                    max_bytes_per_word=4 * _LONGEST_WORD,
                    token_out_type=tf.int32,
                    unknown_token=self._unknown,
                    no_pretokenization=True,
                )
        except RuntimeError as error:
            raise InputError(
                f"TensorFlow Text refuses the vocabulary: {error}"
            ) from None

    @_graph
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        # The graph leaves out what only the offsets need.
        return self._split(texts)[0]

    @_graph
    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        """The ids, and where in its text each piece starts and ends.

        Args:
            texts: As in a call.

        Returns:
            RaggedTensors of int32, (batch, pieces): ids, starts and ends. Offsets count
            characters; what is not UTF-8 counts as the U+FFFD that Python and
            TensorFlow decode it to.
        """
        return self._split(texts)

    def _split(self, texts):
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = self._mark_special_tokens(texts)
        characters = tf.strings.unicode_decode(texts, "UTF-8")  # (batch, chars)
        normal, sources = normalize(characters, self._table)
        texts = tf.strings.unicode_encode(normal, "UTF-8")
        words = tf.strings.split(texts)  # (batch, words)
        too_long = tf.strings.length(words.flat_values, "UTF8_CHAR") > _LONGEST_WORD
        known = tf.where(too_long, self._unknown, words.flat_values)
        pieces, starts, _ = self._tokenizer.tokenize_with_offsets(known)
        ids = words.with_flat_values(pieces).merge_dims(1, 2)  # (batch, pieces)

        # The pieces lie end to end in the bytes of all words.
        sizes = tf.strings.length(words.flat_values)
        firsts = tf.gather(tf.cumsum(sizes, exclusive=True), pieces.value_rowids())
        firsts += tf.cast(starts.flat_values, tf.int32)
        lasts = tf.concat([firsts, [tf.reduce_sum(sizes)]], axis=0)[1:] - 1
        sources = _sources_of_bytes(normal.flat_values, sources)
        starts, ends = self._places(characters)
        starts = tf.gather(starts, tf.gather(sources, firsts))
        ends = tf.gather(ends, tf.gather(sources, lasts))
        return ids, ids.with_flat_values(starts), ids.with_flat_values(ends)

    def _places(self, characters):
        """Where each character starts and ends in its text, where marks are tokens."""
        marks = characters.flat_values - (ord(MARKS[0]) - 1)
        widths = tf.gather(self._widths, tf.clip_by_value(marks, 0, len(MARKS) + 1))
        ends = tf.cumsum(characters.with_flat_values(widths), axis=1).flat_values
        return ends - widths, ends

    def _mark_special_tokens(self, texts):
        """Replaces special tokens spelt out in the text, before any normalisation."""
        # The text cannot forge a mark: U+FFFD is dropped like any private character.
        texts = tf.strings.regex_replace(texts, f"[{''.join(MARKS)}]", "\ufffd")
        for token, mark in self._marks:
            texts = tf.strings.regex_replace(texts, re.escape(token), mark)
        return texts


def normalize(
    characters: tf.RaggedTensor, table: CodePointTable
) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Replaces each code point, (batch, chars), by its output in the table.

    Returns:
        The outputs, (batch, outputs), and for each of them the index of its source
        among the characters of all rows.
    """
    codes = characters.flat_values
    rows = tf.gather(table.blocks, codes // BLOCK)
    indices = tf.gather(table.outputs.reshape(-1), rows * BLOCK + codes % BLOCK)
    outputs = tf.gather(
        tf.RaggedTensor.from_row_splits(table.values, table.splits, validate=False),
        indices,
    )
    values, sources = outputs.flat_values, outputs.value_rowids()
    values = tf.where(values == SAME, tf.gather(codes, sources), values)
    outputs = characters.with_flat_values(outputs.with_flat_values(values))
    outputs = outputs.merge_dims(1, 2)
    if np.all(table.values < CLASS):
        return outputs, sources
    outputs, sources = _canonical_order(outputs, sources)
    kept = outputs != REMOVED
    return (
        tf.ragged.boolean_mask(outputs, kept),
        tf.boolean_mask(sources, kept.flat_values),
    )


def _sources_of_bytes(codes, sources):
    """Repeats each source for the bytes of its code in UTF-8; spaces have none."""
    sizes = 1 + tf.searchsorted(_UTF8_SIZES, codes, side="right")
    return tf.repeat(sources, tf.where(codes == _SPACE, 0, sizes))


def _canonical_order(values, sources):
    """Sorts each run of combining marks by class, as canonical decomposition does."""
    flat = values.flat_values
    classes = flat // CLASS

    def sort():
        runs = values.value_rowids() + tf.cumsum(tf.cast(classes == 0, tf.int64))
        keys = runs * BLOCK + tf.cast(classes, tf.int64)
        order = tf.argsort(keys, stable=True)
        # As in the Rust library, the sources stay in order: the first output of each
        # takes the next one, whichever it came from, and further outputs repeat it.
        first = tf.concat([[True], sources[1:] != sources[:-1]], axis=0)
        ranks = tf.cumsum(tf.cast(tf.gather(first, order), tf.int32)) - 1
        return (
            tf.gather(flat, order),
            tf.gather(tf.boolean_mask(sources, first), ranks),
        )

    # Marks out of order are rare.
    unsorted = (classes[1:] > 0) & (classes[1:] < classes[:-1])
    flat, sources = tf.cond(tf.reduce_any(unsorted), sort, lambda: (flat, sources))
    return values.with_flat_values(flat % CLASS), sources
