"""How a .tflite computes what training computes otherwise.

A grouped convolution of kernel size 1 is fastest as one batched matmul in training
and as one CONV_2D in TFLite (docs/design.md has the figures). The layers are written
once, on the functions below; `tflite_lowering` chooses the second form for the graph
that is traced inside it.
"""

import contextlib
import contextvars
from collections.abc import Iterator

from keras import ops

_for_tflite = contextvars.ContextVar("tflite_lowering", default=False)


@contextlib.contextmanager
def tflite_lowering() -> Iterator[None]:
    """Traces layers in the form that TFLite runs fastest, inside the block."""
    token = _for_tflite.set(True)
    try:
        yield
    finally:
        _for_tflite.reset(token)


def for_tflite() -> bool:
    """Whether what is traced here is to become a .tflite."""
    return _for_tflite.get()


def grouped_linear(inputs, kernel, groups):
    """The kernel-1 grouped convolution of `inputs`, in the form chosen above.

    Args:
        inputs: Float tensor (..., channels).
        kernel: Float tensor (1, 1, channels / groups, filters), as
            `keras.layers.Conv2D` has it. Output channel `o` reads only the group of
            input channels that `o // (filters / groups)` names.
        groups: Number of groups.

    Returns:
        Float tensor (..., filters).
    """
    return (grouped_conv2d if _for_tflite.get() else grouped_matmul)(
        inputs, kernel, groups
    )


def grouped_matmul(inputs, kernel, groups):
    """:func:`grouped_linear` as one matmul, batched over the groups."""
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


def grouped_conv2d(inputs, kernel, groups):
    """:func:`grouped_linear` as one convolution; inputs are 4-D (batch, 1, seq, in)."""
    del groups  # the kernel's shape tells
    return ops.conv(inputs, kernel, data_format="channels_last")


def linear(inputs, kernel):
    """A dense layer's matmul, in the form chosen above.

    Args:
        inputs: Float tensor (..., channels).
        kernel: Float tensor (1, 1, channels, units).

    Returns:
        Float tensor (..., units).
    """
    if not _for_tflite.get():
        return ops.matmul(inputs, kernel[0, 0])
    batch, *positions, channels = inputs.shape
    x = ops.reshape(inputs, (batch, 1, -1, channels))
    x = grouped_conv2d(x, kernel, groups=1)
    return ops.reshape(x, (batch, *positions, kernel.shape[-1]))


def scale_channels(x, scale):
    """x · scale, in the form chosen above; scale float (1, 1, 1, channels).

    For int8: only in a convolution has each channel a range of its own, which then
    holds its scale exactly.
    """
    if not _for_tflite.get():
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
    return ops.expand_dims(hidden, 1) if _for_tflite.get() else hidden


def from_conv_layout(hidden):
    """Undoes :func:`to_conv_layout`."""
    return ops.squeeze(hidden, 1) if _for_tflite.get() else hidden


def lookup(table, ids):
    """Rows of an embedding table: (rows, width), (batch, seq) → (batch, seq, width)."""
    if _for_tflite.get():
        import tensorflow as tf

        # ops.take counts negative ids from the end, which costs four operations.
        return tf.gather(table, ids)
    return ops.take(table, ids, axis=0)
