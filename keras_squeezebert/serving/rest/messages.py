"""JSON of TF Serving's REST API to arrays, and back.

Reference:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_squeezebert.errors import InputError

Specs = Mapping[str, tf.TensorSpec]


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object that a request is.

    Raises:
        InputError: It is not one.
    """
    try:
        values = json.loads(body)
    # ValueError: not UTF-8, not JSON, or a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise InputError(f"JSON Parse error: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"The request must be a JSON object. Received: {_shortened(values)}"
        )
    return values


def inputs_of(request: Mapping[str, Any], specs: Specs) -> dict[str, np.ndarray]:
    """The arrays of a predict request.

    Args:
        request: With `instances`, a list with an item for each row: an object by the
            names of inputs, or, of a single input, its value; or with `inputs`, an
            object of columns by the names of inputs, or, of a single one, its column.
        specs: What the signature takes.

    Returns:
        By name, arrays with a first axis of rows.

    Raises:
        InputError: It has neither, or both; an input is missing, unknown, or of another
            shape or type.

    Example:
        >>> specs = {"text": tf.TensorSpec([None], tf.string)}
        >>> inputs_of({"instances": ["a", {"text": "b"}]}, specs)["text"].tolist()
        [b'a', b'b']
    """
    if ("instances" in request) == ("inputs" in request):
        raise InputError(
            "A request has `instances` or `inputs`. Received: "
            f"{', '.join(map(_shortened, request)) or 'nothing'}"
        )
    if "inputs" in request:
        columns = _named(request["inputs"], specs)
    else:
        instances = request["instances"]
        if not isinstance(instances, list) or not instances:
            raise InputError(
                "`instances` must be a list with an item for each row. Received: "
                f"{_shortened(instances)}"
            )
        rows = [_named(instance, specs) for instance in instances]
        columns = {name: [row[name] for row in rows] for name in specs}
    arrays = {name: _array(name, columns[name], spec) for name, spec in specs.items()}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"All inputs must have as many rows. Received: {counts}")
    return arrays


def examples_of(request: Mapping[str, Any], features: Specs) -> dict[str, np.ndarray]:
    """The texts of a classify request.

    Args:
        request: With `examples`, a list of objects from a feature to its value, and
            perhaps a `context` of features that all of them have.
        features: What an example must hold, by name.

    Raises:
        InputError: A feature is missing, or is not a string.
    """
    examples, context = request.get("examples"), request.get("context", {})
    if not isinstance(examples, list) or not examples:
        raise InputError(
            "A request to classify has a list of `examples`. Received: "
            f"{_shortened(examples)}"
        )
    if not all(isinstance(values, dict) for values in (context, *examples)):
        raise InputError("`context` and `examples` must be objects of features.")
    rows = [{**context, **example} for example in examples]
    for row in rows:
        missing = [name for name in features if name not in row]
        if missing:
            raise InputError(
                f"An example must have the feature {missing[0]}. Received: "
                f"{', '.join(map(_shortened, row)) or 'none'}"
            )
    return {
        name: _array(name, [row[name] for row in rows], spec)
        for name, spec in features.items()
    }


def as_examples(features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the signature of TF Serving's Classify takes: `inputs`, tf.Examples."""
    rows = zip(*features.values(), strict=True)
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in zip(features, row, strict=True)
                }
            )
        )
        for row in rows
    ]
    serialized = [example.SerializeToString() for example in examples]
    return {"inputs": np.array(serialized, object)}


def answers_of(outputs: Mapping[str, np.ndarray], as_rows: bool) -> dict[str, Any]:
    """What a predict request is answered: as it asked, by rows or by columns."""
    columns = {name: _values(array) for name, array in outputs.items()}
    if not as_rows:
        only = next(iter(columns.values())) if len(columns) == 1 else columns
        return {"outputs": only}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def classes_of(outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a classify request is answered."""
    classes, scores = (_values(outputs[name]) for name in ("classes", "scores"))
    rows = zip(classes, scores, strict=True)
    return {"results": [list(map(list, zip(*row, strict=True))) for row in rows]}


def definition_of(inputs: Specs, outputs: Specs) -> dict[str, Any]:
    """A signature as `metadata` tells it: name, type and shape of all tensors."""
    sides = {"inputs": inputs, "outputs": outputs}
    return {side: dict(map(_told, specs.items())) for side, specs in sides.items()}


def _told(item):
    name, spec = item
    sizes = [-1 if size is None else size for size in spec.shape]
    shape = {"dim": [{"size": str(size), "name": ""} for size in sizes]}
    dtype = f"DT_{spec.dtype.name.upper()}".replace("FLOAT32", "FLOAT")
    return name, {"name": name, "dtype": dtype, "tensor_shape": shape}


def _named(values, specs):
    """Values by the names of the inputs."""
    if not isinstance(values, dict) or set(values) == {"b64"}:
        if len(specs) > 1:
            raise InputError(
                f"Inputs go by their names: {', '.join(specs)}. Received: "
                f"{_shortened(values)}"
            )
        return {next(iter(specs)): values}
    if set(values) != set(specs):
        raise InputError(
            f"The inputs are {', '.join(specs)}. Received: "
            f"{', '.join(map(_shortened, values)) or 'none'}"
        )
    return values


def _array(name, values, spec):
    is_text = spec.dtype == tf.string
    shape = _shape(name, values, len(spec.shape))
    items = list(_items(values, len(spec.shape)))
    if is_text:
        array = np.empty(len(items), object)
        array[:] = [_bytes(name, item) for item in items]
    else:
        for item in items:
            if type(item) is not int or not -(2**31) <= item < 2**31:
                raise InputError(
                    f"`{name}` must be of int32. Received: {_shortened(item)}"
                )
        array = np.array(items, np.int32)
    return array.reshape(shape)


def _shape(name, values, rank):
    """The shape of nested lists, all of which are as long as their neighbours."""
    shape, level = [], [values]
    for _ in range(rank):
        if not all(isinstance(item, list) for item in level):
            raise InputError(
                f"`{name}` must be lists, {rank} deep. Received: "
                f"{_shortened(next(x for x in level if not isinstance(x, list)))}"
            )
        lengths = {len(item) for item in level}
        if len(lengths) > 1:
            raise InputError(
                f"The rows of `{name}` must be equally long. Received: "
                f"{' and '.join(map(str, sorted(lengths)[:2]))} items"
            )
        shape.append(lengths.pop() if lengths else 0)
        level = [item for items in level for item in items]
    return shape


def _items(values, depth):
    if depth == 0:
        yield values
        return
    for item in values:
        yield from _items(item, depth - 1)


def _bytes(name, item):
    if isinstance(item, str):
        # A lone surrogate, which JSON can spell, is no text: as the tokenizers do.
        return item.encode("utf-8", "replace")
    if isinstance(item, dict) and isinstance(item.get("b64"), str):
        try:
            return base64.b64decode(item["b64"], validate=True)
        except (binascii.Error, ValueError):
            pass
    raise InputError(
        f'`{name}` must be of strings, or of {{"b64": …}}. Received: {_shortened(item)}'
    )


def _values(array):
    """An array as nested lists; strings as text."""
    if array.dtype != object:
        return array.tolist()
    texts = [item.decode("utf-8", "replace") for item in array.ravel()]
    return np.array(texts, object).reshape(array.shape).tolist()


def _shortened(value):
    text = (
        json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    )
    return text[:80]
