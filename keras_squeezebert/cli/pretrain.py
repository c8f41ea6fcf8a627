"""squeezebert pretrain: trains an encoder on plain text."""

import dataclasses
from pathlib import Path

import click

from keras_squeezebert.cli import options
from keras_squeezebert.cli.training import (
    TRAINING_FOLDER,
    check_tensorboard,
    decorated,
    tensorboard,
)
from keras_squeezebert.errors import InputError

_SHARE = click.FloatRange(0, 1)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_NOT_NEGATIVE = click.FloatRange(min=0)
_COUNT = click.IntRange(min=1)
_FOLDER = click.Path(file_okay=False)


class PhaseType(click.ParamType):
    """LENGTH:BATCH:STEPS or LENGTH:BATCH:STEPS:RATE."""

    name = "phase"

    def convert(self, value, param, context):
        from keras_squeezebert.pretraining import Phase

        parts = value.split(":")
        try:
            numbers = [int(part) for part in parts[:3]]
            rate = [float(part) for part in parts[3:]]
            if len(numbers) != 3 or len(rate) > 1:
                raise ValueError(value)
        except ValueError:
            self.fail(
                f"expected LENGTH:BATCH:STEPS or LENGTH:BATCH:STEPS:RATE, such as "
                f"128:256:10000:1e-3. Received: {value}",
                param,
                context,
            )
        return Phase(*numbers, *rate)


_DATA = (
    click.option(
        "--corpus",
        multiple=True,
        required=True,
        metavar="FILE",
        help="Plain text, .txt, .txt.gz or .txt.xz; again for more files. Blank lines "
        "part documents.",
    ),
    click.option(
        "--held-out",
        multiple=True,
        metavar="FILE",
        help="Text by which the losses are told in every report.",
    ),
    click.option(
        "--line",
        default="paragraph",
        show_default=True,
        type=click.Choice(["paragraph", "document"]),
        help="What a line of the files is.",
    ),
    click.option(
        "--errors",
        default="strict",
        show_default=True,
        type=click.Choice(["strict", "replace"]),
        help="What is done with bytes that are not UTF-8.",
    ),
    click.option(
        "--cache",
        type=_FOLDER,
        help="Folder for the corpus as word pieces, which several trainings can share."
        "  [default: OUTPUT/cache]",
    ),
    click.option(
        "--output",
        required=True,
        type=_FOLDER,
        help="Folder for the model. Hugging Face's transformers can load it too.",
    ),
)
_MODEL = (
    click.option(
        "--config",
        default="base",
        show_default=True,
        help="A preset's name, or a config.json or its folder.",
    ),
    click.option(
        "--model",
        "source",
        help="Model to go on from, in place of random weights: a folder, an id on the "
        "Hugging Face Hub, or squeezebert_small_en.",
    ),
    click.option(
        "--vocabulary",
        type=click.Path(),
        help="A vocab.txt, or the folder of a tokenizer.  [default: --model's, or that "
        "of uncased BERT]",
    ),
    click.option(
        "--dropout",
        type=_SHARE,
        help="While this training lasts.  [default: that of the config]",
    ),
    click.option(
        "--dtype",
        default="float32",
        show_default=True,
        type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
        help="What layers compute in; weights are float32.",
    ),
)
_RECIPE = (
    click.option(
        "--phase",
        "phases",
        multiple=True,
        type=PhaseType(),
        help="LENGTH:BATCH:STEPS:RATE, the tokens of a row, rows and number of the "
        "updates, and the highest learning rate; again for more phases.  [default: "
        "the paper's 128:8192:56000:2.5e-3 and 512:8192:6000:2.5e-3]",
    ),
    click.option(
        "--optimizer",
        default="lamb",
        show_default=True,
        type=click.Choice(["lamb", "adamw", "muon"]),
        help="LAMB is for batches of thousands of rows; Muon learns most from a row.",
    ),
    click.option(
        "--warmup-ratio",
        default=0.28,
        show_default=True,
        type=_SHARE,
        help="Share of a phase in which its learning rate rises.",
    ),
    click.option(
        "--decay",
        default="linear",
        show_default=True,
        type=click.Choice(["linear", "cosine"]),
        help="How it falls then.",
    ),
    click.option(
        "--weight-decay", default=0.01, show_default=True, type=_SHARE, help="Of both."
    ),
    click.option(
        "--clip-norm",
        default=1.0,
        show_default=True,
        type=_POSITIVE,
        help="Norm to which gradients are cut.",
    ),
    click.option(
        "--accumulation-steps",
        default=1,
        show_default=True,
        type=_COUNT,
        help="Parts in which a batch goes through the model.",
    ),
    click.option(
        "--mask-rate",
        default=0.15,
        show_default=True,
        type=_SHARE,
        help="Share of the word pieces to be guessed.",
    ),
    click.option("--whole-words", is_flag=True, help="Mask words whole."),
    click.option(
        "--clean-share",
        default=0.0,
        show_default=True,
        type=_SHARE,
        help="Share of the rows in which nothing is masked, for a teacher.",
    ),
    click.option(
        "--sentence-order/--no-sentence-order",
        default=True,
        show_default=True,
        help="Whether a row is two segments, whose order is to be told.",
    ),
    click.option(
        "--masked-lm-weight",
        default=1.0,
        show_default=True,
        type=_NOT_NEGATIVE,
        help="Of the loss of the guesses.",
    ),
    options.seed,
)
_TEACHER = (
    click.option(
        "--teacher",
        help="An encoder to distil, such as a BERT: a folder or an id on the Hub.",
    ),
    click.option(
        "--start-from-teacher",
        is_flag=True,
        help="Begin with the layers that come nearest to its own; if it is of another "
        "width, with its word embeddings.",
    ),
    click.option(
        "--hidden-weight",
        default=0.0,
        show_default=True,
        type=_NOT_NEGATIVE,
        help="Of the distance to its hidden states.",
    ),
    click.option(
        "--hidden-states",
        default="all",
        show_default=True,
        type=click.Choice(["all", "last"]),
        help="Which of them.",
    ),
    click.option(
        "--attention-weight",
        default=0.0,
        show_default=True,
        type=_NOT_NEGATIVE,
        help="Of that to its attention, head by head.",
    ),
    click.option(
        "--sentence-weight",
        default=0.0,
        show_default=True,
        type=_NOT_NEGATIVE,
        help="Of that to its mean-pooled embedding of a row.",
    ),
)
_RUN = (
    click.option(
        "--report-steps",
        default=1000,
        show_default=True,
        type=_COUNT,
        help="Updates between two lines of the history.",
    ),
    click.option(
        "--save-minutes",
        default=5.0,
        show_default=True,
        type=_POSITIVE,
        help="How often the state is saved.",
    ),
    tensorboard,
    options.data_parallel,
)


