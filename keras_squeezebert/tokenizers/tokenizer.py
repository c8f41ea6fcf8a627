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
        pad_to_multiple_of: What "longest" is rounded up to, so that a model sees fewer
            shapes of batches.
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
        return_offsets_mapping: Whether to add "offset_mapping", (batch, length, 2):
            where in its text each token starts and ends, in characters.

    Returns:
        A dict of int32 tensors of shape (batch, length): "input_ids",
        "attention_mask", "token_type_ids".

    Attributes:
        word_pieces: The :class:`~.word_pieces.WordPieces` at work, for texts that are
            not cut here.

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

        Offsets cut tokens out of their text, in a graph as well:

        >>> outputs = tokenizer("Élan vital", return_offsets_mapping=True)
        >>> start, end = tf.unstack(outputs["offset_mapping"], axis=2)
        >>> tokens = tf.strings.substr("Élan vital", start, end - start, "UTF8_CHAR")
        >>> [token.decode() for token in tokens[0].numpy()]
        ['', 'Él', 'an', 'vital', '']

    Reference:
        `transformers.SqueezeBertTokenizer`.
    """

    def __init__(
        self,
        vocabulary: str | os.PathLike | Sequence[str] | None = None,
        max_length: int | None = None,
        padding: str = "longest",
        pad_to_multiple_of: int = 1,
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
        self.word_pieces = WordPieces(self.vocabulary, self.options)
        if pad_to_multiple_of < 1:
            raise InputError(
                "`pad_to_multiple_of` must be at least 1. Received: "
                f"pad_to_multiple_of={pad_to_multiple_of}"
            )
        self.max_length = max_length
        self.padding = padding
        self.pad_to_multiple_of = pad_to_multiple_of
        self.limit()

    def call(
        self,
        texts,
        text_pairs=None,
        max_length=None,
        padding=None,
        truncation=True,
        return_offsets_mapping=False,
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
        outputs, lengths = self._encode(
            batches, limit if truncation else None, width, return_offsets_mapping
        )
        if limit is not None and not truncation:
            _check_lengths(lengths, limit)
        return outputs

    # Op by op, an eager call would take ten times as long.
    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def _encode(self, batches, limit, width, offsets):
        """The outputs of a call, and how many tokens each row has.

        Args:
            batches: One or two string tensors (batch,).
            limit: What rows are cut to, if they are.
            width: What rows are padded to; None is the longest.
            offsets: Whether they are among the outputs.
        """
        if offsets:
            columns = zip(*map(self.word_pieces.with_offsets, batches), strict=True)
        else:
            columns = [map(self.word_pieces, batches)]
        ids, *places = map(list, columns)
        lengths = [pieces.row_lengths() for pieces in ids]
        if limit is not None:
            lengths = _truncated(lengths, limit - 1 - len(ids))
            ids, *places = (_cut(column, lengths) for column in (ids, *places))
        outputs = self.rows(*ids, length=width)
        if offsets:
            places = [_joined(place, 0, 0) for place in places]
            columns = width or tf.shape(outputs["input_ids"])[1]
            places = [_filled(place, columns, 0) for place in places]
            outputs["offset_mapping"] = tf.stack(places, axis=2)
        return outputs, tf.add_n(lengths) + 1 + len(ids)

    # === Rows of word pieces cut by others

    def limit(self, paired: bool = False) -> int:
        """Most tokens of a row unless a call says otherwise."""
        return self._limit(None, None, True, paired)

    def rows(
        self, *segments: tf.RaggedTensor, length: int | None = None
    ) -> dict[str, tf.Tensor]:
        """The outputs of a call for one text, or two, already in pieces.

        Args:
            *segments: Ids of pieces, (batch, pieces), as `word_pieces` gives them.
            length: What rows are padded to; None is the longest, rounded up.

        Example:
            >>> tokenizer = SqueezeBertTokenizer()
            >>> pieces = tokenizer.word_pieces(tf.constant(["Hello!", "Bye"]))
            >>> tokenizer.rows(pieces)["input_ids"].numpy().tolist()
            [[101, 7592, 999, 102], [101, 9061, 102, 0]]
        """
        tokens = _joined(segments, self.cls_token_id, self.sep_token_id)
        columns = length
        if columns is None:
            longest = tokens.bounding_shape(1, out_type=tf.int32)
            columns = longest + -longest % self.pad_to_multiple_of
        ids = _filled(tokens, columns, self.pad_token_id)
        mask = tf.sequence_mask(tokens.row_lengths(), columns, tf.int32)
        first = tf.sequence_mask(2 + segments[0].row_lengths(), columns, tf.int32)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": mask - first,
        }

    # === Keras

    def compute_output_spec(
        self,
        texts,
        text_pairs=None,
        max_length=None,
        padding=None,
        truncation=True,
        return_offsets_mapping=False,
    ):
        limit = self._limit(max_length, padding, truncation, text_pairs is not None)
        fixed = (padding or self.padding) == "max_length"
        shape = (texts.shape[0] if texts.shape else 1, limit if fixed else None)
        shapes = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), shape)
        if return_offsets_mapping:
            shapes["offset_mapping"] = (*shape, 2)
        return {
            name: keras.KerasTensor(shape, dtype="int32", name=name)
            for name, shape in shapes.items()
        }

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": list(self.vocabulary),
            "max_length": self.max_length,
            "padding": self.padding,
            "pad_to_multiple_of": self.pad_to_multiple_of,
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


def _truncated(lengths, room):
    """The lengths of one or two segments, each (batch,), cut to `room`."""
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    return longest_first(*lengths, room, tf)


def _cut(segments, lengths):
    """Segments, each (batch, pieces), of which the first `lengths` pieces are left."""
    return [
        tf.RaggedTensor.from_tensor(segment.to_tensor(), lengths=length)
        for segment, length in zip(segments, lengths, strict=True)
    ]


def _joined(segments, cls, sep):
    """`cls`, and each segment with `sep` after it: ragged (batch, tokens)."""
    batch = segments[0].nrows()
    row = [tf.fill([batch, 1], cls)]
    for segment in segments:
        row += [segment, tf.fill([batch, 1], sep)]
    return tf.concat(row, axis=1)


def _filled(rows, columns, value):
    """Ragged rows as a tensor with so many columns, a number or a tensor."""
    shape = tf.stack([-1, columns]) if tf.is_tensor(columns) else (None, columns)
    return rows.to_tensor(value, shape=shape)


def _check_lengths(lengths, limit):
    if tf.executing_eagerly():
        check_lengths(lengths.numpy(), limit)
    else:
        tf.debugging.assert_less_equal(
            lengths,
            tf.constant(limit, lengths.dtype),
            message=f"A row is longer than max_length={limit} and truncation is off.",
        )
