"""export_stand_in: another shape in the form of a file, to measure the two together."""

import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_squeezebert.config import CONFIG_FILE, SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.models.sequence_classification import (
    SqueezeBertForSequenceClassification,
)
from keras_squeezebert.quantization.calibrate import calibrate
from keras_squeezebert.quantization.quantize_aware import quantize_aware
from keras_squeezebert.quantization.ranges import read_scheme
from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE, Scheme
from keras_squeezebert.tflite.companions import companion_folder
from keras_squeezebert.tflite.export import export_tflite
from keras_squeezebert.tflite.graph_file import read_graph

# Ranges of random weights are found from as many rows.
_CALIBRATION_ROWS = 8


@dataclass(frozen=True)
class Form:
    """What a stand-in has of the file that it is measured with.

    Attributes:
        quantization: As in `export_tflite`, or the name of the scheme.
        scheme: That of the packed `quantization.json`, or None.
        output_type: "float32", or "int8" if the outputs are codes.
        batch_size: Sequences of a run; those of a multiple choice are its choices.
        sequence_length: Tokens of each.
        vocab_size: That of the packed `config.json`, or None.

    Example:
        >>> print(Form("float32", None, "float32", 1, 128, None))
        float32, 128 tokens
    """

    quantization: str
    scheme: Scheme | None
    output_type: str
    batch_size: int
    sequence_length: int
    vocab_size: int | None

    def __str__(self):
        rows = "" if self.batch_size == 1 else f"{self.batch_size} × "
        return f"{self.quantization}, {rows}{self.sequence_length} tokens"


def export_stand_in(
    preset: str, like: str | os.PathLike, path: str | os.PathLike
) -> Path:
    """Writes a sequence classifier of random weights in the form of another .tflite.

    It has the same sequence length, batch size and quantization, and the same size of
    vocabulary if the file's config is packed, so that what the two differ in when they
    are measured is their shape.

    Args:
        preset: A name of `SqueezeBertConfig.preset`.
        like: The file whose form it gets, of this package or of another program.
        path: Where the new file goes.

    Returns:
        The path.

    Raises:
        InputError: There is no such preset, or the form cannot be told from the file.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert.tflite import LiteRTModel, export_tflite
        >>> folder = Path(tempfile.mkdtemp())
        >>> config = SqueezeBertConfig.preset("mini", vocab_size=100)
        >>> model = SqueezeBertForSequenceClassification(config)
        >>> like = export_tflite(model, folder / "model.tflite", sequence_length=16)
        >>> path = export_stand_in("small", like, folder / "small.tflite")
        >>> LiteRTModel(path).input_shape, LiteRTModel(path).config.hidden_size
        ((1, 16), 384)
    """
    form = read_form(like)
    config = SqueezeBertConfig.preset(preset)
    config = config.replace(
        vocab_size=form.vocab_size or config.vocab_size,
        max_position_embeddings=max(
            form.sequence_length, config.max_position_embeddings
        ),
    )
    model = SqueezeBertForSequenceClassification(config)
    if form.scheme:
        model = quantize_aware(model, form.scheme)
        inputs = _random_inputs(config, form.sequence_length)
        calibrate(model, [inputs], progress=False)
    return export_tflite(
        model,
        path,
        form.sequence_length,
        quantization=form.quantization,
        batch_size=form.batch_size,
        output_type=form.output_type,
    )


def _random_inputs(config, sequence_length):
    shape = (_CALIBRATION_ROWS, sequence_length)
    ids = np.random.default_rng(0).integers(config.vocab_size, size=shape)
    return {
        "input_ids": ids.astype("int32"),
        "attention_mask": np.ones(shape, "int32"),
        "token_type_ids": np.zeros(shape, "int32"),
    }


# === What can be told of a file


def read_form(path: str | os.PathLike) -> Form:
    """What a stand-in will have of a .tflite.

    Raises:
        InputError: There is no such file, it is no .tflite, or it leaves open what its
            sequences are or how it was quantized.
    """
    graph = read_graph(path)
    subgraph = graph.subgraphs[0]
    batch_size, sequence_length = _sizes(path, graph)
    scheme, vocab_size = _packed(path, graph.packed_files)
    quantization = scheme.name if scheme else _quantization(path, subgraph)
    outputs = {subgraph.tensors[number].dtype for number in graph.outputs.values()}
    return Form(
        quantization,
        scheme,
        "int8" if outputs == {"INT8"} else "float32",
        batch_size,
        sequence_length,
        vocab_size,
    )


def _sizes(path, graph):
    """Sequences of a run, and tokens of each, by the inputs of ids."""
    tensors = graph.subgraphs[0].tensors
    inputs = {name: tensors[number] for name, number in graph.inputs.items()}
    shapes = {t.shape for t in inputs.values() if t.dtype in ("INT32", "INT64")}
    if len(shapes) != 1 or len(next(iter(shapes))) < 2:
        found = (f"{name} {t.dtype} {t.shape}" for name, t in inputs.items())
        raise InputError(
            "A stand-in gets the length of the file's sequences, which is that of its "
            "inputs of ids: int32 or int64, (batch, seq), and all alike. Received: "
            f"{path} with {', '.join(found) or 'no inputs'}"
        )
    *batch, sequence_length = shapes.pop()
    return math.prod(batch), sequence_length


def _packed(path, names):
    """Scheme and size of the vocabulary; None where the file does not hold them."""
    with companion_folder(path) as folder:
        scheme = read_scheme(folder) if QUANTIZATION_FILE in names else None
        if CONFIG_FILE not in names:
            return scheme, None
        return scheme, SqueezeBertConfig.from_pretrained(folder).vocab_size


# By what the weights are in the file, and what they are multiplied with.
_QUANTIZATIONS = {
    ("FLOAT32", "FLOAT32"): "float32",
    ("FLOAT16, stored", "FLOAT32"): "float16",
    ("INT8", "FLOAT32"): "dynamic_ptq",
}


def _quantization(path, subgraph):
    """By the type of most weights of convolutions and fully connected layers."""
    tensors, sizes = subgraph.tensors, Counter()
    stored = {
        op.outputs[0]: tensors[op.inputs[0]]
        for op in subgraph.ops
        if op.name == "DEQUANTIZE"
    }
    for op in subgraph.ops:
        if op.name in ("CONV_2D", "FULLY_CONNECTED"):
            values, number = tensors[op.inputs[0]], op.inputs[1]
            weights, suffix = tensors[number], ""
            if number in stored:
                weights, suffix = stored[number], ", stored"
            if weights.buffer is not None:
                kind = (weights.dtype + suffix, values.dtype)
                sizes[kind] += math.prod(weights.shape)
    ((kind, _),) = sizes.most_common(1) or [(None, 0)]
    if kind not in _QUANTIZATIONS:
        found = "no such weights" if kind is None else f"{kind[0]} on {kind[1]}"
        raise InputError(
            "A stand-in is quantized as the file is: by its packed "
            f"{QUANTIZATION_FILE}, which is missing, or by the weights of its "
            "convolutions and fully connected layers, float32, float16 or int8 on "
            f"floats. Received: {path} with {found}"
        )
    return _QUANTIZATIONS[kind]
