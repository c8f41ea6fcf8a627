"""Metadata: what a .tflite says of itself to MediaPipe and to TFLite's Task Library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import problem_type
from keras_squeezebert.tflite.companions import VOCABULARY_FILE
from keras_squeezebert.tflite.graph_file import METADATA_ENTRY, packed
from keras_squeezebert.tflite.metadata_tables import (
    TENSOR_AXIS_LABELS,
    VOCABULARY,
    to_flatbuffer,
)

LABELS_FILE = "labels.txt"


@dataclass(frozen=True)
class Metadata:
    """What the people who pass a .tflite on should know of it.

    All of it goes into the file, where `squeezebert inspect`, Android Studio and
    MediaPipe's tools show it. The library's own description, the class of the model,
    its size and its scheme, comes by itself.

    Args:
        name: A name for the model; "" is the name of its class.
        version: Which one it is, in any form.
        author: Who made it.
        license: Of the weights.
        description: What it is for.
        dataset: What it was trained on.
        metrics: What it reached, by name.

    Example:
        >>> Metadata(
        ...     name="Intents", author="Ada", license="Apache-2.0",
        ...     dataset="CLINC150", metrics={"accuracy": 0.905},
        ... ).metrics
        {'accuracy': 0.905}
    """

    name: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    description: str = ""
    dataset: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


def has_labels(architecture: str, config: SqueezeBertConfig) -> bool:
    """Whether the last axis of the output stands for the labels of the config."""
    if architecture == "SqueezeBertForSequenceClassification":
        return problem_type(config) != "regression"
    return architecture == "SqueezeBertForTokenClassification"


def write_labels(config: SqueezeBertConfig, folder: Path) -> None:
    """Writes `labels.txt`, a label a line, into a folder.

    Raises:
        InputError: A label is of no line, or of several.
    """
    labels = list(config.id2label.values())
    for label in labels:
        if label.splitlines() != [label]:
            raise InputError(
                "A .tflite's labels are the lines of a file, so each must be one line. "
                f"Received: {label!r}"
            )
    Path(folder, LABELS_FILE).write_text("\n".join(labels) + "\n", encoding="utf-8")


def add_metadata(
    content: bytes,
    metadata: Metadata,
    architecture: str,
    config: SqueezeBertConfig,
    form: str,
    has_vocabulary: bool,
) -> bytes:
    """The .tflite with its inputs and outputs explained, as MediaPipe reads it.

    Args:
        content: A .tflite of this package, without metadata.
        metadata: What its makers say.
        architecture: The class of the model.
        config: The model's.
        form: Its quantization or scheme.
        has_vocabulary: Whether its vocabulary is packed into it.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    # The order is that of the interpreter, which need not be the signature's.
    names = _port_names(signature.inputs, graph.inputs)
    inputs = [_INPUTS[name] for name in names]
    outputs = [
        {"name": name, "description": _OUTPUTS.get(name), "content": _FEATURE}
        for name in _port_names(signature.outputs, graph.outputs)
    ]
    if has_labels(architecture, config):
        outputs[0]["associated_files"] = [_LABELS]
    if architecture == "SqueezeBertForSequenceClassification":
        outputs[0]["name"] = _SCORES
    length = graph.tensors[graph.inputs[0]].shape[-1]
    takes = "text" if names == ["text"] else f"{length} tokens"
    tables = {
        "name": metadata.name or architecture,
        "description": _description(metadata, config, form, takes),
        "version": metadata.version,
        "author": metadata.author,
        "license": metadata.license,
        "min_parser_version": _MIN_PARSER_VERSION,
        "subgraph_metadata": [
            {
                "input_tensor_metadata": inputs,
                "output_tensor_metadata": outputs,
                "input_process_units": [_TOKENIZER] if has_vocabulary else [],
            }
        ],
    }
    return _with_buffer(model, to_flatbuffer(tables), len(content))


_FEATURE = {"content_properties": {"FeatureProperties": {}}}
# By these names MediaPipe and the Task Library tell the inputs of a BERT apart.
_INPUTS = {
    name: {"name": known_as, "description": description, "content": _FEATURE}
    for name, known_as, description in (
        ("input_ids", "ids", "The tokens' ids: [CLS], those of the text, [SEP]."),
        ("attention_mask", "mask", "1 for tokens, 0 for what fills the row."),
        ("token_type_ids", "segment_ids", "0 for the first text, 1 for the second."),
        ("text", "text", "A text."),
    )
}
# The only name by which the Task Library finds scores; it crashes if there is none.
_SCORES = "probability"
_OUTPUTS = {
    "logits": "Scores, before a softmax.",
    "probabilities": "Scores from 0 to 1.",
    "start_logits": "How well each token starts the answer.",
    "end_logits": "How well each token ends the answer.",
}
_TOKENIZER = {
    "options": {
        "BertTokenizerOptions": {
            "vocab_file": [
                {
                    "name": VOCABULARY_FILE,
                    "description": "The tokens in the order of their ids.",
                    "type": VOCABULARY,
                }
            ]
        }
    }
}
_LABELS = {
    "name": LABELS_FILE,
    "description": "The labels in the order of the scores.",
    "type": TENSOR_AXIS_LABELS,
}
# The schema's first with a BertTokenizerOptions.
_MIN_PARSER_VERSION = "1.1.0"


def _port_names(ports, order):
    names = {port.tensorIndex: port.name.decode() for port in ports}
    return [names[number] for number in order]


def _description(metadata, config, form, takes):
    lines = [
        metadata.description,
        f"SqueezeBERT of {config.num_hidden_layers} layers of width "
        f"{config.hidden_size}, {form}, {takes}.",
        metadata.dataset and f"Trained on {metadata.dataset}.",
    ]
    if metadata.metrics:
        figures = (f"{name} {value:.4g}" for name, value in metadata.metrics.items())
        lines.append(f"Reached {', '.join(figures)}.")
    return "\n".join(line for line in lines if line)


def _with_buffer(model, content, size):
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(content, "uint8")
    model.buffers.append(buffer)
    entry.name, entry.buffer = METADATA_ENTRY, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    return packed(model, size)
