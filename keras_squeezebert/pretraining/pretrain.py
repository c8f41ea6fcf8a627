"""pretrain: trains an encoder on text by a recipe, and can be killed at any moment."""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Sequence

import keras

from keras_squeezebert.lengths import check_length
from keras_squeezebert.pretraining.batches import PretrainingBatches, PretrainingSteps
from keras_squeezebert.pretraining.cache import MANIFEST, TokenCache
from keras_squeezebert.pretraining.objective import pretraining_model
from keras_squeezebert.pretraining.recipe import PretrainingRecipe
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.training.data_parallel import current_share
from keras_squeezebert.training.session import Session, steps_done


def pretrain(
    model: keras.Model,
    cache: TokenCache,
    tokenizer: SqueezeBertTokenizerFast,
    recipe: PretrainingRecipe | None = None,
    *,
    teacher: keras.Model | None = None,
    held_out: TokenCache | None = None,
    held_out_steps: int = 20,
    folder: str | os.PathLike | None = None,
    save_seconds: float = 300.0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> list[dict[str, float]]:
    """Trains a masked LM, and its encoder with it.

    With a folder, a pretraining that was killed goes on when it is started again with
    the same arguments, at the step that was last saved; on one device to the same
    weights, bit for bit. The folder then also has `history.csv`.

    After `keras_squeezebert.training.data_parallel` every batch is shared among devices
    and processes, to the same weights as with one.

    Args:
        model: A `SqueezeBertForMaskedLM`.
        cache: The corpus.
        tokenizer: Its tokenizer.
        recipe: The numbers to go by. Default: the paper's.
        teacher: A `SqueezeBertModel`, of a SqueezeBERT or a BERT, to distil.
        held_out: Text by which the losses are told in every report, as `val_…`.
        held_out_steps: Batches of it.
        folder: Where the state of the training is kept, for one at a time. Of several
            processes the first writes it, and all must see it to go on.
        save_seconds: How often the state is saved; it is at every report, too.
        callbacks: Of `keras.Model.fit`, for which a report is an epoch.
        verbose: Of `keras.Model.fit`.

    Returns:
        The figures of each report.

    Raises:
        InputError: The model cannot learn this; the loss is not finite any more; the
            folder is in use, or has the state of another training; a batch cannot be
            shared evenly.

    Reference:
        Iandola et al. 2020, section 4.1.
    """
    recipe = recipe or PretrainingRecipe()
    for phase in recipe.phases:
        check_length(phase.length, model.config)
        share = current_share(phase.batch_size // recipe.accumulation_steps)
    training = pretraining_model(model, recipe, teacher)
    distances = [name for name in training.output if name.endswith("_distance")]
    steps = PretrainingSteps(cache, tokenizer, recipe)
    ends = recipe.report_ends
    session = Session(
        training,
        None,
        recipe,
        epoch_ends=[0, *ends],
        settings=_settings(model, cache, recipe, teacher),
        folder=folder,
        save_seconds=save_seconds,
        writes=share.process == 0,
    )
    watching = [Speed(steps)]
    if held_out is not None:
        # Rows of one length, whatever the phase, so that reports can be compared.
        first_phase = dataclasses.replace(recipe, phases=recipe.phases[:1])
        held_out = PretrainingBatches(
            PretrainingSteps(held_out, tokenizer, first_phase),
            0,
            held_out_steps,
            distances,
            share,
        )
        watching.append(HeldOut(held_out))
    watching = keras.callbacks.CallbackList(
        [*watching, session, *callbacks],
        add_history=True,
        add_progbar=verbose != 0,
        model=training,
        epochs=len(ends),
        steps=ends[0],
        verbose=verbose,
    )
    with session:
        # One `fit` for each report: within one, all rows must be of a length.
        while not session.is_over:
            epoch, first = len(session.state.history), session.steps
            count = ends[epoch] - first
            watching.set_params(
                {"verbose": verbose, "epochs": len(ends), "steps": count}
            )
            training.fit(
                PretrainingBatches(steps, first, count, distances, share),
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=watching,
                shuffle=False,
            )
    return session.state.history


class Speed(keras.callbacks.Callback):
    """Tells tokens per second and the hours that are left, beside the losses."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self._seconds = self._tokens = 0
        self._begun = None

    def on_train_batch_begin(self, batch, logs=None):
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        step = steps_done(self.model.optimizer) - 1
        tokens = self.steps.tokens(step)
        seconds = time.perf_counter() - self._begun
        # The first step of a shape compiles: what comes after tells the speed.
        kept = 0.98 if self._tokens > tokens else 0.0
        self._tokens = kept * self._tokens + tokens
        self._seconds = kept * self._seconds + seconds
        logs.update(self._figures(step))

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self._figures(steps_done(self.model.optimizer) - 1))

    def _figures(self, step):
        rate = self._tokens / self._seconds
        left = 0
        begin = step + 1
        for end, phase in zip(self.steps.ends, self.steps.recipe.phases, strict=True):
            count = max(0, end - begin)
            left += count * phase.length * self.steps.rows_of_step(end - 1)
            begin = max(begin, end)
        return {"tokens_per_second": rate, "hours_left": left / rate / 3600}


class HeldOut(keras.callbacks.Callback):
    """Tells the losses on other text at the end of each report."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_end(self, epoch, logs=None):
        figures = self.model.evaluate(self.batches, verbose=0, return_dict=True)
        logs.update({f"val_{name}": value for name, value in figures.items()})


def _settings(model, cache, recipe, teacher):
    """What must be the same for a pretraining to go on."""
    manifest = (cache.folder / MANIFEST).read_bytes()
    recipe = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return {
        "model": type(model).__name__,
        **model.config.to_dict(),
        "dtype": model.dtype_policy.name,
        "teacher": teacher and teacher.config.to_dict(),
        **recipe,
        "training data": hashlib.sha256(manifest).hexdigest()[:16],
    }
