"""SqueezeBertMaskedLMHead: a score of every word piece at every position."""

import keras
from keras import ops

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.layers.activation import activation
from keras_squeezebert.layers.base import (
    PACKAGE,
    ConfiguredLayer,
    kernel_initializer,
)
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.layers.layer_norm import LayerNorm
from keras_squeezebert.lowering import linear
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertMaskedLMHead(QuantizationPoints, ConfiguredLayer):
    """Dense → activation → LayerNorm → decoder, which is the word embedding table.

    With `config.tie_word_embeddings=False` the decoder has a table of its own.

    Quantization points: `activation`, `decoder_input`, `decoder`, `output`.

    Args:
        config: The model's `SqueezeBertConfig`.
        embeddings: The model's `SqueezeBertEmbeddings`, whose table the decoder uses.
            The bias of the decoder is always the head's own.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        hidden: Float tensor (batch, seq, hidden).

    Returns:
        Float tensor (batch, seq, vocabulary).

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> from keras_squeezebert.layers import SqueezeBertEmbeddings
        >>> config = SqueezeBertConfig(vocab_size=10)
        >>> embeddings = SqueezeBertEmbeddings(config)
        >>> embeddings.build((None, None))
        >>> head = SqueezeBertMaskedLMHead(config, embeddings)
        >>> head(np.ones((2, 3, 768), "float32")).shape
        TensorShape([2, 3, 10])

    Reference:
        `transformers.models.squeezebert.SqueezeBertLMPredictionHead`.
    """

    def __init__(self, config, embeddings, **kwargs):
        super().__init__(config, **kwargs)
        self.embeddings = embeddings
        self.dense = Dense(
            config.hidden_size,
            kernel_initializer=kernel_initializer(config),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.activation = activation(config.hidden_act)
        self.layer_norm = LayerNorm(
            config.layer_norm_eps, dtype=self.dtype_policy, name="layer_norm"
        )

    def build(self, hidden_shape):
        self.dense.build(hidden_shape)
        self.layer_norm.build(hidden_shape)
        vocab_size, hidden_size = self.config.vocab_size, self.config.hidden_size
        if not self.config.tie_word_embeddings:
            self.decoder = self.add_weight(
                name="decoder",
                shape=(vocab_size, hidden_size),
                initializer=kernel_initializer(self.config),
            )
        self.bias = self.add_weight(
            name="bias", shape=(vocab_size,), initializer="zeros"
        )
        self.add_quantization_points(
            "activation",
            "decoder_input",
            "decoder",
            "output",
            kernel_shape=(hidden_size, vocab_size),
        )

    def call(self, hidden, training=None):
        x = self.activation(self.dense(hidden, training=training))
        x = self.quantized("activation", x, training)
        x = self.layer_norm(x)  # (batch, seq, hidden)
        x = self.quantized("decoder_input", x, training)
        kernel = ops.cast(self._decoder_kernel(training), x.dtype)
        logits = linear(x, kernel) + self.bias  # (batch, seq, vocab)
        return self.quantized("output", logits, training)

    def _decoder_kernel(self, training):
        tied = self.config.tie_word_embeddings
        table = self.embeddings.word_embeddings if tied else self.decoder
        kernel = ops.transpose(table)[None, None]  # (1, 1, hidden, vocab)
        return self.quantized("decoder", kernel, training)

    def compute_output_shape(self, hidden_shape):
        return (*hidden_shape[:-1], self.config.vocab_size)

    def get_config(self):
        embeddings = keras.saving.serialize_keras_object(self.embeddings)
        return {**super().get_config(), "embeddings": embeddings}

    @classmethod
    def from_config(cls, config):
        return cls(
            SqueezeBertConfig.from_dict(config.pop("config")),
            keras.saving.deserialize_keras_object(config.pop("embeddings")),
            **config,
        )
