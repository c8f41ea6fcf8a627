"""Which of our variables is which key of a Hugging Face checkpoint: a table."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class KeyMapping(NamedTuple):
    """One row: our variable's path, their key, and the way between the two."""

    variable: str
    key: str
    transform: Callable[[np.ndarray], np.ndarray]


def same(array: np.ndarray) -> np.ndarray:
    """Vectors and embedding tables: stored alike."""
    return array


def linear(array: np.ndarray) -> np.ndarray:
    """`Dense` (in, out) ↔ `torch.nn.Linear` (out, in)."""
    return array.T


def conv1d(array: np.ndarray) -> np.ndarray:
    """`Conv1D` (1, in / groups, out) ↔ `torch.nn.Conv1d` (out, in / groups, 1)."""
    return array.transpose(2, 1, 0)


# Every transform above is its own inverse, so one table serves both directions.

EMBEDDINGS = [
    ("embeddings/word_embeddings", "embeddings.word_embeddings.weight", same),
    ("embeddings/position_embeddings", "embeddings.position_embeddings.weight", same),
    (
        "embeddings/token_type_embeddings",
        "embeddings.token_type_embeddings.weight",
        same,
    ),
    ("embeddings/layer_norm/gamma", "embeddings.LayerNorm.weight", same),
    ("embeddings/layer_norm/beta", "embeddings.LayerNorm.bias", same),
]

# Inside `encoder_layer_{i}/` and `encoder.layers.{i}.`.
ENCODER_LAYER = [
    ("attention/query/kernel", "attention.query.weight", conv1d),
    ("attention/query/bias", "attention.query.bias", same),
    ("attention/key/kernel", "attention.key.weight", conv1d),
    ("attention/key/bias", "attention.key.bias", same),
    ("attention/value/kernel", "attention.value.weight", conv1d),
    ("attention/value/bias", "attention.value.bias", same),
    ("post_attention/conv/kernel", "post_attention.conv1d.weight", conv1d),
    ("post_attention/conv/bias", "post_attention.conv1d.bias", same),
    ("post_attention/layer_norm/gamma", "post_attention.layernorm.weight", same),
    ("post_attention/layer_norm/beta", "post_attention.layernorm.bias", same),
    ("feed_forward/intermediate/kernel", "intermediate.conv1d.weight", conv1d),
    ("feed_forward/intermediate/bias", "intermediate.conv1d.bias", same),
    ("feed_forward/output/conv/kernel", "output.conv1d.weight", conv1d),
    ("feed_forward/output/conv/bias", "output.conv1d.bias", same),
    ("feed_forward/output/layer_norm/gamma", "output.layernorm.weight", same),
    ("feed_forward/output/layer_norm/beta", "output.layernorm.bias", same),
]

POOLER = [
    ("pooler/dense/kernel", "pooler.dense.weight", linear),
    ("pooler/dense/bias", "pooler.dense.bias", same),
]

MASKED_LM_HEAD = [
    ("predictions/dense/kernel", "cls.predictions.transform.dense.weight", linear),
    ("predictions/dense/bias", "cls.predictions.transform.dense.bias", same),
    (
        "predictions/layer_norm/gamma",
        "cls.predictions.transform.LayerNorm.weight",
        same,
    ),
    ("predictions/layer_norm/beta", "cls.predictions.transform.LayerNorm.bias", same),
    ("predictions/bias", "cls.predictions.bias", same),
]

CLASSIFIER = [
    ("classifier/kernel", "classifier.weight", linear),
    ("classifier/bias", "classifier.bias", same),
]

QUESTION_ANSWERING_HEAD = [
    ("qa_outputs/kernel", "qa_outputs.weight", linear),
    ("qa_outputs/bias", "qa_outputs.bias", same),
]

HEADS = {
    "SqueezeBertForMaskedLM": MASKED_LM_HEAD,
    "SqueezeBertForMultipleChoice": CLASSIFIER,
    "SqueezeBertForQuestionAnswering": QUESTION_ANSWERING_HEAD,
    "SqueezeBertForSequenceClassification": CLASSIFIER,
    "SqueezeBertForTokenClassification": CLASSIFIER,
    "SqueezeBertModel": [],
}

# Task models hold the base model under this name; the bare base model has no prefix.
BASE_PREFIX = "transformer."


def key_table(architecture: str, num_hidden_layers: int) -> list[KeyMapping]:
    """The rows for a model.

    Args:
        architecture: A class name, e.g. "SqueezeBertForMaskedLM".
        num_hidden_layers: Encoder layers of the model.

    Returns:
        One row for each variable of the model.

    Example:
        >>> for row in key_table("SqueezeBertForQuestionAnswering", 12)[-2:]:
        ...     print(row.variable, row.key, row.transform.__name__)
        qa_outputs/kernel qa_outputs.weight linear
        qa_outputs/bias qa_outputs.bias same
    """
    base = [
        *EMBEDDINGS,
        *(
            (f"encoder_layer_{i}/{variable}", f"encoder.layers.{i}.{key}", transform)
            for i in range(num_hidden_layers)
            for variable, key, transform in ENCODER_LAYER
        ),
        *POOLER,
    ]
    prefix = "" if architecture == "SqueezeBertModel" else BASE_PREFIX
    rows = [(variable, prefix + key, way) for variable, key, way in base]
    return [KeyMapping(*row) for row in rows + HEADS[architecture]]
