"""GroupedConv1D: the layer that makes a BERT a SqueezeBERT."""

import keras

from keras_squeezebert.errors import InputError
from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.lowering import grouped_linear
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class GroupedConv1D(QuantizationPoints, keras.layers.Layer):
    """A grouped convolution of kernel size 1 along the sequence.

    Each group of contiguous input channels is mapped to a group of contiguous output
    channels by a matrix of its own: `1 / groups` of the weights and of the work of a
    dense layer. Equal to `keras.layers.Conv1D(filters, 1, groups=groups)`, weights
    included, but computed as a batched matmul, which trains about four times faster
    on a CPU, and exported to TFLite as CONV_2D. Quantization points: `input`,
    `kernel`, `output`, whose channels can be equalized.

    Args:
        filters: Output channels.
        groups: Groups; must divide the input channels and `filters`.
        output_scale: Constant factor of the output. It is multiplied into the kernel
            and the bias, where an export folds it away.
        kernel_initializer: Initializer of the kernel (1, channels / groups, filters).
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor (..., channels), usually (batch, seq, channels).
        input_step: What one step of int8 is worth in the inputs, if they are quantized.

    Returns:
        Float tensor (..., filters).

    Raises:
        InputError: `groups` does not divide the channels or the filters.

    Example:
        >>> import numpy as np
        >>> layer = GroupedConv1D(8, groups=2)
        >>> layer(np.ones((1, 3, 4), "float32")).shape
        TensorShape([1, 3, 8])
        >>> tuple(layer.kernel.shape)
        (1, 2, 8)

    Reference:
        Iandola et al. 2020, section 3.2; `torch.nn.Conv1d(kernel_size=1, groups=g)`.
    """

    equalized_points = ("output",)

    def __init__(
        self,
        filters,
        groups=1,
        output_scale=1.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if filters % groups:
            raise InputError(
                "`groups` must divide `filters`. "
                f"Received: filters={filters}, groups={groups}"
            )
        self.filters = filters
        self.groups = groups
        self.output_scale = output_scale
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise InputError(
                "`groups` must divide the input channels. "
                f"Received: channels={channels}, groups={self.groups}"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(1, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
        )
        # For `GroupedMuon`, which is given variables and not their layers.
        self.kernel.groups = self.groups
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        self.add_quantization_points(
            "input",
            "kernel",
            "output",
            kernel_shape=self.kernel.shape,
            groups=self.groups,
        )

    def call(self, inputs, training=None, input_step=None):
        x = self.quantized("input", inputs, training)
        kernel = keras.ops.convert_to_tensor(self.kernel)
        bias = keras.ops.convert_to_tensor(self.bias)
        if self.output_scale != 1.0:
            kernel, bias = kernel * self.output_scale, bias * self.output_scale
        units = None
        if self.is_equalized("output"):
            units = channel_units(kernel, bias)  # (filters,)
            kernel, bias = kernel / units, bias / units
        kernel = self.quantized("kernel", kernel[None], training)
        bias = self.quantized_bias(bias, self.step("input", input_step))
        x = grouped_linear(x, kernel, bias, self.groups)  # (..., filters)
        x = self.quantized("output", x, training)
        return x if units is None else x * units

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "output_scale": self.output_scale,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def channel_units(kernel, bias):
    """The largest weight or bias of each filter, as constants; 1 where all are 0."""
    largest = keras.ops.max(keras.ops.abs(kernel), axis=(0, 1))  # (filters,)
    largest = keras.ops.maximum(largest, keras.ops.abs(bias))
    return keras.ops.stop_gradient(keras.ops.where(largest > 0, largest, 1.0))
