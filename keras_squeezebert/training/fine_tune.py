"""fine_tune: trains a model by a recipe, and can be killed at any moment."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict

import keras
import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.lengths import length_multiple
from keras_squeezebert.models.objectives import SmoothedCrossentropy
from keras_squeezebert.tasks import Evaluation, Features
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.training.batches import batches, count_batches
from keras_squeezebert.training.data_parallel import current_share
from keras_squeezebert.training.recipe import Recipe
from keras_squeezebert.training.session import Session


def fine_tune(
    model: keras.Model,
    train: Features,
    evaluation: Evaluation | None = None,
    recipe: Recipe | None = None,
    *,
    folder: str | os.PathLike | None = None,
    hiding: Masking | None = None,
    save_seconds: float = 300.0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> list[dict[str, float]]:
    """Trains a model; with an evaluation, it ends with the weights of the best epoch.

    With a folder, a training that was killed goes on when it is started again with the
    same arguments: at the step that was last saved, with the same rows in the same
    order, to the same weights. The folder then also has `history.csv`, the figures of
    each epoch.

    After :func:`data_parallel` every batch is shared among devices and processes, to
    the same weights as with one.

    Args:
        model: Any SqueezeBERT model; it is compiled anew, with its own metrics.
        train: Its rows, with labels, as a task encodes them.
        evaluation: Scores the model after each epoch.
        recipe: The numbers to go by. Default: `Recipe()`.
        folder: Where the state of the training is kept, for one training at a time. Of
            several processes the first writes it, and all must see it to go on.
        hiding: Hides pieces of the inputs, others every epoch.
        save_seconds: How often the state is saved. It is at the end of every epoch, and
            when training is interrupted from the keyboard.
        callbacks: Of `keras.Model.fit`. They see the figures of `evaluation`, with
            `val_` before their names.
        verbose: Of `keras.Model.fit`.

    Returns:
        The figures of each epoch.

    Raises:
        InputError: There are no rows or labels; the loss is not finite any more; the
            folder is in use, or has the state of another training; a batch cannot be
            shared evenly, or the model was made under a strategy of `tf.distribute`.

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.data import TextExamples
        >>> from keras_squeezebert.tasks import SequenceClassification
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ...     id2label={0: "no", 1: "yes"},
        ... )
        >>> task, tokenizer = SequenceClassification(), SqueezeBertTokenizerFast()
        >>> examples = TextExamples(["so good", "bad"], ["yes", "no"])
        >>> history = fine_tune(
        ...     SqueezeBertForSequenceClassification(config),
        ...     task.encode(examples, tokenizer, config),
        ...     Evaluation(task, examples, tokenizer, config),
        ...     Recipe(epochs=2),
        ...     verbose=0,
        ... )
        >>> [sorted(figures) for figures in history]
        [['accuracy', 'loss', 'val_accuracy'], ['accuracy', 'loss', 'val_accuracy']]

    Reference:
        Iandola et al. 2020, section 4.2.
    """
    recipe = recipe or Recipe()
    if not len(train) or train.labels is None:
        raise InputError(
            "Training needs rows with labels. Received: "
            f"{len(train)} rows, {'no ' if train.labels is None else ''}labels"
        )
    _check_strategy(model)
    share = current_share(recipe.batch_size)
    steps_per_epoch = count_batches(train, recipe.batch_size)
    # Batches differ in length, and TensorFlow's XLA would compile each length anew; so
    # does JAX, which runs op by op without.
    model.compile(
        optimizer=recipe.optimizer(recipe.epochs * steps_per_epoch),
        loss=_loss(model, recipe),
        jit_compile=keras.config.backend() == "jax",
    )
    session = Session(
        model,
        evaluation,
        recipe,
        epoch_ends=range(0, (1 + recipe.epochs) * steps_per_epoch, steps_per_epoch),
        settings=_settings(model, train, recipe, hiding),
        folder=folder,
        save_seconds=save_seconds,
        writes=share.process == 0,
    )
    # Not left to `fit`, which would have the progress bar count what is left.
    watching = keras.callbacks.CallbackList(
        [session, *callbacks],
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        epochs=recipe.epochs,
        steps=steps_per_epoch,
        verbose=verbose,
    )

    def fit(epoch, end, skip=0):
        session.epoch = epoch
        data = batches(
            train,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            # To build a model on JAX, Keras iterates once more.
            epoch=lambda: session.epoch,
            skip=skip,
            hiding=hiding,
            pad_to_multiple_of=length_multiple(),
            share=share,
        )
        # A dataset shuffles itself.
        model.fit(
            data, initial_epoch=epoch, epochs=end, callbacks=watching, shuffle=False
        )

    with session:
        epoch, skip = divmod(session.state.steps, steps_per_epoch)
        if skip:
            fit(epoch, epoch + 1, skip)
            epoch += 1
        if not session.is_over:
            fit(epoch, recipe.epochs)
        session.restore_best()
    return session.state.history


def _check_strategy(model):
    """That the model is under none of `tf.distribute`, whose replicas clip apart."""
    strategy = getattr(model, "distribute_strategy", None)  # of TensorFlow's models
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        raise InputError(
            "Under tf.distribute each replica clips its own gradients and weighs its "
            "own labels, so that other weights come out than on one device. `compile` "
            "and `fit` the model there, or share this training by `data_parallel`. "
            f"Received: {type(strategy).__name__} of {strategy.num_replicas_in_sync}"
        )


def _loss(model, recipe):
    """The task's own; where its labels are classes, they can be smoothed."""
    if not recipe.label_smoothing:
        return "auto"
    loss = model.default_objective().get("loss")
    if not isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        raise InputError(
            "Only labels of which one is right can be smoothed. Received: "
            f"label_smoothing={recipe.label_smoothing} for a {type(model).__name__}"
        )
    return SmoothedCrossentropy(recipe.label_smoothing, ignore_class=IGNORED_LABEL)


def _settings(model, train, recipe, hiding):
    """What must be the same for a training to go on."""
    digest = hashlib.sha256()
    for array in keras.tree.flatten((train.inputs, train.labels)):
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array))
    return {
        "model": type(model).__name__,
        **model.config.to_dict(),
        "scheme": model.scheme and model.scheme.name,
        "distillation": model.distillation and model.distillation.settings,
        **asdict(recipe),
        "hidden share": hiding and hiding.rate,
        "training data": digest.hexdigest()[:16],
    }
