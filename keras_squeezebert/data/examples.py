"""TextExamples: texts, or pairs of them, with or without labels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keras_squeezebert.data.checks import (
    check_as_many,
    check_lists_of_strings,
    check_strings,
)
from keras_squeezebert.errors import InputError


@dataclass(frozen=True)
class TextExamples:
    """Parallel lists of texts, labels and second texts.

    Args:
        texts: One text for each example.
        labels: One label for each example, or a list of any number of them, or None
            where none are known. Labels are strings; those of a regression are numbers
            written out.
        text_pairs: The second text of each example, or None for single texts.

    Raises:
        InputError: Something other than a list of strings, or lists of different
            lengths.

    Example:
        >>> examples = TextExamples(["hello", "bye"], labels=["greet", "leave"])
        >>> len(examples)
        2
        >>> examples.label_ids({"greet": 0, "leave": 1})
        array([0, 1], dtype=int32)
        >>> examples = TextExamples(["hello", "a"], labels=[["greet", "short"], []])
        >>> examples.label_ids({"greet": 0, "short": 1})
        array([[1., 1.],
               [0., 0.]], dtype=float32)
        >>> TextExamples(["so so"], labels=["2.50"]).label_values()
        array([2.5], dtype=float32)
    """

    texts: list[str]
    labels: list[str] | list[list[str]] | None = None
    text_pairs: list[str] | None = None

    def __post_init__(self):
        check_strings("texts", self.texts)
        if self.labels is not None:
            check = check_lists_of_strings if self._several_labels() else check_strings
            check("labels", self.labels)
            check_as_many("labels", self.labels, "texts", self.texts)
        if self.text_pairs is not None:
            check_strings("text_pairs", self.text_pairs)
            check_as_many("text_pairs", self.text_pairs, "texts", self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def label_ids(self, label2id: dict[str, int]) -> np.ndarray:
        """The labels as a model is trained on them.

        Args:
            label2id: Class id of each label, as `SqueezeBertConfig.label2id` has it.

        Returns:
            An int32 array with the class id of each example, (examples,). Where each
            has a list of labels, a float32 array, (examples, labels of the model), of 1
            for those it has and 0 for the others.

        Raises:
            InputError: There are no labels, or one is not in `label2id`.
        """
        if self._several_labels():
            ids = np.zeros((len(self), len(label2id)), dtype=np.float32)
            for row, labels in enumerate(self.labels):
                ids[row, _ids(f"labels[{row}]", labels, label2id)] = 1
            return ids  # (examples, labels of the model)
        return np.array(_ids("labels", self._known_labels(), label2id), dtype=np.int32)

    def label_values(self) -> np.ndarray:
        """The labels of a regression.

        Returns:
            A float32 array with one number for each example.

        Raises:
            InputError: There are no labels, or one is not a finite number.
        """
        labels = self._known_labels()
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused
            values = np.array([_number(label) for label in labels], dtype=np.float32)
        for row in np.flatnonzero(~np.isfinite(values)):
            raise InputError(
                "The labels of a regression must be finite numbers. Received: "
                f"labels[{row}]={labels[row]!r}"
            )
        return values  # (examples,)

    def _known_labels(self):
        if self.labels is None:
            raise InputError("These examples have no labels. Received: labels=None")
        return self.labels

    def _several_labels(self):
        return (
            isinstance(self.labels, list)
            and len(self.labels) > 0
            and isinstance(self.labels[0], list)
        )


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """The distinct labels in the order of their class ids.

    Args:
        labels: Labels, with repetitions.

    Returns:
        Each label once: by value if all of them are numbers, else by name.

    Example:
        >>> sorted_labels(["no", "yes", "no"])
        ['no', 'yes']
        >>> sorted_labels(["10", "2", "1"])
        ['1', '2', '10']
    """
    distinct = sorted(set(labels))
    if all(math.isfinite(_number(label)) for label in distinct):
        distinct.sort(key=float)
    return distinct


def _number(label):
    """The number that is written out, or NaN."""
    try:
        return float(label)
    except (TypeError, ValueError):
        return math.nan


def _ids(name, labels, label2id):
    for row, label in enumerate(labels):
        if label not in label2id:
            raise InputError(
                "A label is unknown. Expected one of the model's labels: "
                f"{_shortened(label2id)}. Received: {name}[{row}]={label!r}"
            )
    return [label2id[label] for label in labels]


def _shortened(labels, most=10):
    names = [repr(label) for label in labels]
    if len(names) > most:
        names[most:] = [f"… ({len(names)} in all)"]
    return ", ".join(names)
