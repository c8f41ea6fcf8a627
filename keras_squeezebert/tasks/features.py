"""Features: examples as the arrays that a model takes."""

from dataclasses import dataclass, field

import numpy as np

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
        self, rows: np.ndarray, epoch: int = 0
    ) -> tuple[dict[str, np.ndarray], Labels]:
        """Inputs and labels of some rows, without the padding that none of them needs.

        Args:
            rows: Their numbers.
            epoch: The pass over the data; here all are alike.
        """
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        longest = inputs["attention_mask"].sum(axis=-1).max(initial=0)
        inputs = {name: array[..., :longest] for name, array in inputs.items()}
        if self.labels is None:
            return inputs, None
        if isinstance(self.labels, dict):
            return inputs, {name: array[rows] for name, array in self.labels.items()}
        labels = self.labels[rows]
        return inputs, labels[:, :longest] if self.labels_of_tokens else labels
