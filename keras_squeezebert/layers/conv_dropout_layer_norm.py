"""ConvDropoutLayerNorm: the end of both halves of an encoder layer."""

import keras

from keras_squeezebert.layers.base import (
    ENCODER_LAYER_NORM_EPS,
    PACKAGE,
    ConfiguredLayer,
    kernel_initializer,
)
from keras_squeezebert.layers.grouped_conv import GroupedConv1D
from keras_squeezebert.layers.layer_norm import LayerNorm
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class ConvDropoutLayerNorm(QuantizationPoints, ConfiguredLayer):
    """LayerNorm(residual + dropout(conv(inputs))).

    Quantization point: `sum`.

    Args:
        config: The model's `SqueezeBertConfig`.
        groups: Groups of the convolution.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor (batch, seq, channels).
        residual: Float tensor (batch, seq, hidden).
        input_step: What one step of int8 is worth in the inputs, if they are quantized.

    Returns:
        Float tensor (batch, seq, hidden).

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> layer = ConvDropoutLayerNorm(SqueezeBertConfig(), groups=4)
        >>> inputs = np.ones((1, 3, 3072), "float32")
        >>> layer(inputs, np.ones((1, 3, 768), "float32")).shape
        TensorShape([1, 3, 768])

    Reference:
        `transformers.models.squeezebert.ConvDropoutLayerNorm`.
    """

    def __init__(self, config, groups, **kwargs):
        super().__init__(config, **kwargs)
        self.groups = groups
        self.conv = GroupedConv1D(
            config.hidden_size,
            groups,
            kernel_initializer=kernel_initializer(config),
            dtype=self.dtype_policy,
            name="conv",
        )
        self.dropout = keras.layers.Dropout(
            config.hidden_dropout_prob, dtype=self.dtype_policy
        )
        self.layer_norm = LayerNorm(
            ENCODER_LAYER_NORM_EPS, dtype=self.dtype_policy, name="layer_norm"
        )

    def build(self, inputs_shape, residual_shape):
        self.conv.build(inputs_shape)
        self.layer_norm.build(residual_shape)
        self.add_quantization_points("sum")

    def call(self, inputs, residual, training=None, input_step=None):
        x = self.conv(inputs, training=training, input_step=input_step)
        x = self.dropout(x, training=training)
        x = self.quantized("sum", residual + x, training)
        return self.layer_norm(x)  # (batch, seq, hidden)

    def compute_output_shape(self, inputs_shape, residual_shape):
        return residual_shape

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}
