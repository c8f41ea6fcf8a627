"""SqueezeBertTokenizer: texts to ids inside the graph."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers.base import TokenizerBase
from keras_squeezebert.tokenizers.inputs import (
    as_texts,
    check_lengths,
    check_pairs,
    length_limit,
    longest_first,
)
from keras_squeezebert.tokenizers.options import TokenizerOptions
from keras_squeezebert.tokenizers.word_pieces import WordPieces


@keras.saving.register_keras_serializable(package="keras_squeezebert")
class SqueezeBertTokenizer(TokenizerBase, keras.layers.Layer):
    """Word pieces as a Keras layer: eager, in `tf.data`, in models and SavedModels.

    Its ids are those of :class:`SqueezeBertTokenizerFast`, and thus of Hugging Face,
    on any text. The ops are TensorFlow's on every Keras backend, so that the layer
    serves in a `tf.data` pipeline for JAX and PyTorch as well.

    Args:
        vocabulary: Path of a `vocab.txt`, or the tokens in order. None is the
            vocabulary of uncased BERT.
        max_length: Default for calls.
        padding: Default for calls.
        **kwargs: Fields of :class:`~.options.TokenizerOptions`, as
            `do_lower_case=False`, and arguments of a Keras layer, as `name`.

    Call arguments:
        texts: A string tensor of shape (batch,), or what
            :class:`SqueezeBertTokenizerFast` takes. One string is a batch of one.
        text_pairs: The second text of each row, or None.
        max_length: Most tokens in a row, special ones included; None is
            `options.model_max_length`.
        padding: "longest" pads to the longest row, "max_length" to `max_length`.
        truncation: Whether to cut longer rows, of pairs the longer text first. If
            not, a row longer than `max_length` is an error; with `max_length` None
            and `padding` "longest", no row is too long.

    Returns:
        A dict of int32 tensors of shape (batch, length): "input_ids",
        "attention_mask", "token_type_ids".

    Raises:
        InputError: The vocabulary, an option or an argument does not fit. What only
            a running graph can tell, it reports as InvalidArgumentError.

    Example:
        >>> tokenizer = SqueezeBertTokenizer()
        >>> tokenizer(["Hello!", "Bye"])["input_ids"].numpy().tolist()
        [[101, 7592, 999, 102], [101, 9061, 102, 0]]
        >>> text = keras.Input((), dtype="string")
        >>> tokenizer(text, max_length=8, padding="max_length")["input_ids"].shape
        (None, 8)

    Reference:
        `transformers.SqueezeBertTokenizer`.
    """

    def __init__(
        self,
        vocabulary: str | os.PathLike | Sequence[str] | None = None,
        max_length: int | None = None,
        padding: str = "longest",
        **kwargs: Any,
    ):
        options = {
            name: kwargs.pop(name)
            for name in TokenizerOptions.__dataclass_fields__.keys() & kwargs.keys()
        }
        super().__init__(**kwargs)
        # Strings are for TensorFlow, whichever backend the model has.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False
        self.built = True

        self._set_vocabulary(vocabulary, TokenizerOptions(**options))
        self._pieces = WordPieces(self.vocabulary, self.options)
        self.max_length = max_length
        self.padding = padding
        self._limit(None, None, True, paired=False)

    def call(
        self, texts, text_pairs=None, max_length=None, padding=None, truncation=True
    ):
        paired = text_pairs is not None
        limit = self._limit(max_length, padding, truncation, paired)
        batches = [_as_tensor(texts, "texts")]
        if paired:
            batches.append(_as_tensor(text_pairs, "text_pairs"))
            counts = [batch.shape[0] for batch in batches]
            if None not in counts:
                check_pairs(*counts)
        width = limit if (padding or self.padding) == "max_length" else None
        outputs, lengths = self._encode(batches, limit if truncation else None, width)
        if limit is not None and not truncation:
            _check_lengths(lengths, limit)
        return outputs

    # Op by op, an eager call would take ten times as long.
    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def _encode(self, batches, limit, width):
        """The outputs of a call, and how many tokens each row has.

        Args:
            batches: One or two string tensors (batch,).
            limit: What rows are cut to, if they are.
            width: What rows are padded to; None is the longest.
        """
        segments = [self._pieces(texts) for texts in batches]
        if limit is not None:
            segments = _truncate(segments, limit - 1 - len(segments))

        batch = segments[0].nrows()
        row = [tf.fill([batch, 1], self.cls_token_id)]
        for segment in segments:
            row += [segment, tf.fill([batch, 1], self.sep_token_id)]
        tokens = tf.concat(row, axis=1)  # (batch, tokens), ragged

        ids = tokens.to_tensor(self.pad_token_id, shape=(None, width))
        lengths = tokens.row_lengths()
        columns = width or tf.shape(ids)[1]
        mask = tf.sequence_mask(lengths, columns, tf.int32)
        first = tf.sequence_mask(2 + segments[0].row_lengths(), columns, tf.int32)
        outputs = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": mask - first,
        }
        return outputs, lengths

    def compute_output_spec(
        self, texts, text_pairs=None, max_length=None, padding=None, truncation=True
    ):
        limit = self._limit(max_length, padding, truncation, text_pairs is not None)
        fixed = (padding or self.padding) == "max_length"
        shape = (texts.shape[0] if texts.shape else 1, limit if fixed else None)
        return {
            name: keras.KerasTensor(shape, dtype="int32", name=name)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": list(self.vocabulary),
            "max_length": self.max_length,
            "padding": self.padding,
            **dataclasses.asdict(self.options),
        }

    def _limit(self, max_length, padding, truncation, paired):
        if max_length is None:
            max_length = self.max_length
        padding = padding or self.padding
        return length_limit(max_length, padding, truncation, paired, self.options)


def _as_tensor(texts, name):
    """A string tensor of shape (batch,)."""
    if not tf.is_tensor(texts):
        return tf.constant(as_texts(texts, name), tf.string)
    if texts.dtype != tf.string or isinstance(texts, tf.RaggedTensor | tf.SparseTensor):
        raise InputError(
            f"`{name}` must be a dense tensor of strings. Received: {name}={texts}"
        )
    if texts.shape.rank == 0:
        return texts[tf.newaxis]
    if texts.shape.rank != 1:
        raise InputError(
            f"`{name}` must have the shape (batch,). Received: {name}.shape="
            f"{texts.shape}"
        )
    return texts


def _truncate(segments, room):
    """Cuts one or two ragged tensors of tokens so that each row has at most `room`."""
    lengths = [segment.row_lengths() for segment in segments]
    if len(segments) == 1:
        kept = [tf.minimum(lengths[0], room)]
    else:
        kept = longest_first(*lengths, room, tf)
    return [
        tf.RaggedTensor.from_tensor(segment.to_tensor(), lengths=count)
        for segment, count in zip(segments, kept, strict=True)
    ]


def _check_lengths(lengths, limit):
    if tf.executing_eagerly():
        check_lengths(lengths.numpy(), limit)
    else:
        tf.debugging.assert_less_equal(
            lengths,
            tf.constant(limit, lengths.dtype),
            message=f"A row is longer than max_length={limit} and truncation is off.",
        )
