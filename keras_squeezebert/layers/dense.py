"""Dense: `keras.layers.Dense` with quantization points."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.layers.lowering import linear
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class Dense(QuantizationPoints, keras.layers.Dense):
    """A linear layer with bias, exported to TFLite as a CONV_2D.

    Only a convolution can have a quantization range for each output channel there.
    Quantization points: `input`, if `quantizes_input`; `kernel`, `output`.

    Args:
        units: Output channels.
        quantizes_input: Whether the input is quantized here, rather than before.
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

    def __init__(self, units, quantizes_input=True, **kwargs):
        super().__init__(units, **kwargs)
        self.quantizes_input = quantizes_input

    def build(self, input_shape):
        super().build(input_shape)
        points = ("input", "kernel", "output")[0 if self.quantizes_input else 1 :]
        self.add_quantization_points(*points, channels=self.units)

    def call(self, inputs, training=None, input_step=None):
        x = self.quantized("input", inputs, training)
        if self.quantizes_input:
            input_step = self.step("input")
        kernel = ops.convert_to_tensor(self.kernel)[None, None]
        kernel = self.quantized("kernel", kernel, training)
        bias = ops.convert_to_tensor(self.bias)
        bias = self.quantized_bias(bias, input_step)
        x = linear(x, kernel) + bias  # (..., units)
        return self.quantized("output", x, training)

    def get_config(self):
        return {**super().get_config(), "quantizes_input": self.quantizes_input}
