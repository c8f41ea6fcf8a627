"""Which of our variables is which key of a Hugging Face checkpoint: a table."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_squeezebert.config import SqueezeBertConfig


class KeyMapping(NamedTuple):
    """One row: our variable's path, their key, and the way between the two."""

    variable: str
    key: str
    transform: Callable[[np.ndarray], np.ndarray]


# === Transforms, each its own inverse, so that one table serves both directions


def same(array: np.ndarray) -> np.ndarray:
    """Vectors and embedding tables: stored alike."""
    return array


def linear(array: np.ndarray) -> np.ndarray:
    """`Dense` (in, out) ↔ `torch.nn.Linear` (out, in)."""
    return array.T


def conv1d(array: np.ndarray) -> np.ndarray:
    """`Conv1D` (1, in / groups, out) ↔ `torch.nn.Conv1d` (out, in / groups, 1)."""
    return array.transpose(2, 1, 0)


def conv1d_linear(array: np.ndarray) -> np.ndarray:
    """`Conv1D` of one group (1, in, out) ↔ `torch.nn.Linear` (out, in)."""
    return array[0].T if array.ndim == 3 else array.T[np.newaxis]


# === Rows

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

# Inside `encoder_layer_{i}/` and `encoder.layer.{i}.`.
BERT_ENCODER_LAYER = [
    ("attention/query/kernel", "attention.self.query.weight", conv1d_linear),
    ("attention/query/bias", "attention.self.query.bias", same),
    ("attention/key/kernel", "attention.self.key.weight", conv1d_linear),
    ("attention/key/bias", "attention.self.key.bias", same),
    ("attention/value/kernel", "attention.self.value.weight", conv1d_linear),
    ("attention/value/bias", "attention.self.value.bias", same),
    ("post_attention/conv/kernel", "attention.output.dense.weight", conv1d_linear),
    ("post_attention/conv/bias", "attention.output.dense.bias", same),
    ("post_attention/layer_norm/gamma", "attention.output.LayerNorm.weight", same),
    ("post_attention/layer_norm/beta", "attention.output.LayerNorm.bias", same),
    ("feed_forward/intermediate/kernel", "intermediate.dense.weight", conv1d_linear),
    ("feed_forward/intermediate/bias", "intermediate.dense.bias", same),
    ("feed_forward/output/conv/kernel", "output.dense.weight", conv1d_linear),
    ("feed_forward/output/conv/bias", "output.dense.bias", same),
    ("feed_forward/output/layer_norm/gamma", "output.LayerNorm.weight", same),
    ("feed_forward/output/layer_norm/beta", "output.LayerNorm.bias", same),
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

# With `tie_word_embeddings=False`. transformers keeps two biases then and adds the
# decoder's, so of the two rows of that variable this later one counts.
UNTIED_DECODER = [
    ("predictions/decoder", "cls.predictions.decoder.weight", same),
    ("predictions/bias", "cls.predictions.decoder.bias", same),
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


class Family(NamedTuple):
    """How a kind of checkpoint names the parts around the rows.

    Args:
        base_prefix: Before the base model's keys in a task model. The bare base
            model has none.
        encoder_layer_prefix: Before the keys of encoder layer `{}`.
        encoder_layer: The rows of an encoder layer.
    """

    base_prefix: str
    encoder_layer_prefix: str
    encoder_layer: list


FAMILIES = {
    "squeezebert": Family("transformer.", "encoder.layers.{}.", ENCODER_LAYER),
    # Equal to a SqueezeBERT in which every group count is 1.
    "bert": Family("bert.", "encoder.layer.{}.", BERT_ENCODER_LAYER),
}


def key_table(
    architecture: str, config: SqueezeBertConfig, family: str = "squeezebert"
) -> list[KeyMapping]:
    """The rows for a model.

    Args:
        architecture: A class name, e.g. "SqueezeBertForMaskedLM".
        config: The model's config.
        family: Whose names the keys are: "squeezebert", or "bert" for a dense BERT.

    Returns:
        One row for each variable of the model; two for the bias of a masked-LM
        decoder that is not tied.

    Example:
        >>> table = key_table("SqueezeBertForQuestionAnswering", SqueezeBertConfig())
        >>> for row in table[-2:]:
        ...     print(row.variable, row.key, row.transform.__name__)
        qa_outputs/kernel qa_outputs.weight linear
        qa_outputs/bias qa_outputs.bias same
    """
    base_prefix, layer_prefix, encoder_layer = FAMILIES[family]
    base = [
        *EMBEDDINGS,
        *(
            (f"encoder_layer_{i}/{variable}", layer_prefix.format(i) + key, transform)
            for i in range(config.num_hidden_layers)
            for variable, key, transform in encoder_layer
        ),
        *POOLER,
    ]
    if architecture == "SqueezeBertModel":
        base_prefix = ""
    rows = [(variable, base_prefix + key, way) for variable, key, way in base]
    rows += HEADS[architecture]
    if architecture == "SqueezeBertForMaskedLM" and not config.tie_word_embeddings:
        rows += UNTIED_DECODER
    return [KeyMapping(*row) for row in rows]
