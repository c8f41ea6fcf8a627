"""Signature: the one signature of a .tflite, run on any number of rows."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tqdm import tqdm

from keras_squeezebert.errors import InputError


class Signature:
    """A .tflite in LiteRT, whose inputs hold a batch of rows.

    Args:
        path: The file.
        interpreter: LiteRT's class that runs it.
        **options: What that class takes.

    Attributes:
        interpreter: The interpreter.
        input_details: LiteRT's description of each input, by name.
        output_details: And of each output.

    Raises:
        InputError: The file cannot run.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        interpreter: type[Interpreter] = Interpreter,
        **options: Any,
    ):
        try:
            self.interpreter = interpreter(model_path=str(path), **options)
            self._run = self.interpreter.get_signature_runner()
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path} is not a .tflite that can run: {error}") from None
        self.input_details = self._run.get_input_details()
        self.output_details = self._run.get_output_details()

    def __call__(
        self, inputs: Mapping[str, np.ndarray], bar: tqdm
    ) -> dict[str, np.ndarray]:
        """Outputs by name, float (rows, ...).

        Args:
            inputs: By name, arrays (rows, ...) of the shapes of the file's inputs.
            bar: Told of the rows that are done.
        """
        batch = int(next(iter(self.input_details.values()))["shape"][0])
        rows = len(next(iter(inputs.values())))
        results = {
            name: [np.empty((0, *details["shape"][1:]), details["dtype"])]
            for name, details in self.output_details.items()
        }
        for i in range(0, rows, batch):
            count = min(batch, rows - i)
            # The last call may be short of rows: others fill it.
            chosen = np.arange(i, i + batch) % rows
            part = {name: array[chosen] for name, array in inputs.items()}
            for name, values in self._run(**part).items():
                results[name].append(values[:count])
            bar.update(count)
        return {
            name: dequantized(np.concatenate(parts), self.output_details[name])
            for name, parts in results.items()
        }


def dequantized(values: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    """The floats that a tensor's values stand for; those of floats are themselves."""
    scale, zero_point = details["quantization"]
    if not scale:
        return values
    return np.float32(scale) * (values.astype("float32") - zero_point)
