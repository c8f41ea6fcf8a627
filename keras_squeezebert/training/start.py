"""start_model: the model and the tokenizer that fine-tuning begins with."""

import os
from collections.abc import Sequence

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.models.pretrained_model import PretrainedModel
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast


def scratch_config(vocab_size, labels=None, preset="mini", **changes):
    """A configuration that trains from random weights.

    Weights start wider than BERT's 0.02: so little training would not get far from
    there.

    Args:
        vocab_size: Word pieces of the tokenizer.
        labels: Names of the classes; None for a head that has none.
        preset: A name of `SqueezeBertConfig.preset`; "mini" takes a CPU minutes.
        **changes: Fields that replace the preset's.

    Example:
        >>> scratch_config(1000, ["no", "yes"]).hidden_size
        256
    """
    fields = {"vocab_size": vocab_size, "initializer_range": 0.05, **changes}
    if labels is not None:
        fields["id2label"] = dict(enumerate(labels))
    return SqueezeBertConfig.preset(preset, **fields)


def start_model(
    model_class: type[PretrainedModel],
    labels: Sequence[str] | None = None,
    source: str | os.PathLike | None = None,
    *,
    problem_type: str | None = None,
    max_length: int | None = None,
    revision: str | None = None,
    preset: str | None = "mini",
) -> tuple[PretrainedModel, SqueezeBertTokenizerFast]:
    """A model to fine-tune, and its tokenizer.

    Args:
        model_class: Of the head.
        labels: Names of the classes, as `Task.label_names` finds them; None for a head
            that has none.
        source: A model to start from, a folder or an id on the Hugging Face Hub; None
            starts from random weights, with the vocabulary of uncased BERT.
        problem_type: Of a sequence classifier, as in `SqueezeBertConfig`.
        max_length: Tokens of the longest row that the model will be given; None is what
            a source can take, and up to 512 without one.
        revision: Branch, tag or commit on the Hub.
        preset: Shape of a model without a source, as in `scratch_config`; with one it
            plays no part.

    Returns:
        `(model, tokenizer)`. The source's own labels are kept if they are for the same
        problem and the training data has no others, so that training can go on;
        otherwise the head starts anew.

    Raises:
        InputError: There are too few labels, or the source's model is too short.

    Example:
        >>> from keras_squeezebert import SqueezeBertForSequenceClassification
        >>> model, _ = start_model(SqueezeBertForSequenceClassification, ["no", "yes"])
        >>> model.config.id2label
        {0: 'no', 1: 'yes'}
    """
    fields = {}
    if labels is not None:
        _check_labels(labels, problem_type)
        fields["id2label"] = dict(enumerate(labels))
    if problem_type is not None:
        fields["problem_type"] = problem_type
    if source is None:
        limit = max(max_length or 0, 512)
        tokenizer = SqueezeBertTokenizerFast(model_max_length=limit)
        config = scratch_config(
            tokenizer.vocab_size, None, preset, max_position_embeddings=limit, **fields
        )
        return model_class(config), tokenizer

    tokenizer = SqueezeBertTokenizerFast.from_pretrained(source, revision=revision)
    config = SqueezeBertConfig.from_pretrained(source, revision=revision)
    if max_length and max_length > config.max_position_embeddings:
        raise InputError(
            f"The model {source} takes at most {config.max_position_embeddings} "
            f"tokens. Received: max_length={max_length}"
        )
    new_head = labels is not None and not (
        set(labels) <= set(config.label2id)
        and problem_type in (None, config.problem_type)
    )
    if new_head:
        config = config.replace(**{"problem_type": None, **fields})
    model = model_class.from_pretrained(
        source, config=config, new_head=new_head, revision=revision
    )
    return model, tokenizer


def _check_labels(labels, problem_type):
    least = 2 if problem_type in (None, "single_label_classification") else 1
    if len(labels) < least:
        raise InputError(
            "The training data must have two different labels or more. "
            f"Received: {', '.join(map(repr, labels)) or 'none'}"
        )
