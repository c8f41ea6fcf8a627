"""layer_errors: how far a .tflite is from a Keras model, layer by layer."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.graph_file import read_graph
from keras_squeezebert.tflite.interpreter import LiteRTModel
from keras_squeezebert.tflite.layer_paths import layer_path
from keras_squeezebert.tflite.signature import dequantized

_BATCH_SIZE = 8
# Of two configs these may differ, and the models are of the same shape.
_NO_SHAPES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "tie_word_embeddings",
    "id2label",
    "problem_type",
    "pad_token_id",
)


@dataclass(frozen=True)
class LayerError:
    """How near a layer's output is to the reference; None where it was not found.

    Attributes:
        layer: "embeddings", "encoder_layer_0", …, "pooler", or an output's name.
        snr_db: Energy of the reference over that of the difference, in decibels;
            infinite if there is no difference.
        cosine: Cosine similarity of the vectors of all tokens, on average.
        lowest_cosine: The one of the token that is furthest off.
    """

    layer: str
    snr_db: float | None = None
    cosine: float | None = None
    lowest_cosine: float | None = None


def layer_errors(
    path: str | os.PathLike, model: keras.Model, inputs: Mapping[str, np.ndarray]
) -> list[LayerError]:
    """Runs a .tflite and a Keras model on the same inputs and compares their layers.

    Only tokens that are not padding count. Inside the graph TFLite's own kernels
    compute, which keep the values between operations, as XNNPACK does not; the outputs
    at the end are those of LiteRT as an app runs it.

    Args:
        path: A .tflite that `export_tflite` wrote.
        model: A SqueezeBERT of the same shape, of float or quantized.
        inputs: By name, int (rows, ..., seq), of the file's own sequence length.

    Returns:
        The embeddings, each layer of the encoder, the pooler if the model has one in
        use, and the outputs, in this order.

    Raises:
        InputError: The file is no such model; the model is of another shape; the
            inputs do not fit, or hold nothing but padding.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.tflite import export_tflite
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> model = SqueezeBertForSequenceClassification(config)
        >>> path = os.path.join(tempfile.mkdtemp(), "model.tflite")
        >>> _ = export_tflite(model, path, sequence_length=16)
        >>> inputs = SqueezeBertTokenizerFast()(["a text"], None, 16, "max_length")
        >>> errors = layer_errors(path, model, inputs)
        >>> [error.layer for error in errors]
        ['embeddings', 'encoder_layer_0', 'pooler', 'logits']
        >>> all(error.snr_db > 80 for error in errors)
        True
    """
    litert = LiteRTModel(path)
    _check_same_shape(litert.config, model.config)
    _check_inputs(litert, inputs)
    mask = np.asarray(inputs["attention_mask"]).reshape(-1, litert.input_shape[-1]) != 0
    expected = _keras_layers(model, inputs)
    actual = _litert_layers(path, inputs, expected) | litert(inputs)
    return [
        _error(layer, actual.get(layer), value, mask if is_by_token else None)
        for layer, (value, is_by_token) in expected.items()
    ]


# === What is compared


def _check_same_shape(config, reference):
    if config is None:  # of another program; each layer's size is looked at
        return
    values, expected = (
        {**c.to_dict(), "num_labels": c.num_labels} for c in (config, reference)
    )
    for name in sorted(values.keys() - set(_NO_SHAPES)):
        if values[name] != expected[name]:
            raise InputError(
                "The .tflite and the model that it is compared with must be of one "
                f"shape. Received: {name}={values[name]!r} in the .tflite, "
                f"{name}={expected[name]!r} in the model"
            )


def _check_inputs(litert, inputs):
    shape = np.shape(inputs.get("attention_mask", ()))
    if shape[1:] != litert.input_shape[1:] or not np.any(inputs["attention_mask"]):
        raise InputError(
            f"The inputs must be of shape {('rows', *litert.input_shape[1:])} and "
            "hold tokens that are not padding. Received: "
            f"attention_mask.shape={shape}"
        )


def _keras_layers(model, inputs):
    """Of each layer its output, and whether that has a vector for each token."""
    parts = []
    for i in range(0, len(inputs["input_ids"]), _BATCH_SIZE):
        part = {name: array[i : i + _BATCH_SIZE] for name, array in inputs.items()}
        parts.append(_keras_batch(model, part))
    by_token = _by_token(model)
    return {
        layer: (np.concatenate([part[layer] for part in parts]), layer in by_token)
        for layer in parts[0]
    }


def _keras_batch(model, inputs):
    encoder = getattr(model, "transformer", model)
    flat = {name: x.reshape(-1, x.shape[-1]) for name, x in inputs.items()}
    states = encoder.intermediate_outputs(flat)["hidden_states"]
    layers = dict(zip(_hidden_layers(model), states, strict=True))
    outputs = _named(model(inputs, training=False))
    if _is_pooled(model):
        layers[_hidden_layers(model)[-1]] = states[-1][:, :1]
        layers["pooler"] = encoder.pooler(states[-1])
    return {name: np.asarray(value) for name, value in (layers | outputs).items()}


def _hidden_layers(model):
    layers = range(model.config.num_hidden_layers)
    return ["embeddings", *(f"encoder_layer_{i}" for i in layers)]


def _is_pooled(model):
    """Whether the first token is all that the last layer of the encoder computes."""
    return hasattr(model, "transformer") and not _outputs_by_token(model)


def _by_token(model):
    """Layers whose outputs begin with (rows, seq)."""
    layers = _hidden_layers(model)
    if _is_pooled(model):
        layers = layers[:-1]
    return {*layers, *_outputs_by_token(model)}


def _outputs_by_token(model):
    takes_choices = len(model.input["input_ids"].shape) == 3
    return {
        name
        for name, output in _named(model.output).items()
        if output.shape[1] is None and not takes_choices
    }


def _named(outputs):
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


# === Inside the .tflite

# Where else than in the LayerNorm at its end a layer's output is computed.
_LAST_LAYERS = {"embeddings": "embeddings/layer_norm", "pooler": "pooler"}


def _litert_layers(path, inputs, expected):
    """The outputs of those of the layers that are found in the graph."""
    subgraph = read_graph(path).subgraphs[0]
    # The last operation of a layer gives its output. A QUANTIZE can have its name
    # too, but is what the following layer takes.
    last = {
        layer_path(subgraph.name_of(op)): op.outputs[0]
        for op in subgraph.ops
        if op.outputs and op.name != "QUANTIZE"
    }
    places = {
        layer: last[place]
        for layer in expected
        if (place := _LAST_LAYERS.get(layer, f"{layer}/feed_forward/output/layer_norm"))
        in last
    }
    values = _intermediate_values(path, inputs, places)
    return {
        layer: value
        for layer, value in values.items()
        if value.size == expected[layer][0].size
    }


def _intermediate_values(path, inputs, places):
    """Values of tensors, by name of their place, as rows."""
    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        # XNNPACK would not give back what it computes on the way.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    run = interpreter.get_signature_runner()
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    batch = next(iter(run.get_input_details().values()))["shape"][0]
    rows, values = len(inputs["input_ids"]), {layer: [] for layer in places}
    for i in range(0, rows, batch):
        # The last call may be short of rows: the first ones fill it.
        numbers = np.arange(i, i + batch) % rows
        run(**{name: array[numbers].astype("int32") for name, array in inputs.items()})
        for layer, number in places.items():
            value = dequantized(interpreter.get_tensor(number), details[number])
            values[layer].append(value.reshape(batch, -1))
    return {layer: np.concatenate(parts)[:rows] for layer, parts in values.items()}


# === Errors


def _error(layer, actual, expected, mask):
    if actual is None or actual.size != expected.size:
        return LayerError(layer)
    vectors = [_vectors(x.reshape(expected.shape), mask) for x in (actual, expected)]
    cosines = _cosines(*vectors)
    return LayerError(
        layer, _snr_db(*vectors), float(cosines.mean()), float(cosines.min())
    )


def _vectors(values, mask):
    """One row for each token, or each text; numbers that stand alone as one row."""
    if mask is not None:
        values = values.reshape(*mask.shape, -1)[mask]
    values = values.astype("float64").reshape(len(values), -1)
    return values.reshape(1, -1) if values.shape[-1] == 1 else values


def _snr_db(actual, expected):
    signal, noise = np.sum(expected**2), np.sum((actual - expected) ** 2)
    if not noise:
        return math.inf
    return float(10 * np.log10(signal / noise)) if signal else -math.inf


def _cosines(actual, expected):
    lengths = np.linalg.norm(actual, axis=-1) * np.linalg.norm(expected, axis=-1)
    products = np.sum(actual * expected, axis=-1)
    return np.divide(products, lengths, out=np.zeros_like(lengths), where=lengths > 0)
