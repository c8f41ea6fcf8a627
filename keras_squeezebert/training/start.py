"""start_classifier: the model and tokenizer that fine-tuning begins with."""

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.data import sorted_labels
from keras_squeezebert.errors import InputError
from keras_squeezebert.models import SqueezeBertForSequenceClassification
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast


def scratch_config(vocab_size, labels, preset="mini", **changes):
    """A configuration that trains from random weights.

    Weights start wider than BERT's 0.02: so little training would not get far from
    there.

    Args:
        vocab_size: Word pieces of the tokenizer.
        labels: Names of the classes.
        preset: A name of `SqueezeBertConfig.preset`; "mini" takes a CPU minutes.
        **changes: Fields that replace the preset's.

    Example:
        >>> scratch_config(1000, ["no", "yes"]).hidden_size
        256
    """
    fields = {
        "vocab_size": vocab_size,
        "initializer_range": 0.05,
        "id2label": dict(enumerate(labels)),
        **changes,
    }
    return SqueezeBertConfig.preset(preset, **fields)


def start_classifier(labels, source=None, max_length=128, revision=None, preset="mini"):
    """A sequence classifier to fine-tune, and its tokenizer.

    Args:
        labels: The labels of the training data, with repetitions.
        source: A model to start from, a folder or an id on the Hugging Face Hub; None
            starts from random weights, with the vocabulary of uncased BERT.
        max_length: Tokens of the longest text that the model will be given.
        revision: Branch, tag or commit on the Hub.
        preset: Shape of a model without a source, as in `scratch_config`.

    Returns:
        `(model, tokenizer)`. The source's own labels are kept if the training data has
        no others, so that training can go on; otherwise the head starts anew.

    Raises:
        InputError: There is only one label, or the source's model is too short.

    Example:
        >>> model, _ = start_classifier(["yes", "no", "no"])
        >>> model.config.id2label
        {0: 'no', 1: 'yes'}
    """
    labels = sorted_labels(labels)
    if len(labels) < 2:
        raise InputError(
            "The training data must have two different labels or more. "
            f"Received: {', '.join(map(repr, labels)) or 'none'}"
        )
    if source is None:
        tokenizer = SqueezeBertTokenizerFast(model_max_length=max(max_length, 512))
        config = scratch_config(
            tokenizer.vocab_size,
            labels,
            preset,
            max_position_embeddings=max(max_length, 512),
        )
        return SqueezeBertForSequenceClassification(config), tokenizer

    tokenizer = SqueezeBertTokenizerFast.from_pretrained(source, revision=revision)
    config = SqueezeBertConfig.from_pretrained(source, revision=revision)
    if max_length > config.max_position_embeddings:
        raise InputError(
            f"The model {source} takes at most {config.max_position_embeddings} "
            f"tokens. Received: max_length={max_length}"
        )
    new_head = not set(labels) <= set(config.label2id)
    if new_head:
        config = config.replace(id2label=dict(enumerate(labels)), problem_type=None)
    model = SqueezeBertForSequenceClassification.from_pretrained(
        source, config=config, new_head=new_head, revision=revision
    )
    return model, tokenizer
