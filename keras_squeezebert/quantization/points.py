"""QuantizationPoints: the places in a layer at which a scheme may quantize."""

import contextlib
import contextvars
from collections.abc import Iterator

import numpy as np
from keras import ops

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.fake_quantize import FakeQuantize
from keras_squeezebert.quantization.scheme import Scheme

# TFLite's converter leaves smaller kernels in float if no range is given for them.
MIN_DYNAMIC_SIZE = 1024

_scheme = contextvars.ContextVar("quantization_scheme", default=None)


@contextlib.contextmanager
def quantizing(scheme: Scheme | None) -> Iterator[None]:
    """Layers built inside the block are quantized by a scheme, or by none."""
    token = _scheme.set(scheme)
    try:
        yield
    finally:
        _scheme.reset(token)


def current_scheme() -> Scheme | None:
    """The scheme of the :func:`quantizing` block around this call."""
    return _scheme.get()


class QuantizationPoints:
    """Of a layer that names its points; beside `keras.layers.Layer` as a base.

    Without a scheme the layer has no quantizers and computes as if this were not here.
    """

    # Those at which the layer can equalize channels.
    equalized_points = ()

    def add_quantization_points(
        self,
        *names: str,
        kernel_shape: tuple[int, ...] | None = None,
        groups: int = 1,
        weights: int | None = None,
    ):
        """Called in `build`: makes what the current scheme wants at each point.

        Args:
            *names: The points, e.g. "kernel", "output".
            kernel_shape: Of the layer's kernel; its output channels come last.
            groups: Of a convolution.
            weights: How many there are, where that is not in the kernel's shape.

        Raises:
            InputError: A quantizer cannot be at its point.
        """
        channels = kernel_shape and kernel_shape[-1]
        if kernel_shape:
            weights = np.prod(kernel_shape)
        is_small = weights is not None and weights < MIN_DYNAMIC_SIZE
        self.quantizers = {}
        for name in names:
            quantizer = current_scheme() and current_scheme().at(f"{self.path}/{name}")
            if quantizer and quantizer.equalized and name not in self.equalized_points:
                raise InputError(
                    "Only outputs of grouped convolutions can be `equalized`. "
                    f"Received: {quantizer} at a point {f'{self.path}/{name}'!r}"
                )
            if quantizer and (quantizer.static or not is_small):
                extended = self.quantizers.get(quantizer.of)
                self.quantizers[name] = FakeQuantize(
                    quantizer, extended, by_position=groups == 1, name=name
                )
                self.quantizers[name].build(channels)

    def quantized(self, name: str, x, training=None):
        """`x` as int8 would hold it, where the scheme says so."""
        if name not in self.quantizers:
            return x
        return self.quantizers[name](x, training=training)

    def is_equalized(self, name: str) -> bool:
        """Whether the channels are to be rounded in units of their largest weight."""
        return name in self.quantizers and self.quantizers[name].quantizer.equalized

    def step(self, name: str, otherwise=None):
        """What one step of int8 is worth at a point; `otherwise` where it is float."""
        return self.quantizers[name].step() if name in self.quantizers else otherwise

    def quantized_bias(self, bias, input_step, kernel: str = "kernel"):
        """The bias as the integers hold it, to which a kernel's products are summed.

        Their unit is a step of the input times a step of the kernel, after whose
        quantization this must be called. Without it the int8 graph would now and then
        round to another side than the one that is trained.
        """
        if input_step is None or kernel not in self.quantizers:
            return bias
        unit = input_step * self.step(kernel)  # (channels,)
        unit = ops.where(unit > 0, unit, 1.0)  # of a channel whose weights are all 0
        rounded = ops.round(bias / unit) * unit
        return bias + ops.stop_gradient(rounded - bias)
