"""JSON of TF Serving's REST API to arrays, and back.

Reference:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.json_arrays import array_of, shortened, values_of

Specs = Mapping[str, tf.TensorSpec]


def rows_of(request: Mapping[str, Any]) -> int:
    """How many rows a request has, right or not, found before it is looked through.

    Example:
        >>> rows_of({"instances": ["a", "b"]}), rows_of({"inputs": {"text": ["a"]}})
        (2, 1)
    """
    inputs = request.get("inputs")
    columns = inputs.values() if isinstance(inputs, dict) else [inputs]
    lists = [request.get("instances"), request.get("examples"), *columns]
    return max((len(rows) for rows in lists if isinstance(rows, list)), default=0)


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
            f"{', '.join(map(shortened, request)) or 'nothing'}"
        )
    if "inputs" in request:
        columns = _named(request["inputs"], specs)
    else:
        instances = request["instances"]
        if not isinstance(instances, list) or not instances:
            raise InputError(
                "`instances` must be a list with an item for each row. Received: "
                f"{shortened(instances)}"
            )
        rows = [_named(instance, specs) for instance in instances]
        columns = {name: [row[name] for row in rows] for name in specs}
    arrays = {name: array_of(name, columns[name], spec) for name, spec in specs.items()}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"All inputs must have as many rows. Received: {counts}")
    if 0 in counts.values():
        raise InputError(f"A request must have a row. Received: {counts}")
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
            f"{shortened(examples)}"
        )
    if not all(isinstance(values, dict) for values in (context, *examples)):
        raise InputError("`context` and `examples` must be objects of features.")
    rows = [{**context, **example} for example in examples]
    for row in rows:
        missing = [name for name in features if name not in row]
        if missing:
            raise InputError(
                f"An example must have the feature {missing[0]}. Received: "
                f"{', '.join(map(shortened, row)) or 'none'}"
            )
    return {
        name: array_of(name, [row[name] for row in rows], spec)
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
    columns = {name: values_of(array) for name, array in outputs.items()}
    if not as_rows:
        only = next(iter(columns.values())) if len(columns) == 1 else columns
        return {"outputs": only}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def classes_of(outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a classify request is answered."""
    classes, scores = (values_of(outputs[name]) for name in ("classes", "scores"))
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
                f"{shortened(values)}"
            )
        return {next(iter(specs)): values}
    if set(values) != set(specs):
        raise InputError(
            f"The inputs are {', '.join(specs)}. Received: "
            f"{', '.join(map(shortened, values)) or 'none'}"
        )
    return values
