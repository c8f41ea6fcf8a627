"""The activations that Hugging Face's `hidden_act` names."""

from functools import partial

import keras
from keras import ops

from keras_squeezebert.lowering import for_tflite


def exact_gelu(x):
    """x · Φ(x), computed in float32 as x · (1 + erf(x / √2)) / 2.

    TensorFlow's own goes by erfc, which on a CPU takes three times as long, and in
    bfloat16 twenty times; a .tflite has an operation for it.

    Example:
        >>> float(exact_gelu(1.0))
        0.8413447141647339

    Reference:
        Hendrycks and Gimpel 2016, arXiv 1606.08415; `torch.nn.GELU`.
    """
    if keras.config.backend() != "tensorflow" or for_tflite():
        return ops.gelu(x, approximate=False)
    x = ops.convert_to_tensor(x)
    wide = ops.cast(x, "float32")
    return ops.cast(wide * (0.5 + 0.5 * ops.erf(wide * 0.5**0.5)), x.dtype)


_ACTIVATIONS = {
    "gelu": exact_gelu,
    "gelu_new": partial(ops.gelu, approximate=True),
    "gelu_pytorch_tanh": partial(ops.gelu, approximate=True),
    "relu": ops.relu,
    "silu": ops.silu,
    "swish": ops.silu,
}


def activation(name):
    """The function of a `hidden_act` that SqueezeBertConfig accepts.

    Example:
        >>> activation("relu")([-1.0, 2.0]).numpy().tolist()
        [0.0, 2.0]
    """
    return _ACTIVATIONS[name]