def _options(command):
    return decorated(command, (*_DATA, *_MODEL, *_RECIPE, *_TEACHER, *_RUN))


@click.command()
@_options
def pretrain(**values):
    """Train an encoder on plain text, with or without a teacher.

    A run that is killed goes on when the command is given again. What it saves is a
    masked LM, from which every head can be fine-tuned: squeezebert finetune --model.
    It runs on TensorFlow, JAX and PyTorch: set KERAS_BACKEND.

    \b
    Examples:
      squeezebert pretrain --corpus wiki.txt.xz --config small \\
          --phase 128:64:20000:5e-4 --optimizer adamw --output my-encoder
      KERAS_BACKEND=jax squeezebert pretrain --corpus a.txt --corpus b.txt \\
          --dtype mixed_bfloat16 --accumulation-steps 32 --data-parallel \\
          --output paper-base
      squeezebert pretrain --corpus wiki.txt.xz --config small \\
          --teacher all-MiniLM-L6-v2 --start-from-teacher --no-sentence-order \\
          --hidden-weight 4 --sentence-weight 2 --masked-lm-weight 0.25 \\
          --clean-share 0.5 --phase 64:64:20000:1e-3 --optimizer adamw --output mine
    """
    if values["tensorboard"]:
        check_tensorboard()
    if values["start_from_teacher"] and not values["teacher"]:
        raise InputError("--start-from-teacher needs a --teacher. Received: none")

    import keras

    from keras_squeezebert import training
    from keras_squeezebert.pretraining import pretrain
    from keras_squeezebert.training.session import STATE_FILE, remove_state

    recipe = _recipe(values)
    keras.utils.set_random_seed(values["seed"])
    is_first = True
    if values["data_parallel"]:
        is_first = training.data_parallel().process == 0
    output = Path(values["output"])
    folder = output / TRAINING_FOLDER
    tokenizer, config, model, teacher = _models(values)
    cache = _cache(
        values["cache"] or output / "cache", values["corpus"], tokenizer, values
    )
    held_out = None
    if values["held_out"]:
        where = Path(values["cache"] or output / "cache") / "held-out"
        held_out = _cache(where, values["held_out"], tokenizer, values)
    if values["start_from_teacher"] and not (folder / STATE_FILE).exists():
        _start(model, teacher, cache, tokenizer, recipe)
    callbacks = []
    if values["tensorboard"] and is_first:
        callbacks = [keras.callbacks.TensorBoard(folder, write_graph=False)]
    try:
        history = pretrain(
            model,
            cache,
            tokenizer,
            recipe,
            teacher=teacher,
            held_out=held_out,
            folder=folder,
            save_seconds=60 * values["save_minutes"],
            callbacks=callbacks,
            verbose="auto" if is_first else 0,
        )
    except KeyboardInterrupt:
        click.echo("\nInterrupted. The same command goes on from here.", err=True)
        raise
    if is_first:
        _save(model, config, tokenizer, output)
        remove_state(folder)
        click.echo(f"Saved {output}: {_told(history[-1])}.")


