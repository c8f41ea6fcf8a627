"""The operations of a .tflite file, and what must not be among them."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_squeezebert.tflite.graph_file import flatbuffer, subgraphs


class ExportError(RuntimeError):
    """The converter made a graph that is not what was asked for."""


class Tensor(NamedTuple):
    """An input or output of an operation; `constant` if the file holds its value."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool


class Op(NamedTuple):
    """One operation, by the schema's name, e.g. "CONV_2D"."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def read_ops(model: str | os.PathLike | bytes) -> list[Op]:
    """The operations of a .tflite in the order in which they run.

    Args:
        model: A path, or the content of a file.

    Raises:
        InputError: It is no .tflite file.

    Example:
        >>> read_ops(b"something else entirely")
        Traceback (most recent call last):
        keras_squeezebert.errors.InputError: Not a .tflite file: ...
    """
    content = model if isinstance(model, bytes) else Path(model).read_bytes()
    with flatbuffer(content) as graph:
        return [op for subgraph in subgraphs(graph) for op in _ops(subgraph)]


def _ops(subgraph):
    for op in subgraph.ops:
        inputs, outputs = (
            tuple(_tensor(subgraph.tensors[t]) for t in numbers)
            for numbers in (op.inputs, op.outputs)
        )
        yield Op(op.name, inputs, outputs)


def _tensor(tensor):
    return Tensor(tensor.name, tensor.dtype, tensor.shape, tensor.buffer is not None)


WEIGHT_DTYPES = {
    "float32": "FLOAT32",
    "float16": "FLOAT16",
    "dynamic_ptq": "INT8",
    "dynamic": "INT8",
    "mixed": "INT8",
    "int8": "INT8",
}


def check_ops(
    model: str | os.PathLike | bytes,
    quantization: str,
    float_ops: bool = True,
    float_kernels: Collection[tuple[int, ...]] = (),
    runtime: str = "xnnpack",
    custom_ops: Collection[str] = (),
) -> None:
    """Raises ExportError unless a .tflite is what was promised.

    Args:
        model: A path, or the content of a file.
        quantization: As in `export_tflite`.
        float_ops: Whether there may be operations on floats, other than the last ones
            that make floats of int8 outputs.
        float_kernels: Shapes of the kernels that may be left in float.
        runtime: As in `export_tflite`; what it does not take must not be there.
        custom_ops: Operations that may be there without being TFLite's own.
    """
    ops = read_ops(model)
    custom = {op.name for op in ops if op.name.startswith("CUSTOM")} - set(custom_ops)
    if custom:
        raise ExportError(
            "The graph needs operations that the TFLite Interpreter of a phone does "
            f"not have. Received: {', '.join(sorted(custom))}"
        )
    _check_runtime(ops, runtime)
    # A scheme of the user's own is not known here.
    expected = WEIGHT_DTYPES.get(quantization)
    for op in _without_float_kernels(ops, float_kernels):
        for tensor in op.inputs:
            if expected and _is_weight(op, tensor) and tensor.dtype != expected:
                raise ExportError(
                    f"A weight of {op.name} is not {expected} as "
                    f"quantization={quantization!r} promises. Received: "
                    f"{tensor.name} {tensor.dtype} {tensor.shape}"
                )
        if quantization == "mixed":
            _check_mixed(op)
    if not float_ops:
        _check_no_float(ops, quantization)


def _check_runtime(ops, runtime):
    refused = {"reference": _is_grouped, "gpu": _is_left_by_gpu}.get(runtime)
    names = sorted({op.name for op in ops if refused and refused(op)})
    if names:
        raise ExportError(
            f"The graph has operations that runtime={runtime!r} is to be spared. "
            f"Received: {', '.join(names)}"
        )


def _is_grouped(op):
    return op.name == "CONV_2D" and op.inputs[0].shape[-1] != op.inputs[1].shape[-1]


# Those of the models here, as far as the delegate has them; GATHER and STRIDED_SLICE
# with the limits below. TensorFlow's Analyzer finds every graph compatible.
_GPU_OPS = {
    *("ADD", "BATCH_MATMUL", "CONV_2D", "GATHER", "GELU", "LOGISTIC", "MUL"),
    *("NOT_EQUAL", "RELU", "RESHAPE", "RSQRT", "SELECT_V2", "SOFTMAX"),
    *("STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE"),
}


def _is_left_by_gpu(op):
    """Whether the GPU delegate leaves an operation to the CPU."""
    if op.name == "GATHER":
        return len(op.inputs[1].shape) != 1
    if op.name == "STRIDED_SLICE":  # it must not drop an axis
        return len(op.outputs[0].shape) != len(op.inputs[0].shape)
    return op.name not in _GPU_OPS


def _without_float_kernels(ops, shapes):
    """The operations but one with a float kernel for each of the shapes."""
    kept, shapes = [], list(shapes)
    for op in ops:
        kernels = [t for t in op.inputs if t.constant and t.dtype == "FLOAT32"]
        if op.name == "CONV_2D" and kernels and kernels[0].shape in shapes:
            shapes.remove(kernels[0].shape)
        else:
            kept.append(op)
    return kept


def _check_mixed(op):
    """Matrices are multiplied in int8, and GELU and softmax are float."""
    expected = {
        **dict.fromkeys(("CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"), "INT8"),
        **dict.fromkeys(("GELU", "SOFTMAX"), "FLOAT32"),
    }.get(op.name)
    for tensor in (op.inputs[0], *op.outputs):
        if expected and tensor.dtype != expected:
            raise ExportError(
                f"{op.name} is not {expected} as quantization='mixed' promises. "
                f"Received: {tensor.name} {tensor.dtype} {tensor.shape}"
            )


def _check_no_float(ops, quantization):
    read = {tensor.name for op in ops for tensor in op.inputs}
    for op in ops:
        if op.name == "DEQUANTIZE" and op.outputs[0].name not in read:
            continue  # an output of the graph
        for tensor in (*op.inputs, *op.outputs):
            if tensor.dtype.startswith("FLOAT"):
                raise ExportError(
                    f"{op.name} is not free of floats as quantization="
                    f"{quantization!r} promises. Received: {tensor.name} "
                    f"{tensor.dtype} {tensor.shape}"
                )


# Operations that hold the weights of the model.
_WEIGHT_OPS = (
    "BATCH_MATMUL",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEQUANTIZE",
    "FULLY_CONNECTED",
    "GATHER",
)
# The converter leaves smaller tensors in float: nothing is gained on them.
_MIN_QUANTIZED_SIZE = 1024


def _is_weight(op, tensor):
    return (
        op.name in _WEIGHT_OPS
        and tensor.constant
        and len(tensor.shape) >= 2
        and np.prod(tensor.shape) >= _MIN_QUANTIZED_SIZE
    )
