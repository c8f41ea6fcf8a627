"""Our classifier as .tflite files that are kept, and functions that run files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_squeezebert import SqueezeBertConfig, SqueezeBertForSequenceClassification
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware
from keras_squeezebert.tflite.benchmark import fill, load
from keras_squeezebert.tflite.graph_file import read_graph


def classifier_files(
    config: SqueezeBertConfig,
    stem: str,
    folder: Path,
    schemes: Sequence[str],
    lengths: Sequence[int],
) -> dict[tuple[str, int], Path]:
    """Files of a classifier of random weights, by scheme and length.

    Those that are in the folder already are not made again.
    """
    paths = {
        (scheme, seq): folder / f"{stem}-{scheme}-{seq}.tflite"
        for scheme in schemes
        for seq in lengths
    }
    missing = {key: path for key, path in paths.items() if not path.exists()}
    if missing:
        model = SqueezeBertForSequenceClassification(config)
        copies = {scheme: _prepared(model, scheme) for scheme, _ in missing}
        for (scheme, seq), path in missing.items():
            export_tflite(copies[scheme], path, seq, quantization=scheme)
    return paths


def _prepared(model, scheme):
    """What is exported in a scheme: the model, or its calibrated copy."""
    if scheme not in ("mixed", "int8"):
        return model
    rng = np.random.default_rng(0)
    ids = rng.integers(5, model.config.vocab_size, (8, 128)).astype("int32")
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    quantized = quantize_aware(model, scheme)
    calibrate(quantized, [inputs], progress=False)
    return quantized


def runner(path: Path, threads: int) -> Callable[[], None]:
    """A function that runs a .tflite on random input in its ranges."""
    interpreter = load(path, threads)
    fill(interpreter, read_graph(path), seed=0)
    return interpreter.invoke
