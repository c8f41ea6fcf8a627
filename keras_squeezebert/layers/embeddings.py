"""SqueezeBertEmbeddings: from token ids to the encoder's first input."""

import keras
from keras import ops

from keras_squeezebert.layers.base import (
    PACKAGE,
    ConfiguredLayer,
    kernel_initializer,
)
from keras_squeezebert.layers.layer_norm import LayerNorm
from keras_squeezebert.lengths import check_length
from keras_squeezebert.lowering import lookup
from keras_squeezebert.quantization.points import QuantizationPoints

TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertEmbeddings(QuantizationPoints, ConfiguredLayer):
    """Word + position + token type embeddings, then LayerNorm and dropout.

    Quantization points: the three tables, by their names; `partial_sum` of words and
    positions, `sum` of all three.

    Args:
        config: The model's `SqueezeBertConfig`.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        input_ids: Int tensor (batch, seq) of word piece ids.
        token_type_ids: Int tensor (batch, seq) of segment ids.

    Returns:
        Float tensor (batch, seq, hidden).

    Raises:
        InputError: The sequence is longer than `config.max_position_embeddings`.

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> layer = SqueezeBertEmbeddings(SqueezeBertConfig(vocab_size=10))
        >>> ids = np.array([[2, 7, 3]])
        >>> layer(ids, np.zeros_like(ids)).shape
        TensorShape([1, 3, 768])

    Reference:
        `transformers.models.squeezebert.SqueezeBertEmbeddings`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.layer_norm = LayerNorm(
            config.layer_norm_eps, dtype=self.dtype_policy, name="layer_norm"
        )
        self.dropout = keras.layers.Dropout(
            config.hidden_dropout_prob, dtype=self.dtype_policy
        )

    def build(self, input_ids_shape, token_type_ids_shape=None):
        config = self.config
        self.word_embeddings = self._add_table("word_embeddings", config.vocab_size)
        self.position_embeddings = self._add_table(
            "position_embeddings", config.max_position_embeddings
        )
        self.token_type_embeddings = self._add_table(
            "token_type_embeddings", config.type_vocab_size
        )
        self.layer_norm.build((*input_ids_shape, config.hidden_size))
        self.add_quantization_points(
            *TABLES,
            "partial_sum",
            "sum",
            weights=config.vocab_size * config.hidden_size,
        )

    def _add_table(self, name, rows):
        return self.add_weight(
            name=name,
            shape=(rows, self.config.hidden_size),
            initializer=kernel_initializer(self.config),
        )

    def call(self, input_ids, token_type_ids, training=None):
        check_length(input_ids.shape[-1], self.config)
        words = lookup(self.table("word_embeddings", training), input_ids)
        if training:
            # What PyTorch's `padding_idx` does: padding teaches its row nothing.
            is_padding = ops.equal(input_ids, self.config.pad_token_id)[..., None]
            words = ops.where(is_padding, ops.stop_gradient(words), words)
        positions = self.table("position_embeddings", training)
        positions = positions[: ops.shape(input_ids)[-1]]  # (seq, hidden)
        token_types = lookup(
            self.table("token_type_embeddings", training), token_type_ids
        )
        x = self.quantized("partial_sum", words + positions, training)
        x = self.quantized("sum", x + token_types, training)
        x = self.layer_norm(x)  # (batch, seq, hidden)
        return self.dropout(x, training=training)

    def table(self, name, training=None):
        """One of the tables, (rows, hidden), as it is used."""
        return self.quantized(
            name, ops.convert_to_tensor(getattr(self, name)), training
        )

    def compute_output_shape(self, input_ids_shape, token_type_ids_shape=None):
        return (*input_ids_shape, self.config.hidden_size)

    def compute_output_spec(self, input_ids, token_type_ids, training=None):
        # Ids are integers, so the output's dtype cannot be guessed from the inputs'.
        shape = self.compute_output_shape(input_ids.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
