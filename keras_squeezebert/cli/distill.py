"""squeezebert distill: trains a small model to do what a large one does."""

import click

from keras_squeezebert.cli.heads import all_head_options, check_options, head_of
from keras_squeezebert.cli.training import (
    DATA_OPTIONS,
    Training,
    decorated,
    default_learning_rate,
    read_training_data,
    recipe_options,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.presets import PRESETS

_NOT_NEGATIVE = click.FloatRange(min=0)
_STUDENT = (
    click.option(
        "--model",
        "source",
        help="Model that learns: a folder or an id on the Hugging Face Hub. Its "
        "vocabulary must be the teacher's.",
    ),
    click.option(
        "--preset",
        type=click.Choice(tuple(PRESETS)),
        help="Shape of a model that learns from random weights and the teacher's "
        "word embeddings.",
    ),
    click.option(
        "--keep-layers",
        type=click.IntRange(min=1),
        help="How many of the teacher's own layers the model that learns starts with.",
    ),
)
_DISTILLATION = (
    click.option(
        "--temperature",
        default=1.0,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True),
        help="Divides the logits; above 1, small probabilities count for more.",
    ),
    click.option(
        "--teacher-weight",
        "weight",
        default=0.5,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Share of the loss that is the distance to the teacher's answers.",
    ),
    click.option(
        "--hidden-weight",
        default=0.0,
        show_default=True,
        type=_NOT_NEGATIVE,
        help="Of the distance to its hidden states, which is added to the loss.",
    ),
    click.option(
        "--attention-weight",
        default=0.0,
        show_default=True,
        type=_NOT_NEGATIVE,
        help="Of the distance to its attention, likewise; both have as many heads.",
    ),
    click.option(
        "--unlabelled",
        type=click.Path(dir_okay=False),
        help="Text, also compressed, of which each line is one more text to learn "
        "the teacher's answers from; of a classifier of texts.",
    ),
    click.option(
        "--save-answers",
        type=click.Path(file_okay=False),
        help="Folder for the teacher's answers: they are computed once, and used by "
        "every training that names it.",
    ),
)


def _options(command):
    """All of them, in the order of the help; those of the heads come last."""
    options = (*_STUDENT, *DATA_OPTIONS, *_DISTILLATION, *recipe_options(epochs=8))
    return decorated(all_head_options(command), options)


@click.command()
@click.argument("teacher")
@_options
def distill(teacher, **values):
    """Train a small model to answer as TEACHER does.

    TEACHER is a trained model of any head, a folder or an id on the Hugging Face Hub;
    a BERT, such as MiniLM, is one too. The model that learns is made by one of
    --model, --preset and --keep-layers.

    \b
    Examples:
      squeezebert distill my-large --preset mini \\
          --train train.csv --eval dev.csv --output my-small
      squeezebert distill my-large --keep-layers 6 --hidden-weight 1 \\
          --train train.csv --eval dev.csv --output my-small
      squeezebert distill my-large --preset small --save-answers answers \\
          --train train.csv --eval dev.csv --output my-small --temperature 2 \\
          --unlabelled more.txt.xz
    """
    _check_student(values)
    _check_answers(values)

    import keras

    from keras_squeezebert.inference import load_keras_model

    keras.utils.set_random_seed(values["seed"])
    loaded = load_keras_model(teacher)
    head = head_of(loaded.architecture)
    check_options(head)
    train, evaluation = read_training_data(head, values)
    model = _student(loaded, head.task(values).label_names(train), values)
    if not values["learning_rate"]:
        # Layers of the teacher's own are those of a pretrained model, too.
        source = None if values["preset"] else values["source"] or teacher
        values["learning_rate"] = default_learning_rate(source)
    training = Training(head, values, model, loaded.tokenizer, train, evaluation)
    if values["unlabelled"]:
        training.add_unlabelled(_texts_of(values["unlabelled"], head))
    model.distill_from(
        _teacher(loaded.model, training, values),
        values["weight"],
        values["temperature"],
        hidden_weight=values["hidden_weight"],
        attention_weight=values["attention_weight"],
    )
    training.run()


def _check_student(values):
    flags = {
        "--model": values["source"],
        "--preset": values["preset"],
        "--keep-layers": values["keep_layers"],
    }
    given = [flag for flag, value in flags.items() if value is not None]
    if len(given) != 1:
        raise InputError(
            f"One of {', '.join(flags)} says which model learns. Received: "
            f"{' and '.join(given) or 'none of them'}"
        )


def _check_answers(values):
    of_layers = [n for n in ("hidden_weight", "attention_weight") if values[n]]
    if values["save_answers"] and of_layers:
        raise InputError(
            "Answers are saved, and layers are not: leave out --save-answers, or "
            f"--{of_layers[0].replace('_', '-')}. Received: both"
        )


def _student(teacher, labels, values):
    """The model that learns, with the teacher's head, labels and vocabulary."""
    from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
    from keras_squeezebert.models.depth import reduce_depth
    from keras_squeezebert.models.word_embeddings import inherit_word_embeddings
    from keras_squeezebert.training.start import scratch_config

    if values["keep_layers"]:
        return reduce_depth(teacher.model, values["keep_layers"])
    model_class, config, source = type(teacher.model), teacher.config, values["source"]
    names = ("id2label", "problem_type")
    fields = {name: getattr(config, name) for name in names if labels is not None}
    if source is None:
        names = ("pad_token_id", "max_position_embeddings", "type_vocab_size")
        fields |= {name: getattr(config, name) for name in names}
        model = model_class(
            scratch_config(config.vocab_size, None, values["preset"], **fields)
        )
        inherit_word_embeddings(model, teacher.model)
        return model
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(source)
    if tokenizer.vocabulary != teacher.tokenizer.vocabulary:
        raise InputError(
            "The model that learns must have the vocabulary of its teacher. Received: "
            f"--model={source}, of {tokenizer.vocab_size} pieces; the teacher has "
            f"{teacher.tokenizer.vocab_size}"
        )
    own = SqueezeBertConfig.from_pretrained(source)
    config = own.replace(**fields)
    # One that was trained for other labels, or in another order, starts anew.
    new_head = own.id2label != config.id2label
    return model_class.from_pretrained(source, config=config, new_head=new_head)


def _texts_of(path, head):
    from keras_squeezebert.data import TextExamples, read_documents

    if head.name != "sequence-classification":
        raise InputError(
            "Lines of text are for sequence-classification. Received: "
            f"--unlabelled={path}, with a model for {head.name}"
        )
    return TextExamples(list(read_documents(path)))


def _teacher(model, training, values):
    """What to distil from; with --save-answers, it is in the features from now on."""
    from keras_squeezebert.training.teacher_answers import save_answers

    if not values["save_answers"]:
        return model
    training.features = save_answers(
        model, training.features, values["save_answers"], progress=True
    )
    return training.features.teacher
