"""squeezebert evaluate: how good a model's answers are."""

import json
from pathlib import Path

import click
from click.core import ParameterSource

from keras_squeezebert.cli.heads import (
    all_head_options,
    check_cut,
    check_options,
    head_of,
)
from keras_squeezebert.cli.options import as_json, batch_size, print_json, row_length
from keras_squeezebert.cli.readers import is_dataset, split_of_glue
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("model")
@click.option(
    "--data",
    required=True,
    help="A file: .csv or .tsv with a header, or .jsonl; of CoNLL; SQuAD's .json; for "
    "masked-lm .txt. With --glue, GLUE's folder. Or one of the Hugging Face Hub's: "
    "glue/sst2 and so on, squad, squad_v2, conll2003, swag.",
)
@click.option(
    "--split",
    default="dev",
    show_default=True,
    help="Part of a data set that has several: of --glue, or of the Hub.",
)
@click.option(
    "--unlabelled",
    is_flag=True,
    help="The table has no column of labels: only the predictions are wanted.",
)
@click.option(
    "--predictions",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write the answers, as JSON Lines in the order of the data; for "
    "question-answering as one object if FILE ends in .json, as SQuAD's script wants.",
)
@click.option(
    "--submission",
    metavar="DIR|FILE.tsv",
    type=click.Path(),
    help="With --glue and the --split of a test: write the file that is sent to GLUE.",
)
@row_length
@batch_size
@as_json
@all_head_options
def evaluate(
    model,
    data,
    split,
    unlabelled,
    predictions,
    submission,
    max_length,
    batch_size,
    as_json,
    **values,
):
    """Score MODEL on data with labels, by the metrics of its head.

    MODEL is a model's folder, a Hub id, a .tflite file or the folder of a SavedModel
    or of its versions. What it is for, its files tell; options of other heads are
    refused. Long texts are truncated, or become several rows, and it is told how many
    did.

    \b
    Examples:
      squeezebert evaluate my-model --data test.csv
      squeezebert evaluate my-model.tflite --data test.jsonl --json
      squeezebert evaluate my-ner --data test.conll --predictions tags.jsonl
      squeezebert evaluate my-squad --data dev-v2.0.json --no-answer-threshold 0
      squeezebert evaluate my-mnli --data GLUE --glue mnli --split test_matched \\
          --submission to-glue
    """
    from keras_squeezebert.inference import load_model
    from keras_squeezebert.tasks import example_outputs

    glue = values["glue"]
    split = split_of_glue(glue, split)
    _check_files(data, split, glue, predictions, submission)
    source = load_model(model)
    head = head_of(source.architecture)
    check_options(head)
    _check_predictions(head, predictions)
    examples = head.read(data, values, split, labelled=not unlabelled)
    scored = head.are_labelled(examples)
    if not scored and not (predictions or submission):
        raise InputError(
            "Without labels there is nothing to measure; --predictions FILE writes the "
            f"answers alone. Received: --data={data}, which has none"
        )
    task = head.task(values, data)
    check_cut(source, max_length)
    limit = head.row_length(source.max_length, max_length)
    features = task.encode(examples, source.tokenizer, source.config, limit)
    outputs = example_outputs(
        task, source.model, examples, features, batch_size, progress=True
    )
    answers = task.decode(outputs, features, examples, source.config)
    figures = task.score(examples, answers, source.config) if scored else {}
    if scored and "label" in answers[0]:  # one of several
        figures["loss"] = _cross_entropy(outputs["logits"], features.labels)
    if predictions:
        _write_predictions(predictions, examples, answers)
    if submission:
        from keras_squeezebert.data.submissions import write_submission

        predicted = [answer.get("value", answer.get("label")) for answer in answers]
        path = write_submission(submission, glue, split, predicted)
        click.echo(f"Wrote {path}.", err=True)
    report = {**figures, "examples": len(examples), "notes": features.notes}
    if as_json:
        print_json(report)
    else:
        _print(report)


def _check_files(data, split, glue, predictions, submission):
    """Refuses what would only be found wrong when the model has run."""
    from keras_squeezebert.data.submissions import submission_name

    source = click.get_current_context().get_parameter_source("split")
    given = source is ParameterSource.COMMANDLINE
    if given and not glue and not is_dataset(data):
        raise InputError(
            "--split goes with --glue, or with a data set's name as --data. Received: "
            f"--split={split}, --data={data}"
        )
    if submission and not glue:
        raise InputError(
            f"--submission goes with --glue. Received: --submission={submission}"
        )
    if submission:
        submission_name(glue, split)


def _check_predictions(head, path):
    is_object = path and Path(path).suffix.lower() == ".json"
    if is_object and head.name != "question-answering":
        raise InputError(
            "Answers are written as JSON Lines: name the file .jsonl; .json is for "
            f"question-answering. Received: --predictions={path}, with a model for "
            f"{head.name}"
        )


def _cross_entropy(logits, labels):
    """The mean over the examples, of the right label."""
    import numpy as np

    from keras_squeezebert.inference import softmax

    probabilities = np.take_along_axis(softmax(logits), labels[:, None], axis=-1)
    # The floor keeps a probability of zero finite.
    floor = np.finfo(np.float32).tiny
    return float(-np.log(np.maximum(probabilities, floor)).mean())


def _write_predictions(path, examples, answers):
    """As JSON Lines, to questions with their ids; or, of these, an object of texts."""
    from keras_squeezebert.data import QuestionExamples
    from keras_squeezebert.files import atomic_file, write_json

    if isinstance(examples, QuestionExamples):
        if Path(path).suffix.lower() == ".json":
            texts = [answer["text"] for answer in answers]
            write_json(path, dict(zip(examples.ids, texts, strict=True)))
            return
        answers = [
            {"id": name, **answer}
            for name, answer in zip(examples.ids, answers, strict=True)
        ]
    lines = [json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers]
    with atomic_file(path) as draft:
        draft.write_text("".join(lines), encoding="utf-8", newline="\n")


def _print(report):
    notes = {name: count for name, count in report["notes"].items() if count}
    rows = {**report, **notes}
    del rows["notes"]
    width = max(map(len, rows))
    for name, value in rows.items():
        shown = f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
        click.echo(f"{name:{width}}  {shown}")
