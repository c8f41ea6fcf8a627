"""SqueezeBertFeedForward: the second half of an encoder layer."""

import keras

from keras_squeezebert.layers.activation import activation
from keras_squeezebert.layers.base import (
    PACKAGE,
    ConfiguredLayer,
    kernel_initializer,
)
from keras_squeezebert.layers.conv_dropout_layer_norm import ConvDropoutLayerNorm
from keras_squeezebert.layers.grouped_conv import GroupedConv1D
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertFeedForward(QuantizationPoints, ConfiguredLayer):
    """LayerNorm(x + dropout(conv(act(conv(x))))), both convolutions grouped.

    Quantization points: `hidden`, of which the residual is a part, or `input`, which
    only the convolution takes; `activation`.

    Args:
        config: The model's `SqueezeBertConfig`.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        hidden: Float tensor (batch, seq, hidden).

    Returns:
        Float tensor (batch, seq, hidden).

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> layer = SqueezeBertFeedForward(SqueezeBertConfig())
        >>> layer(np.ones((1, 3, 768), "float32")).shape
        TensorShape([1, 3, 768])

    Reference:
        Iandola et al. 2020, section 3.2 (FC2 and FC3); `intermediate` and `output`
        of `transformers` `SqueezeBertModule`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.intermediate = GroupedConv1D(
            config.intermediate_size,
            config.intermediate_groups,
            kernel_initializer=kernel_initializer(config),
            dtype=self.dtype_policy,
            name="intermediate",
        )
        self.activation = activation(config.hidden_act)
        self.output_block = ConvDropoutLayerNorm(
            config, config.output_groups, dtype=self.dtype_policy, name="output"
        )

    def build(self, hidden_shape):
        self.intermediate.build(hidden_shape)
        intermediate_shape = self.intermediate.compute_output_shape(hidden_shape)
        self.output_block.build(intermediate_shape, hidden_shape)
        self.add_quantization_points("hidden", "input", "activation")

    def call(self, hidden, training=None):
        hidden = self.quantized("hidden", hidden, training)
        x = self.quantized("input", hidden, training)
        x = self.intermediate(
            x, training=training, input_step=self.step("input", self.step("hidden"))
        )  # (batch, seq, intermediate)
        x = self.quantized("activation", self.activation(x), training)
        return self.output_block(
            x, hidden, training=training, input_step=self.step("activation")
        )  # (batch, seq, hidden)

    def compute_output_shape(self, hidden_shape):
        return hidden_shape
