"""squeezebert finetune: trains a model on the user's own data."""

import click

from keras_squeezebert.cli.heads import HEADS
from keras_squeezebert.cli.options import data_parallel, revision
from keras_squeezebert.cli.readers import glue_task
from keras_squeezebert.cli.training import (
    DATA_OPTIONS,
    Training,
    decorated,
    default_learning_rate,
    read_training_data,
    recipe_options,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.hub import SMALL_EN
from keras_squeezebert.presets import PRESETS

_EXAMPLES = {
    "sequence-classification": """\
      squeezebert finetune sequence-classification \\
          --train train.csv --eval dev.csv --output my-model
      squeezebert finetune sequence-classification \\
          --train train.jsonl --eval dev.jsonl --output my-model \\
          --text-column premise --text-pair-column hypothesis --label-column gold
      squeezebert finetune sequence-classification --glue mrpc \\
          --train GLUE_DIR --eval GLUE_DIR --output my-model --model my-pretrained
      squeezebert finetune sequence-classification --glue stsb --own-pairs 10 \\
          --train GLUE_DIR --eval GLUE_DIR --output my-model --learning-rate 1e-4""",
    "token-classification": """\
      squeezebert finetune token-classification \\
          --train train.conll --eval dev.conll --output my-model""",
    "question-answering": """\
      squeezebert finetune question-answering \\
          --train train-v1.1.json --eval dev-v1.1.json --output my-model""",
    "multiple-choice": """\
      squeezebert finetune multiple-choice \\
          --train train.csv --eval val.csv --output my-model
      squeezebert finetune multiple-choice --train train.csv --output my-model \\
          --context-column goal --choices-column sol1 --choices-column sol2""",
    "masked-lm": """\
      squeezebert finetune masked-lm \\
          --train texts.txt --eval others.txt --output my-model""",
}

_START = (
    click.option(
        "--model",
        "source",
        help="Model to start from, a folder or an id on the Hugging Face Hub, such as "
        "squeezebert/squeezebert-mnli-headless.  [default: squeezebert_small_en, which "
        "the package brings along]",
    ),
    click.option(
        "--preset",
        type=click.Choice(tuple(PRESETS)),
        help="Start from random weights, in this shape, with the vocabulary of uncased "
        "BERT; base is the paper's.",
    ),
    revision,
)
_REGRESSION = click.option(
    "--regression", is_flag=True, help="The labels are numbers, and so are the answers."
)
_OWN_PAIRS = click.option(
    "--own-pairs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Teach the head to compare first: pair each text with N others of the "
    "training data, labelled by the cosine of the model's mean states of them. For "
    "labels that are numbers and say how similar two texts are, and a model trained "
    "for sentence embeddings, as squeezebert_small_en is.",
)


@click.group()
def finetune():
    """Train a model on your own data."""


def _train(head, values):
    source, preset = values["source"], values["preset"]
    if source and preset:
        raise InputError(
            "--model brings its shape: --preset goes without it. Received: "
            f"--model={source}, --preset={preset}"
        )
    if not preset:
        source = source or SMALL_EN
    train, evaluation = read_training_data(head, values)

    import keras

    from keras_squeezebert import models, training
    from keras_squeezebert.training.start import start_model

    keras.utils.set_random_seed(values["seed"])
    if values["data_parallel"]:
        training.data_parallel()
    labels, problem_type = _labels(head, values, train)
    if values.get("own_pairs"):
        _check_own_pairs(problem_type, preset)
    model, tokenizer = start_model(
        getattr(models, head.architecture),
        labels,
        source,
        problem_type=problem_type,
        max_length=values["max_length"],
        revision=values["revision"],
        preset=preset,
    )
    if model.load_report:
        click.echo(model.load_report)
    if not values["learning_rate"]:
        values["learning_rate"] = default_learning_rate(source)
    session = Training(head, values, model, tokenizer, train, evaluation)
    if values.get("own_pairs"):
        pairs = training.own_pairs(
            model.transformer,
            tokenizer,
            train,
            per_text=values["own_pairs"],
            seed=values["seed"],
            max_length=session.max_length,
            progress=True,
        )
        click.echo(f"First it learns to compare, from {len(pairs)} own pairs.")
        session.learn_first(pairs, default_learning_rate(source))
    session.run()


def _labels(head, values, train):
    """Names of the classes, or None, and what a classifier of texts is asked for."""
    from keras_squeezebert.data import GLUE

    names = head.task(values).label_names(train)
    if head.name != "sequence-classification":
        return names, None
    glue = GLUE.get(glue_task(values, values["train_path"]))
    if glue:
        # In the order that all others have them in.
        names, problem_type = list(glue.labels), glue.problem_type
    elif values["regression"]:
        problem_type = "regression"
    elif values["label_separator"]:
        problem_type = "multi_label_classification"
    else:
        problem_type = None
    return (["score"] if problem_type == "regression" else names), problem_type


def _check_own_pairs(problem_type, preset):
    if problem_type != "regression":
        raise InputError(
            "--own-pairs is for labels that are numbers: add --regression. Received: "
            f"a problem of {problem_type or 'single_label_classification'}"
        )
    if preset:
        raise InputError(
            "--own-pairs needs a model that has learnt something: random weights tell "
            f"nothing of texts. Received: --preset={preset}"
        )


def _command(head):
    def command(**values):
        _train(head, values)

    command.__doc__ = f"{head.summary}\n\n\b\nExamples:\n{_EXAMPLES[head.name]}"
    of_head = head.options
    if head.name == "sequence-classification":
        of_head = (*of_head, _REGRESSION, _OWN_PAIRS)
    options = (
        *DATA_OPTIONS,
        *_START,
        *of_head,
        *recipe_options(epochs=8),
        data_parallel,
    )
    return finetune.command(head.name)(decorated(command, options))


for _head in HEADS.values():
    _command(_head)
