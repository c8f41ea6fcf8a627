"""squeezebert inspect: what a .tflite is made of, and where int8 costs accuracy."""

import dataclasses
import json
import math
from pathlib import Path

import click

from keras_squeezebert.cli.options import as_json, text_column, text_pair_column
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("file", metavar="FILE.tflite")
@click.option(
    "--against",
    metavar="MODEL_DIR",
    help="Compare each layer with a model's folder, the float one the file came from "
    "or its quantized one. Needs --texts.",
)
@click.option(
    "--texts",
    "texts_path",
    type=click.Path(exists=True, dir_okay=False),
    help="Texts to compare on: .csv or .tsv with a header, .jsonl, or .txt, a text a "
    "line.",
)
@text_column
@text_pair_column
@click.option(
    "--rows",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Texts to compare on, the first ones.",
)
@as_json
def inspect(file, against, texts_path, text_column, text_pair_column, rows, as_json):
    """Show what FILE.tflite is made of, and how it will run on a CPU.

    That is its inputs and outputs, its operations, the float ones between int8 ones,
    how many pieces of it run in XNNPACK, the scales of its int8 weights, and where its
    bytes are. With --against also how far each layer's output is from a model's:
    a layer whose signal-to-noise ratio drops has a range that does not fit.

    \b
    Examples:
      squeezebert inspect my-model.tflite
      squeezebert inspect my-model-int8.tflite --against my-model --texts dev.csv
      squeezebert inspect my-model.tflite --json
    """
    if bool(against) != bool(texts_path):
        raise InputError(
            "--against MODEL_DIR and --texts FILE go together. Received: "
            f"--against={against}, --texts={texts_path}"
        )
    from keras_squeezebert.tflite import inspect_tflite

    inspection = inspect_tflite(file)
    errors = None
    if against:
        texts = _read_texts(Path(texts_path), text_column, text_pair_column, rows)
        errors = _layer_errors(inspection, against, *texts)
    if as_json:
        click.echo(
            json.dumps(_as_values(inspection, errors), ensure_ascii=False, indent=2)
        )
        return
    _print_header(inspection)
    _print_ops(inspection.op_counts)
    _print_islands(inspection.float_islands)
    _print_partitions(inspection.xnnpack)
    _print_kernels(inspection.kernels)
    _print_parts(inspection.parts)
    if errors:
        _print_errors(errors)


# === Comparison


def _read_texts(path, text_column, text_pair_column, rows):
    """The texts, and their second texts or None."""
    if path.suffix.lower() != ".txt":
        from keras_squeezebert.data import read_examples

        examples = read_examples(path, text_column, None, text_pair_column)
        pairs = examples.text_pairs
        return examples.texts[:rows], pairs and pairs[:rows]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: save the file as UTF-8 text ({error})") from None
    texts = [line for line in lines if line.strip()][:rows]
    if not texts:
        raise InputError(f"At least one text is needed. Received: {path}, empty")
    return texts, None


def _layer_errors(inspection, folder, texts, text_pairs):
    from keras_squeezebert import SqueezeBertTokenizerFast
    from keras_squeezebert.tflite import LiteRTModel, layer_errors

    if inspection.xnnpack.count is None:
        raise InputError(
            f"LiteRT cannot run the file. Received: {inspection.path}: "
            f"{inspection.xnnpack.problem}"
        )
    litert = LiteRTModel(inspection.path)
    if len(litert.input_shape) != 2:
        raise InputError(
            "Texts do not tell the choices of a multiple choice; call `layer_errors` "
            f"on arrays. Received: inputs of shape {litert.input_shape}"
        )
    tokenizer = litert.tokenizer or SqueezeBertTokenizerFast.from_pretrained(folder)
    length = litert.input_shape[-1]
    inputs = tokenizer(texts, text_pairs, length, padding="max_length")
    model = _reference(folder, inspection.architecture)
    return layer_errors(inspection.path, model, inputs)


def _reference(folder, architecture):
    """The folder's model, of the class that the file was made of."""
    import keras_squeezebert
    from keras_squeezebert.config import CONFIG_FILE
    from keras_squeezebert.files import read_json
    from keras_squeezebert.hub import pretrained_folder

    if architecture is None:
        path = pretrained_folder(folder, [CONFIG_FILE]) / CONFIG_FILE
        architecture = str((read_json(path).get("architectures") or [None])[0])
    if not architecture.startswith("SqueezeBert") or architecture not in dir(
        keras_squeezebert
    ):
        raise InputError(
            "Neither the .tflite nor the folder names a class of this package in its "
            f"config. Received: {folder}, architecture={architecture}"
        )
    model = getattr(keras_squeezebert, architecture).from_pretrained(folder)
    missing = model.load_report.initialized
    if missing:
        raise InputError(
            f"{folder} does not hold all of a {architecture}, which the .tflite is. "
            f"Missing: {', '.join(missing)}"
        )
    return model


