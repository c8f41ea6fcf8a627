"""Reads .safetensors files, without PyTorch."""

import json
import os
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from keras_squeezebert.converters.readers.stored import StoredTensor
from keras_squeezebert.errors import InputError

# By the format's names: of another type only the name is told, for it is no weight.
DTYPES = {
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}


def read_safetensors(path: str | os.PathLike) -> dict[str, StoredTensor]:
    """The tensors of a .safetensors file; their values stay in it, memory-mapped.

    Raises:
        InputError: The file is damaged, or something else.
    """
    path = Path(path)
    try:
        # The library checks the header: every tensor has the bytes that its shape
        # wants, they follow one another without a gap, and end where the file does.
        # It is not asked for the values, of which it would make copies.
        with safe_open(path, framework="numpy") as file:
            keys = file.offset_keys()
        contents = np.memmap(path, mode="r")
        start = 8 + int.from_bytes(contents[:8].tobytes(), "little")
        header = json.loads(contents[8:start].tobytes(), object_pairs_hook=_unique)
        return {key: _stored(path, key, header[key], contents[start:]) for key in keys}
    # Type and value: headers that the library takes although the format knows no
    # such, and shapes that numpy has none of.
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged or no safetensors file: {error}") from None


def _unique(pairs):
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name occurs twice in its header")
    return entries


def _stored(path, key, entry, contents):
    shape, dtype = tuple(entry["shape"]), DTYPES.get(entry["dtype"])
    if dtype is None:
        return StoredTensor(path, key, shape, entry["dtype"], None)
    first, last = entry["data_offsets"]
    values = contents[first:last].view(dtype).reshape(shape)
    return StoredTensor(path, key, shape, dtype.name, values)
