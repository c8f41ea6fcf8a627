"""StoredTensor: a tensor of a file, known by name and shape before it is read."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_squeezebert.errors import InputError

FLOATS = ("float16", "bfloat16", "float32", "float64")


class StoredTensor(NamedTuple):
    """A tensor as a file describes it.

    Args:
        file: The file it is in.
        key: Its name there.
        shape: Its shape.
        dtype: Its type, by numpy's names and "bfloat16".
        values: Where possible still on disk, memory-mapped; None if it is no weight.
    """

    file: Path
    key: str
    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray | None

    def check_shape(self, expected: tuple[int, ...]) -> None:
        """Raises an `InputError` if the shape is another one."""
        if self.shape != expected:
            raise InputError(
                f"{self.file}: {self.key!r} does not fit the model. Expected shape: "
                f"{expected}. Received: {self.shape}"
            )

    def check_values(self) -> None:
        """Raises an `InputError` unless these are finite floats."""
        if self.dtype not in FLOATS:
            raise InputError(
                f"{self.file}: {self.key!r} is no weight. Expected dtype: "
                f"{', '.join(FLOATS)}. Received: {self.dtype}"
            )
        if not np.isfinite(self.read()).all():
            raise InputError(
                f"{self.file}: {self.key!r} holds values that are not finite as "
                "float32: NaN, infinite or too large."
            )

    def read(self) -> np.ndarray:
        """The values as float32."""
        with np.errstate(over="ignore"):  # too large a float64 becomes infinite
            return np.asarray(self.values, dtype=np.float32)
