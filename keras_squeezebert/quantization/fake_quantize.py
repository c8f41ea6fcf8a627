"""FakeQuantize: rounds a tensor to what int8 can hold, and stays float."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras

from keras_squeezebert.errors import InputError
from keras_squeezebert.lowering import for_tflite
from keras_squeezebert.quantization.scheme import Quantizer
from keras_squeezebert.quantization.tfmot_quantizer import (
    RangeVariables,
    tfmot_quantizer,
)

_observed = contextvars.ContextVar("observed_kinds", default=())


@contextlib.contextmanager
def observing(*kinds: str) -> Iterator[None]:
    """Quantizers of these kinds that are called inside the block find their ranges.

    A weight's is that of its values; an activation's grows to all values it ever had.
    """
    token = _observed.set(kinds)
    try:
        yield
    finally:
        _observed.reset(token)


class FakeQuantize(keras.layers.Layer):
    """The rounding of an int8 tensor in a float graph, by tfmot's quantizers.

    The gradient passes where a value is inside the range and stops where it is not.

    Args:
        quantizer: The `Quantizer` to simulate.
        extended: The `FakeQuantize` whose range an "extended" one has.
        by_position: Whether a "run_time" one has a range for each position, rather
            than for each example.
        **kwargs: `name`, … of `keras.layers.Layer`.

    Call arguments:
        x: Float tensor; its last axis has the channels of a quantizer per channel,
            and it then has 2 or 4 axes.
        training: Whether the range follows the tensor: that of a weight does, that of
            an activation only if the quantizer is `moving`.

    Returns:
        Float tensor of the same shape.

    Reference:
        Jacob et al. 2018, arXiv 1712.05877, section 3; `tfmot.quantization.keras`.
    """

    def __init__(
        self, quantizer: Quantizer, extended=None, by_position=False, **kwargs
    ):
        super().__init__(dtype="float32", **kwargs)
        self.quantizer = quantizer
        # Not the layer itself, which Keras would take for a part of this one.
        self._extended_limits = None
        if extended is not None and extended.quantizer.kind != "run_time":
            self._extended_limits = extended.limits
        self.by_position = by_position

    def build(self, channels=None):
        self._check(channels)
        kind, per_channel = self.quantizer.kind, self.quantizer.per_channel
        options = {"num_bits": 8, "per_axis": per_channel}
        options |= dict.fromkeys(
            ("symmetric", "narrow_range"), self.quantizer.symmetric
        )
        if kind == "weight":
            self.simulated = tfmot_quantizer("LastValueQuantizer", **options)
            self.observed = self.simulated
        elif kind != "run_time":
            self.simulated = tfmot_quantizer("MovingAverageQuantizer", **options)
            self.observed = tfmot_quantizer("AllValuesQuantizer", **options)
        self.range_variables = {}
        if kind in ("weight", "activation"):
            shape = (1, 1, 1, channels) if per_channel else ()
            variables = RangeVariables(self)
            self.range_variables = self.simulated.build(shape, "range", variables)

    def _check(self, channels):
        kind, low, high = (
            getattr(self.quantizer, name) for name in ("kind", "low", "high")
        )
        if self.quantizer.per_channel and (kind != "weight" or channels is None):
            raise InputError(
                "Only kernels can be quantized with `per_channel`. Received: "
                f"{self.quantizer} at a point {self.name!r}"
            )
        if kind == "fixed" and not (low <= 0 <= high and low < high):
            raise InputError(
                "A fixed range goes from `low` to `high` and holds 0. Received: "
                f"low={low}, high={high} at a point {self.name!r}"
            )
        if kind == "extended" and self._extended_limits is None:
            raise InputError(
                "An extended range is `of` a point that the layer names before, with "
                f"a range in the .tflite. Received: {self.quantizer} at a point "
                f"{self.name!r}"
            )

    def call(self, x, training=None):
        x = keras.ops.cast(x, "float32")
        if for_tflite() and not self.quantizer.static:
            return x
        if self.quantizer.kind == "run_time":
            axes = range(1, len(x.shape))
            return rounded(x, axis=-1 if self.by_position else tuple(axes))
        low, high = self.limits()
        limits = {"min_var": low, "max_var": high}
        if self.quantizer.kind in _observed.get():
            return self.observed(x, True, limits)
        follows = self.quantizer.kind == "weight" or self.quantizer.moving
        return self.simulated(x, bool(training) and follows, limits)

    def limits(self):
        """The least and the largest value, float tensors () or (1, 1, 1, channels)."""
        if self.quantizer.kind == "fixed":
            limits = (self.quantizer.low, self.quantizer.high)
            return tuple(map(keras.ops.convert_to_tensor, limits))
        if self.quantizer.kind == "extended":
            low, high = self._extended_limits()
            return low - self.quantizer.margin, keras.ops.convert_to_tensor(high)
        return tuple(self.range_variables[k].value for k in ("min_var", "max_var"))

    def step(self):
        """The distance of two neighbours in int8, a float tensor () or (channels,).

        None where every run has one of its own.
        """
        if self.quantizer.kind == "run_time":
            return None
        low, high = self.limits()
        return (high - low) / (254 if self.quantizer.symmetric else 255)

    def compute_output_spec(self, x, training=None):
        return keras.KerasTensor(x.shape, dtype="float32")


def rounded(x, axis):
    """`x` as int8 holds it that is given its range in every run, as LiteRT does.

    The range goes over some axes, from the least to the largest value, and holds 0.
    The gradient passes.
    """
    ops = keras.ops
    low = ops.minimum(ops.min(x, axis=axis, keepdims=True), 0.0)
    high = ops.maximum(ops.max(x, axis=axis, keepdims=True), 0.0)
    step = (high - low) / 255
    step = ops.where(step > 0, step, 1.0)  # where all is 0
    zero = ops.round(-low / step)
    codes = ops.clip(ops.round(x / step) + zero, 0, 255)
    return x + ops.stop_gradient((codes - zero) * step - x)
