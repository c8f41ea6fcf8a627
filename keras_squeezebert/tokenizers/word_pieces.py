"""WordPieces: strings to ids of word pieces, in TensorFlow ops."""

import re

import numpy as np
import tensorflow as tf
import tensorflow_text

from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers.code_points import (
    BLOCK,
    BREAK,
    CLASS,
    MARKS,
    SAME,
    CodePointTable,
    code_point_table,
)
from keras_squeezebert.tokenizers.options import TokenizerOptions
from keras_squeezebert.tokenizers.vocabulary import PREFIX

_LONGEST_WORD = 100  # in characters; longer ones are unknown


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
    """

    def __init__(self, vocabulary: tuple[str, ...], options: TokenizerOptions):
        marks = dict(zip(options.special_tokens, MARKS, strict=True))
        # The longest first, as one token may begin another.
        self._marks = sorted(marks.items(), key=lambda pair: -len(pair[0]))
        self._unknown = marks[options.unk_token]
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

    # Op by op, an eager call would take ten times as long.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = self._mark_special_tokens(texts)
        characters = tf.strings.unicode_decode(texts, "UTF-8")  # (batch, chars)
        texts = tf.strings.unicode_encode(normalize(characters, self._table), "UTF-8")
        words = tf.strings.split(texts)  # (batch, words)
        too_long = tf.strings.length(words.flat_values, "UTF8_CHAR") > _LONGEST_WORD
        words = words.with_flat_values(
            tf.where(too_long, self._unknown, words.flat_values)
        )
        return self._tokenizer.tokenize(words).merge_dims(1, 2)

    def _mark_special_tokens(self, texts):
        """Replaces special tokens spelt out in the text, before any normalisation."""
        # The text cannot forge a mark: U+FFFD is dropped like any private character.
        texts = tf.strings.regex_replace(texts, f"[{''.join(MARKS)}]", "\ufffd")
        for token, mark in self._marks:
            texts = tf.strings.regex_replace(texts, re.escape(token), mark)
        return texts


def normalize(characters: tf.RaggedTensor, table: CodePointTable) -> tf.RaggedTensor:
    """Replaces each code point, (batch, chars), by its output in the table."""
    codes = characters.flat_values
    rows = tf.gather(table.blocks, codes // BLOCK)
    indices = tf.gather(table.outputs.reshape(-1), rows * BLOCK + codes % BLOCK)
    outputs = tf.gather(
        tf.RaggedTensor.from_row_splits(table.values, table.splits, validate=False),
        indices,
    )
    values = outputs.flat_values
    values = tf.where(values == SAME, tf.gather(codes, outputs.value_rowids()), values)
    outputs = characters.with_flat_values(outputs.with_flat_values(values))
    outputs = outputs.merge_dims(1, 2)
    if np.all(table.values < CLASS):
        return outputs
    outputs = _canonical_order(outputs)
    return tf.ragged.boolean_mask(outputs, outputs != BREAK)


def _canonical_order(values):
    """Sorts each run of combining marks by class, as canonical decomposition does."""
    flat = values.flat_values
    classes = flat // CLASS

    def sort():
        runs = values.value_rowids() + tf.cumsum(tf.cast(classes == 0, tf.int64))
        keys = runs * BLOCK + tf.cast(classes, tf.int64)
        return tf.gather(flat, tf.argsort(keys, stable=True))

    # Marks out of order are rare, and all accents are stripped already.
    unsorted = (classes[1:] > 0) & (classes[1:] < classes[:-1])
    flat = tf.cond(tf.reduce_any(unsorted), sort, lambda: flat)
    return values.with_flat_values(flat % CLASS)
