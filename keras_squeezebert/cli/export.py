"""squeezebert export: a folder's model as one file for the phone, or for a server."""

import os

import click
from click.core import ParameterSource

from keras_squeezebert.cli.heads import (
    HEADS,
    all_serve_options,
    check_options,
    head_of,
)
from keras_squeezebert.cli.options import row_length
from keras_squeezebert.errors import InputError

# Fields of `Metadata`, and what the help says.
_METADATA = {
    "name": "Its name.  [default: that of its class]",
    "author": "Who made it.",
    "license": "That of its weights.",
    "description": "What it is for.",
    "dataset": "What it was trained on.",
}
_GRAPH_OPTIONS = (
    "num_choices",
    "quantization",
    "output_type",
    "probabilities",
    "runtime",
    "text_input",
)
# Options of one format, by the names of their parameters.
_OF_FORMATS = {
    "tflite": ("sequence_lengths", *_GRAPH_OPTIONS, *_METADATA, "metrics"),
    "saved-model": (
        *("version", "max_length"),
        *(option.name for head in HEADS.values() for option in head.serve_options),
    ),
}


def _figures(context, option, values):
    """`accuracy=0.9` as an item of a dict."""
    figures = {}
    for value in values:
        name, equals, number = value.partition("=")
        try:
            figures[name] = float(number)
        except ValueError:
            equals = ""
        if not (name and equals):
            raise click.BadParameter(
                "It must be NAME=NUMBER, as in accuracy=0.905. Received: "
                f"{option.opts[0]} {value}"
            )
    return figures


def _metadata_options(command):
    for name, help in reversed(_METADATA.items()):
        help = f"For the file's metadata: {help[0].lower()}{help[1:]}"
        command = click.option(f"--{name}", default="", help=help)(command)
    return command


@click.command()
@click.argument("model_dir")
@click.argument("out", type=click.Path())
@click.option(
    "--format",
    "file_format",
    type=click.Choice(tuple(_OF_FORMATS)),
    default="tflite",
    show_default=True,
    help="tflite: a file for the phone. saved-model: a folder for TF Serving, strings "
    "in and answers out.",
)
@click.option(
    "--sequence-length",
    "sequence_lengths",
    default=(128,),
    show_default="128",
    multiple=True,
    type=int,
    help="Tokens of every input; shorter is faster. Repeat it for a file for each: "
    "OUT with -32, -64, … in its name.",
)
@click.option(
    "--num-choices",
    type=click.IntRange(min=2),
    help="For multiple-choice: how many choices the file takes; of fewer, the others "
    "are padding.",
)
@click.option(
    "--quantization",
    type=click.Choice(["float32", "float16", "dynamic_ptq"]),
    help="Of a model of float: float16 halves the size; dynamic_ptq (int8 weights) "
    "quarters it and is faster.  [default: float32, or as the model was quantized]",
)
@click.option(
    "--output-type",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="int8: the logits as int8 codes, of a model of the scheme int8.",
)
@click.option(
    "--runtime",
    type=click.Choice(["xnnpack", "reference", "gpu"]),
    default="xnnpack",
    show_default=True,
    help="What is to execute the file: a CPU with XNNPACK, as TFLite comes; TFLite's "
    "own kernels without it; or the GPU delegate, in float32.",
)
@click.option(
    "--probabilities",
    is_flag=True,
    help="Of a sequence classifier: give probabilities instead of logits, as apps with "
    "MediaPipe or TFLite's Task Library show them.",
)
@click.option(
    "--text-input",
    is_flag=True,
    help="Of a sequence classifier: take text instead of ids, by operations of "
    "TensorFlow Text that an app must register.",
)
@_metadata_options
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    callback=_figures,
    metavar="NAME=NUMBER",
    help="For the file's metadata: what it reached. Repeat it for several.",
)
@click.option(
    "--version",
    type=click.IntRange(0, 2**63 - 1),
    help="For saved-model: the folder in OUT.  [default: one more than there is]",
)
@row_length
@all_serve_options
def export(model_dir, out, file_format, **values):
    """Write the model in MODEL_DIR, of any head, to OUT.

    MODEL_DIR is a model's folder, or its id on the Hugging Face Hub. OUT is a .tflite
    file; or, with --format saved-model, a folder that TF Serving reads, in which every
    export is one more version. Config and vocabulary come with either, so that it is
    all that `squeezebert predict` and `squeezebert evaluate` need.

    \b
    Examples:
      squeezebert export my-model my-model.tflite --sequence-length 64
      squeezebert export my-model my-model-small.tflite --quantization dynamic_ptq
      squeezebert export my-int8 my-model-int8.tflite
      squeezebert export my-model m.tflite --sequence-length 32 --sequence-length 128
      squeezebert export my-model my-model-gpu.tflite --runtime gpu
      squeezebert export my-model m.tflite --probabilities --author Ada \\
          --license Apache-2.0 --dataset CLINC150 --metric accuracy=0.905
      squeezebert export my-swag my-swag.tflite --num-choices 4
      squeezebert export my-model served/my-model --format saved-model
    """
    _check_format(file_format)
    from keras_squeezebert.inference import load_keras_model

    source = load_keras_model(model_dir)
    write = _write_tflite if file_format == "tflite" else _write_saved_model
    write(source, out, values)


def _check_format(file_format):
    """Refuses options on the command line that are for the other format."""
    context = click.get_current_context()
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name) is (
            ParameterSource.COMMANDLINE
        )
        for of, names in _OF_FORMATS.items():
            if is_given and option.name in names and of != file_format:
                flag = option.opts[0]
                raise InputError(
                    f"{flag} is for --format {of}. Received: {flag}, with --format "
                    f"{file_format}"
                )


def _write_tflite(source, out, values):
    from keras_squeezebert.tflite import Metadata, export_tflite, read_ops

    if os.path.isdir(out):
        raise InputError(f"OUT must be a file's name, a .tflite. Received: {out}")
    _check_choices(head_of(source.architecture), values["num_choices"])
    lengths = values.pop("sequence_lengths")
    quantization = values["quantization"]
    paths = export_tflite(
        source.model,
        out,
        lengths if len(lengths) > 1 else lengths[0],
        tokenizer=source.tokenizer,
        metadata=Metadata(
            metrics=values["metrics"], **{name: values[name] for name in _METADATA}
        ),
        **{name: values[name] for name in _GRAPH_OPTIONS},
    )
    scheme = source.model.scheme
    form = scheme.name if scheme else quantization or "float32"
    paths = paths if isinstance(paths, list) else [paths]
    for path, length in zip(paths, lengths, strict=True):
        click.echo(
            f"Wrote {path}: {path.stat().st_size / 1e6:.1f} MB, {len(read_ops(path))} "
            f"operations, {form}, {length} tokens."
        )


def _write_saved_model(source, out, values):
    from keras_squeezebert.serving import docker_command, export_saved_model

    head = head_of(source.architecture)
    check_options(head)
    path = export_saved_model(
        source.model,
        out,
        source.tokenizer,
        version=values["version"],
        max_length=values["max_length"],
        **head.serving(values),
    )
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    click.echo(f"Wrote {path}: {size / 1e6:.1f} MB. To serve it:")
    click.echo(docker_command(out))


def _check_choices(head, num_choices):
    if (head.name == "multiple-choice") != (num_choices is not None):
        raise InputError(
            "--num-choices goes with a model for multiple-choice, which needs it. "
            f"Received: --num-choices={num_choices}, with a model for {head.name}"
        )
