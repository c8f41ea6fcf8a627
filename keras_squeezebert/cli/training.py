"""What the commands that train have in common: a recipe, and the way to a folder."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from keras_squeezebert.cli.extras import check_extra
from keras_squeezebert.cli.heads import Head, Values
from keras_squeezebert.errors import InputError
from keras_squeezebert.hub import SMALL_EN

TRAINING_FOLDER = "training"
# Of what a model learns before.
FIRST_FOLDER = "training-first"

DATA_OPTIONS = (
    click.option(
        "--train",
        "train_path",
        required=True,
        metavar="DATA",
        help="Training data: a file, the folder of GLUE's tasks, or a name on the "
        "Hugging Face Hub, such as glue/sst2.",
    ),
    click.option(
        "--eval",
        "eval_path",
        metavar="DATA",
        help="Evaluation data of the same form: the model is scored after every epoch, "
        "and the best one is kept.",
    ),
    click.option(
        "--output",
        required=True,
        type=click.Path(file_okay=False),
        help="Folder for the model. Hugging Face's transformers can load it too.",
    ),
)

tensorboard = click.option(
    "--tensorboard",
    is_flag=True,
    help=f"Write logs for TensorBoard to OUTPUT/{TRAINING_FOLDER}.",
)

_POSITIVE = click.FloatRange(min=0, min_open=True)
_SHARE = click.FloatRange(0, 1)
_COUNT = click.IntRange(min=1)

# Flag, default, type, help. But for the last three they are fields of `Recipe`.
_RECIPE = (
    ("--epochs", 3, _COUNT, "Passes over the data."),
    ("--batch-size", 32, _COUNT, "Examples of a step."),
    (
        "--learning-rate",
        None,
        _POSITIVE,
        "The highest one.",
    ),
    ("--warmup-ratio", 0.1, _SHARE, "Share of the steps in which it rises."),
    ("--decay", "linear", click.Choice(["linear", "cosine"]), "How it falls then."),
    (
        "--layer-decay",
        1.0,
        click.FloatRange(0, 1, min_open=True),
        "Share of a layer's learning rate that the layer below it has; 0.9 spares what "
        "a pretrained model knows.",
    ),
    ("--weight-decay", 0.01, _SHARE, "AdamW's."),
    ("--clip-norm", 1.0, _POSITIVE, "Norm to which gradients are cut."),
    (
        "--label-smoothing",
        0.0,
        _SHARE,
        "Share of a label that is spread over all labels.",
    ),
    ("--accumulation-steps", 1, _COUNT, "Steps that make one update of the weights."),
    (
        "--patience",
        None,
        _COUNT,
        "Epochs without a better score after which training ends.",
    ),
    ("--seed", 0, click.IntRange(0, 2**32 - 1), "Of all randomness."),
    (
        "--hidden-share",
        0.0,
        _SHARE,
        "Share of the word pieces that training does not see, others every epoch; 0.15 "
        "helps a classifier that starts from random weights.",
    ),
    (
        "--max-length",
        None,
        click.IntRange(min=3),
        "Tokens that are kept of a row.",
    ),
)
# What it is where the default is None.
_DEFAULTS_IN_WORDS = {
    "--learning-rate": "5e-5; for squeezebert_small_en 5e-4, random weights 1e-3",
    "--patience": "it goes on to the last",
    "--max-length": "128; 384 with a question",
}


def recipe_options(least_epochs: int = 1, **defaults: Any) -> tuple[Callable, ...]:
    """The numbers to train by, with a command's own defaults.

    Args:
        least_epochs: 0 for a command that has more to do than to train.
        **defaults: By the names of the parameters.
    """
    recipe = []
    for flag, default, kind, help in _RECIPE:
        default = defaults.get(flag.removeprefix("--").replace("-", "_"), default)
        if default is None:
            help += f"  [default: {_DEFAULTS_IN_WORDS[flag]}]"
        if flag == "--epochs":
            kind = click.IntRange(min=least_epochs)
        recipe.append(
            click.option(
                flag,
                default=default,
                type=kind,
                help=help,
                show_default=default is not None,
            )
        )
    return (*recipe, tensorboard)


def decorated(command: Callable, options: tuple[Callable, ...]) -> Callable:
    """A command with options, in the order of its help."""
    for option in reversed(options):
        command = option(command)
    return command


def default_learning_rate(source: str | None) -> float:
    """The highest learning rate for a model to start from, None for random weights.

    A model that is narrow and shallow takes a higher one than BERT's.
    """
    if source is None:
        return 1e-3
    return 5e-4 if source == SMALL_EN else 5e-5


def recipe_of(values: Values) -> Any:
    """The `Recipe` that the options describe."""
    from keras_squeezebert.training import Recipe

    return Recipe(**{f.name: values[f.name] for f in dataclasses.fields(Recipe)})


def read_training_data(head: Head, values: Values) -> tuple[Any, Any]:
    """The examples to train on, and those to evaluate on, or None.

    Raises:
        InputError: A file cannot be read, or its examples have no labels.
    """
    train = head.read(values["train_path"], values, split="train")
    evaluation = None
    if values["eval_path"]:
        evaluation = head.read(values["eval_path"], values, split="dev")
    for flag, examples in (("--train", train), ("--eval", evaluation)):
        if examples is not None and not head.are_labelled(examples):
            raise InputError(f"These data have no {head.labels}. Received: {flag}")
    return train, evaluation


class Training:
    """Examples and a recipe, made ready for the model of a folder.

    Args:
        head: The model's head.
        values: Values of the command's options.
        model: The model that learns.
        tokenizer: Its tokenizer.
        train: Examples to train on.
        evaluation: Examples to score by, or None.

    Attributes:
        task: The head's `Task`.
        max_length: Tokens of a row.
        features: The examples to train on as arrays.
        evaluation: The `Evaluation` by the others, or None.
    """

    def __init__(self, head, values, model, tokenizer, train, evaluation):
        from keras_squeezebert.tasks import Evaluation

        self.values = values
        self.model = model
        self.tokenizer = tokenizer
        self.task, config = head.task(values, values["train_path"]), model.config
        self.max_length = max_length(head, values, config)
        self.features = self._encoded(train)
        self.evaluation = None
        if evaluation is not None:
            self.evaluation = Evaluation(
                self.task, evaluation, tokenizer, config, self.max_length
            )

    def add_unlabelled(self, examples: Any) -> None:
        """More examples to train on, of which only a teacher knows the labels."""
        self.features = self.features.with_unlabelled(self._encoded(examples))

    def learn_first(self, examples: Any, learning_rate: float) -> None:
        """Trains the model once on other examples, before those that it is for.

        Args:
            examples: Of the same task.
            learning_rate: The highest one; the other numbers are those of the command.
        """
        recipe = dataclasses.replace(
            recipe_of(self.values), epochs=1, learning_rate=learning_rate
        )
        self._fine_tune(self._encoded(examples), None, recipe, FIRST_FOLDER)

    def _encoded(self, examples):
        features = self.task.encode(
            examples, self.tokenizer, self.model.config, self.max_length
        )
        for name, count in features.notes.items():
            if count:
                click.echo(f"Training data: {count} {name}.")
        return features

    def run(self) -> None:
        """Trains the model and saves it, and says how good it is.

        A run that is killed goes on when the command is given again. Of several
        processes that train together the first one saves, and shows how far they are.
        """
        import keras

        from keras_squeezebert.tasks.masking import Masking
        from keras_squeezebert.training.data_parallel import current_share
        from keras_squeezebert.training.session import remove_state

        is_first = current_share().process == 0
        recipe, output = recipe_of(self.values), Path(self.values["output"])
        folder = output / TRAINING_FOLDER
        hiding, callbacks = None, []
        if self.values["hidden_share"]:
            hiding = Masking.hiding(
                self.tokenizer, self.values["hidden_share"], recipe.seed
            )
        if self.values["tensorboard"] and is_first:
            check_tensorboard()
            callbacks = [keras.callbacks.TensorBoard(folder, write_graph=False)]
        history = self._fine_tune(
            self.features,
            self.evaluation,
            recipe,
            TRAINING_FOLDER,
            hiding=hiding,
            callbacks=callbacks,
        )
        if is_first:
            self.save(history)
            remove_state(folder)
            remove_state(output / FIRST_FOLDER)

    def _fine_tune(self, features, evaluation, recipe, folder, **options):
        from keras_squeezebert.training import fine_tune
        from keras_squeezebert.training.data_parallel import current_share

        try:
            return fine_tune(
                self.model,
                features,
                evaluation,
                recipe,
                folder=Path(self.values["output"]) / folder,
                verbose="auto" if current_share().process == 0 else 0,
                **options,
            )
        except KeyboardInterrupt:
            click.echo("\nInterrupted. The same command goes on from here.", err=True)
            raise

    def save(self, history: Sequence[dict[str, float]] = ()) -> None:
        """Writes the model and its tokenizer to the output folder, and says so.

        Args:
            history: The figures of the epochs of which it is the best. Without any, a
                model that there are data to score by is scored now.
        """
        output = self.values["output"]
        self.model.save_pretrained(output)
        self.tokenizer.save_pretrained(output)
        if self.evaluation is None:
            click.echo(f"Saved {output}.")
            return
        metric, which = self.evaluation.metric, ""
        if history:
            scores = [figures[f"val_{metric.primary}"] for figures in history]
            best = metric.best(scores)
            score, which = scores[best], f", the model of epoch {1 + best}"
        else:
            score = self.evaluation(self.model)[metric.primary]
        click.echo(
            f"Saved {output}{which}: {metric.primary} {score:.4f} on the evaluation "
            "data."
        )


def max_length(head: Head, values: Values, config: Any) -> int:
    """Tokens of a row: as asked for, or else what the head wants and the model can."""
    asked = values["max_length"]
    return asked or min(head.max_length or 128, config.max_position_embeddings)


def check_tensorboard() -> None:
    """Looks whether `--tensorboard` can be had.

    Raises:
        InputError: The package is not installed.
    """
    check_extra("tensorboard", "tensorboard", need="--tensorboard needs a package")
