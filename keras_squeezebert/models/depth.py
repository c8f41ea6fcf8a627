"""reduce_depth: a model with some of the encoder layers of another."""

import re
from collections.abc import Sequence

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.layers.base import values_follow
from keras_squeezebert.models.pretrained_model import PretrainedModel
from keras_squeezebert.models.pruning import stored_variables
from keras_squeezebert.quantization.ranges import (
    activation_ranges,
    assign_ranges,
    update_weight_ranges,
)


def reduce_depth(
    model: PretrainedModel, layers: int | Sequence[int]
) -> PretrainedModel:
    """A shallower model, made of some layers of a deep one: where a student starts.

    Embeddings, pooler and head are those of the model. It answers worse until it is
    trained, e.g. with `distill_from(model)`.

    Args:
        model: Any SqueezeBERT model, quantized or not. It is left as it is.
        layers: The numbers of the layers to keep, from 0, rising; or how many. So many
            lie at even distances, with the first, which knows the embeddings, and the
            last, which knows the head: of 12 layers, 6 are 0, 2, 4, 7, 9 and 11, those
            of DistilBERT.

    Returns:
        The model, of the same class, compiled for its task with the default optimizer.

    Raises:
        InputError: There are no such layers.

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ... )
        >>> teacher = SqueezeBertForSequenceClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=12, num_attention_heads=4,
        ... ))
        >>> student = reduce_depth(teacher, 6)
        >>> student.config.num_hidden_layers
        6
        >>> student.distill_from(teacher, hidden_weight=1.0)

    Reference:
        Sanh et al. 2019, arXiv 1910.01108, section 3; its `extract.py`.
    """
    kept = _kept_layers(layers, model.config.num_hidden_layers)
    config = model.config.replace(num_hidden_layers=len(kept))
    with values_follow():
        small = type(model).from_config(
            {**model.get_config(), "config": config.to_dict()}
        )

    def source(path):
        return re.sub(
            r"\bencoder_layer_(\d+)/",
            lambda match: f"encoder_layer_{kept[int(match[1])]}/",
            path,
        )

    values = stored_variables(model)
    for path, variable in stored_variables(small).items():
        variable.assign(values[source(path)])
    if model.scheme:
        ranges = activation_ranges(model)
        paths = activation_ranges(small)
        assign_ranges(small, {path: ranges[source(path)] for path in paths})
        update_weight_ranges(small)
    return small


def _kept_layers(layers, depth):
    if isinstance(layers, int):
        if not 1 <= layers <= depth:
            raise InputError(
                f"The model has {depth} layers, and at least 1 must be kept. "
                f"Received: layers={layers}"
            )
        return [round(number) for number in np.linspace(0, depth - 1, layers)]
    kept = list(layers)
    if not kept or kept != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < depth:
        raise InputError(
            f"`layers` must be rising numbers from 0 to {depth - 1}. "
            f"Received: layers={kept}"
        )
    return kept
