"""batches: features, or texts, as a tf.data pipeline in an order known beforehand."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import Features, SequenceClassification
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.training.data_parallel import Share

if TYPE_CHECKING:
    import tensorflow as tf

# Batches that are sorted by length together: as few as mix well, as many as leave
# little padding.
_SORTED_TOGETHER = 50


def batches(
    features: Features,
    *,
    batch_size: int = 32,
    seed: int | None = None,
    epoch: int | Callable[[], int] = 0,
    skip: int = 0,
    hiding: Masking | None = None,
    pad_to_multiple_of: int = 1,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Batches for `fit` and `evaluate` of any model.

    Every row is used once an epoch. Rows of about one length share a batch, which is as
    long as the longest of them.

    The first iteration over the dataset is the epoch `epoch`, each further one the
    next. What is in an epoch depends on the seed and its number alone, so training
    that was cut off in epoch 2, after 70 batches of it, goes on with `epoch=2, skip=70`
    for the rest of it and with `epoch=3`, as if it had not been.

    Args:
        features: Of a task.
        batch_size: Rows of a batch; the last one of an epoch has fewer.
        seed: Of the order, 0 or more. None sorts the rows by length, and makes every
            iteration the epoch `epoch`.
        epoch: The first epoch; or a function that is asked for the number whenever an
            iteration begins, for those that iterate more than once an epoch.
        skip: How many batches at the beginning of an epoch are left out.
        hiding: Hides pieces of the inputs, others every epoch, and leaves the labels:
            it keeps a model from leaning on single words. Not for choices.
        pad_to_multiple_of: Of the tokens of a batch, so that there are fewer lengths.
        share: What of each batch is for this process. Default: all of it.

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
    # Not above: pretraining, which is beside this file, goes without TensorFlow.
    import tensorflow as tf

    for name, number, least in [
        ("batch_size", batch_size, 1),
        ("seed", seed or 0, 0),
        ("epoch", 0 if callable(epoch) else epoch, 0),
        ("skip", skip, 0),
    ]:
        if number < least:
            raise InputError(
                f"`{name}` must be {least} or more. Received: {name}={number}"
            )
    if callable(epoch):
        epochs = iter(epoch, None)
    else:
        epochs = itertools.repeat(epoch) if seed is None else itertools.count(epoch)
    lengths = features.lengths  # (rows,)

    def batch(rows, number):
        inputs, labels = features.batch(rows, number, pad_to_multiple_of)
        if hiding is not None:
            hidden, _ = hiding(inputs["input_ids"], rows, number)
            inputs = {**inputs, "input_ids": hidden}
        arrays = (inputs,) if labels is None else (inputs, labels)
        return share.of(arrays) if share else arrays

    def one_epoch():
        number = next(epochs)
        for rows in _batches_of_rows(lengths, batch_size, seed, number)[skip:]:
            yield batch(rows, number)

    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec((None,) * array.ndim, array.dtype),
        batch(np.arange(1), 0),
    )
    # TensorFlow keeps for good what it is given here, and with it whatever that refers
    # to, such as the model of a training that tells the epoch.
    generator = weakref.ref(one_epoch)
    dataset = tf.data.Dataset.from_generator(
        lambda: generator()(), output_signature=signature
    )
    # Generators hide their length, which progress bars and schedules need.
    count = max(0, count_batches(features, batch_size) - skip)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    dataset.generator = one_epoch  # for as long as there is the dataset, or one from it
    return dataset


def count_batches(features: Features, batch_size: int) -> int:
    """How many batches there are in an epoch."""
    return -(-len(features) // batch_size)  # rounded up


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
    hiding = None
    if mask_rate:
        hiding = Masking.hiding(tokenizer, mask_rate, shuffle_seed or 0)
    return batches(features, batch_size=batch_size, seed=shuffle_seed, hiding=hiding)
