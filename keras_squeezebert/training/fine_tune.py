"""fine_tune: compiles a model with BERT's schedule and fits it."""

import keras

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.optimizer import adamw


def fine_tune(
    model,
    train,
    validation=None,
    *,
    epochs=3,
    learning_rate=5e-5,
    weight_decay=0.01,
    warmup_ratio=0.1,
    loss="auto",
    callbacks=(),
    verbose="auto",
):
    """Trains with AdamW, whose rate rises linearly and then decays on a cosine.

    Args:
        model: Any SqueezeBERT model; it is compiled anew, with its own metrics.
        train: A `tf.data.Dataset` of known length, e.g. of `text_batches`.
        validation: Another, evaluated after each epoch.
        epochs: Passes over `train`.
        learning_rate: The highest rate.
        weight_decay: AdamW's, not applied to biases and LayerNorms.
        warmup_ratio: Share of all steps in which the rate rises.
        loss: A Keras loss; "auto" is the task's own.
        callbacks: Of `keras.Model.fit`.
        verbose: Of `keras.Model.fit`.

    Returns:
        The `keras.callbacks.History`.

    Raises:
        InputError: The length of `train` is not known, or zero.

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.data import TextExamples
        >>> from keras_squeezebert.training import text_batches
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ...     id2label={0: "no", 1: "yes"},
        ... )
        >>> examples = TextExamples(["so good", "bad"], ["yes", "no"])
        >>> train = text_batches(examples, SqueezeBertTokenizerFast(), config)
        >>> model = SqueezeBertForSequenceClassification(config)
        >>> history = fine_tune(model, train, epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2

    Reference:
        Iandola et al. 2020, section 4.2.
    """
    steps = int(train.cardinality()) * epochs
    if steps <= 0:
        raise InputError(
            "`train` must be a dataset of known length, with at least one batch. "
            f"Received: cardinality={int(train.cardinality())}, epochs={epochs}"
        )
    warmup_steps = int(steps * warmup_ratio)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, steps - warmup_steps),
    )
    # Batches differ in length, and XLA would compile each length anew.
    model.compile(optimizer=adamw(schedule, weight_decay), loss=loss, jit_compile=False)
    return model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,  # a dataset shuffles itself
        verbose=verbose,
    )
