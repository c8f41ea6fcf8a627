"""inspect_tflite: what a .tflite is made of, and how it will run."""

import os
import re
import zipfile
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json
from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE
from keras_squeezebert.tflite.companions import companion_folder
from keras_squeezebert.tflite.graph_file import read_graph
from keras_squeezebert.tflite.layer_paths import HEADS, layer_path
from keras_squeezebert.tflite.partitions import Partitions, xnnpack_partitions

QUANTIZED_DTYPES = ("INT4", "INT8", "INT16", "UINT8")


@dataclass(frozen=True)
class Port:
    """An input or output; `scale` and `zero_point` if it is quantized."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class OpCount:
    """How many operations of a kind there are on tensors of these types."""

    op: str
    signature: str
    count: int


@dataclass(frozen=True)
class Island:
    """Operations on floats in a row, with quantized ones around them.

    Attributes:
        first: The first operation, and its layer.
        last: Likewise.
        ops: How many operations there are in it.
        times: How many such rows there are.
    """

    first: str
    last: str
    ops: int
    times: int


@dataclass(frozen=True)
class Kernel:
    """A quantized kernel or table, and its scales: one, or one a channel."""

    name: str
    shape: tuple[int, ...]
    scales: int
    min: float
    median: float
    max: float
    max_to_median: float | None


@dataclass(frozen=True)
class Part:
    """A part of the file; `count` of them have `bytes` altogether."""

    name: str
    count: int
    bytes: int


@dataclass(frozen=True)
class Inspection:
    """What a .tflite is made of.

    Attributes:
        path: The file.
        bytes: Its size.
        inputs: What it takes.
        outputs: What it gives.
        packed_files: Names of the files packed into it.
        metadata: TFLite's metadata, by the names of its schema, or None.
        architecture: The class of the model, if its config is packed.
        config: The packed config, or None.
        scheme: Name of the packed quantization scheme, or None.
        op_counts: Kinds of operations, most frequent first.
        float_islands: Operations on floats between quantized ones; None if nothing
            is quantized.
        xnnpack: How XNNPACK divides the graph.
        kernels: Quantized kernels and tables.
        parts: Where the bytes are; their sum is that of the file.
    """

    path: str
    bytes: int
    inputs: list[Port]
    outputs: list[Port]
    packed_files: list[str]
    metadata: dict[str, Any] | None
    architecture: str | None
    config: dict[str, Any] | None
    scheme: str | None
    op_counts: list[OpCount]
    float_islands: list[Island] | None
    xnnpack: Partitions
    kernels: list[Kernel]
    parts: list[Part]


def inspect_tflite(path: str | os.PathLike) -> Inspection:
    """Looks into a .tflite, of this package or of another program.

    Args:
        path: The file.

    Returns:
        An `Inspection`; `dataclasses.asdict` makes JSON values of it.

    Raises:
        InputError: There is no such file, it is no .tflite, or it is damaged.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ... )
        >>> from keras_squeezebert.tflite import export_tflite
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> path = export_tflite(
        ...     SqueezeBertForSequenceClassification(config),
        ...     os.path.join(tempfile.mkdtemp(), "model.tflite"),
        ...     sequence_length=16,
        ... )
        >>> inspection = inspect_tflite(path)
        >>> inspection.float_islands is None, inspection.xnnpack.count
        (True, 1)
        >>> sum(part.bytes for part in inspection.parts) == os.path.getsize(path)
        True
    """
    graph = read_graph(path)
    config = _packed_json(path, graph, CONFIG_FILE)
    quantization = _packed_json(path, graph, QUANTIZATION_FILE) or {}
    return Inspection(
        path=str(path),
        bytes=graph.file_bytes,
        inputs=_ports(graph, graph.inputs),
        outputs=_ports(graph, graph.outputs),
        packed_files=graph.packed_files,
        metadata=graph.metadata,
        architecture=_first((config or {}).get("architectures")),
        config=config,
        scheme=_name(quantization.get("scheme")),
        op_counts=_op_counts(graph),
        float_islands=_float_islands(graph),
        xnnpack=xnnpack_partitions(path),
        kernels=_kernels(graph),
        parts=_parts(graph),
    )


# === Packed files


def _packed_json(path, graph, name):
    if name not in graph.packed_files:
        return None
    try:
        with companion_folder(path) as folder:
            return read_json(folder / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"{path}: the packed {name} is damaged: {error}") from None


def _first(values):
    return str(values[0]) if isinstance(values, list) and values else None


def _name(scheme):
    return str(scheme.get("name")) if isinstance(scheme, dict) else None


# === Operations


def _ports(graph, numbers):
    ports = []
    for name, number in numbers.items():
        tensor = graph.subgraphs[0].tensors[number]
        scale, zero_point = None, None
        if len(tensor.scales) == 1 and len(tensor.zero_points) == 1:
            scale, zero_point = tensor.scales[0].item(), tensor.zero_points[0].item()
        ports.append(Port(name, tensor.dtype.lower(), tensor.shape, scale, zero_point))
    return ports


def _op_counts(graph):
    counts = Counter(
        (op.name, _signature(tensors, op))
        for tensors, ops in graph.subgraphs
        for op in ops
    )
    return [OpCount(*kind, count) for kind, count in counts.most_common()]


def _signature(tensors, op):
    """Types such as int8×int8→int8, without those of biases, shapes and axes."""
    inputs = [tensors[t] for t in op.inputs]
    inputs = [
        tensor.dtype.lower()
        for tensor in inputs
        if tensor.buffer is None or tensor.dtype not in ("INT32", "INT64")
    ]
    outputs = [tensors[t].dtype.lower() for t in op.outputs]
    return "→".join(("×".join(inputs), "×".join(outputs)))


def _float_islands(graph):
    if not any(_is_quantized(s.tensors, op) for s in graph.subgraphs for op in s.ops):
        return None
    counts = Counter(
        _island_kind(subgraph, row)
        for subgraph in graph.subgraphs
        for row in _float_rows(subgraph)
    )
    return [
        Island(first, last, len(ops), times)
        for (first, last, ops), times in counts.items()
    ]


def _float_rows(subgraph):
    """Operations on floats in a row; those on neither floats nor codes do not count."""
    row = []
    for op in subgraph.ops:
        if _is_quantized(subgraph.tensors, op):
            if row:
                yield row
            row = []
        elif any("FLOAT" in dtype for dtype in _dtypes(subgraph.tensors, op)):
            row.append(op)
    if row:
        yield row


def _is_quantized(tensors, op):
    """Whether an operation computes with codes, of its input or of its weights."""
    if op.name in ("QUANTIZE", "DEQUANTIZE"):
        return False
    return not _dtypes(tensors, op).isdisjoint(QUANTIZED_DTYPES)


def _dtypes(tensors, op):
    return {tensors[t].dtype for t in (*op.inputs, *op.outputs)}


def _island_kind(subgraph, row):
    """The same for all layers of the encoder."""
    ends = [
        f"{op.name} {layer_path(subgraph.name_of(op)) or ''}".rstrip()
        for op in (row[0], row[-1])
    ]
    first, last = (re.sub(r"encoder_layer_\d+", "encoder_layer_*", end) for end in ends)
    return first, last, tuple(op.name for op in row)


# === Weights


def _kernels(graph):
    return [
        _kernel(subgraph.tensors[t], subgraph.name_of(op))
        for subgraph in graph.subgraphs
        for t, op in _readers(subgraph.ops).items()
        if _is_kernel(subgraph.tensors[t])
    ]


def _readers(ops):
    """The first operation that reads each tensor."""
    readers = {}
    for op in ops:
        for t in op.inputs:
            readers.setdefault(t, op)
    return readers


def _is_kernel(tensor):
    return (
        tensor.buffer is not None
        and tensor.dtype in QUANTIZED_DTYPES
        and len(tensor.scales) > 0
        # Numbers that stand alone are no kernels.
        and len(tensor.shape) >= 2
        and np.prod(tensor.shape) > 1
    )


def _kernel(tensor, reader):
    low, median, high = (float(of(tensor.scales)) for of in (np.min, np.median, np.max))
    return Kernel(
        # Not all have names of their own: some are convolution1, convolution2, …
        name=layer_path(tensor.name) or layer_path(reader) or tensor.name,
        shape=tensor.shape,
        scales=len(tensor.scales),
        min=low,
        median=median,
        max=high,
        max_to_median=high / median if median else None,
    )


# === Sizes

_GRAPH = "graph and scales"
_PACKED = "packed files"


def _parts(graph):
    sizes = Counter()
    for buffer, owners in _owners(graph).items():
        # What several share, such as the number of an axis, belongs to none of them.
        owner = owners.pop() if len(owners) == 1 else None
        sizes[owner or _GRAPH] += graph.buffers[buffer]
    sizes[_PACKED] = graph.packed_bytes
    sizes[_GRAPH] += graph.file_bytes - sizes.total()
    return _parts_in_order(sizes)


def _owners(graph):
    """Of each buffer, the parts of the model that read it."""
    owners = defaultdict(set)
    for subgraph in graph.subgraphs:
        parts = _parts_of_ops(subgraph)
        for op, part in zip(subgraph.ops, parts, strict=True):
            for t in op.inputs:
                if subgraph.tensors[t].buffer is not None:
                    owners[subgraph.tensors[t].buffer].add(part)
    return owners


def _parts_of_ops(subgraph):
    """By the name of what they compute, or else the part that reads it."""
    reader, parts = {}, []
    for op in reversed(subgraph.ops):
        path = layer_path(subgraph.name_of(op))
        part = _part_name(path) if path else reader.get((*op.outputs, None)[0])
        parts.append(part)
        reader.update(dict.fromkeys(op.inputs, part))
    return parts[::-1]


def _part_name(path):
    top = path.partition("/")[0]
    if top == "attention_bias":  # a few constants
        return None
    return "head" if top in HEADS else top


def _parts_in_order(sizes):
    """From the input to the output; layers of the encoder in one line if alike."""
    order = ["embeddings", *_layers(sizes), "pooler", "head", _GRAPH, _PACKED]
    parts = [Part(name, 1, sizes[name]) for name in order if name in sizes]
    layers = [part.bytes for part in parts if part.name in _layers(sizes)]
    if not layers or min(layers) < 0.99 * max(layers):
        return parts
    encoder = Part("encoder layers", len(layers), sum(layers))
    others = [part for part in parts if part.name not in _layers(sizes)]
    first = [part for part in others if part.name == "embeddings"]
    return [*first, encoder, *others[len(first) :]]


def _layers(sizes):
    layers = [name for name in sizes if name and name.startswith("encoder_layer_")]
    return sorted(layers, key=lambda name: int(name.rpartition("_")[2]))
