"""Reads and writes the weights of a model as Hugging Face's model.safetensors."""

import os
from dataclasses import dataclass, field

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from keras_squeezebert.converters.key_table import BASE_PREFIX, key_table
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file

WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class LoadReport:
    """What became of each weight.

    Args:
        loaded: Our variables that were read.
        initialized: Our variables that the checkpoint lacks; they stay random.
        ignored: Keys of the checkpoint that the model has no place for.
    """

    loaded: list[str] = field(default_factory=list)
    initialized: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def __str__(self):
        lines = [f"{len(self.loaded)} weights loaded"]
        if self.initialized:
            lines.append(f"newly initialised: {', '.join(self.initialized)}")
        if self.ignored:
            lines.append(f"ignored: {', '.join(self.ignored)}")
        return "; ".join(lines)


def save_checkpoint(model: keras.Model, folder: str | os.PathLike) -> None:
    """Writes `model.safetensors` under Hugging Face's keys into an existing folder."""
    variables = {variable.path: variable for variable in model.variables}
    tensors = {
        # A copy, because safetensors stores the memory behind a transposed view.
        row.key: np.ascontiguousarray(
            row.transform(np.asarray(variables[row.variable]))
        )
        for row in _rows(model)
    }
    with atomic_file(os.path.join(folder, WEIGHTS_FILE)) as draft:
        # transformers refuses a file that does not say which framework wrote it.
        save_file(tensors, draft, metadata={"format": "pt"})


def load_checkpoint(
    model: keras.Model, folder: str | os.PathLike, new_head: bool = False
) -> LoadReport:
    """Assigns the weights in a folder's `model.safetensors` to a model.

    Nothing is assigned unless all of it fits.

    Args:
        model: Any SqueezeBERT model.
        folder: Where the file is.
        new_head: Whether to leave the head as it is, for labels of its own.

    Raises:
        InputError: The file is missing, truncated or no safetensors file; a weight of
            the encoder is missing; a shape differs.
    """
    path = os.path.join(folder, WEIGHTS_FILE)
    if not os.path.isfile(path):
        raise InputError(f"No such file: {path}")
    try:
        # The tensors stay on disk, memory-mapped, until they are asked for.
        with safe_open(path, framework="numpy") as tensors:
            return _assign(model, tensors, path, new_head)
    except SafetensorError as error:
        raise InputError(f"{path} is damaged or no safetensors file: {error}") from None


def _assign(model, tensors, path, new_head):
    variables = {variable.path: variable for variable in model.variables}
    # A bare base model has the encoder's keys without the prefix of a task's.
    stored = {key.removeprefix(BASE_PREFIX): key for key in tensors.keys()}  # noqa: SIM118
    rows = {row.key.removeprefix(BASE_PREFIX): row for row in _rows(model)}

    found = {key for key in rows if key in stored and not (new_head and _is_head(key))}
    missing = [key for key in rows if key not in found]
    encoder = [key for key in missing if key.startswith(("embeddings.", "encoder."))]
    if encoder:
        raise InputError(
            f"{path} lacks {len(encoder)} weights of the encoder, the first is "
            f"{encoder[0]!r}. Is it a SqueezeBERT of num_hidden_layers="
            f"{model.config.num_hidden_layers}? Received: {len(stored)} keys, "
            f"{', '.join(sorted(stored)[:3])}, …"
        )

    values = {}
    for key in found:
        row, tensor = rows[key], tensors.get_tensor(stored[key])
        variable = variables[row.variable]
        expected = row.transform(np.empty(variable.shape)).shape
        if tensor.shape != expected:
            raise InputError(
                f"{path}: {stored[key]!r} does not fit the model. Expected shape: "
                f"{expected}. Received: {tensor.shape}"
            )
        values[row.variable] = row.transform(tensor)
    for name, value in values.items():
        variables[name].assign(value)
    return LoadReport(
        loaded=[row.variable for key, row in rows.items() if key in found],
        initialized=[rows[key].variable for key in missing],
        ignored=[stored[key] for key in sorted(stored) if key not in found],
    )


def _is_head(key):
    return not key.startswith(("embeddings.", "encoder.", "pooler."))


def _rows(model):
    return key_table(type(model).__name__, model.config.num_hidden_layers)
