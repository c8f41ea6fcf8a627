"""The forms of the grouped convolution, timed in training and in TFLite.

    python benchmarks/grouped_conv.py

The forms take turns, so that a busy machine slows all of them alike; read the ratios.
The figures in docs/design.md come from here.
"""

import contextlib
import tempfile
from pathlib import Path
from unittest import mock

import click
import keras
import numpy as np
import tensorflow as tf
from turns import report

from keras_squeezebert import SqueezeBertConfig, SqueezeBertForSequenceClassification
from keras_squeezebert.layers import GroupedConv1D, activation
from keras_squeezebert.tflite import LiteRTModel, export, export_tflite

BATCH, SEQUENCE, HIDDEN, GROUPS = 16, 128, 768, 4


def training_forms():
    """Functions that run a layer forward and backward, by name."""
    inputs = tf.random.normal((BATCH, SEQUENCE, HIDDEN))
    layers = {
        "GroupedConv1D, a batched matmul": GroupedConv1D(HIDDEN, GROUPS),
        "keras.layers.Conv1D(groups=4)": keras.layers.Conv1D(HIDDEN, 1, groups=GROUPS),
        "keras.layers.Dense, no groups": keras.layers.Dense(HIDDEN),
    }
    return {name: gradient_step(layer, inputs) for name, layer in layers.items()}


def gradient_step(layer, inputs):
    layer.build(inputs.shape)
    weights = [variable.value for variable in layer.trainable_variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs) ** 2)
        return tape.gradient(loss, [inputs, *weights])

    return step


def tflite_forms(folder, layers):
    """Functions that run a .tflite of one model on one thread, by name."""
    config = SqueezeBertConfig(num_hidden_layers=layers)
    model = SqueezeBertForSequenceClassification(config)
    bert = SqueezeBertForSequenceClassification(
        SqueezeBertConfig.preset("bert-base", num_hidden_layers=layers)
    )
    forms = {}
    for quantization in ("float32", "dynamic_ptq"):
        for name, source, context in [
            ("CONV_2D", model, contextlib.nullcontext()),
            ("BATCH_MATMUL", model, unlowered()),
            ("all groups 1, BERT", bert, contextlib.nullcontext()),
        ]:
            path = Path(folder, f"{name}-{quantization}.tflite")
            with context:
                export_tflite(source, path, quantization=quantization)
            forms[f"{name}, {quantization}"] = runner(LiteRTModel(path))
    return forms


@contextlib.contextmanager
def unlowered():
    """What the export would be without its lowering, but for the GELU's operation."""
    with (
        mock.patch.object(export, "tflite_lowering", contextlib.nullcontext),
        mock.patch.object(activation, "for_tflite", lambda: True),
    ):
        yield


def runner(model):
    ones = np.ones(model.input_shape, np.int32)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = {name: ones * (name != "token_type_ids") for name in names}
    return lambda: model(inputs)


@click.command()
@click.option("--layers", default=12, show_default=True, help="Layers in TFLite.")
@click.option("--rounds", default=30, show_default=True, help="Turns of each form.")
def main(layers, rounds):
    """Time the forms of the grouped convolution."""
    report(
        f"Training, one layer forward and backward, ({BATCH}, {SEQUENCE}, {HIDDEN})",
        training_forms(),
        rounds,
    )
    with tempfile.TemporaryDirectory() as folder:
        report(
            f"TFLite, {layers} layers, 128 tokens, one thread",
            tflite_forms(folder, layers),
            rounds,
        )


if __name__ == "__main__":
    main()
