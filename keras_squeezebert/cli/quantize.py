"""squeezebert quantize: trains a model on, for the int8 .tflite it is to become."""

import click

from keras_squeezebert.cli.options import batch_size, data_columns, max_length, seed


@click.command()
@click.argument("model_dir")
@click.option(
    "--scheme",
    default="mixed",
    show_default=True,
    help="What becomes int8.  mixed, fastest on a CPU: all that multiplies matrices, "
    "and the embeddings; int8, for NPUs and DSPs: everything; dynamic: the weights, "
    "and what they multiply, with ranges found at run time.",
)
@click.option(
    "--train",
    "train_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Training data, the same as before: .csv or .tsv with a header, or .jsonl.",
)
@click.option(
    "--eval",
    "eval_path",
    type=click.Path(exists=True, dir_okay=False),
    help="Evaluation data of the same form.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for the quantized model; `squeezebert export` takes it.",
)
@data_columns
@click.option(
    "--epochs",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    help="Passes over the data; 0 only calibrates.",
)
@batch_size
@click.option(
    "--learning-rate",
    default=2e-5,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Highest learning rate; lower than the model was trained with.",
)
@click.option(
    "--calibration-batches",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    help="Batches from which the ranges of the activations are taken.",
)
@click.option(
    "--moving-ranges",
    is_flag=True,
    help="Let these ranges follow the activations in training.",
)
@click.option(
    "--teacher-weight",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the loss that is the distance to the answers of MODEL_DIR.",
)
@max_length
@seed
def quantize(
    model_dir,
    scheme,
    train_path,
    eval_path,
    output,
    text_column,
    label_column,
    text_pair_column,
    epochs,
    batch_size,
    learning_rate,
    calibration_batches,
    moving_ranges,
    teacher_weight,
    max_length,
    seed,
):
    """Train the classifier in MODEL_DIR on, with int8 simulated.

    The weights learn to be right once they are rounded. The ranges of the activations
    come from the training data. Then `squeezebert export` makes of it a .tflite that
    computes the same.

    \b
    Examples:
      squeezebert quantize my-model --train train.csv --eval dev.csv --output my-int8
      squeezebert quantize my-model --scheme int8 --teacher-weight 0.5 \\
          --train train.csv --output my-npu
      squeezebert export my-int8 my-model-int8.tflite --sequence-length 64
    """
    from keras_squeezebert.data import read_examples

    columns = (text_column, label_column, text_pair_column)
    train = read_examples(train_path, *columns)
    evaluation = read_examples(eval_path, *columns) if eval_path else None

    import keras

    from keras_squeezebert.inference import KerasTextModel
    from keras_squeezebert.quantization.scheme import as_scheme
    from keras_squeezebert.tflite import calibrate, quantize_aware
    from keras_squeezebert.training import fine_tune, text_batches

    keras.utils.set_random_seed(seed)
    scheme = as_scheme(scheme)
    if moving_ranges:
        scheme = scheme.with_moving_ranges()
    source = KerasTextModel(model_dir)
    tokenizer, config = source.tokenizer, source.config
    model = quantize_aware(source.model, scheme)
    settings = {
        "batch_size": batch_size,
        "max_length": min(max_length, config.max_position_embeddings),
    }
    batches = text_batches(train, tokenizer, config, shuffle_seed=seed, **settings)
    click.echo(calibrate(model, batches.take(calibration_batches)))
    if epochs:
        if teacher_weight:
            model.distill_from(source.model, teacher_weight)
        validation = evaluation and text_batches(
            evaluation, tokenizer, config, **settings
        )
        fine_tune(
            model, batches, validation, epochs=epochs, learning_rate=learning_rate
        )
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    click.echo(f"Saved {output}, for a .tflite of the scheme {model.scheme.name}.")
