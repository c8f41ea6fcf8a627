"""batches: features, or texts, as a tf.data pipeline in an order known beforehand."""

import itertools

import numpy as np
import tensorflow as tf

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import Features, SequenceClassification
from keras_squeezebert.tasks.masking import Masking

# Batches that are sorted by length together: as few as mix well, as many as leave
# little padding.
_SORTED_TOGETHER = 50


def batches(
    features: Features,
    *,
    batch_size: int = 32,
    seed: int | None = None,
    epoch: int = 0,
    hiding: Masking | None = None,
) -> tf.data.Dataset:
    """Batches for `fit` and `evaluate` of any model.

    Every row is used once an epoch. Rows of about one length share a batch, which is as
    long as the longest of them.

    The first iteration over the dataset is the epoch `epoch`, each further one the
    next. What is in an epoch depends on the seed and its number alone, so training
    that was cut off after epoch 2 goes on with `epoch=3` as if it had not been.

    Args:
        features: Of a task.
        batch_size: Rows of a batch; the last one of an epoch has fewer.
        seed: Of the order, 0 or more. None sorts the rows by length, and makes every
            iteration the epoch `epoch`.
        epoch: The first epoch.
        hiding: Hides pieces of the inputs, others every epoch, and leaves the labels:
            it keeps a model from leaning on single words. Not for choices.

    Returns:
        A dataset of known length, of (inputs, labels), or of (inputs,) if the features
        have no labels.

    Raises:
        InputError: A number is out of its range.

    Example:
        >>> ids = np.array([[2, 7, 3], [2, 3, 0], [2, 3, 0]], "int32")
        >>> features = Features(
        ...     inputs={"input_ids": ids, "attention_mask": np.sign(ids)},
        ...     labels=np.array([1, 0, 2]),
        ...     rows=np.arange(3),
        ... )
        >>> for inputs, labels in batches(features, batch_size=2):
        ...     print(inputs["input_ids"].shape, labels.numpy())
        (2, 2) [0 2]
        (1, 3) [1]
    """
    for name, number, least in [
        ("batch_size", batch_size, 1),
        ("seed", seed or 0, 0),
        ("epoch", epoch, 0),
    ]:
        if number < least:
            raise InputError(
                f"`{name}` must be {least} or more. Received: {name}={number}"
            )
    epochs = itertools.repeat(epoch) if seed is None else itertools.count(epoch)
    columns = (features.inputs, features.labels)[: 1 if features.labels is None else 2]
    lengths = features.lengths  # (rows,)

    def one_epoch():
        number = next(epochs)
        for rows in _batches_of_rows(lengths, batch_size, seed, number):
            inputs, labels = features.batch(rows, number)
            if hiding is not None:
                hidden, _ = hiding(inputs["input_ids"], rows, number)
                inputs = {**inputs, "input_ids": hidden}
            yield (inputs, labels)[: len(columns)]

    dataset = tf.data.Dataset.from_generator(
        one_epoch, output_signature=tf.nest.map_structure(_any_size, columns)
    )
    # Generators hide their length, which progress bars and schedules need.
    count = len(_batches_of_rows(lengths, batch_size, seed, epoch))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _batches_of_rows(lengths, batch_size, seed, epoch) -> list[np.ndarray]:
    """The rows of each batch of an epoch."""
    if seed is None:
        return _cut(np.argsort(lengths, kind="stable"), batch_size)
    rng = np.random.default_rng([seed, epoch])
    parts = _cut(rng.permutation(len(lengths)), batch_size * _SORTED_TOGETHER)
    found = []
    for rows in parts:
        found += _cut(rows[np.argsort(lengths[rows], kind="stable")], batch_size)
    rng.shuffle(found)
    return found


def _cut(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _any_size(array):
    return tf.TensorSpec((None,) * array.ndim, array.dtype)


# === Texts


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
    """Batches of texts for `fit` and `evaluate` of a sequence classifier.

    Args:
        examples: Texts; with labels, which must be among the config's.
        tokenizer: A `SqueezeBertTokenizerFast`.
        config: The model's `SqueezeBertConfig`.
        batch_size: Examples of a batch; the last one has fewer.
        max_length: Tokens at which a text is truncated.
        shuffle_seed: Reshuffles before every epoch; None keeps the examples of one
            length in their order.
        mask_rate: Share of the word pieces replaced by `[MASK]`, with a
            `shuffle_seed` others every epoch. It keeps a model that is trained from
            scratch from leaning on single words.

    Returns:
        As :func:`batches`: inputs a dict of int32 (batch, seq), labels (batch,), or
        (batch, labels) where a text has any number of them.

    Raises:
        InputError: A label is not among the config's.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> examples = TextExamples(["good", "bad"], ["yes", "no"])
        >>> config = SqueezeBertConfig(id2label={0: "no", 1: "yes"})
        >>> dataset = text_batches(examples, SqueezeBertTokenizerFast(), config)
        >>> [labels.numpy().tolist() for _, labels in dataset]
        [[1, 0]]
    """
    features = SequenceClassification().encode(examples, tokenizer, config, max_length)
    return batches(
        features,
        batch_size=batch_size,
        seed=shuffle_seed,
        hiding=_hiding(tokenizer, mask_rate, shuffle_seed),
    )


def token_batches(
    inputs: dict[str, np.ndarray],
    labels: np.ndarray | None,
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
        As there.

    Example:
        >>> from keras_squeezebert import SqueezeBertTokenizerFast
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> inputs = tokenizer(["to Oslo", "hello"])
        >>> labels = np.array([[-100, 0, 1, -100], [-100, 0, -100, -100]])
        >>> dataset = token_batches(inputs, labels, tokenizer, batch_size=1)
        >>> [labels.numpy().tolist() for _, labels in dataset]
        [[[-100, 0, -100]], [[-100, 0, 1, -100]]]
    """
    features = Features(
        inputs=inputs,
        labels=None if labels is None else np.asarray(labels, "int32"),
        labels_of_tokens=np.ndim(labels) == 2,
        rows=np.arange(len(inputs["input_ids"])),
    )
    return batches(
        features,
        batch_size=batch_size,
        seed=shuffle_seed,
        hiding=_hiding(tokenizer, mask_rate, shuffle_seed),
    )


def _hiding(tokenizer, rate, seed):
    if not rate:
        return None
    return Masking(tokenizer, rate, seed=seed or 0, mask_share=1.0, random_share=0.0)
