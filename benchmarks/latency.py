"""One input through every form of SqueezeBERT and of BERT, in turns.

    python benchmarks/latency.py --json latency.json --plot latency.png

All take a text of 128 tokens with random weights at full size: the figures rank speeds
and say nothing of accuracy. The floor is the work of the encoder at the speed of large
matrix products in LiteRT, measured in the same run.
"""

import json
import tempfile
from pathlib import Path
from statistics import median

import click
import numpy as np
import tensorflow as tf
from turns import report

from keras_squeezebert import SqueezeBertConfig, SqueezeBertForSequenceClassification
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import atomic_file
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware
from keras_squeezebert.tflite.benchmark import fill, load
from keras_squeezebert.tflite.graph_file import read_graph

SEQUENCE = 128
# Rows, width and number of the matrices that the peak is measured with.
PEAK_ROWS, PEAK_WIDTH, PEAK_DEPTH = 512, 2048, 4

# === Work


def encoder_flops(config):
    """Floating-point operations of all layers for one text, two for each product."""
    width, hidden, seq = config.hidden_size, config.intermediate_size, SEQUENCE
    per_token = width**2 * sum(
        1 / getattr(config, f"{name}_groups")
        for name in ("q", "k", "v", "post_attention")
    )
    per_token += width * hidden / config.intermediate_groups
    per_token += width * hidden / config.output_groups
    attention = 2 * seq * width  # scores, and their products with the values
    return 2 * config.num_hidden_layers * seq * (per_token + attention)


def peak_file(folder, is_int8):
    """A .tflite of nothing but large matrix products; its operations per run."""
    rng = np.random.default_rng(0)
    shape = (1, 1, PEAK_WIDTH, PEAK_WIDTH)
    kernels = [
        tf.constant(rng.normal(0, PEAK_WIDTH**-0.5, shape), tf.float32)
        for _ in range(PEAK_DEPTH)
    ]

    def quantized(x):
        return tf.quantization.fake_quant_with_min_max_vars(x, -4, 4) if is_int8 else x

    @tf.function(
        input_signature=[tf.TensorSpec((1, 1, PEAK_ROWS, PEAK_WIDTH), tf.float32)]
    )
    def products(x):
        x = quantized(x)
        for kernel in kernels:
            if is_int8:
                limit = tf.reduce_max(tf.abs(kernel), axis=(0, 1, 2))
                kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                    kernel, -limit, limit, narrow_range=True
                )
            x = quantized(tf.nn.conv2d(x, kernel, 1, "VALID"))
        return x

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [products.get_concrete_function()], products
    )
    if is_int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path = Path(folder, f"peak-{'int8' if is_int8 else 'float32'}.tflite")
    path.write_bytes(converter.convert())
    return path


# === What is timed


def litert_form(path, threads):
    """A function that runs a .tflite on ids in range."""
    interpreter = load(path, threads)
    fill(interpreter, read_graph(path), seed=0)
    return interpreter.invoke


def our_forms(config, name, folder, threads, schemes):
    """The classifier of a config in float32, dynamic range and trained schemes."""
    model = SqueezeBertForSequenceClassification(config)
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 30000, (8, SEQUENCE)).astype("int32")
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    forms = {}
    for scheme in schemes:
        source = model
        if scheme in ("mixed", "int8"):
            source = quantize_aware(model, scheme)
            calibrate(source, [inputs], progress=False)
        path = Path(folder, f"{name}-{scheme}.tflite")
        export_tflite(source, path, SEQUENCE, quantization=scheme)
        forms[f"{name}, {scheme}"] = litert_form(path, threads)
    return forms


# === Results


def draw(times, floors, path, title):
    """A bar for each form, and lines where the floors of SqueezeBERT's work are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.34 * len(times) + 1.4), layout="constrained")
    axis = figure.subplots()
    names, values = list(times), [1e3 * median(seconds) for seconds in times.values()]
    bars = axis.barh(names, values, color="#3e6fb0", height=0.7)
    axis.bar_label(bars, labels=[f"{value:.1f}" for value in values], padding=3)
    for (name, value), colour in zip(
        floors.items(), ("#9aa5b1", "#e08a1e"), strict=True
    ):
        axis.axvline(value, color=colour, linestyle="--", label=name)
    axis.invert_yaxis()
    axis.set_xlabel("ms (median), one text of 128 tokens")
    axis.set_title(title, fontsize=9)
    axis.legend(loc="lower right", fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=150, format="png")


@click.command(help=__doc__)
@click.option("--rounds", default=30, show_default=True, help="Turns of each form.")
@click.option("--threads", default=1, show_default=True, help="Threads of each.")
@click.option("--json", "json_path", type=click.Path(), help="Where figures go.")
@click.option("--plot", type=click.Path(), help="Where a picture goes.")
def main(rounds, threads, json_path, plot):
    base = SqueezeBertConfig()
    bert = base.replace(**{n: 1 for n in vars(base) if n.endswith("_groups")})
    with tempfile.TemporaryDirectory() as folder:
        forms = our_forms(
            base,
            "SqueezeBERT",
            folder,
            threads,
            ("float32", "dynamic_ptq", "mixed", "int8"),
        )
        forms |= our_forms(
            bert, "BERT-base", folder, threads, ("float32", "dynamic_ptq", "mixed")
        )
        peaks = {
            f"large matrices, {kind}": litert_form(
                peak_file(folder, kind == "int8"), threads
            )
            for kind in ("float32", "int8")
        }
        title = f"12 layers of width 768, {SEQUENCE} tokens, {threads} thread(s)"
        times = report(title, forms | peaks, rounds)

    peak_flops = 2 * PEAK_ROWS * PEAK_WIDTH**2 * PEAK_DEPTH
    floors = {}
    for name in peaks:
        per_second = peak_flops / median(times.pop(name))
        floor = 1e3 * encoder_flops(base) / per_second
        floors[f"floor, {name.rpartition(' ')[2]}"] = floor
        click.echo(
            f"{name}: {per_second / 1e9:.0f} G operations a second; at this speed "
            f"SqueezeBERT's {encoder_flops(base) / 1e9:.2f} G take {floor:.1f} ms"
        )
    around = surroundings()
    if json_path:
        figures = {
            name: {"median_ms": 1e3 * median(s), "min_ms": 1e3 * min(s)}
            for name, s in times.items()
        }
        with atomic_file(json_path) as draft:
            draft.write_text(
                json.dumps({**around, "floors_ms": floors, "forms": figures}, indent=2)
            )
    if plot:
        draw(
            times,
            floors,
            plot,
            f"{title}, {around['machine']['processor']}, {around['date']}",
        )


if __name__ == "__main__":
    main()
