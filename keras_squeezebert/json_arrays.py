"""JSON's values to the arrays that a signature takes, and arrays to JSON's values."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_squeezebert.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

Arrays = Mapping[str, np.ndarray]


def parsed(text: bytes | str) -> dict[str, Any]:
    """The JSON object that a text is.

    Raises:
        InputError: It is not one.
    """
    try:
        values = json.loads(text)
    # ValueError: not UTF-8, not JSON, or a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise InputError(f"JSON Parse error: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"It must be a JSON object. Received: {shortened(values)}")
    return values


def array_of(name: str, values: Any, spec: "tf.TensorSpec") -> np.ndarray:
    """The array of an input.

    Args:
        name: The input's.
        values: Lists, as deep as `spec` has axes, of strings, of `{"b64": …}` in place
            of bytes, or of integers.
        spec: Its shape and type.

    Raises:
        InputError: They are not of that depth and type, or not equally long.

    Example:
        >>> import tensorflow as tf
        >>> array_of("text", ["a", {"b64": "Yg=="}], tf.TensorSpec([None], tf.string))
        array([b'a', b'b'], dtype=object)
    """
    is_text = spec.dtype == "string"
    shape = _shape(name, values, len(spec.shape))
    items = list(_items(values, len(spec.shape)))
    if is_text:
        array = np.empty(len(items), object)
        array[:] = [_bytes(name, item) for item in items]
    else:
        for item in items:
            if type(item) is not int or not -(2**31) <= item < 2**31:
                raise InputError(
                    f"`{name}` must be of int32. Received: {shortened(item)}"
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
                f"{shortened(next(x for x in level if not isinstance(x, list)))}"
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
    if isinstance(item, dict) and list(item) == ["b64"] and type(item["b64"]) is str:
        try:
            return base64.b64decode(item["b64"], validate=True)
        except (binascii.Error, ValueError):
            pass
    raise InputError(
        f'`{name}` must be of strings, or of {{"b64": …}}. Received: {shortened(item)}'
    )


def values_of(array: np.ndarray) -> list:
    """An array as nested lists; strings as text.

    Example:
        >>> values_of(np.array([b"a", b"b"], object))
        ['a', 'b']
    """
    if array.dtype != object:
        return array.tolist()
    texts = [item.decode("utf-8", "replace") for item in array.ravel()]
    return np.array(texts, object).reshape(array.shape).tolist()


def joined(parts: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """The rows of all, with "" or 0 where one has fewer columns than another.

    Args:
        parts: By name, arrays of strings or numbers with a first axis of rows.

    Example:
        >>> parts = [{"x": np.array([[1, 2]])}, {"x": np.array([[3]])}]
        >>> joined(parts)["x"].tolist()
        [[1, 2], [3, 0]]
    """
    names = parts[0]
    return {name: _concatenated([part[name] for part in parts]) for name in names}


def _concatenated(arrays):
    widths = np.max([array.shape[1:] for array in arrays], axis=0, initial=0)
    filling = b"" if arrays[0].dtype == object else 0
    return np.concatenate(
        [
            np.pad(
                array,
                [(0, 0), *((0, n) for n in widths - array.shape[1:])],
                constant_values=filling,
            )
            for array in arrays
        ]
    )


def shortened(value: Any) -> str:
    """The beginning of a value, for messages.

    Example:
        >>> shortened(["a", 1])
        '["a", 1]'
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone surrogate would be the end of whoever sends the message.
    return text[:80].encode("utf-8", "backslashreplace").decode()
