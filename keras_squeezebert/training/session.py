"""Session: one run of a training, which watches over its state."""

import contextlib
import csv
import math
import os
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

import keras

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file
from keras_squeezebert.quantization.ranges import update_weight_ranges
from keras_squeezebert.tasks import Evaluation
from keras_squeezebert.training.lock import LOCK_FILE, used_alone
from keras_squeezebert.training.recipe import Recipe
from keras_squeezebert.training.state import TrainingState, assign, values_of

STATE_FILE = "state.safetensors"
HISTORY_FILE = "history.csv"


class Session(keras.callbacks.Callback):
    """Scores each epoch, keeps the best weights, ends early, and saves the state.

    As a context manager it begins with the state that is in its folder, if there is
    one, and keeps the folder to itself.

    Args:
        model: The compiled model.
        evaluation: Scores it after each epoch, or None.
        recipe: What it is trained by.
        epoch_ends: The steps after which an epoch is over, counted over all of them.
        settings: What must be the same for a training to go on.
        folder: Where the state is kept, or None.
        save_seconds: How often.
        writes: Whether the folder is this process' to write; if not, it reads where to
            begin, and no more.

    Attributes:
        state: The `TrainingState`.
        epoch: The one that goes on.
    """

    def __init__(
        self,
        model: keras.Model,
        evaluation: Evaluation | None,
        recipe: Recipe,
        epoch_ends: Container[int],
        settings: dict[str, Any],
        folder: str | os.PathLike | None,
        save_seconds: float,
        writes: bool = True,
    ):
        super().__init__()
        self.set_model(model)
        self.evaluation = evaluation
        self.recipe = recipe
        self.epoch_ends = epoch_ends
        self.folder = folder and Path(folder)
        self.save_seconds = save_seconds
        self.writes = writes and folder is not None
        self.state = TrainingState(settings=settings)
        self.epoch = 0
        self._saved_at = time.monotonic()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            if self.writes:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(used_alone(self.folder, "training"))
            if self.folder:
                self._load()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, error, traceback):
        with self._stack:
            is_cut_off = self.steps not in self.epoch_ends
            if self.writes and kind is KeyboardInterrupt and is_cut_off:
                self._save()

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left, or none that could be worth it."""
        state, patience = self.state, self.recipe.patience
        epochs = len(state.history)
        if epochs == self.recipe.epochs:
            return True
        if patience is None or state.best_epoch is None:
            return False
        return epochs - 1 - state.best_epoch >= patience

    def restore_best(self) -> None:
        """Gives the model the weights of the best epoch, if there was an evaluation."""
        if self.state.best:
            assign(self.model.variables, self.state.best, "the best epoch")

    # === What `fit` calls

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.state.metrics:  # of an epoch that goes on
            counted = zip(self.model.metrics_variables, self.state.metrics, strict=True)
            for variable, array in counted:
                variable.assign_add(array)
            self.state.metrics = []
        is_last = self.steps in self.epoch_ends
        is_time = time.monotonic() - self._saved_at >= self.save_seconds
        if self.writes and is_time and not is_last:
            self._check_finite(logs)
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        self._check_finite(logs)
        if self.evaluation:
            if self.model.scheme:
                update_weight_ranges(self.model)
            scores = self.evaluation(self.model)
            logs.update({f"val_{name}": value for name, value in scores.items()})
        figures = {name: float(value) for name, value in logs.items()}
        self.state.history.append(figures)
        if self.evaluation and self._best_epoch() == epoch:
            self.state.best_epoch = epoch
            self.state.best = values_of(self.model.variables)
        if self.writes:
            self._save(is_epoch_over=True)
            write_history(self.folder / HISTORY_FILE, self.state.history)
        self.model.stop_training = self.is_over

    def _best_epoch(self):
        metric = self.evaluation.metric
        name = f"val_{metric.primary}"
        return metric.best([figures[name] for figures in self.state.history])

    def _check_finite(self, logs):
        if not math.isfinite(logs["loss"]):
            raise InputError(
                f"The loss is not finite any more, of {self.steps} steps. A lower "
                "learning rate or a longer warm-up may help. Received: "
                f"loss={logs['loss']}, learning_rate={self.recipe.learning_rate}"
            )

    # === The state's file

    @property
    def steps(self) -> int:
        """How many are done."""
        return steps_done(self.model.optimizer)

    def _save(self, is_epoch_over=False):
        self.state.steps = self.steps
        counted = [] if is_epoch_over else self.model.metrics_variables
        self.state.metrics = values_of(counted)
        self.state.save(self.folder / STATE_FILE, self.model)
        self.state.metrics = []
        self._saved_at = time.monotonic()

    def _load(self):
        path = self.folder / STATE_FILE
        if path.exists():
            self.state = TrainingState.load(path, self.model, self.state.settings)


def steps_done(optimizer: keras.optimizers.Optimizer) -> int:
    """How many, by its own count, which no interrupt parts from the weights.

    Of accumulated gradients, each counts, which its `iterations` do not.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a scaled loss
    return int(optimizer.variables[0])


def remove_state(folder: str | os.PathLike) -> None:
    """Removes what a training needs to go on, and leaves its history."""
    for name in (STATE_FILE, LOCK_FILE):
        (Path(folder) / name).unlink(missing_ok=True)


def write_history(path: str | os.PathLike, history: list[dict[str, float]]) -> None:
    """Writes the figures of each epoch as CSV, the first epoch as 1."""
    with atomic_file(path) as draft, open(draft, "w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", *history[0]])
        writer.writeheader()
        for number, figures in enumerate(history, start=1):
            writer.writerow({"epoch": number, **figures})
