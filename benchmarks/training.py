"""A training step here, in each form that it could have, and in PyTorch, in turns.

    python benchmarks/training.py --json training.json

A step is forward, backward and the update of AdamW, of the classifier with random
weights and with dropout. Read the ratios: they are to the first form, which is what
`model.fit` runs. On a machine with other work, leave it at one thread: PyTorch's spin
while they wait for one another, and then lose several times as much as TensorFlow's.
"""

import contextlib
from functools import partial
from pathlib import Path
from statistics import median
from unittest import mock

import click
import keras
import numpy as np
import tensorflow as tf
from elsewhere import start
from keras import ops
from peers_python import PEERS, peers_python
from turns import report

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    lowering,
)
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json

HEAD_SIZE = 64  # of BERT, at every width

# === Forms of the grouped convolution that take the place of the batched matmul


def grouped_einsum(inputs, kernel, groups):
    """One einsum; which axis is the batch of its matmul, Keras chooses."""
    if groups == 1:
        return ops.matmul(inputs, kernel[0, 0])
    *_, channels, filters = kernel.shape
    kernel = ops.reshape(kernel, (channels, groups, filters // groups))
    batch, seq, _ = ops.shape(inputs)
    x = ops.reshape(inputs, (batch, seq, groups, channels))
    x = ops.einsum("bsgi,igo->bsgo", x, kernel)  # (batch, seq, groups, out / groups)
    return ops.reshape(x, (batch, seq, filters))


def grouped_split(inputs, kernel, groups):
    """A matmul for each group, on a slice of the channels."""
    parts = zip(
        ops.split(inputs, groups, axis=-1),
        ops.split(kernel[0, 0], groups, axis=-1),
        strict=True,
    )
    return ops.concatenate([ops.matmul(x, part) for x, part in parts], axis=-1)


def grouped_conv1d(inputs, kernel, groups):
    """Keras' own; `groups` is told by the kernel's shape."""
    if groups == 1:
        return ops.matmul(inputs, kernel[0, 0])
    return ops.conv(inputs, kernel[0], data_format="channels_last")


# === What is timed


def random_batch(batch, seq, vocab_size):
    """Full rows of random ids, and their labels."""
    ids = np.random.default_rng(0).integers(5, vocab_size, (batch, seq), np.int32)
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    return inputs, np.arange(batch) % 2


def step(config, inputs, labels, form=None, dtype="float32", jit_compile=False):
    """A function that trains a new model by one batch.

    Args:
        config: The model's.
        inputs: Of the batch.
        labels: Of the batch.
        form: What computes its grouped convolutions; None leaves them as they are.
        dtype: Its dtype policy.
        jit_compile: Whether XLA compiles the step.
    """
    model = SqueezeBertForSequenceClassification(config, dtype=dtype)
    model.compile(jit_compile=jit_compile)
    run = partial(model.train_on_batch, inputs, labels)
    # The first step traces the graph, in which the form stays.
    with mock.patch.object(lowering, "grouped_matmul", form or lowering.grouped_matmul):
        run()
    return run


def our_steps(config, inputs, labels):
    """The steps by name, today's first."""
    new = partial(step, config, inputs, labels)
    steps = {
        "batched matmul": new(),
        "batched matmul, XLA": new(jit_compile=True),
        "einsum": new(grouped_einsum),
        "split and matmul": new(grouped_split),
        "convolution with groups": new(grouped_conv1d),
    }
    if has_bfloat16():
        steps["batched matmul, bfloat16"] = new(dtype="mixed_bfloat16")
    return steps


@contextlib.contextmanager
def peer_steps(python, *sizes):
    """The steps of PyTorch by name; none where its environment is not there."""
    if python is None:
        yield {}
        return
    with start(python, PEERS / "training.py", *map(str, sizes)) as steps:
        yield steps


def has_bfloat16():
    """Whether the processor multiplies in bfloat16, as far as Linux tells."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "_bf16" in cpuinfo.read_text()


# === Results


@click.command(help=__doc__)
@click.option("--layers", default=12, show_default=True, help="Encoder layers.")
@click.option("--width", default=768, show_default=True, help="Hidden size.")
@click.option("--batch", default=16, show_default=True, help="Texts in a step.")
@click.option("--seq", default=128, show_default=True, help="Tokens of each text.")
@click.option("--rounds", default=5, show_default=True, help="Turns of each form.")
@click.option("--threads", default=1, show_default=True, help="Threads of each.")
@peers_python
@click.option("--json", "json_path", type=click.Path(), help="Where figures go.")
def main(layers, width, batch, seq, rounds, threads, peers_python, json_path):
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(0)
    config = SqueezeBertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=4 * width,
        num_attention_heads=width // HEAD_SIZE,
    )
    title = f"A step, {layers} × {width}, {batch} × {seq} tokens, {threads} thread(s)"
    with peer_steps(peers_python, layers, width, batch, seq, threads) as theirs:
        ours = our_steps(config, *random_batch(batch, seq, config.vocab_size))
        times = report(title, ours | theirs, rounds)
    if json_path:
        forms = {
            name: {"median_ms": 1e3 * median(s), "min_ms": 1e3 * min(s)}
            for name, s in times.items()
        }
        write_json(json_path, {**surroundings(), "title": title, "forms": forms})


if __name__ == "__main__":
    main()
