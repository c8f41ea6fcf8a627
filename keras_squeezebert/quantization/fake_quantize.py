"""FakeQuantize: rounds a tensor to what int8 can hold, and stays float."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras

from keras_squeezebert.errors import InputError
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
        **kwargs: `name`, … of `keras.layers.Layer`.

    Call arguments:
        x: Float tensor; its last axis has the channels of a quantizer per channel,
            and it then has 2 or 4 axes.
        training: Whether the range follows the tensor: that of a weight does, that of
            an activation only if the attribute `moving` is set.

    Returns:
        Float tensor of the same shape.

    Reference:
        Jacob et al. 2018, arXiv 1712.05877, section 3; `tfmot.quantization.keras`.
    """

    def __init__(self, quantizer: Quantizer, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.quantizer = quantizer
        self.moving = False

    def build(self, channels=None):
        self._check(channels)
        options = {"num_bits": 8, "per_axis": self.quantizer.per_channel}
        options |= dict.fromkeys(
            ("symmetric", "narrow_range"), self.quantizer.symmetric
        )
        variables = RangeVariables(self)
        if self.quantizer.kind == "weight":
            self.simulated = tfmot_quantizer("LastValueQuantizer", **options)
            self.observed = self.simulated
            shape = (1, 1, 1, channels) if self.quantizer.per_channel else ()
        elif self.quantizer.kind == "activation":
            self.simulated = tfmot_quantizer("MovingAverageQuantizer", **options)
            self.observed = tfmot_quantizer("AllValuesQuantizer", **options)
            shape = ()
        else:
            self.simulated = self.observed = tfmot_quantizer(
                "FixedQuantizer",
                num_bits=8,
                init_min=self.quantizer.low,
                init_max=self.quantizer.high,
                narrow_range=False,
            )
            shape = ()
        self.range_variables = self.simulated.build(shape, "range", variables) or {}

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

    def call(self, x, training=None):
        x = keras.ops.cast(x, "float32")
        values = {
            name: variable.value for name, variable in self.range_variables.items()
        }
        if self.quantizer.kind in _observed.get():
            return self.observed(x, True, values)
        follows = self.quantizer.kind == "weight" or self.moving
        return self.simulated(x, bool(training) and follows, values)

    def step(self):
        """The distance of two neighbours in int8, a float tensor () or (channels,)."""
        if self.quantizer.kind == "fixed":
            return (self.quantizer.high - self.quantizer.low) / 255
        low, high = (self.range_variables[k].value for k in ("min_var", "max_var"))
        return (high - low) / (254 if self.quantizer.symmetric else 255)

    def compute_output_spec(self, x, training=None):
        return keras.KerasTensor(x.shape, dtype="float32")
