"""What a SavedModel can be asked: the head's answers, and what else a model gives."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.lengths import check_length
from keras_squeezebert.models.inputs import INPUT_NAMES
from keras_squeezebert.models.pretrained_model import PretrainedModel
from keras_squeezebert.serving.masked_lm import ServedMaskedLM
from keras_squeezebert.serving.multiple_choice import ServedMultipleChoice
from keras_squeezebert.serving.question_answering import ServedQuestionAnswering
from keras_squeezebert.serving.sequence_classification import (
    ServedSequenceClassification,
    label_names,
)
from keras_squeezebert.serving.text_head import TextHead, strings
from keras_squeezebert.serving.token_classification import ServedTokenClassification
from keras_squeezebert.tokenizers import (
    SqueezeBertTokenizer,
    SqueezeBertTokenizerFast,
)

SERVED = {
    "SqueezeBertForMaskedLM": ServedMaskedLM,
    "SqueezeBertForMultipleChoice": ServedMultipleChoice,
    "SqueezeBertForQuestionAnswering": ServedQuestionAnswering,
    "SqueezeBertForSequenceClassification": ServedSequenceClassification,
    "SqueezeBertForTokenClassification": ServedTokenClassification,
}

# oneDNN compiles its products for every shape of batch: of lengths in steps of 8 there
# are few, and a new one is met seldom. docs/serving.md has the figures.
LENGTH_MULTIPLE = 8


def text_head(
    model: PretrainedModel,
    tokenizer: SqueezeBertTokenizerFast,
    max_length: int | None = None,
    **options: Any,
) -> TextHead:
    """What a model answers to strings, in the graph.

    Args:
        model: A model with a head.
        tokenizer: Its tokenizer.
        max_length: Tokens of the longest row; None is what the model takes, or for
            question answering 384 at most.
        **options: Of the head's class in `SERVED`.

    Raises:
        InputError: The model has no head, or cannot take as many tokens.
    """
    architecture = type(model).__name__
    if architecture not in SERVED:
        raise InputError(
            f"A model to serve must have a head: {', '.join(SERVED)}. Received: "
            f"{architecture}"
        )
    most = model.config.max_position_embeddings
    if max_length is None:
        max_length = min(most, SERVED[architecture].max_length or most)
    check_length(max_length, model.config)
    in_graph = SqueezeBertTokenizer(
        tokenizer.vocabulary,
        max_length=max_length,
        # It divides what the model takes, so that no row becomes longer than that.
        pad_to_multiple_of=math.gcd(LENGTH_MULTIPLE, most),
        **dataclasses.asdict(tokenizer.options),
    )
    return SERVED[architecture](model, in_graph, **options)


@dataclass(frozen=True)
class Signature:
    """A function of a SavedModel.

    Args:
        function: From tensors, by name, to tensors by name.
        inputs: Their specs, by name.
        features: Of one that takes tf.Examples, the specs of what is in them.
    """

    function: Callable
    inputs: dict[str, tf.TensorSpec]
    features: dict[str, tf.TensorSpec] | None = None


def signatures(head: TextHead) -> dict[str, Signature]:
    """By name, all that the SavedModel of a head can be asked.

    - `serving_default`: the head's answers to strings, as its class has them.
    - `tokens`: the model's own outputs, `logits` or `start_logits` and `end_logits`,
      for `input_ids`, `attention_mask` and `token_type_ids`, int32 (batch, seq), or
      (batch, choices, seq).
    - `embed`: of `text`, the mean of the last hidden states of its tokens, `embedding`,
      float (batch, hidden).
    - `classify`, of a classifier of texts: `classes` and `scores`, (batch, labels), for
      `inputs`, tf.Examples in which `text` is, and `text_pair` if the head takes it:
      TF Serving's API of that name.
    """
    found = {
        "serving_default": Signature(head, head.inputs),
        "tokens": _tokens(head),
        "embed": _embed(head),
    }
    if isinstance(head, ServedSequenceClassification) and head.config.num_labels > 1:
        found["classify"] = _classify(head)
    return found


def _tokens(head):
    rank = len(head.model.input["input_ids"].shape)
    spec = tf.TensorSpec([None] * rank, tf.int32)

    def tokens(**inputs):
        outputs = head.model(inputs)
        return outputs if isinstance(outputs, dict) else {"logits": outputs}

    return Signature(tokens, dict.fromkeys(INPUT_NAMES, spec))


def _embed(head):
    def embed(text):
        tokens = head.tokenizer(text)
        hidden = head.model.transformer(tokens)["last_hidden_state"]
        hidden = tf.cast(hidden, tf.float32)  # (batch, seq, hidden)
        weight = tf.cast(tokens["attention_mask"], tf.float32)[..., None]
        total = tf.reduce_sum(hidden * weight, axis=1)
        return {"embedding": total / tf.reduce_sum(weight, axis=1)}

    return Signature(embed, {"text": strings(None)})


def _classify(head):
    features = dict.fromkeys(head.inputs, tf.io.FixedLenFeature([], tf.string))
    names = label_names(head.config)

    def classify(inputs):
        scores = head(**tf.io.parse_example(inputs, features))["scores"]
        classes = tf.broadcast_to(names, tf.shape(scores))  # (batch, labels)
        return {"classes": classes, "scores": scores}

    return Signature(classify, {"inputs": strings(None)}, head.inputs)
