"""Accuracy, F1 and Matthews' correlation, computed by scikit-learn.

It is imported when it is used: it takes a second, which the command line's help need
not wait for.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics.checks import class_arrays


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """The share of the predictions that are right.

    Args:
        labels: For each example its class, an id or a name.
        predictions: The same of a model.

    Returns:
        `accuracy`, in [0, 1].

    Raises:
        InputError: Nothing to measure, different lengths, or not classes.

    Example:
        >>> accuracy(["yes", "no", "no", "no"], ["yes", "no", "yes", "no"])
        {'accuracy': 0.75}
    """
    from sklearn.metrics import accuracy_score

    return {"accuracy": float(accuracy_score(*class_arrays(labels, predictions)))}


def f1(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """F1 of class 1 against class 0, as GLUE has it for MRPC and QQP.

    Args:
        labels: For each example 1 or 0.
        predictions: The same of a model.

    Returns:
        `f1`, `precision` and `recall` of class 1, each 0 where it would be 0 / 0, and
        the `accuracy`.

    Raises:
        InputError: Nothing to measure, different lengths, or another class.

    Example:
        >>> f1([1, 1, 0, 0], [1, 1, 1, 0])["f1"]
        0.8
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels, predictions = class_arrays(labels, predictions)
    _check_binary("Classes", "of more, use `multi_class_f1`", labels, predictions)
    precision, recall, score, _ = precision_recall_fscore_support(
        labels, predictions, average="binary", zero_division=0.0
    )
    return {
        "f1": float(score),
        "precision": float(precision),
        "recall": float(recall),
        **accuracy(labels, predictions),
    }


def multi_class_f1(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """F1 over any number of classes, one of which each example has.

    Args:
        labels: For each example its class, an id or a name.
        predictions: The same of a model.

    Returns:
        `f1_macro`, the mean over the classes that occur in either; one that is never
        predicted rightly counts as 0. `f1_micro`, over all examples, which with one
        class each is the accuracy.

    Raises:
        InputError: Nothing to measure, different lengths, or not classes.

    Example:
        >>> multi_class_f1([0, 1, 2, 2], [0, 1, 1, 1])
        {'f1_macro': 0.5, 'f1_micro': 0.5}
    """
    return _averages(*class_arrays(labels, predictions))


def multi_label_f1(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """F1 over labels of which each example has any number.

    Args:
        labels: For each example and label 1 or 0, (examples, labels).
        predictions: The same of a model: `logits > 0`.

    Returns:
        `f1_macro`, the mean over the labels (one that is never predicted rightly counts
        as 0), `f1_micro`, over all entries, and `accuracy`, the share of the examples
        with all labels right.

    Raises:
        InputError: Nothing to measure, different shapes, or values but 0 and 1.

    Example:
        >>> multi_label_f1([[1, 0], [1, 1]], [[1, 0], [1, 0]])
        {'f1_macro': 0.5, 'f1_micro': 0.8, 'accuracy': 0.5}
    """
    labels, predictions = class_arrays(labels, predictions, ndim=2)
    _check_binary("Entries", "of logits, take `logits > 0`", labels, predictions)
    if labels.shape[1] < 2:
        raise InputError(
            "There must be two labels or more; of one, use `f1`. Received: "
            f"labels {labels.shape}"
        )
    right = (labels == predictions).all(axis=1)  # (examples,)
    return {**_averages(labels, predictions), "accuracy": float(right.mean())}


def matthews(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Matthews' correlation, as GLUE has it for CoLA.

    Args:
        labels: For each example its class, an id or a name; two classes or more.
        predictions: The same of a model.

    Returns:
        `matthews`, in [-1, 1]; 0 if either holds one class only.

    Raises:
        InputError: Nothing to measure, different lengths, or not classes.

    Example:
        >>> matthews([1, 1, 0, 0], [1, 1, 0, 0])
        {'matthews': 1.0}

    Reference:
        Gorodkin 2004, "Comparing two K-category assignments by a K-category
        correlation coefficient".
    """
    from sklearn.metrics import matthews_corrcoef

    labels, predictions = class_arrays(labels, predictions)
    with warnings.catch_warnings():
        # Of the shape of a matrix that nobody sees here.
        warnings.filterwarnings("ignore", message="A single label was found")
        return {"matthews": float(matthews_corrcoef(labels, predictions))}


def _averages(labels, predictions):
    from sklearn.metrics import f1_score

    return {
        f"f1_{average}": float(
            f1_score(labels, predictions, average=average, zero_division=0.0)
        )
        for average in ("macro", "micro")
    }


def _check_binary(what, otherwise, *arrays):
    for array in arrays:
        wrong = array[~np.isin(array, (0, 1))]
        if wrong.size:
            raise InputError(
                f"{what} must be 0 and 1; {otherwise}. Received: {wrong[0].item()!r}"
            )
