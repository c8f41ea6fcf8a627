"""squeezebert score: what a served model says of the lines of files."""

import contextlib
import logging
import zlib

import click

from keras_squeezebert.cli.extras import check_extra
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("model")
@click.argument("runner_options", nargs=-1, metavar="[-- RUNNER_OPTIONS]")
@click.option(
    "--input",
    "pattern",
    required=True,
    help="Files of JSON Lines, compressed or not: a name, or a pattern in quotes.",
)
@click.option(
    "--output",
    required=True,
    help="What the names of the files with answers begin with.",
)
@click.option(
    "--errors",
    required=True,
    help="What the names of the files with the other lines begin with.",
)
@click.option(
    "--field",
    default="prediction",
    show_default=True,
    help="The field that a line's answer goes to.",
)
@click.option(
    "--batch-size",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Lines that run together.",
)
def score(model, runner_options, pattern, output, errors, field, batch_size):
    """Add to the lines of files what MODEL answers, on any runner of Apache Beam.

    MODEL is what `squeezebert export --format saved-model` writes: OUT/VERSION, or OUT
    for its newest version. A line is a JSON object that has the model's inputs: text,
    perhaps text_pair; question and context; or context and choices. It is written as it
    came, with a field more. Lines keep no order.

    A line that is no such object, or that the model fails at, is written to the files
    of --errors, with the file it is from and the reason. That is no failure of the
    command: it ends with exit code 0, and its last line tells how many there were.
    Files appear when they are whole, and none that are there already are overwritten.
    Of a .gz that is cut off Beam reads what there is, and does not tell.

    All runs in this process unless a runner is named after --, with its options as Beam
    has them. MODEL and files must then be where the workers can read them, and
    keras-squeezebert[beam] be installed there. For gs://, s3:// and Dataflow, Beam
    needs its own extras: pip install apache-beam[gcp].

    \b
    Examples:
      squeezebert score served/intents --input "logs/*.jsonl.gz" \\
          --output scored/intents --errors scored/failed
      squeezebert score gs://mine/intents/3 --input "gs://mine/logs/*.jsonl" \\
          --output gs://mine/scored/intents --errors gs://mine/scored/failed \\
          -- --runner DataflowRunner --project mine --region europe-west1 \\
          --temp_location gs://mine/tmp --sdk_container_image IMAGE
    """
    check_extra("beam", "apache_beam", need="Scoring files needs a package")
    with _less_logging():
        from keras_squeezebert.beam import SavedModelHandler, ScoreFiles

        pipeline = _pipeline(runner_options)
        handler = SavedModelHandler(model, batch_size)
        pipeline | ScoreFiles(handler, pattern, output, errors, field)
        result = _finished(pipeline, pattern)
    counts = _counts(result)
    click.echo(f"Scored {_lines(counts['scored'])}: {output}-*.jsonl")
    where = f": {errors}-*.jsonl tell why" if counts["not_scored"] else ""
    click.echo(f"Could not score {_lines(counts['not_scored'])}{where}.")


def _pipeline(options):
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    if options and not options[0].startswith("-"):
        raise InputError(
            f"Options of the runner go after --. Received: {' '.join(options)}"
        )
    beam_options = PipelineOptions(list(options))
    runner = beam_options.view_as(StandardOptions)
    # In this process. Beam's own default is the same after a look for a download.
    runner.runner = runner.runner or "FnApiRunner"
    try:
        return beam.Pipeline(options=beam_options)
    # A runner that does not exist, is not installed, or lacks an option.
    except (ValueError, ImportError) as error:
        raise InputError(
            f"Beam must know the runner and its options: {error}. Received: "
            f"{' '.join(options)}"
        ) from None


def _finished(pipeline, pattern):
    from apache_beam.runners.runner import PipelineState

    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except Exception as error:
        if not _is_of_files(error):
            raise
        raise InputError(
            f"A file cannot be read or written: {error}. Received: --input={pattern}"
        ) from None
    if state != PipelineState.DONE:
        raise click.ClickException(f"The runner ended in the state {state}.")
    return result


def _is_of_files(error):
    """Whether that is what Beam's error is about; some it wraps in others."""
    if isinstance(error, OSError | EOFError | zlib.error):
        return True
    return error.__context__ is not None and _is_of_files(error.__context__)


def _counts(result):
    from apache_beam.metrics import MetricsFilter

    from keras_squeezebert.beam.scoring import NAMESPACE

    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    counts = {"scored": 0, "not_scored": 0}
    for counter in found["counters"]:
        counts[counter.key.metric.name] += counter.result
    return counts


def _lines(count):
    return f"{count} line" if count == 1 else f"{count} lines"


@contextlib.contextmanager
def _less_logging():
    """Drops what Beam tells of clients that are not there, of files that need not be
    written, and of errors that it raises as well.
    """
    names = (None, "apache_beam.io.filebasedsink", "apache_beam.runners.common")
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(_never)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_never)


def _never(record):
    return False
