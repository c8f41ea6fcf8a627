"""LayerNorm, in the form that TFLite runs fastest."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.lowering import for_tflite, scale_channels
from keras_squeezebert.quantization.points import QuantizationPoints

POINTS = (
    "mean",
    "centered",
    "square",
    "variance",
    "inverse_deviation",
    "normalized",
    "gamma",
)


@keras.saving.register_keras_serializable(PACKAGE)
class LayerNorm(QuantizationPoints, keras.layers.Layer):
    """Layer normalisation over the last axis: `(x - mean) / sqrt(var + eps) * γ + β`.

    Computed in float32 under every dtype policy: BERT's epsilon of 1e-12 is zero in
    half precision.

    Quantization points, none of them or all: `mean`, `centered`, `square`,
    `variance`, `inverse_deviation`, `normalized`, `gamma`. The output is quantized by
    what takes it.

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
        self.add_quantization_points(*POINTS, kernel_shape=shape)

    def call(self, inputs, training=None):
        x = ops.cast(inputs, "float32")
        centered = x - self._mean("mean", x, training)
        centered = self.quantized("centered", centered, training)
        square = self.quantized("square", centered * centered, training)
        variance = self._mean("variance", square, training)
        inverse_deviation = ops.rsqrt(self._positive(variance))
        inverse_deviation = self.quantized(
            "inverse_deviation", inverse_deviation, training
        )
        x = self.quantized("normalized", centered * inverse_deviation, training)
        x = self._scaled(x, training) + self._beta()  # (..., hidden)
        return ops.cast(x, self.compute_dtype)

    def _mean(self, point, x, training):
        if point in self.quantizers:
            return self.quantized(point, ops.mean(x, axis=-1, keepdims=True), training)
        # TFLite's converter would give a mean its input's int8 range.
        return ops.sum(x, axis=-1, keepdims=True) * (1.0 / x.shape[-1])

    def _scaled(self, x, training):
        gamma = ops.convert_to_tensor(self.gamma)
        if "gamma" not in self.quantizers:
            return x * gamma
        gamma = self.quantized("gamma", gamma[None, None, None], training)
        return scale_channels(x, gamma)

    def _beta(self):
        beta = ops.convert_to_tensor(self.beta)
        return self.quantized_bias(beta, self.step("normalized"), "gamma")

    def _positive(self, variance):
        """Not 0, which int8 makes of what is small, and of which rsqrt is infinite."""
        step = self.step("variance")
        if step is None:
            return variance + self.epsilon
        positive = ops.maximum(variance, step)
        # Four times the least variance of the calibration is code 127.5 of the inverse
        # deviation, which TFLite rounds up and float noise would round at will.
        return positive if for_tflite() else positive * (1 - 1e-5)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