def _save(model, config, tokenizer, output):
    trained = type(model)(config)
    trained.set_weights(model.get_weights())
    trained.save_pretrained(output)
    tokenizer.save_pretrained(output)


def _recipe(values):
    from keras_squeezebert.pretraining import PretrainingRecipe

    names = {field.name for field in dataclasses.fields(PretrainingRecipe)}
    given = {name: value for name, value in values.items() if name in names}
    if not given["phases"]:
        del given["phases"]
    return PretrainingRecipe(**given)


def _models(values):
    """The tokenizer, the config to save, the model that learns, and its teacher."""
    from keras_squeezebert import (
        SqueezeBertConfig,
        SqueezeBertForMaskedLM,
        SqueezeBertModel,
        SqueezeBertTokenizerFast,
    )
    from keras_squeezebert.pretraining.initial import draw_kernels

    source, dtype = values["source"], values["dtype"]
    vocabulary = values["vocabulary"] or source
    if vocabulary is None or Path(vocabulary).is_file():
        tokenizer = SqueezeBertTokenizerFast(vocabulary)
    else:
        tokenizer = SqueezeBertTokenizerFast.from_pretrained(vocabulary)
    if source:
        config = SqueezeBertConfig.from_pretrained(source)
    else:
        config = _named_config(values["config"])
        if config.vocab_size < tokenizer.vocab_size or values["vocabulary"]:
            config = config.replace(vocab_size=tokenizer.vocab_size)
    learning = config
    if values["dropout"] is not None:
        names = ("hidden_dropout_prob", "attention_probs_dropout_prob")
        learning = config.replace(**dict.fromkeys(names, values["dropout"]))
    if source:
        model = SqueezeBertForMaskedLM.from_pretrained(
            source, config=learning, dtype=dtype
        )
    else:
        model = SqueezeBertForMaskedLM(learning, dtype=dtype)
        draw_kernels(model.variables, config.initializer_range, values["seed"])
    teacher = None
    if values["teacher"]:
        teacher = SqueezeBertModel.from_pretrained(values["teacher"], dtype=dtype)
    return tokenizer, config, model, teacher


def _named_config(name):
    from keras_squeezebert import SqueezeBertConfig
    from keras_squeezebert.presets import PRESETS

    if name in PRESETS:
        return SqueezeBertConfig.preset(name)
    path = Path(name)
    return SqueezeBertConfig.from_pretrained(path.parent if path.is_file() else path)


def _cache(folder, corpus, tokenizer, values):
    from tqdm import tqdm

    from keras_squeezebert.pretraining import TokenCache

    with tqdm(desc="Tokenising", unit=" tokens", unit_scale=True) as bar:
        return TokenCache.write(
            folder,
            corpus,
            tokenizer,
            line=values["line"],
            errors=values["errors"],
            waits=values["data_parallel"],
            progress=lambda tokens: bar.update(tokens - bar.n),
        )


def _start(model, teacher, cache, tokenizer, recipe):
    from keras_squeezebert.pretraining.start import (
        rows_to_start_with,
        start_from_teacher,
    )

    click.echo("Fitting the layers to the teacher's …")
    inputs = rows_to_start_with(cache, tokenizer, recipe)
    start_from_teacher(model, teacher, inputs)


def _told(figures):
    names = [
        name for name in ("masked_lm_loss", "val_masked_lm_loss") if name in figures
    ]
    told = ", ".join(f"{name} {figures[name]:.3f}" for name in names or ["loss"])
    return f"{told} after {figures['tokens_per_second']:,.0f} tokens per second"
