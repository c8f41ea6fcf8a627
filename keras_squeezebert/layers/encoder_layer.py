"""SqueezeBertEncoderLayer: attention, then feed-forward."""

import keras

from keras_squeezebert.layers.base import PACKAGE, ConfiguredLayer, first_tokens
from keras_squeezebert.layers.conv_dropout_layer_norm import ConvDropoutLayerNorm
from keras_squeezebert.layers.feed_forward import SqueezeBertFeedForward
from keras_squeezebert.layers.self_attention import SqueezeBertSelfAttention
from keras_squeezebert.lowering import from_conv_layout, to_conv_layout
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertEncoderLayer(QuantizationPoints, ConfiguredLayer):
    """One layer of the encoder, LayerNorm after each residual (post-LN).

    Quantization point: `hidden`, of which the residual is a part.

    Args:
        config: The model's `SqueezeBertConfig`.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        hidden: Float tensor (batch, seq, hidden).
        attention_bias: Float tensor (batch, 1, 1, seq), see `AttentionBias`.
        num_queries: How many tokens to compute, from the first on; to the others these
            only attend. Default: all.

    Returns:
        Float tensor (batch, seq, hidden), with `num_queries` tokens.

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> layer = SqueezeBertEncoderLayer(SqueezeBertConfig())
        >>> hidden = np.ones((1, 3, 768), "float32")
        >>> layer(hidden, np.zeros((1, 1, 1, 3), "float32")).shape
        TensorShape([1, 3, 768])
        >>> layer.count_params()
        2221824

    Reference:
        Iandola et al. 2020, section 3; `transformers` `SqueezeBertModule`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        dtype = self.dtype_policy
        self.attention = SqueezeBertSelfAttention(config, dtype=dtype, name="attention")
        self.post_attention = ConvDropoutLayerNorm(
            config, config.post_attention_groups, dtype=dtype, name="post_attention"
        )
        self.feed_forward = SqueezeBertFeedForward(
            config, dtype=dtype, name="feed_forward"
        )

    def build(self, hidden_shape, attention_bias_shape=None):
        self.attention.build(hidden_shape, attention_bias_shape)
        self.post_attention.build(hidden_shape, hidden_shape)
        self.feed_forward.build(hidden_shape)
        self.add_quantization_points("hidden")

    def call(self, hidden, attention_bias, training=None, num_queries=None):
        hidden = self.quantized("hidden", to_conv_layout(hidden), training)
        context = self.attention(
            hidden,
            attention_bias,
            training=training,
            input_step=self.step("hidden"),
            num_queries=num_queries,
        )
        hidden = self.post_attention(
            context,
            first_tokens(hidden, num_queries),
            training=training,
            input_step=self.attention.step("context"),
        )
        hidden = self.feed_forward(hidden, training=training)
        return from_conv_layout(hidden)  # (batch, seq, hidden)

    def probabilities(self, hidden, attention_bias):
        """What the attention is, float (batch, heads, seq, seq)."""
        return self.attention.probabilities(
            self.quantized("hidden", hidden), attention_bias, self.step("hidden")
        )

    def compute_output_spec(
        self, hidden, attention_bias, training=None, num_queries=None
    ):
        batch, seq, width = hidden.shape
        return keras.KerasTensor(
            (batch, num_queries or seq, width), dtype=self.compute_dtype
        )
