"""Features: examples as the arrays that a model takes."""

from dataclasses import dataclass, field, replace

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL

Labels = np.ndarray | dict[str, np.ndarray] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """The inputs and labels of a task, row by row, padded to the longest row.

    Args:
        inputs: By name, int32 (rows, seq), or (rows, choices, seq).
        labels: An array, or several by the names of the model's outputs, with a first
            axis of rows; None where none are known.
        rows: The example that each row comes from, int (rows,).
        notes: What befell the examples on the way, and how many of them.
        labels_of_tokens: Whether the second axis of `labels` is that of the tokens.

    Example:
        >>> ids = np.array([[2, 7, 3], [2, 3, 0]], "int32")
        >>> features = Features(
        ...     inputs={"input_ids": ids, "attention_mask": np.sign(ids)},
        ...     labels=np.array([1, 0]),
        ...     rows=np.arange(2),
        ... )
        >>> features.lengths.tolist()
        [3, 2]
        >>> inputs, labels = features.batch(np.array([1]))
        >>> inputs["input_ids"].tolist(), labels.tolist()
        ([[2, 3]], [0])
    """

    inputs: dict[str, np.ndarray]
    labels: Labels = None
    rows: np.ndarray
    notes: dict[str, int] = field(default_factory=dict)
    labels_of_tokens: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, of several choices those of the longest; (rows,)."""
        lengths = self.inputs["attention_mask"].sum(axis=-1)  # (rows, [choices])
        return lengths.reshape(len(self), -1).max(axis=-1, initial=0)

    def batch(
        self, rows: np.ndarray, epoch: int = 0, pad_to_multiple_of: int = 1
    ) -> tuple[dict[str, np.ndarray], Labels]:
        """Inputs and labels of some rows, without the padding that none of them needs.

        Args:
            rows: Their numbers.
            epoch: The pass over the data; here all are alike.
            pad_to_multiple_of: Of the tokens of the batch, unless all rows are shorter.
        """
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        longest = inputs["attention_mask"].sum(axis=-1).max(initial=0)
        longest += -longest % pad_to_multiple_of
        inputs = {name: array[..., :longest] for name, array in inputs.items()}
        if self.labels is None:
            return inputs, None
        if isinstance(self.labels, dict):
            return inputs, {name: array[rows] for name, array in self.labels.items()}
        labels = self.labels[rows]
        return inputs, labels[:, :longest] if self.labels_of_tokens else labels

    def with_unlabelled(self, others: "Features") -> "Features":
        """These rows and others, whose labels are −100: no loss counts them.

        A teacher can answer them, so that a model learns from more texts than there
        are labels for.

        Args:
            others: Rows of the same inputs.

        Returns:
            Both, with the numbers of the others' examples after those of these.

        Raises:
            InputError: The labels of these rows are not class ids.

        Example:
            >>> ids = np.array([[2, 7, 3]], "int32")
            >>> inputs = {"input_ids": ids, "attention_mask": np.sign(ids)}
            >>> rows = np.arange(1)
            >>> labelled = Features(inputs=inputs, labels=np.array([1]), rows=rows)
            >>> both = labelled.with_unlabelled(Features(inputs=inputs, rows=rows))
            >>> both.labels.tolist()
            [1, -100]
        """
        labels = self.labels
        if not isinstance(labels, np.ndarray) or labels.dtype.kind != "i":
            raise InputError(
                "Rows without labels are for heads of which each text, token or choice "
                "has one of several labels. Received: labels of another kind"
            )
        seq = max(
            features.inputs["attention_mask"].shape[-1] for features in (self, others)
        )
        unknown = np.full((len(others), *labels.shape[1:]), IGNORED_LABEL, labels.dtype)
        labels = np.concatenate([labels, unknown])
        if self.labels_of_tokens:
            labels = _padded(labels, seq, IGNORED_LABEL)
        return replace(
            self,
            inputs={
                name: np.concatenate(
                    [_padded(array, seq, 0), _padded(others.inputs[name], seq, 0)]
                )
                for name, array in self.inputs.items()
            },
            labels=labels,
            rows=np.concatenate([self.rows, others.rows + 1 + self.rows.max()]),
        )


def _padded(array, seq, value):
    """An array (..., seq), longer by a value that says nothing."""
    widths = [(0, 0)] * (array.ndim - 1) + [(0, seq - array.shape[-1])]
    return np.pad(array, widths, constant_values=value)
