"""calibrate: finds the ranges of a quantized model's activations."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import tensorflow as tf
from tqdm import tqdm

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.inputs import check_inputs
from keras_squeezebert.quantization.fake_quantize import observing
from keras_squeezebert.quantization.ranges import (
    Range,
    activation_ranges,
    assign_ranges,
    update_weight_ranges,
)

# Times the median width of the ranges at the same place in all layers.
EXPLODED = 20


@dataclass(frozen=True)
class CalibrationReport:
    """The ranges that calibration found, and which of them look wrong.

    Args:
        ranges: By the paths of the points.
        dead: Points at which nothing but 0 was seen; the model cannot be exported.
        exploded: Points whose range is over 20 times as wide as the median of the
            same point in all layers: most of int8's steps are spent on outliers.
        batches: How many batches were seen.
    """

    ranges: dict[str, Range]
    dead: tuple[str, ...]
    exploded: tuple[str, ...]
    batches: int

    def __str__(self):
        lines = [f"{len(self.ranges)} ranges found in {self.batches} batches"]
        lines += [f"  {point}: only zeros were seen" for point in self.dead]
        lines += [
            f"  {point}: far wider than in other layers, {self.ranges[point].low:.3g} "
            f"to {self.ranges[point].high:.3g}"
            for point in self.exploded
        ]
        return "\n".join(lines)


def calibrate(
    model: keras.Model, batches: Iterable, *, progress: bool = True
) -> CalibrationReport:
    """Runs a quantized model on real inputs and gives each activation its range.

    Some hundred examples are enough. Ranges found before are forgotten.

    Args:
        model: What `quantize_aware` returned.
        batches: Inputs of the model, dicts of int32 arrays or tensors, or tuples that
            begin with one, as a `tf.data.Dataset` for `fit` gives them.
        progress: Whether to show a progress bar.

    Returns:
        The ranges, and which of them look wrong.

    Raises:
        InputError: The model is not quantized, there are no batches, their inputs are
            not the model's, or values were not finite; the ranges are then as before.
    """
    if model.scheme is None:
        raise InputError(
            "The model has no quantizers. Call `quantize_aware` on it first"
        )
    before = activation_ranges(model)
    assign_ranges(model, dict.fromkeys(before, Range(0.0, 0.0)))

    @tf.function(reduce_retracing=True)
    def observe(inputs):
        with observing("activation"):
            model(inputs, training=False)

    update_weight_ranges(model)
    seen = 0
    try:
        for batch in tqdm(batches, desc="Calibrating", disable=not progress):
            inputs = batch[0] if isinstance(batch, tuple | list) else batch
            if not isinstance(inputs, dict):
                raise InputError(
                    "A batch is a dict of the model's inputs, or a tuple that begins "
                    f"with one. Received: a {type(inputs).__name__}"
                )
            check_inputs(inputs, model)
            observe({name: tf.convert_to_tensor(x) for name, x in inputs.items()})
            seen += 1
        found = activation_ranges(model)
        _check(found, seen)
    except BaseException:
        assign_ranges(model, before)
        raise
    return CalibrationReport(
        ranges=found,
        dead=tuple(path for path, limits in found.items() if limits == (0, 0)),
        exploded=_exploded(found),
        batches=seen,
    )


def _check(found, seen):
    if not seen:
        raise InputError("Calibration needs inputs. Received: no batches")
    bad = [p for p, limits in found.items() if not limits.is_found and limits != (0, 0)]
    if bad:
        raise InputError(
            f"Values are not finite at {len(bad)} points, the first is {bad[0]!r}. "
            "The model's weights have diverged, or its inputs are not what it takes"
        )


def _exploded(found):
    widths = {path: high - low for path, (low, high) in found.items()}
    by_place = {}
    for path, width in widths.items():
        by_place.setdefault(path.partition("/")[2], []).append(width)
    medians = {place: sorted(w)[len(w) // 2] for place, w in by_place.items()}
    return tuple(
        path
        for path, width in widths.items()
        if width > EXPLODED * medians[path.partition("/")[2]]
    )
