"""LayerNorm, in the form that TFLite runs fastest."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class LayerNorm(keras.layers.Layer):
    """Layer normalisation over the last axis: `(x - mean) / sqrt(var + eps) * γ + β`.

    Computed in float32 under every dtype policy: BERT's epsilon of 1e-12 is zero in
    half precision.

    Args:
        epsilon: Added to the variance.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor (..., hidden).

    Returns:
        Float tensor (..., hidden).

    Example:
        >>> import numpy as np
        >>> np.asarray(LayerNorm()(np.array([[1.0, 3.0]], "float32")))
        array([[-1.,  1.]], dtype=float32)

    Reference:
        Ba et al. 2016, arXiv 1607.06450; `torch.nn.LayerNorm`.
    """

    def __init__(self, epsilon=1e-12, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(
            name="gamma", shape=shape, initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=shape, initializer="zeros", autocast=False
        )

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        # A mean would be given its input's int8 range by TFLite's converter.
        share = 1.0 / x.shape[-1]
        centered = x - ops.sum(x, axis=-1, keepdims=True) * share
        variance = ops.sum(ops.square(centered), axis=-1, keepdims=True) * share
        normalized = centered * ops.rsqrt(variance + self.epsilon)
        return ops.cast(normalized * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
