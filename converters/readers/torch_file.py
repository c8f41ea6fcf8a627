"""Reads what `torch.save` wrote: pytorch_model.bin, in its zip and its older form."""

import os
import pickle
import pickletools
import re
import zipfile
from pathlib import Path

import ml_dtypes

from keras_squeezebert.converters.readers.stored import FLOATS, StoredTensor
from keras_squeezebert.errors import InputError

ZIP_MAGIC = b"PK\3\4"

# The older form is a row of pickles, then the values: a number to know it by, its
# version, the machine that wrote it, the state dict, the order of the values.
LEGACY_PICKLES = 5

# What plain tensors are made of, each with its module before it.
PLAIN = re.compile(
    r"collections OrderedDict"
    r"|torch\._utils _rebuild_(parameter|tensor(_v[23])?)"
    r"|torch(\.cuda|\.storage)? \w+Storage"
    r"|torch (uint|float)\w+"
)


def read_torch(path: str | os.PathLike) -> dict[str, StoredTensor]:
    """The tensors of a PyTorch state dict; where possible memory-mapped.

    Such a file is a pickle, a program. PyTorch's restricted reader runs it, which
    knows tensors and plain containers and refuses everything else. It knows more of
    them than a model needs, some of which can be had to fill the memory: what a file
    asks for is looked at first.

    Raises:
        InputError: PyTorch is not installed; the file would run code, is damaged, or
            holds something else than tensors.
    """
    path = Path(path)
    torch = import_torch()
    try:
        with open(path, "rb") as file:
            is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        if is_zip:
            _check_archive(path)
        else:
            _check_pickles(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
        if not isinstance(state, dict):
            raise InputError(
                f"{path} holds no state dict. Received: a {type(state).__name__}"
            )
        # Not `state.items()`: a pickle can put something else in its place.
        return {key: _stored(path, key, value) for key, value in dict.items(state)}
    except InputError:
        raise
    except pickle.UnpicklingError:  # tells at length how to load it all the same
        raise InputError(f"{path} is damaged or no PyTorch file.") from None
    # A damaged file makes the reader fail anywhere, with any type of error.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path} is damaged or no PyTorch file: {reason}") from None


def import_torch():
    """PyTorch, or what to do if it is not there.

    Raises:
        InputError: It is not installed.
    """
    try:
        import torch
    except ImportError:
        raise InputError(
            "PyTorch is needed for this. Install it with "
            "`pip install keras-squeezebert[torch]`"
        ) from None
    return torch


# === Before PyTorch reads it


def _check_archive(path):
    """Refuses an archive that is larger inside than outside.

    PyTorch stores without compression; what is compressed was made by others, and
    can be a bomb.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        compressed = [e for e in entries if e.compress_type != zipfile.ZIP_STORED]
        if compressed or sum(e.file_size for e in entries) > os.path.getsize(path):
            raise InputError(
                f"{path} was refused: PyTorch writes no compressed archives. Received: "
                f"{(compressed or entries)[0].filename!r}, and "
                f"{sum(e.file_size for e in entries):,} bytes in all when unpacked"
            )
        for entry in entries:
            if entry.filename.lower().endswith(".pkl"):
                with archive.open(entry) as file:
                    _check_names(path, file)


def _check_pickles(path):
    with open(path, "rb") as file:
        for _ in range(LEGACY_PICKLES):
            _check_names(path, file)


def _check_names(path, file):
    for name in _names(file):
        if not PLAIN.fullmatch(name):
            raise InputError(
                f"{path} was refused: it asks for {name.replace(' ', '.')}. Only plain "
                "tensors are read, as anything else could run code"
            )


def _names(file):
    """What a pickle asks for, of all that Python has, as "module name"."""
    words = []
    for opcode, value, _ in pickletools.genops(file):
        if opcode.name in ("GLOBAL", "INST"):
            yield value
        elif opcode.name == "STACK_GLOBAL":  # the name was said before
            yield " ".join(words[-2:])
        elif isinstance(value, str):
            words.append(value)


# === What it has read


def _stored(path, key, tensor):
    import torch

    plain = (
        isinstance(key, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
        and not tensor.is_neg()
    )
    if not plain:
        raise InputError(
            f"{path}: a state dict maps names to plain tensors. Received: "
            f"{_describe(key, tensor)}"
        )
    # One value can stand for a whole tensor, of any size.
    if tensor.numel() * tensor.element_size() > os.path.getsize(path):
        raise InputError(
            f"{path}: {key!r} is larger than the file. Received: "
            f"shape={tuple(tensor.shape)}"
        )
    shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    values = _values(tensor.detach()) if dtype in FLOATS else None
    return StoredTensor(path, key, shape, dtype, values)


def _values(tensor):
    import torch

    if tensor.dtype is torch.bfloat16:  # which numpy alone has not
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def _describe(key, value):
    # Anything but a string could be without end.
    name = repr(key) if isinstance(key, str) else f"a {type(key).__name__}"
    layout, device = getattr(value, "layout", None), getattr(value, "device", None)
    details = f" ({layout}, {device})" if layout else ""
    return f"{name}, a {type(value).__name__}{details}"
