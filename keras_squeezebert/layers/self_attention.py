"""SqueezeBertSelfAttention: scaled dot-product attention on grouped projections."""

import keras
from keras import ops

from keras_squeezebert.layers.base import (
    PACKAGE,
    ConfiguredLayer,
    first_tokens,
    kernel_initializer,
)
from keras_squeezebert.layers.grouped_conv import GroupedConv1D
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertSelfAttention(QuantizationPoints, ConfiguredLayer):
    """Multi-head attention, softmax(QKᵀ/√d + bias)·V, with grouped Q, K and V.

    Quantization points: `input`, `scores`, `masked_scores`, `probabilities`, `context`.

    Args:
        config: The model's `SqueezeBertConfig`.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        hidden: Float tensor (batch, seq, hidden), or (batch, 1, seq, hidden) inside
            an exported graph.
        attention_bias: Float tensor (batch, 1, 1, seq), see `AttentionBias`.
        input_step: What one step of int8 is worth in `hidden`, if it is quantized.
        num_queries: How many tokens attend, from the first on. Default: all.

    Returns:
        Float tensor of `hidden`'s shape, with `num_queries` tokens.

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> layer = SqueezeBertSelfAttention(SqueezeBertConfig())
        >>> hidden = np.ones((1, 3, 768), "float32")
        >>> layer(hidden, np.zeros((1, 1, 1, 3), "float32")).shape
        TensorShape([1, 3, 768])

    Reference:
        Iandola et al. 2020, section 3; `transformers` `SqueezeBertSelfAttention`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.num_heads = config.num_attention_heads
        self.head_size = config.hidden_size // config.num_attention_heads
        # 1/√d rides on the query's weights, where it costs nothing.
        self.query = self._projection("query", config.q_groups, self.head_size**-0.5)
        self.key = self._projection("key", config.k_groups)
        self.value = self._projection("value", config.v_groups)
        self.dropout = keras.layers.Dropout(
            config.attention_probs_dropout_prob, dtype=self.dtype_policy
        )

    def _projection(self, name, groups, output_scale=1.0):
        return GroupedConv1D(
            self.config.hidden_size,
            groups,
            output_scale=output_scale,
            kernel_initializer=kernel_initializer(self.config),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, hidden_shape, attention_bias_shape=None):
        for projection in (self.query, self.key, self.value):
            projection.build(hidden_shape)
        self.add_quantization_points(
            "input", "scores", "masked_scores", "probabilities", "context"
        )

    def call(
        self,
        hidden,
        attention_bias,
        training=None,
        input_step=None,
        num_queries=None,
    ):
        hidden = self.quantized("input", hidden, training)
        input_step = self.step("input", input_step)
        attending = first_tokens(hidden, num_queries)
        probabilities = self._probabilities(
            attending, hidden, attention_bias, input_step, training
        )
        probabilities = self.dropout(probabilities, training=training)
        value = self._project(self.value, hidden, input_step, training)
        context = ops.matmul(probabilities, value)  # (batch, heads, queries, head)
        context = self.quantized("context", context, training)
        context = ops.transpose(context, (0, 2, 1, 3))  # (batch, queries, heads, head)
        return ops.reshape(context, ops.shape(attending))

    def probabilities(self, hidden, attention_bias, input_step=None):
        """softmax(QKᵀ/√d + bias), float (batch, heads, seq, seq)."""
        hidden = self.quantized("input", hidden)
        input_step = self.step("input", input_step)
        return self._probabilities(hidden, hidden, attention_bias, input_step)

    def _probabilities(
        self, attending, hidden, attention_bias, input_step, training=None
    ):
        query = self._project(self.query, attending, input_step, training)
        key = self._project(self.key, hidden, input_step, training)
        key = ops.swapaxes(key, -1, -2)  # (batch, heads, head, seq)
        scores = ops.matmul(query, key)  # (batch, heads, queries, seq)
        scores = self.quantized("scores", scores, training)
        scores = self.quantized("masked_scores", scores + attention_bias, training)
        probabilities = ops.softmax(scores)
        return self.quantized("probabilities", probabilities, training)

    def _project(self, projection, hidden, input_step, training):
        x = projection(hidden, training=training, input_step=input_step)
        *_, seq, _ = ops.shape(x)
        x = ops.reshape(x, (-1, seq, self.num_heads, self.head_size))
        return ops.transpose(x, (0, 2, 1, 3))  # (batch, heads, seq, head)

    def compute_output_shape(self, hidden_shape, attention_bias_shape=None):
        return hidden_shape
