"""What a classifier computes, and files that compute that much and nothing else.

A model cannot be faster than its matrix products. `large_products_file` says how fast
LiteRT multiplies at its best, `own_products_file` how fast at the model's own shapes.
"""

import os
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.files import atomic_file

# Number, rows and width of the large matrices.
DEPTH, ROWS, WIDTH = 4, 512, 2048


class Product(NamedTuple):
    """`count` products of (rows, summed) and (summed, columns)."""

    count: int
    rows: int
    summed: int
    columns: int

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition for each term."""
        return 2 * self.count * self.rows * self.summed * self.columns


LARGE_FLOPS = DEPTH * Product(1, ROWS, WIDTH, WIDTH).flops

# === Work


def layer_products(
    config: SqueezeBertConfig, seq: int, queries: int
) -> dict[str, Product]:
    """Products of one layer, by name, of `queries` tokens that attend to `seq`."""

    def grouped(groups, rows, inputs, outputs):
        return Product(groups, rows, inputs // groups, outputs // groups)

    width, inner = config.hidden_size, config.intermediate_size
    heads, head = config.num_attention_heads, width // config.num_attention_heads
    return {
        "query": grouped(config.q_groups, queries, width, width),
        "key": grouped(config.k_groups, seq, width, width),
        "value": grouped(config.v_groups, seq, width, width),
        "scores": Product(heads, queries, head, seq),
        "context": Product(heads, queries, seq, head),
        "post_attention": grouped(config.post_attention_groups, queries, width, width),
        "intermediate": grouped(config.intermediate_groups, queries, width, inner),
        "output": grouped(config.output_groups, queries, inner, width),
    }


def layer_flops(config: SqueezeBertConfig, seq: int, queries: int) -> int:
    """Operations of one layer for one text."""
    products = layer_products(config, seq, queries).values()
    return sum(product.flops for product in products)


def encoder_flops(config: SqueezeBertConfig, seq: int) -> int:
    """Operations of all layers for one text of `seq` tokens.

    Example:
        >>> encoder_flops(SqueezeBertConfig(), 128) / 1e9
        7.398752256
    """
    return config.num_hidden_layers * layer_flops(config, seq, seq)


def classifier_flops(config: SqueezeBertConfig, seq: int) -> int:
    """As :func:`encoder_flops`, with a last layer that computes the first token alone.

    Example:
        >>> classifier_flops(SqueezeBertConfig(), 128) / 1e9
        6.861914112
    """
    skipped = layer_flops(config, seq, seq) - layer_flops(config, seq, 1)
    return encoder_flops(config, seq) - skipped


# === Files


def large_products_file(path: str | os.PathLike, is_int8: bool) -> None:
    """Writes a .tflite of `LARGE_FLOPS` operations, all in large matrix products."""

    def products(x, conv, _matmul):
        for _ in range(DEPTH):
            x = conv(x, Product(1, ROWS, WIDTH, WIDTH))
        return x

    _write(path, products, (1, 1, ROWS, WIDTH), is_int8)


def own_products_file(
    path: str | os.PathLike, config: SqueezeBertConfig, seq: int, is_int8: bool
) -> None:
    """Writes a .tflite of the products of a classifier, at their shapes and in order.

    Values mean nothing: where the model transposes heads, this only reshapes.
    """
    width, heads = config.hidden_size, config.num_attention_heads
    head = width // heads

    def products(x, conv, matmul):
        for queries in [seq] * (config.num_hidden_layers - 1) + [1]:
            product = layer_products(config, seq, queries)
            query = conv(x[:, :, :queries], product["query"])
            query = tf.reshape(query, (1, heads, queries, head))
            key = tf.reshape(conv(x, product["key"]), (1, heads, head, seq))
            value = tf.reshape(conv(x, product["value"]), (1, heads, seq, head))
            context = matmul(matmul(query, key), value)  # (1, heads, queries, head)
            x = tf.reshape(context, (1, 1, queries, width))
            for name in ("post_attention", "intermediate", "output"):
                x = conv(x, product[name])  # (1, 1, queries, its outputs)
        return x

    _write(path, products, (1, 1, seq, width), is_int8)


def _write(
    path: str | os.PathLike,
    products: Callable,
    input_shape: tuple[int, ...],
    is_int8: bool,
) -> None:
    """Converts a function of an input, a convolution and a matrix product."""
    rng = np.random.default_rng(0)

    def quantized(x):
        return tf.quantization.fake_quant_with_min_max_vars(x, -4, 4) if is_int8 else x

    def conv(x, product):
        shape = (1, 1, product.summed, product.count * product.columns)
        kernel = rng.normal(0, product.summed**-0.5, shape).astype("float32")
        if is_int8:
            limit = np.abs(kernel).max(axis=(0, 1, 2))
            kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                kernel, -limit, limit, narrow_range=True
            )
        x = tf.nn.conv2d(x, kernel, 1, "VALID")
        # Part of the convolution, and keeps products of products finite.
        return quantized(x) if is_int8 else tf.nn.relu6(x)

    def matmul(left, right):
        return quantized(tf.matmul(left, right))

    @tf.function(input_signature=[tf.TensorSpec(input_shape, tf.float32)])
    def graph(x):
        return products(quantized(x), conv, matmul)

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], graph
    )
    if is_int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with atomic_file(path) as draft, warnings.catch_warnings():
        # It misses ranges that a data set would give; these are in the graph.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        draft.write_bytes(converter.convert())
