"""The command line: `squeezebert`, one subcommand a file."""

import importlib
import logging
import os
import platform
import sys

import click

from keras_squeezebert.errors import InputError

COMMANDS = (
    "benchmark",
    "convert",
    "demo",
    "distill",
    "evaluate",
    "export",
    "finetune",
    "glue",
    "inspect",
    "predict",
    "pretrain",
    "prune-vocabulary",
    "quantize",
    "score",
    "serve",
    "web",
)


class LazyGroup(click.Group):
    """Imports a subcommand's file when it is asked for."""

    def list_commands(self, context):
        return COMMANDS

    def get_command(self, context, name):
        if name not in COMMANDS:
            return None
        name = name.replace("-", "_")
        return getattr(importlib.import_module(f"{__name__}.{name}"), name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keras-squeezebert")
@click.option("--verbose", is_flag=True, help="Show TensorFlow's and LiteRT's notes.")
def squeezebert(verbose):
    """SqueezeBERT in Keras 3: train on text, export to .tflite, run on a phone.

    \b
    Examples:
      squeezebert demo
      squeezebert finetune sequence-classification \\
          --train train.csv --eval dev.csv --output my-model
      squeezebert distill my-large --preset mini --train train.csv --output my-small
      squeezebert quantize my-model --train train.csv --output my-int8
      squeezebert evaluate my-model --data test.csv --json
      squeezebert export my-model my-model.tflite --sequence-length 64
      squeezebert predict my-model.tflite "turn on the lights"
      squeezebert inspect my-model.tflite
      squeezebert web my-model.tflite --open
      squeezebert convert squeezebert/squeezebert-uncased squeezebert-uncased
    """
    # What a load left out is printed by the commands themselves.
    logging.getLogger("keras_squeezebert").setLevel(logging.ERROR)
    # What readers mend or leave out is not.
    logging.getLogger("keras_squeezebert.data").setLevel(logging.WARNING)
    prefer_onednn()
    if not verbose:
        silence_native_notes()


def prefer_onednn():
    """Has TensorFlow compute by oneDNN on any x86, unless the environment says no.

    By itself it does so where there is AVX512-VNNI only; with AVX2 alone oneDNN trains
    half as fast again (docs/performance.md).
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def silence_native_notes():
    """Hides what C++ writes to stderr at start-up; Python's stderr goes on.

    TensorFlow and LiteRT greet every run with lines about oneDNN, CUDA and XNNPACK,
    before any setting of theirs takes effect.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    os.close(devnull)


def main():
    """Runs the command line; a user's mistake is one line and exit code 2."""
    try:
        squeezebert()
    except (InputError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
