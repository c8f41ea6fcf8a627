"""int8 by training against float32 and dynamic range: .tflite latency, step cost.

    python benchmarks/quantized.py

Random weights at full size: the figures rank speeds and say nothing of accuracy. The
figures in docs/design.md come from here.
"""

import tempfile
from functools import partial
from pathlib import Path

import click
import numpy as np
from turns import report

from keras_squeezebert import SqueezeBertConfig, SqueezeBertForSequenceClassification
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
)

SCHEMES = ("mixed", "int8", "dynamic")


def random_inputs(rows, seq, vocab_size):
    """Ragged rows of random ids."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(seq // 2, seq + 1, (rows, 1))
    mask = (np.arange(seq) < lengths).astype("int32")  # (rows, seq)
    ids = rng.integers(5, vocab_size, (rows, seq)).astype("int32") * mask
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(ids),
    }


def models(layers):
    """The classifier in float, and its calibrated copies by their scheme."""
    model = SqueezeBertForSequenceClassification(
        SqueezeBertConfig(num_hidden_layers=layers)
    )
    inputs = random_inputs(8, 128, model.config.vocab_size)
    copies = {scheme: quantize_aware(model, scheme) for scheme in SCHEMES}
    for quantized in copies.values():
        calibrate(quantized, [inputs], progress=False)
    return model, copies


def tflite_forms(model, copies, folder, seq, threads):
    """Functions that run the model as a .tflite, by name and size."""
    inputs = random_inputs(1, seq, model.config.vocab_size)
    # The scheme "dynamic" makes the graph of "dynamic_ptq".
    sources = {
        "float32": model,
        "dynamic_ptq": model,
        "mixed": copies["mixed"],
        "int8": copies["int8"],
    }
    forms = {}
    for form, source in sources.items():
        path = Path(folder, f"{form}-{seq}.tflite")
        export_tflite(source, path, seq, quantization=form)
        lite = LiteRTModel(path, num_threads=threads)
        name = f"{form}, {path.stat().st_size / 1e6:.1f} MB"
        forms[name] = partial(lite, inputs)
    return forms


@click.command(help=__doc__)
@click.option("--layers", default=12, show_default=True, help="Encoder layers.")
@click.option("--rounds", default=30, show_default=True, help="Turns of each form.")
@click.option("--steps", default=6, show_default=True, help="Training steps of each.")
@click.option("--threads", default=1, show_default=True, help="Threads of LiteRT.")
def main(layers, rounds, steps, threads):
    model, copies = models(layers)
    with tempfile.TemporaryDirectory() as folder:
        for seq in (32, 128, 384):
            forms = tflite_forms(model, copies, folder, seq, threads)
            report(f"{layers} layers, {seq} tokens, {threads} thread(s)", forms, rounds)

    inputs = random_inputs(16, 128, model.config.vocab_size)
    labels = np.arange(16) % 2
    training = {
        name: partial(trained.train_on_batch, inputs, labels)
        for name, trained in {"float": model, **copies}.items()
    }
    report("A training step, 16 x 128 tokens", training, steps)


if __name__ == "__main__":
    main()
