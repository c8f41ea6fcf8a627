"""squeezebert quantize: trains a model on, for the int8 .tflite it is to become."""

import click

from keras_squeezebert.cli.heads import all_head_options, check_options, head_of
from keras_squeezebert.cli.training import (
    DATA_OPTIONS,
    Training,
    decorated,
    read_training_data,
    recipe_options,
)

_SCHEME = click.option(
    "--scheme",
    default="mixed",
    show_default=True,
    help="What becomes int8.  mixed, fastest on a CPU: all that multiplies matrices, "
    "and the embeddings; int8, for NPUs and DSPs: everything; dynamic: the weights, "
    "and what they multiply, with ranges found at run time.",
)
_QUANTIZATION = (
    click.option(
        "--calibration-batches",
        default=20,
        show_default=True,
        type=click.IntRange(min=1),
        help="Batches from which the ranges of the activations are taken.",
    ),
    click.option(
        "--moving-ranges",
        is_flag=True,
        help="Let these ranges follow the activations in training.",
    ),
    click.option(
        "--teacher-weight",
        default=0.0,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Share of the loss that is the distance to the answers of MODEL_DIR.",
    ),
)


def _options(command):
    """All of them, in the order of the help; those of the heads come last."""
    # A rate that is lower than the model was trained with.
    recipe = recipe_options(least_epochs=0, epochs=1, learning_rate=2e-5)
    options = (_SCHEME, *DATA_OPTIONS, *_QUANTIZATION, *recipe)
    return decorated(all_head_options(command), options)


@click.command()
@click.argument("model_dir")
@_options
def quantize(model_dir, scheme, **values):
    """Train the model in MODEL_DIR, of any head, on, with int8 simulated.

    The weights learn to be right once they are rounded. The ranges of the activations
    come from the training data, which is best the same as before; --epochs 0 finds
    these and trains nothing. Then `squeezebert export` makes of it a .tflite that
    computes the same.

    \b
    Examples:
      squeezebert quantize my-model --train train.csv --eval dev.csv --output my-int8
      squeezebert quantize my-model --scheme int8 --teacher-weight 0.5 \\
          --train train.csv --output my-npu
      squeezebert export my-int8 my-model-int8.tflite --sequence-length 64
    """
    import keras

    from keras_squeezebert.inference import load_keras_model
    from keras_squeezebert.quantization.scheme import as_scheme
    from keras_squeezebert.tflite import calibrate, quantize_aware
    from keras_squeezebert.training import batches

    keras.utils.set_random_seed(values["seed"])
    scheme = as_scheme(scheme)
    if values["moving_ranges"]:
        scheme = scheme.with_moving_ranges()
    loaded = load_keras_model(model_dir)
    head = head_of(loaded.architecture)
    check_options(head)
    train, evaluation = read_training_data(head, values)
    model = quantize_aware(loaded.model, scheme)
    training = Training(head, values, model, loaded.tokenizer, train, evaluation)
    some = batches(
        training.features, batch_size=values["batch_size"], seed=values["seed"]
    ).take(values["calibration_batches"])
    click.echo(calibrate(model, some))
    if values["teacher_weight"]:
        model.distill_from(loaded.model, values["teacher_weight"])
    if values["epochs"]:
        training.run()
    else:
        training.save()
    click.echo(f"It is for a .tflite of the scheme {model.scheme.name}.")
