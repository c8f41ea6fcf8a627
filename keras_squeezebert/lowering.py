"""How a .tflite computes what training computes otherwise.

A grouped convolution of kernel size 1 is fastest as one batched matmul in training
and as one CONV_2D in TFLite with XNNPACK (docs/design.md has the figures), and other
runtimes want other forms. The layers are written once, on the functions below;
`tflite_lowering` chooses the form for the graph that is traced inside it.
"""

import contextlib
import contextvars
from collections.abc import Iterator

from keras import ops

# What may execute a .tflite: TFLite on a CPU with XNNPACK, the default everywhere;
# without it, by TFLite's own kernels; or the GPU delegate.
RUNTIMES = ("xnnpack", "reference", "gpu")

_runtime = contextvars.ContextVar("tflite_runtime", default=None)


@contextlib.contextmanager
def tflite_lowering(runtime: str = "xnnpack") -> Iterator[None]:
    """Traces layers in the form that one of `RUNTIMES` runs fastest, in the block."""
    token = _runtime.set(runtime)
    try:
        yield
    finally:
        _runtime.reset(token)


def for_tflite() -> bool:
    """Whether what is traced here is to become a .tflite."""
    return _runtime.get() is not None


def grouped_linear(inputs, kernel, bias, groups):
    """The kernel-1 grouped convolution of `inputs`, in the form chosen above.

    Args:
        inputs: Float tensor (..., channels).
        kernel: Float tensor (1, 1, channels / groups, filters), as
            `keras.layers.Conv2D` has it. Output channel `o` reads only the group of
            input channels that `o // (filters / groups)` names.
        bias: Float tensor (filters,).
        groups: Number of groups.

    Returns:
        Float tensor (..., filters).
    """
    if not for_tflite():
        return grouped_matmul(inputs, kernel, groups) + bias
    if _runtime.get() == "reference" and groups > 1:
        return split_conv2d(inputs, kernel, bias, groups)
    return grouped_conv2d(inputs, kernel) + bias


def grouped_matmul(inputs, kernel, groups):
    """The convolution of :func:`grouped_linear` as one matmul, batched over groups."""
    if groups == 1:
        return ops.matmul(inputs, kernel[0, 0])
    *_, channels, filters = kernel.shape
    kernel = ops.reshape(kernel, (channels, groups, filters // groups))
    kernel = ops.transpose(kernel, (1, 0, 2))  # (groups, in / groups, out / groups)
    leading = ops.shape(inputs)[:-1]
    x = ops.reshape(inputs, (-1, groups, channels))
    x = ops.transpose(x, (1, 0, 2))  # (groups, positions, in / groups)
    x = ops.matmul(x, kernel)  # (groups, positions, out / groups)
    x = ops.transpose(x, (1, 0, 2))  # (positions, groups, out / groups)
    return ops.reshape(x, (*leading, filters))


def grouped_conv2d(inputs, kernel):
    """The same as one CONV_2D; inputs are 4-D (batch, 1, seq, in).

    There are as many groups as the kernel's input channels fit into those of `inputs`.
    """
    return ops.conv(inputs, kernel, data_format="channels_last")


def split_conv2d(inputs, kernel, bias, groups):
    """:func:`grouped_linear` as a CONV_2D without groups for each group.

    TFLite's own fast kernels know no groups; its reference kernel, which does, takes
    several times as long.
    """
    inputs, bias = (ops.split(x, groups, axis=-1) for x in (inputs, bias))
    parts = zip(inputs, _split_kernel(kernel, groups), bias, strict=True)
    return ops.concatenate([grouped_conv2d(x, k) + b for x, k, b in parts], axis=-1)


def _split_kernel(kernel, groups):
    """The kernel of each group.

    One that is rounded to a range for each channel is split before that: the converter
    takes such ranges right before a convolution only.
    """
    if kernel.op.type != "FakeQuantWithMinMaxVarsPerChannel":
        return ops.split(kernel, groups, axis=-1)
    import tensorflow as tf

    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel
    options = {name: kernel.op.get_attr(name) for name in ("num_bits", "narrow_range")}
    parts = (tf.split(x, groups, axis=-1) for x in kernel.op.inputs)
    return [rounded(*part, **options) for part in zip(*parts, strict=True)]


def linear(inputs, kernel):
    """A dense layer's matmul, in the form chosen above.

    Args:
        inputs: Float tensor (..., channels).
        kernel: Float tensor (1, 1, channels, units).

    Returns:
        Float tensor (..., units).
    """
    if not for_tflite():
        return ops.matmul(inputs, kernel[0, 0])
    batch, *positions, channels = inputs.shape
    x = ops.reshape(inputs, (batch, 1, -1, channels))
    x = grouped_conv2d(x, kernel)
    return ops.reshape(x, (batch, *positions, kernel.shape[-1]))


def scale_channels(x, scale):
    """x · scale, in the form chosen above; scale float (1, 1, 1, channels).

    For int8: only in a convolution has each channel a range of its own, which then
    holds its scale exactly.
    """
    if not for_tflite():
        return x * scale[0, 0, 0]
    channels = x.shape[-1]
    rows = ops.reshape(x, (x.shape[0], 1, -1, channels))
    kernel = ops.reshape(scale, (1, 1, channels, 1))
    rows = ops.depthwise_conv(rows, kernel, data_format="channels_last")
    return ops.reshape(rows, x.shape)


def to_conv_layout(hidden):
    """(batch, seq, hidden), with the axis more that a 2-D convolution wants, if any.

    The RESHAPE that ends one encoder layer and the one that begins the next cancel
    in the converter, so a graph has one at either end of the encoder.
    """
    return ops.expand_dims(hidden, 1) if for_tflite() else hidden


def from_conv_layout(hidden):
    """Undoes :func:`to_conv_layout`."""
    return ops.squeeze(hidden, 1) if for_tflite() else hidden


def lookup(table, ids):
    """Rows of an embedding table: (rows, width), (batch, seq) → (batch, seq, width)."""
    if not for_tflite():
        return ops.take(table, ids, axis=0)
    import tensorflow as tf

    # ops.take counts negative ids from the end, which costs four operations.
    if _runtime.get() != "gpu":
        return tf.gather(table, ids)
    # The GPU delegate takes ids along one axis only.
    rows = tf.gather(table[None], tf.reshape(ids, [-1]), axis=1)
    return tf.reshape(rows, (*ids.shape, table.shape[-1]))
