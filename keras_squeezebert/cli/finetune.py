"""squeezebert finetune: trains a model on the user's own data."""

import click

from keras_squeezebert.cli.options import (
    batch_size,
    data_columns,
    max_length,
    revision,
    seed,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.presets import PRESETS


@click.group()
def finetune():
    """Train a model on your own data."""


@finetune.command("sequence-classification")
@click.option(
    "--train",
    "train_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Training data: .csv or .tsv with a header, or .jsonl.",
)
@click.option(
    "--eval",
    "eval_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Evaluation data of the same form; it can have no label of its own.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for the model. Hugging Face's transformers can load it too.",
)
@click.option(
    "--model",
    "source",
    help="Model to start from, a folder or an id on the Hugging Face Hub, such as "
    "squeezebert/squeezebert-mnli-headless. Without it, one of the shape --preset is "
    "trained from scratch with the vocabulary of uncased BERT.",
)
@click.option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    help="Shape of a model from scratch, base the paper's.  [default: mini]",
)
@revision
@data_columns
@click.option(
    "--epochs",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    help="Passes over the data.",
)
@batch_size
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Highest learning rate. [default: 5e-5 with --model, 1e-3 without]",
)
@max_length
@seed
def sequence_classification(
    train_path,
    eval_path,
    output,
    source,
    preset,
    revision,
    text_column,
    label_column,
    text_pair_column,
    epochs,
    batch_size,
    learning_rate,
    max_length,
    seed,
):
    """Train a model that gives a text, or a pair of texts, one of several labels.

    The labels are those of the training data; they are kept with the model. Its
    accuracy on the evaluation data is shown after every epoch.

    \b
    Examples:
      squeezebert finetune sequence-classification \\
          --train train.csv --eval dev.csv --output my-model
      squeezebert finetune sequence-classification \\
          --train train.jsonl --eval dev.jsonl --output my-model \\
          --text-column premise --text-pair-column hypothesis --label-column gold
    """
    if source and preset:
        raise InputError(
            "--model brings its shape: --preset goes without it. Received: "
            f"--model={source}, --preset={preset}"
        )
    from keras_squeezebert.data import read_examples

    columns = (text_column, label_column, text_pair_column)
    train = read_examples(train_path, *columns)
    evaluation = read_examples(eval_path, *columns)

    import keras

    from keras_squeezebert.training import fine_tune, text_batches
    from keras_squeezebert.training.start import start_classifier

    keras.utils.set_random_seed(seed)
    model, tokenizer = start_classifier(
        train.labels, source, max_length, revision, preset or "mini"
    )
    if model.load_report:
        click.echo(model.load_report)
    settings = {"batch_size": batch_size, "max_length": max_length}
    fine_tune(
        model,
        text_batches(train, tokenizer, model.config, shuffle_seed=seed, **settings),
        text_batches(evaluation, tokenizer, model.config, **settings),
        epochs=epochs,
        learning_rate=learning_rate or (5e-5 if source else 1e-3),
    )
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    click.echo(f"Saved {output}, with {model.config.num_labels} labels.")
