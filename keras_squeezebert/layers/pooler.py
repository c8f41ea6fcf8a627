"""SqueezeBertPooler: one vector for the whole sequence."""

import keras

from keras_squeezebert.layers.base import (
    PACKAGE,
    ConfiguredLayer,
    kernel_initializer,
)


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertPooler(ConfiguredLayer):
    """tanh of a dense layer on the first token, `[CLS]`.

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
        self.dense = keras.layers.Dense(
            config.hidden_size,
            activation="tanh",
            kernel_initializer=kernel_initializer(config),
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, hidden_shape):
        batch, _, hidden = hidden_shape
        self.dense.build((batch, hidden))

    def call(self, hidden):
        return self.dense(hidden[:, 0, :])  # (batch, hidden)

    def compute_output_shape(self, hidden_shape):
        batch, _, hidden = hidden_shape
        return (batch, hidden)
