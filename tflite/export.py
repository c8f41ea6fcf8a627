"""export_tflite: a trained model as a .tflite file for the TFLite Interpreter."""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file
from keras_squeezebert.labels import problem_type
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.layers.grouped_conv import GroupedConv1D
from keras_squeezebert.lowering import RUNTIMES, tflite_lowering
from keras_squeezebert.models.inputs import INPUT_NAMES
from keras_squeezebert.quantization.ranges import (
    check_calibrated,
    save_quantization,
    update_weight_ranges,
)
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite.companions import add_companions
from keras_squeezebert.tflite.float_gelu import float_gelu
from keras_squeezebert.tflite.metadata import (
    Metadata,
    add_metadata,
    has_labels,
    write_labels,
)
from keras_squeezebert.tflite.op_list import check_ops
from keras_squeezebert.tflite.text_input import TEXT_OPS, check_text_input, text_to_ids

QUANTIZATIONS = ("float32", "float16", "dynamic_ptq")
NO_METADATA = Metadata()


def export_tflite(
    model: keras.Model,
    path: str | os.PathLike,
    sequence_length: int | Sequence[int] = 128,
    *,
    quantization: str | None = None,
    batch_size: int = 1,
    num_choices: int | None = None,
    output_type: str = "float32",
    probabilities: bool = False,
    runtime: str = "xnnpack",
    tokenizer=None,
    text_input: bool = False,
    metadata: Metadata = NO_METADATA,
) -> Path | list[Path]:
    """Writes a model as a .tflite file of fixed shapes.

    The inputs are `input_ids`, `attention_mask` and `token_type_ids`, int32
    (batch_size, sequence_length); the outputs are named as the model's, the one of a
    head without names `logits`. Grouped convolutions become grouped CONV_2D, or what
    `runtime` runs faster. The list of operations is checked before the file appears:
    TFLite's builtin ones only, and int8 where int8 was asked for.

    A model from `quantize_aware` becomes the graph that it has been trained as.

    The model's config, and the tokenizer's files if one is given, are packed into the
    file, as TFLite packs metadata, so that `LiteRTModel` takes text and names labels;
    and so is the scheme of a quantized model. TFLite's own metadata tell the same to
    MediaPipe's `TextClassifier` and to the Task Library: for a classifier give the
    tokenizer and `probabilities`.

    Ids out of range become the nearest that there is, so that tools which fill inputs
    with anything can run the file; not for the GPU, whose delegate leaves that to the
    CPU.

    Args:
        model: Any SqueezeBERT model, with any weights.
        path: Where the file goes; usually ends in `.tflite`.
        sequence_length: Tokens of every input. Time grows with it, almost linearly.
            Of several lengths each gets a file of its own, `model-32.tflite` for 32
            of `model.tflite`, and `LiteRTModel` runs each text by the shortest.
        quantization: For a model of float: "float32"; "float16" weights, half the
            size; or "dynamic_ptq", int8 weights whose activations are quantized while
            it runs, a quarter of the size and two to three times as fast on a CPU
            (docs/design.md). Default: "float32", or the scheme of a quantized model,
            which cannot be exported otherwise.
        batch_size: Inputs of one call.
        num_choices: Choices of a `SqueezeBertForMultipleChoice`, whose inputs are
            (batch_size, num_choices, sequence_length).
        output_type: "float32"; or "int8", the codes themselves, of a model of the
            scheme "int8", whose file then has no operation on floats at all.
        probabilities: Of a `SqueezeBertForSequenceClassification` with labels, whether
            the file ends in the softmax, or for any number of labels in the logistic
            function. The output is then `probabilities`, (batch_size, num_labels).
        runtime: What is to execute the file: "xnnpack", TFLite or LiteRT on a CPU, as
            it comes; "reference", TFLite's own kernels without XNNPACK, for which a
            grouped convolution becomes one for each group, several times as fast; or
            "gpu", the GPU delegate, which then takes the whole graph, in "float32"
            only. Each file runs on the others as well.
        tokenizer: A `SqueezeBertTokenizer` or `SqueezeBertTokenizerFast`.
        text_input: Of a `SqueezeBertForSequenceClassification` with a tokenizer,
            whether the only input is `text`, strings (batch_size,), which the graph
            cuts into word pieces. It then has three operations of TensorFlow Text,
            which `LiteRTTextModel` brings, and an app must link and register. They
            split all 5,500 test queries of CLINC150 as the tokenizer does, and 48 %
            of 6,807 random texts of rare characters: `[MASK]` is text to them, and
            ß, ½ or ﬁ are put otherwise (docs/phone.md).
        metadata: Name, author, licence and so on, to go into the file's metadata.

    Returns:
        The path; a list of them for several lengths.

    Raises:
        InputError: A length, a number of choices, a quantization or a runtime does not
            fit; a quantized model has not been calibrated; a label is no single line;
            the head, the tokenizer or the runtime does not go with `text_input`.
        ExportError: The converter made something else than was asked for.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ... )
        >>> from keras_squeezebert.tflite import LiteRTModel, export_tflite
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> model = SqueezeBertForSequenceClassification(config)
        >>> path = Path(tempfile.mkdtemp()) / "model.tflite"
        >>> LiteRTModel(export_tflite(model, path, sequence_length=16)).input_shape
        (1, 16)
    """
    several = not isinstance(sequence_length, Integral)
    lengths = list(sequence_length) if several else [sequence_length]
    shapes = [_input_shape(model, batch_size, num_choices, n) for n in lengths]
    quantization = _quantization(model, quantization)
    _check_output_type(model, output_type)
    _check_probabilities(model, probabilities)
    _check_runtime(model, runtime, quantization)
    if not lengths or len({*lengths}) != len(lengths):
        raise InputError(
            "`sequence_length` must be a length, or several that differ. Received: "
            f"sequence_length={sequence_length!r}"
        )
    if text_input:
        check_text_input(model, tokenizer, min(lengths), runtime)
    path = Path(path)
    paths = [path]
    if several:
        paths = [path.with_name(f"{path.stem}-{n}{path.suffix}") for n in lengths]
    form = _Form(quantization, output_type, probabilities, runtime, text_input)
    for target, shape in zip(paths, shapes, strict=True):
        content = _converted(model, shape, form, tokenizer)
        _write(model, target, content, form, tokenizer, metadata)
    return paths if several else path


