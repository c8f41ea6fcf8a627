"""squeezebert glue: a model's row in the table of GLUE."""

import click

from keras_squeezebert.cli.options import as_json, print_json
from keras_squeezebert.errors import InputError

_OWN = "  [default: each task's own]"
_ROWS = {
    "best": "best",
    "mean": "mean",
    "spread": "spread",
    "paper_test": "paper, test",
}


def _comma_separated(context, option, value):
    return None if value is None else [part.strip() for part in value.split(",")]


def _seeds(context, option, value):
    seeds = _comma_separated(context, option, value)
    if not all(seed.isdecimal() and int(seed) < 2**32 for seed in seeds):
        raise click.BadParameter(f"whole numbers from 0, as in 0,1,2, not {value!r}.")
    return list(dict.fromkeys(map(int, seeds)))


@click.command()
@click.option(
    "--model",
    "source",
    required=True,
    help="Model to start from: a folder or an id on the Hugging Face Hub.",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False),
    help="The folder of GLUE's tasks, with MNLI, RTE and so on in it.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for results.json and, by task and seed, the models.",
)
@click.option(
    "--tasks",
    metavar="TASK,…",
    callback=_comma_separated,
    help="Of mnli, qqp, qnli, sst2, cola, stsb, mrpc, rte and wnli.  [default: the "
    "paper's, all but wnli, of which there are files]",
)
@click.option(
    "--seeds",
    metavar="NUMBER,…",
    default="0",
    show_default=True,
    callback=_seeds,
    help="One training of each task for each.",
)
@click.option(
    "--teacher-dir",
    "teachers",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of trained models by task, mnli, rte and so on: each task is "
    "distilled from its own, as in the paper.",
)
@click.option(
    "--mnli-transfer/--no-mnli-transfer",
    "transfer",
    default=True,
    show_default=True,
    help="Start the other tasks from the model of MNLI, if that is trained.",
)
@click.option(
    "--submission",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Folder for the files that are sent to GLUE, by the best seed of each task.",
)
@click.option("--epochs", type=click.IntRange(min=1), help=f"Passes.{_OWN}")
@click.option(
    "--batch-size", type=click.IntRange(min=1), help=f"Examples of a step.{_OWN}"
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help=f"The highest one.{_OWN}",
)
@click.option(
    "--max-length",
    default=128,
    show_default=True,
    type=click.IntRange(min=3),
    help="Tokens that are kept of a row.",
)
@as_json
def glue(
    source,
    data,
    output,
    tasks,
    seeds,
    teachers,
    transfer,
    submission,
    max_length,
    as_json,
    **changes,
):
    """Fine-tune a model on the tasks of GLUE, and print its row of the table.

    As in the SqueezeBERT paper, MNLI is first, and the other tasks start from its
    model; with --teacher-dir, each is distilled from its teacher. Without teachers and
    with --no-mnli-transfer it is the paper's plain fine-tuning. A run that was killed
    goes on when the command is given again, and tasks and seeds can be added.

    What the official weights come to has not been tried: they could not be had where
    this was written. Nor could the numbers of the paper's appendix, for which its
    authors' command for MRPC and BERT's numbers stand in. The paper's figures beside
    are of GLUE's tests, the others of the dev sets.

    \b
    Examples:
      squeezebert glue --model squeezebert/squeezebert-uncased --data GLUE_DIR \\
          --output my-glue --seeds 0,1,2,3,4
      squeezebert glue --model squeezebert/squeezebert-mnli-headless \\
          --data GLUE_DIR --output my-glue --tasks mrpc,rte,stsb
      squeezebert glue --model squeezebert/squeezebert-uncased --data GLUE_DIR \\
          --output my-glue --teacher-dir my-teachers --submission to-glue
    """
    from keras_squeezebert.training.glue import GlueRow
    from keras_squeezebert.training.glue_table import summarize

    row = GlueRow(
        source=source,
        data=data,
        output=output,
        changes={name: value for name, value in changes.items() if value is not None},
        max_length=max_length,
        teachers=teachers,
        transfer=transfer,
        tell=lambda line: click.echo(line, err=True),
        verbose=0 if as_json else "auto",
    )
    tasks = tasks or _tasks_with_files(data)
    try:
        results = row.run(tasks, seeds)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. The same command goes on from here.", err=True)
        raise
    if submission:
        for task in tasks:
            for path in row.submit(task, submission):
                click.echo(f"Wrote {path}.", err=True)
    if as_json:
        print_json({"row": summarize(results), "results": results})
    else:
        _print_table(summarize(results))


def _tasks_with_files(data):
    """The paper's tasks that can be trained; of the others it is told why not."""
    from keras_squeezebert.training.glue import PAPER_TASKS, missing_files

    missing = {task: missing_files(data, task) for task in PAPER_TASKS}
    tasks = [task for task in PAPER_TASKS if not missing[task]]
    if not tasks:
        raise InputError(
            "The folder of GLUE must hold train and dev files of a task, such as "
            f"RTE/train.tsv and RTE/dev.tsv. Received: {data}, with those of none"
        )
    for task, files in missing.items():
        if files:
            click.echo(f"LEFT OUT: {task}, for want of {', '.join(files)}.", err=True)
    if "mnli" not in tasks:
        click.echo("Without MNLI, every task starts from the model itself.", err=True)
    return tasks


def _print_table(row):
    click.echo(" " * 12 + "".join(f"{name:>9}" for name in row))
    for key, title in _ROWS.items():
        cells = (_percent(figures[key]) for figures in row.values())
        click.echo(f"{title:12}" + "".join(f"{cell:>9}" for cell in cells))
    counts = sorted({figures["seeds"] for figures in row.values()})
    click.echo(
        f"In percent, on the dev sets, of {' to '.join(map(str, counts))} seed"
        f"{'s' if counts != [1] else ''}; spread is the standard deviation."
    )


def _percent(share):
    return "–" if share is None else f"{100 * share:.1f}"
