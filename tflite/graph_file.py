"""read_graph: all of a .tflite but the values of its weights."""

import contextlib
import mmap
import os
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.metadata_tables import from_flatbuffer

# The name by which a model knows the buffer with TFLite's metadata.
METADATA_ENTRY = b"TFLITE_METADATA"


class GraphTensor(NamedTuple):
    """A tensor; `buffer` is the number of its content, None if it is computed."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    buffer: int | None
    scales: np.ndarray
    zero_points: np.ndarray


class GraphOp(NamedTuple):
    """An operation, by the schema's name, on numbers of tensors."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Subgraph(NamedTuple):
    """Operations in the order in which they run, and their tensors."""

    tensors: list[GraphTensor]
    ops: list[GraphOp]

    def name_of(self, op: GraphOp) -> str:
        """What an operation is known by, the name of its first output."""
        return self.tensors[op.outputs[0]].name if op.outputs else ""


@dataclass(frozen=True)
class Graph:
    """What a .tflite holds.

    Attributes:
        file_bytes: Size of the file.
        packed_bytes: Of these, the ones of the packed files and their archive.
        packed_files: Names of the packed files.
        buffers: Size of each buffer.
        subgraphs: The first is the one that runs.
        inputs: Numbers of the first subgraph's inputs by their names.
        outputs: Likewise.
        metadata: TFLite's metadata, as `metadata_tables` has it, or None.
    """

    file_bytes: int
    packed_bytes: int
    packed_files: list[str]
    buffers: list[int]
    subgraphs: list[Subgraph]
    inputs: dict[str, int]
    outputs: dict[str, int]
    metadata: dict[str, Any] | None


def read_graph(path: str | os.PathLike) -> Graph:
    """Reads the structure of a .tflite; the file is mapped, not copied.

    Args:
        path: A .tflite, of this package or of another program.

    Raises:
        InputError: There is no such file, it is no .tflite, or it is damaged.

    Example:
        >>> read_graph("missing.tflite")
        Traceback (most recent call last):
        keras_squeezebert.errors.InputError: No such file: missing.tflite
    """
    if not os.path.isfile(path):
        raise InputError(f"No such file: {path}")
    size = os.path.getsize(path)
    start, packed_files = _archive(path, size)
    try:
        with flatbuffer(_mapped(path, size)) as model:
            return Graph(
                file_bytes=size,
                packed_bytes=size - start,
                packed_files=packed_files,
                buffers=_buffer_sizes(model, start),
                subgraphs=subgraphs(model),
                inputs=_ports(model, "Inputs"),
                outputs=_ports(model, "Outputs"),
                metadata=_metadata(model),
            )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


