"""TextExamples: texts, or pairs of them, with or without labels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keras_squeezebert.errors import InputError


@dataclass(frozen=True)
class TextExamples:
    """Parallel lists of texts, labels and second texts.

    Args:
        texts: One text for each example.
        labels: One label for each example, or None where none are known. Labels are
            strings; those of a regression are numbers written out.
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
    """

    texts: list[str]
    labels: list[str] | None = None
    text_pairs: list[str] | None = None

    def __post_init__(self):
        for name, values in vars(self).items():
            if values is None and name != "texts":
                continue
            _check_strings(name, values)
            if len(values) != len(self.texts):
                raise InputError(
                    f"`{name}` must be as long as `texts`. Received: "
                    f"{len(values)} {name}, {len(self.texts)} texts"
                )

    def __len__(self) -> int:
        return len(self.texts)

    def label_ids(self, label2id: dict[str, int]) -> np.ndarray:
        """The labels as the class ids of a model.

        Args:
            label2id: Class id of each label, as `SqueezeBertConfig.label2id` has it.

        Returns:
            An int32 array with one id for each example.

        Raises:
            InputError: There are no labels, or one is not in `label2id`.
        """
        if self.labels is None:
            raise InputError("These examples have no labels. Received: labels=None")
        for row, label in enumerate(self.labels):
            if label not in label2id:
                raise InputError(
                    "A label is unknown. Expected one of the model's labels: "
                    f"{_shortened(label2id)}. Received: labels[{row}]={label!r}"
                )
        return np.array([label2id[label] for label in self.labels], dtype=np.int32)


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
    if all(_is_number(label) for label in distinct):
        distinct.sort(key=float)
    return distinct


def _is_number(label):
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _check_strings(name, values):
    if not isinstance(values, list):
        raise InputError(
            f"`{name}` must be a list of strings. Received: {type(values).__name__}"
        )
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise InputError(
                f"`{name}` must be a list of strings. Received: {name}[{row}]={value!r}"
            )


def _shortened(labels, most=10):
    names = [repr(label) for label in labels]
    if len(names) > most:
        names[most:] = [f"… ({len(names)} in all)"]
    return ", ".join(names)
