"""Writes Hugging Face's classifiers as .tflite and .onnx files, in float32 and int8.

    .venv/bin/python export.py FOLDER --seq 128

The models have random weights and their published sizes. A file of float32 must give
PyTorch's logits, or it is not kept. Files that are there already are not made again.
"""

import contextlib
import os
from pathlib import Path

import click
import litert_torch
import numpy as np
import onnxruntime
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe
from classifiers import EVERYWHERE, MODELS, classifier, path_of, random_inputs
from onnxruntime.quantization import QuantType, quantize_dynamic

TOLERANCE = 1e-4  # of the largest logit: those of a random MobileBERT are tiny
# Of the two types the faster one by far: unsigned in convolutions, signed elsewhere.
ONNX_WEIGHTS = {"SqueezeBERT": QuantType.QUInt8, "BERT-base": QuantType.QInt8}


@contextlib.contextmanager
def draft_of(path):
    """A path beside `path`, whose place it takes if the block ends without an error."""
    draft = path.with_name(f"{path.name}.draft")
    yield draft
    os.replace(draft, path)


def check(path, logits, expected):
    """Raises unless a graph gives what PyTorch gives."""
    difference = np.abs(logits - expected).max() / np.abs(expected).max()
    if not difference <= TOLERANCE:  # NaN is not
        raise click.ClickException(
            f"{path.name} does not give PyTorch's logits, so that its speed would be "
            f"that of another model. Expected: a difference of at most {TOLERANCE} of "
            f"the largest. Received: {difference}"
        )
    click.echo(f"{path.name}: PyTorch's logits, to {difference:.0e} of the largest")


def export_tflite(model, inputs, expected, path):
    with draft_of(path) as draft:
        litert_torch.convert(model, sample_kwargs=inputs).export(str(draft))
        run = Interpreter(str(draft)).get_signature_runner()
        arrays = {name: ids.numpy().astype("int32") for name, ids in inputs.items()}
        (logits,) = run(**arrays).values()
        check(path, logits, expected)


def quantize_tflite(_name, source, path):
    result = quantizer.Quantizer(str(source), recipe.dynamic_wi8_afp32()).quantize()
    with draft_of(path) as draft:
        draft.write_bytes(bytes(result.quantized_model))


def export_onnx(model, inputs, expected, path):
    with draft_of(path) as draft:
        torch.onnx.export(model, kwargs=inputs, f=draft, external_data=False)
        session = onnxruntime.InferenceSession(draft)
        arrays = {name: ids.numpy() for name, ids in inputs.items()}
        check(path, session.run(None, arrays)[0], expected)


def quantize_onnx(name, source, path):
    with draft_of(path) as draft:
        quantize_dynamic(source, draft, weight_type=ONNX_WEIGHTS[name])


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seq", default=128, show_default=True, help="Tokens of the text.")
def main(folder, seq):
    folder.mkdir(parents=True, exist_ok=True)
    formats = {
        ".tflite": (MODELS, export_tflite, quantize_tflite),
        ".onnx": (EVERYWHERE, export_onnx, quantize_onnx),
    }
    for suffix, (names, export, quantize) in formats.items():
        for name in names:
            float_path = path_of(folder, name, "float32", seq, suffix)
            int8_path = path_of(folder, name, "dynamic_int8", seq, suffix)
            if not float_path.exists():
                model, inputs = classifier(name), random_inputs(name, seq)
                with torch.inference_mode():
                    expected = model(**inputs).numpy()  # (1, labels)
                export(model, inputs, expected, float_path)
            if not int8_path.exists():
                quantize(name, float_path, int8_path)


if __name__ == "__main__":
    main()
