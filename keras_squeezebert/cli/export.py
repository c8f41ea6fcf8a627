"""squeezebert export: a folder's model as one file for the phone."""

import click


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
    model_dir, out, file_format, sequence_lengths, quantization, output_type, runtime
):
    """Write the sequence classifier in MODEL_DIR to OUT, a .tflite file.

    MODEL_DIR is a model's folder, or its id on the Hugging Face Hub. Config and
    vocabulary are packed into the file, so that it is all `squeezebert predict` needs.

    \b
    Examples:
      squeezebert export my-model my-model.tflite --sequence-length 64
      squeezebert export my-model my-model-small.tflite --quantization dynamic_ptq
      squeezebert export my-int8 my-model-int8.tflite
      squeezebert export my-model m.tflite --sequence-length 32 --sequence-length 128
      squeezebert export my-model my-model-gpu.tflite --runtime gpu
    """
    from keras_squeezebert.inference import KerasTextModel
    from keras_squeezebert.tflite import export_tflite, read_ops

    source = KerasTextModel(model_dir)
    paths = export_tflite(
        source.model,
        out,
        sequence_lengths if len(sequence_lengths) > 1 else sequence_lengths[0],
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
