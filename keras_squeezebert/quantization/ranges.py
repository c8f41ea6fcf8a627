"""The ranges of a model's quantizers: looking at them, checking them, on disk."""

import math
import os
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json, write_json
from keras_squeezebert.quantization.fake_quantize import FakeQuantize, observing
from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE, Scheme

FLOAT32_MAX = float(np.finfo(np.float32).max)


class Range(NamedTuple):
    """From where to where an activation can be told apart in int8."""

    low: float
    high: float

    @property
    def is_found(self) -> bool:
        """Whether it is the range of something: finite, and not empty."""
        return math.isfinite(self.low) and math.isfinite(self.high) and self != (0, 0)


def quantizers(model: keras.Model) -> dict[str, FakeQuantize]:
    """All quantizers of a model, by the paths of their points."""
    # Keras has no public way to layers inside layers.
    layers = model._flatten_layers(include_self=False, recursive=True)
    return {layer.path: layer for layer in layers if isinstance(layer, FakeQuantize)}


def activation_ranges(model: keras.Model) -> dict[str, Range]:
    """The ranges of a model's activations, by the paths of their points.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
        >>> activation_ranges(SqueezeBertModel(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )))
        {}
    """
    return {
        path: Range(*(float(np.asarray(limit)) for limit in _limits(layer)))
        for path, layer in quantizers(model).items()
        if layer.quantizer.kind == "activation"
    }


def assign_ranges(model: keras.Model, ranges: dict[str, Range]) -> None:
    """Sets ranges of activations by the paths of their points."""
    layers = quantizers(model)
    for path, limits in ranges.items():
        for variable, limit in zip(_limits(layers[path]), limits, strict=True):
            variable.assign(limit)


def update_weight_ranges(model: keras.Model) -> None:
    """Gives the quantizers of weights the ranges that these have now."""
    inputs = {
        tensor.name: np.zeros([size or 2 for size in tensor.shape], "int32")
        for tensor in model.inputs
    }
    with observing("weight"):
        model(inputs, training=False)


def check_calibrated(model: keras.Model) -> None:
    """Raises an `InputError` if a range of a quantized model has not been found."""
    missing = [path for path, r in activation_ranges(model).items() if not r.is_found]
    if missing:
        raise InputError(
            f"{len(missing)} ranges of the quantized model are not known, the first is "
            f"that of {missing[0]!r}. Call `calibrate` with some batches of real "
            "inputs first"
        )


# === On disk


def save_quantization(model: keras.Model, folder: str | os.PathLike) -> None:
    """Writes a quantized model's scheme and ranges to `quantization.json`.

    The ranges of its weights are not in it: they are those of the weights.
    """
    ranges = {path: list(limits) for path, limits in activation_ranges(model).items()}
    values = {"scheme": model.scheme.to_dict(), "ranges": ranges}
    write_json(Path(folder, QUANTIZATION_FILE), values)


def read_scheme(folder: str | os.PathLike) -> Scheme | None:
    """The scheme of a folder's `quantization.json`; None if there is none."""
    path = Path(folder, QUANTIZATION_FILE)
    if not path.is_file():
        return None
    try:
        return Scheme.from_dict(read_json(path).get("scheme") or {})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_ranges(model: keras.Model, folder: str | os.PathLike) -> None:
    """Reads a quantized model's ranges back from `quantization.json`.

    Raises:
        InputError: Ranges are missing, unknown, inverted or not numbers.
    """
    path = Path(folder, QUANTIZATION_FILE)
    stored = read_json(path).get("ranges")
    expected = activation_ranges(model)
    if not isinstance(stored, dict):
        raise InputError(
            f"{path}: the ranges are not a JSON object. Received: {str(stored)[:200]}"
        )
    if set(stored) != set(expected):
        differing = sorted(set(expected).symmetric_difference(stored))
        raise InputError(
            f"{path}: the ranges are not those of the model. Only in one of the two: "
            f"{', '.join(differing[:3])}"
        )
    for point, limits in stored.items():
        if not _is_range(limits):
            raise InputError(
                f"{path}: a range is two numbers, one up to 0 and one from 0. "
                f"Received: {point}={limits!r}"
            )
    assign_ranges(model, {point: Range(*limits) for point, limits in stored.items()})


def _is_range(limits):
    if not isinstance(limits, list) or len(limits) != 2:
        return False
    if not all(type(x) in (int, float) and abs(x) < FLOAT32_MAX for x in limits):
        return False
    return limits[0] <= 0 <= limits[1]


def _limits(layer):
    return layer.range_variables["min_var"], layer.range_variables["max_var"]