class _Form(NamedTuple):
    """What the file is to be, apart from its shape."""

    quantization: str
    output_type: str
    probabilities: bool
    runtime: str
    text_input: bool


def _converted(model, shape, form, tokenizer):
    """The graph as bytes, once its operations have been checked."""
    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(model, shape, form, tokenizer, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = form.text_input
        if form.quantization != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if form.quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if form.output_type == "int8":
            converter.inference_output_type = tf.int8
        with _quiet():
            content = converter.convert()
    if model.scheme and model.scheme.float_ops:
        content = float_gelu(content)
    float_ops = model.scheme is None or model.scheme.float_ops
    kernels = _float_kernels(model)
    custom_ops = TEXT_OPS if form.text_input else ()
    check_ops(content, form.quantization, float_ops, kernels, form.runtime, custom_ops)
    return content


def _write(model, path, content, form, tokenizer, metadata):
    architecture, config = type(model).__name__, model.config
    content = add_metadata(
        content,
        metadata,
        architecture,
        config,
        form.quantization,
        has_vocabulary=tokenizer is not None and not form.text_input,
    )
    with atomic_file(path) as draft, tempfile.TemporaryDirectory() as folder:
        config.save(folder, architecture=architecture)
        if has_labels(architecture, config):
            write_labels(config, folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        if model.scheme:
            save_quantization(model, folder)
        draft.write_bytes(content)
        add_companions(draft, folder)


def _float_kernels(model):
    """Shapes in a .tflite of the dense layers' kernels that the scheme leaves float."""
    if model.scheme is None:
        return []
    return [
        (layer.units, 1, 1, layer.kernel.shape[0])
        for layer in model._flatten_layers()
        if isinstance(layer, Dense) and "kernel" not in layer.quantizers
    ]


def _quantization(model, asked_for):
    """What the file will be, once it has been checked that the model can become it."""
    if model.scheme is None:
        quantization = asked_for or "float32"
        if quantization in SCHEMES:
            raise InputError(
                "A model of float cannot be exported so; call `quantize_aware` and "
                f"`calibrate` first. Received: quantization={quantization!r}"
            )
        if quantization not in QUANTIZATIONS:
            raise InputError(
                f"`quantization` must be one of {', '.join(QUANTIZATIONS)}. "
                f"Received: quantization={quantization!r}"
            )
        return quantization
    if asked_for not in (None, model.scheme.name):
        raise InputError(
            f"The model is quantized, as {model.scheme.name!r}, and can be exported "
            f"only so. Received: quantization={asked_for!r}"
        )
    check_calibrated(model)
    update_weight_ranges(model)
    return model.scheme.name


def _check_output_type(model, output_type):
    if output_type not in ("float32", "int8"):
        raise InputError(
            "`output_type` must be float32 or int8. Received: "
            f"output_type={output_type!r}"
        )
    if output_type == "int8" and (model.scheme is None or model.scheme.float_ops):
        raise InputError(
            "Only a model that is int8 throughout has int8 outputs: "
            "`quantize_aware(model, 'int8')`. Received: output_type='int8', "
            f"scheme={model.scheme and model.scheme.name!r}"
        )


def _check_probabilities(model, probabilities):
    if not probabilities:
        return
    architecture, config = type(model).__name__, model.config
    if architecture != "SqueezeBertForSequenceClassification" or not has_labels(
        architecture, config
    ):
        raise InputError(
            "Probabilities are those of labels, of a sequence classifier. Received: "
            f"probabilities=True, {architecture}, "
            f"problem_type={problem_type(config)!r}"
        )


def _check_runtime(model, runtime, quantization):
    if runtime not in RUNTIMES:
        raise InputError(
            f"`runtime` must be one of {', '.join(RUNTIMES)}. Received: "
            f"runtime={runtime!r}"
        )
    if runtime != "gpu":
        return
    if quantization != "float32":
        raise InputError(
            "LiteRT's GPU delegate computes int8 weights wrongly, and leaves float16 "
            "tables to the CPU. Export a model of float, in float32. Received: "
            f"runtime='gpu', quantization={quantization!r}"
        )
    for layer in model._flatten_layers():
        if isinstance(layer, GroupedConv1D) and layer.groups > 1:
            sizes = (layer.kernel.shape[1], layer.filters // layer.groups)
            if any(size % 4 for size in sizes):
                raise InputError(
                    "The GPU delegate takes a grouped convolution whose groups have "
                    "multiples of 4 channels, in and out. Received: "
                    f"{layer.path}, groups={layer.groups} of {sizes} channels"
                )


def _input_shape(model, batch_size, num_choices, sequence_length):
    """The shape of each input, once its parts have been checked."""
    config: SqueezeBertConfig = model.config
    if not 1 <= sequence_length <= config.max_position_embeddings:
        raise InputError(
            "`sequence_length` must be from 1 to the model's max_position_embeddings, "
            f"{config.max_position_embeddings}. Received: "
            f"sequence_length={sequence_length}"
        )
    for name, value in [("batch_size", batch_size), ("num_choices", num_choices)]:
        if value is not None and value < 1:
            raise InputError(f"`{name}` must be positive. Received: {name}={value}")
    takes_choices = len(model.input["input_ids"].shape) == 3
    if takes_choices != (num_choices is not None):
        raise InputError(
            "`num_choices` goes with SqueezeBertForMultipleChoice, and only with it. "
            f"Received: {type(model).__name__}, num_choices={num_choices}"
        )
    choices = (num_choices,) if takes_choices else ()
    return (batch_size, *choices, sequence_length)


def _write_saved_model(model, shape, form, tokenizer, folder):
    """Traces the model at a fixed shape, in the form the runtime runs fastest."""

    def serve(input_ids, attention_mask, token_type_ids):
        inputs = dict(
            zip(INPUT_NAMES, (input_ids, attention_mask, token_type_ids), strict=True)
        )
        if form.runtime != "gpu":
            inputs |= _in_range(inputs, model.config)
        with tflite_lowering(form.runtime):
            outputs = model(inputs, training=False)
        if form.probabilities:
            return {"probabilities": _probabilities(outputs, model.config)}
        return outputs if isinstance(outputs, dict) else {"logits": outputs}

    archive = keras.export.ExportArchive()
    archive.track(model)
    if form.text_input:
        *batch, length = shape
        to_ids = text_to_ids(tokenizer, length)
        archive.add_endpoint(
            "serve",
            lambda text: serve(**to_ids(text)),
            input_signature=[tf.TensorSpec(batch, tf.string, name="text")],
        )
    else:
        signature = [tf.TensorSpec(shape, tf.int32, name=name) for name in INPUT_NAMES]
        archive.add_endpoint("serve", serve, input_signature=signature)
    archive.write_out(folder, verbose=False)


def _in_range(inputs, config):
    """The inputs that index tables, clamped."""
    sizes = {
        "input_ids": config.vocab_size,
        "token_type_ids": config.type_vocab_size,
    }
    return {
        name: tf.clip_by_value(inputs[name], 0, size - 1)
        for name, size in sizes.items()
    }


def _probabilities(logits, config):
    if problem_type(config) == "multi_label_classification":
        return tf.sigmoid(logits)
    return tf.nn.softmax(logits)


@contextlib.contextmanager
def _quiet():
    """Silences the converter, whose warnings are about TensorFlow's own internals."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
