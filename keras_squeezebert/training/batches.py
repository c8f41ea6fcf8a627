"""text_batches: examples as a tf.data pipeline of tokens and labels."""

import numpy as np
import tensorflow as tf

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.data import TextExamples
from keras_squeezebert.models.objectives import IGNORED_LABEL

# Texts of about one length share a batch, so that little of it is padding.
_BUCKET_WIDTH = 4


def text_batches(
    examples: TextExamples,
    tokenizer,
    config: SqueezeBertConfig,
    *,
    batch_size: int = 32,
    max_length: int = 128,
    shuffle_seed: int | None = None,
    mask_rate: float = 0.0,
) -> tf.data.Dataset:
    """Batches for `fit`, `evaluate` and `predict` of a sequence classifier.

    Every example is used once an epoch. Each batch is padded to its own longest text.

    Args:
        examples: Texts; with labels, which must be among the config's.
        tokenizer: A `SqueezeBertTokenizerFast`.
        config: The model's `SqueezeBertConfig`.
        batch_size: Examples of a batch; the last ones of each length have fewer.
        max_length: Tokens at which a text is truncated.
        shuffle_seed: Reshuffles before every epoch; None keeps the examples of one
            length in their order.
        mask_rate: Share of the word pieces replaced by `[MASK]`, others every epoch.
            It keeps a model that is trained from scratch from leaning on single words.

    Returns:
        A dataset of known length, of (inputs, labels), or of (inputs,) if the
        examples have no labels: inputs a dict of int32 (batch, seq), labels int32
        (batch,).

    Raises:
        InputError: A label is not among the config's.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> examples = TextExamples(["good", "bad"], ["yes", "no"])
        >>> config = SqueezeBertConfig(id2label={0: "no", 1: "yes"})
        >>> batches = text_batches(examples, SqueezeBertTokenizerFast(), config)
        >>> [labels.numpy().tolist() for _, labels in batches]
        [[1, 0]]
    """
    inputs = tokenizer(examples.texts, examples.text_pairs, max_length=max_length)
    labels = None
    if examples.labels is not None:
        labels = examples.label_ids(config.label2id)
    return token_batches(
        inputs,
        labels,
        tokenizer,
        batch_size=batch_size,
        shuffle_seed=shuffle_seed,
        mask_rate=mask_rate,
    )


def token_batches(
    inputs,
    labels,
    tokenizer,
    *,
    batch_size: int = 32,
    shuffle_seed: int | None = None,
    mask_rate: float = 0.0,
) -> tf.data.Dataset:
    """As :func:`text_batches`, of texts that are tokens already.

    Args:
        inputs: What a tokenizer gives, a dict of int32 arrays (texts, seq).
        labels: An int32 array with a label for each text, (texts,), or for each token,
            (texts, seq), in which −100 is ignored; or None.
        tokenizer: The `SqueezeBertTokenizerFast`.
        batch_size: As there, and so are the others.
        shuffle_seed: As there.
        mask_rate: As there.

    Returns:
        A dataset of known length, of (inputs, labels) or (inputs,).

    Example:
        >>> from keras_squeezebert import SqueezeBertTokenizerFast
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> inputs = tokenizer(["to Oslo", "hello"])
        >>> labels = np.array([[-100, 0, 1, -100], [-100, 0, -100, -100]])
        >>> batches = token_batches(inputs, labels, tokenizer, batch_size=1)
        >>> [labels.numpy().tolist() for _, labels in batches]
        [[[-100, 0, 1, -100]], [[-100, 0, -100]]]
    """
    columns = (inputs,) if labels is None else (inputs, np.int32(labels))
    rows, longest = inputs["input_ids"].shape
    dataset = tf.data.Dataset.from_tensor_slices(columns)
    if shuffle_seed is not None:
        dataset = dataset.shuffle(rows, seed=shuffle_seed)
    dataset = dataset.map(_without_padding)
    if mask_rate:
        dataset = dataset.map(_masking(tokenizer, mask_rate, shuffle_seed))
    boundaries = list(range(_BUCKET_WIDTH, longest + 1, _BUCKET_WIDTH))
    fillers = (dict.fromkeys(inputs, 0), IGNORED_LABEL)[: len(columns)]
    dataset = dataset.bucket_by_sequence_length(
        lambda inputs, *_: tf.size(inputs["input_ids"]),
        boundaries,
        [batch_size] * (len(boundaries) + 1),
        padding_values=fillers,
    )
    # Buckets hide the number of batches, which progress bars and schedules need.
    lengths = inputs["attention_mask"].sum(axis=-1)
    _, in_bucket = np.unique(np.digitize(lengths, boundaries), return_counts=True)
    batches = int(np.ceil(in_bucket / batch_size).sum())
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _without_padding(inputs, *labels):
    length = tf.reduce_sum(inputs["attention_mask"])
    inputs = {name: ids[:length] for name, ids in inputs.items()}
    of_tokens = [label[:length] if label.shape.rank else label for label in labels]
    return inputs, *of_tokens


def _masking(tokenizer, mask_rate, seed):
    def mask(inputs, *labels):
        ids = inputs["input_ids"]
        masked = tf.random.uniform(tf.shape(ids), seed=seed) < mask_rate
        for special in (tokenizer.cls_token_id, tokenizer.sep_token_id):
            masked &= ids != special
        ids = tf.where(masked, tokenizer.mask_token_id, ids)
        return {**inputs, "input_ids": ids}, *labels

    return mask
