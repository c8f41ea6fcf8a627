"""SqueezeBertPooler: one vector for the whole sequence."""

import keras
from keras import ops

from keras_squeezebert.layers.base import (
    PACKAGE,
    ConfiguredLayer,
    kernel_initializer,
)
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertPooler(QuantizationPoints, ConfiguredLayer):
    """tanh of a dense layer on the first token, `[CLS]`.

    Quantization points: `input`, of all tokens; `output`.

    Args:
        config: The model's `SqueezeBertConfig`.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        hidden: Float tensor (batch, seq, hidden).

    Returns:
        Float tensor (batch, hidden).

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> layer = SqueezeBertPooler(SqueezeBertConfig())
        >>> layer(np.ones((2, 3, 768), "float32")).shape
        TensorShape([2, 768])

    Reference:
        `transformers.models.squeezebert.SqueezeBertPooler`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.dense = Dense(
            config.hidden_size,
            kernel_initializer=kernel_initializer(config),
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, hidden_shape):
        batch, _, hidden = hidden_shape
        self.dense.build((batch, hidden))
        self.add_quantization_points("input", "output")

    def call(self, hidden, training=None):
        # Before the slice: TFLite's converter gives what is sliced the range of the
        # slice, and the rest of the sequence would be cut to that of its first token.
        x = self.quantized("input", hidden, training)
        # Not `x[:, 0]`, which XNNPACK leaves to others, with a graph in two parts.
        x = ops.reshape(x[:, :1], (-1, x.shape[-1]))  # (batch, hidden)
        x = self.dense(x, training=training, input_step=self.step("input"))
        return self.quantized("output", ops.tanh(x), training)

    def compute_output_shape(self, hidden_shape):
        batch, _, hidden = hidden_shape
        return (batch, hidden)
