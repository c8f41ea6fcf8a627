"""squeezebert export: a folder's model as one file for the phone."""

import click

from keras_squeezebert.cli.heads import head_of
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("model_dir")
@click.argument("out", type=click.Path(dir_okay=False))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["tflite"]),
    default="tflite",
    show_default=True,
    help="Kind of file.",
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
def export(
    model_dir,
    out,
    file_format,
    sequence_lengths,
    num_choices,
    quantization,
    output_type,
    runtime,
):
    """Write the model in MODEL_DIR, of any head, to OUT, a .tflite file.

    MODEL_DIR is a model's folder, or its id on the Hugging Face Hub. Config and
    vocabulary are packed into the file, so that it is all `squeezebert predict` needs.

    \b
    Examples:
      squeezebert export my-model my-model.tflite --sequence-length 64
      squeezebert export my-model my-model-small.tflite --quantization dynamic_ptq
      squeezebert export my-int8 my-model-int8.tflite
      squeezebert export my-model m.tflite --sequence-length 32 --sequence-length 128
      squeezebert export my-model my-model-gpu.tflite --runtime gpu
      squeezebert export my-swag my-swag.tflite --num-choices 4
    """
    from keras_squeezebert.inference import load_keras_model
    from keras_squeezebert.tflite import export_tflite, read_ops

    source = load_keras_model(model_dir)
    _check_choices(head_of(source.architecture), num_choices)
    paths = export_tflite(
        source.model,
        out,
        sequence_lengths if len(sequence_lengths) > 1 else sequence_lengths[0],
        num_choices=num_choices,
        quantization=quantization,
        output_type=output_type,
        runtime=runtime,
        tokenizer=source.tokenizer,
    )
    scheme = source.model.scheme
    form = scheme.name if scheme else quantization or "float32"
    paths = paths if isinstance(paths, list) else [paths]
    for path, length in zip(paths, sequence_lengths, strict=True):
        click.echo(
            f"Wrote {path}: {path.stat().st_size / 1e6:.1f} MB, {len(read_ops(path))} "
            f"operations, {form}, {length} tokens."
        )


def _check_choices(head, num_choices):
    if (head.name == "multiple-choice") != (num_choices is not None):
        raise InputError(
            "--num-choices goes with a model for multiple-choice, which needs it. "
            f"Received: --num-choices={num_choices}, with a model for {head.name}"
        )
