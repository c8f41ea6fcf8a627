"""The activations that Hugging Face's `hidden_act` names."""

from functools import partial

from keras import ops

_ACTIVATIONS = {
    "gelu": partial(ops.gelu, approximate=False),
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