def _as_values(inspection, errors):
    values = dataclasses.asdict(inspection)
    if errors is not None:
        values["layer_errors"] = [
            dataclasses.asdict(error) | {"found": error.snr_db is not None}
            for error in errors
        ]
    return _finite(values)


def _finite(value):
    """None for what JSON has not, infinity and NaN, at any depth."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# === Tables


def _print_header(inspection):
    click.echo(f"{inspection.path}: {inspection.bytes:,} bytes")
    for kind in ("inputs", "outputs"):
        for port in getattr(inspection, kind):
            scale = ""
            if port.scale is not None:
                scale = f", scale {port.scale:.4g}, zero point {port.zero_point}"
            click.echo(
                f"  {kind[:-1]:8}{port.name:20}{port.dtype} {_shape(port.shape)}{scale}"
            )
    if inspection.packed_files:
        click.echo(f"  packed  {', '.join(inspection.packed_files)}")
    _print_metadata(inspection.metadata or {})
    config = inspection.config
    if config:
        click.echo(
            f"  model   {inspection.architecture or 'of no class that is named'}, "
            f"{config.get('num_hidden_layers')} layers of width "
            f"{config.get('hidden_size')}"
        )
    if inspection.scheme:
        click.echo(f"  scheme  {inspection.scheme}")


def _print_metadata(metadata):
    for field in ("name", "version", "author", "license"):
        if field in metadata:
            click.echo(f"  {field:8}{metadata[field]}")
    for line in metadata.get("description", "").splitlines():
        click.echo(f"  {'about':8}{line}")


def _print_ops(op_counts):
    total = sum(kind.count for kind in op_counts)
    click.echo(f"\nOperations: {total}")
    for kind in op_counts:
        click.echo(f"  {kind.count:5}  {kind.op:19} {kind.signature}")


def _print_islands(islands):
    if islands is None:
        click.echo("\nFloat operations between int8 ones: no int8 in this file")
        return
    total = sum(island.ops * island.times for island in islands)
    click.echo(
        f"\nFloat operations between int8 ones, with those that convert: {total}"
    )
    for island in islands:
        ends = dict.fromkeys((island.first, island.last))
        click.echo(f"  {island.times:3} × {island.ops:3}  {' … '.join(ends)}")


def _print_partitions(xnnpack):
    if xnnpack.count is None:
        click.echo(f"\nXNNPACK: LiteRT cannot run this file: {xnnpack.problem}")
        return
    total = xnnpack.ops + sum(xnnpack.outside.values())
    pieces = "piece" if xnnpack.count == 1 else "pieces"
    click.echo(
        f"\nXNNPACK: {xnnpack.ops} of {total} operations, in {xnnpack.count} {pieces}"
    )
    if xnnpack.outside:
        outside = (f"{count} {name}" for name, count in xnnpack.outside.items())
        click.echo(f"  left to TFLite's own kernels: {', '.join(outside)}")


def _print_kernels(kernels):
    if not kernels:
        click.echo("\nScales of the quantized weights: none")
        return
    width = max(len(kernel.name) for kernel in kernels) + 2
    click.echo(
        f"\nScales of the quantized weights\n  {'':{width}}{'shape':16}{'scales':>6}"
        f"{'min':>10}{'median':>10}{'max':>10}{'max/median':>12}"
    )
    for kernel in kernels:
        ratio = kernel.max_to_median
        click.echo(
            f"  {kernel.name:{width}}{_shape(kernel.shape):16}{kernel.scales:6}"
            f"{kernel.min:10.2e}{kernel.median:10.2e}{kernel.max:10.2e}"
            + (f"{'-':>12}" if ratio is None else f"{ratio:12.2f}")
        )


def _print_parts(parts):
    total = sum(part.bytes for part in parts)
    click.echo("\nBytes")
    for part in parts:
        name = f"{part.count} {part.name}" if part.count > 1 else part.name
        click.echo(f"  {name:24}{part.bytes:14,}{part.bytes / total:8.1%}")
    click.echo(f"  {'file':24}{total:14,}")


def _print_errors(errors):
    click.echo(
        f"\nAgainst the model\n  {'':24}{'SNR, dB':>9}{'cosine':>10}{'lowest':>10}"
    )
    for error in errors:
        if error.snr_db is None:
            click.echo(f"  {error.layer:24}not found in the .tflite")
            continue
        click.echo(
            f"  {error.layer:24}{error.snr_db:9.1f}{error.cosine:10.5f}"
            f"{error.lowest_cosine:10.5f}"
        )


def _shape(shape):
    return "×".join(map(str, shape)) or "()"
