"""What every metric asks of its labels and predictions."""

from collections.abc import Sized

import numpy as np
from numpy.typing import ArrayLike

from keras_squeezebert.errors import InputError

# NumPy's letters for the kinds of a dtype.
_IDS = {"i", "u", "b"}
_NAMES = {"U"}


def check_lengths(**values: Sized) -> None:
    """Raises `InputError` unless there is something, and as much of it by each name.

    Example:
        >>> check_lengths(labels=[0, 1], predictions=[1, 1])
    """
    lengths = {name: len(each) for name, each in values.items()}
    received = ", ".join(f"{length} {name}" for name, length in lengths.items())
    if 0 in lengths.values():
        raise InputError(f"A metric needs one example or more. Received: {received}")
    if len(set(lengths.values())) > 1:
        raise InputError(
            "Each example must have one of everything. Received: " + received
        )


def class_arrays(
    labels: ArrayLike, predictions: ArrayLike, ndim: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of one shape, with ids of classes or with their names.

    Example:
        >>> class_arrays(["yes", "no"], ["no", "no"])[1].tolist()
        ['no', 'no']
    """
    check_lengths(labels=labels, predictions=predictions)
    labels = _array("labels", labels)
    predictions = _array("predictions", predictions)
    if labels.ndim != ndim or labels.shape != predictions.shape:
        raise InputError(
            f"`labels` and `predictions` must have one shape, of {ndim} axes; of "
            f"logits, take the argmax. Received: labels {labels.shape}, predictions "
            f"{predictions.shape}"
        )
    kinds = {labels.dtype.kind, predictions.dtype.kind}
    if not (kinds <= _IDS or kinds == _NAMES):
        raise InputError(
            "`labels` and `predictions` must both be ids of classes (int), or both "
            f"their names (str). Received: labels of {labels.dtype}, predictions of "
            f"{predictions.dtype}"
        )
    return labels, predictions


def number_array(name: str, values: ArrayLike) -> np.ndarray:
    """The values, finite and in one row, as float64.

    Example:
        >>> number_array("labels", [1, 2]).tolist()
        [1.0, 2.0]
    """
    array = _array(name, values)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise InputError(
            f"`{name}` must be numbers in one row. Received: {name} of {array.dtype}, "
            f"shape {array.shape}"
        )
    finite = np.isfinite(array)
    if not finite.all():
        first = finite.argmin()
        raise InputError(
            f"`{name}` must be finite; a model that gives other numbers has diverged. "
            f"Received: {name}[{first}]={array[first]}"
        )
    return array.astype("float64")


def _array(name, values):
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of several lengths
        raise InputError(f"`{name}` must be an array. Received: {error}") from error
