"""Dense: `keras.layers.Dense` with quantization points."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.lowering import linear
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class Dense(QuantizationPoints, keras.layers.Dense):
    """A linear layer with bias, exported to TFLite as a CONV_2D.

    Only a convolution can have a quantization range for each output channel there.
    Quantization points: `input`, `kernel`, `output`.

    Args:
        units: Output channels.
        **kwargs: `kernel_initializer`, `name`, `dtype`, … of `keras.layers.Dense`.

    Call arguments:
        inputs: Float tensor (..., channels).
        input_step: What one step of int8 is worth in the inputs, if they were
            quantized before.

    Returns:
        Float tensor (..., units).

    Example:
        >>> import numpy as np
        >>> Dense(3)(np.ones((2, 5), "float32")).shape
        TensorShape([2, 3])
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.add_quantization_points(
            "input", "kernel", "output", kernel_shape=self.kernel.shape
        )

    def call(self, inputs, training=None, input_step=None):
        x = self.quantized("input", inputs, training)
        kernel = ops.convert_to_tensor(self.kernel)[None, None]
        kernel = self.quantized("kernel", kernel, training)
        bias = ops.convert_to_tensor(self.bias)
        bias = self.quantized_bias(bias, self.step("input", input_step))
        x = linear(x, kernel) + bias  # (..., units)
        return self.quantized("output", x, training)