# What the schema's reader runs into: offsets that lead nowhere, numbers of no meaning,
# and None for a part that is absent.
_DAMAGE = (
    struct.error,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


@contextlib.contextmanager
def flatbuffer(content) -> Iterator[schema.Model]:
    """Yields the root of a .tflite; inside the block damage is an `InputError`.

    Args:
        content: Bytes, or a memory map of the file.
    """
    if content[4:8] != b"TFL3":
        raise InputError(
            "Not a .tflite file: bytes 4 to 8 must be b'TFL3'. "
            f"Received: {content[4:8]!r}"
        )
    try:
        yield schema.Model.GetRootAs(content, 0)
    except _DAMAGE as error:
        raise InputError(f"The .tflite file is damaged. Received: {error}") from None


def subgraphs(model: schema.Model) -> list[Subgraph]:
    """All subgraphs, inside a block of :func:`flatbuffer`."""
    return [
        _subgraph(model, model.Subgraphs(s)) for s in range(model.SubgraphsLength())
    ]


def packed(model: schema.ModelT, size: int) -> bytes:
    """The .tflite of a model in the schema's object form, of about so many bytes."""
    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _archive(path, size):
    """Where the packed files begin, and their names."""
    if not zipfile.is_zipfile(path):
        return size, []
    try:
        with zipfile.ZipFile(path) as archive:
            files = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(f"{path}: the packed files are damaged: {error}") from None
    start = min((file.header_offset for file in files), default=size)
    return start, [file.filename for file in files]


def _mapped(path, size):
    if not size:  # which cannot be mapped
        return b""
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _buffer_sizes(model, available):
    sizes = [_buffer_size(model.Buffers(b)) for b in range(model.BuffersLength())]
    if sum(sizes) > available:
        raise ValueError(f"buffers of {sum(sizes)} bytes in a graph of {available}")
    return sizes


def _buffer_size(buffer):
    # Beyond 2 GB, contents stand behind the flatbuffer.
    return buffer.Size() if buffer.Offset() > 1 else buffer.DataLength()


def _subgraph(model, subgraph):
    tensors = [
        _tensor(model, subgraph.Tensors(t)) for t in range(subgraph.TensorsLength())
    ]
    ops = []
    for o in range(subgraph.OperatorsLength()):
        op = subgraph.Operators(o)
        ops.append(
            GraphOp(
                _op_name(model.OperatorCodes(op.OpcodeIndex())),
                # −1 stands for an optional input that is absent.
                tuple(int(t) for t in _indices(op.InputsAsNumpy()) if t >= 0),
                tuple(int(t) for t in _indices(op.OutputsAsNumpy())),
            )
        )
    numbers = (t for op in ops for t in (*op.inputs, *op.outputs))
    _check_numbers("tensors", numbers, len(tensors))
    return Subgraph(tensors, ops)


def _check_numbers(things, numbers, count):
    for number in numbers:
        if not 0 <= number < count:
            raise ValueError(f"there are {count} {things}, and not number {number}")


def _tensor(model, tensor):
    number, quantization = tensor.Buffer(), tensor.Quantization()
    _check_numbers("buffers", [number], model.BuffersLength())
    scales = _indices(quantization.ScaleAsNumpy()) if quantization else ()
    zeros = _indices(quantization.ZeroPointAsNumpy()) if quantization else ()
    return GraphTensor(
        _text(tensor.Name()),
        _DTYPES[tensor.Type()],
        tuple(int(size) for size in _indices(tensor.ShapeAsNumpy())),
        number if _buffer_size(model.Buffers(number)) else None,
        np.array(scales, "float32"),
        np.array(zeros, "int64"),
    )


def _ports(model, side):
    """Inputs or outputs by the names of the signature, or else of the tensors."""
    subgraph = model.Subgraphs(0)
    if model.SignatureDefsLength():
        signature = model.SignatureDefs(0)
        read = getattr(signature, side)
        ports = [read(i) for i in range(getattr(signature, f"{side}Length")())]
        numbers = {_text(port.Name()): port.TensorIndex() for port in ports}
    else:
        found = _indices(getattr(subgraph, f"{side}AsNumpy")())
        numbers = {_text(subgraph.Tensors(t).Name()): int(t) for t in found}
    _check_numbers("tensors", numbers.values(), subgraph.TensorsLength())
    return numbers


def _metadata(model):
    for m in range(model.MetadataLength()):
        entry = model.Metadata(m)
        if entry.Name() == METADATA_ENTRY:
            _check_numbers("buffers", [entry.Buffer()], model.BuffersLength())
            content = _indices(model.Buffers(entry.Buffer()).DataAsNumpy())
            return from_flatbuffer(bytes(content))
    return None


def _text(name):
    return (name or b"").decode(errors="replace")


# === The schema's reader


def _names(enum):
    return {value: name for name, value in vars(enum).items() if name.isupper()}


_OPERATORS = _names(schema.BuiltinOperator)
_DTYPES = _names(schema.TensorType)


def _op_name(code):
    """The schema's name of an operator code."""
    # Old files keep the number in a byte, new ones in an int: the larger one is it.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{(code.CustomCode() or b'').decode(errors='replace')}"
    return _OPERATORS[number]


def _indices(array):
    """A vector of the flatbuffer, () if it is absent."""
    # The schema's reader gives the integer 0 for an absent vector.
    return array if isinstance(array, np.ndarray) else ()
