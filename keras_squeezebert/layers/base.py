"""What the composite layers share: they are made from a SqueezeBertConfig."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras

from keras_squeezebert.config import SqueezeBertConfig

PACKAGE = "keras_squeezebert"

# Hugging Face's encoder ignores the config's epsilon; its weights were trained so.
ENCODER_LAYER_NORM_EPS = 1e-12


class ConfiguredLayer(keras.layers.Layer):
    """A layer whose hyperparameters are those of the model.

    Args:
        config: The model's `SqueezeBertConfig`.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.
    """

    def __init__(self, config: SqueezeBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(SqueezeBertConfig.from_dict(config.pop("config")), **config)


def first_tokens(hidden, count: int | None):
    """The first `count` tokens of (..., seq, hidden); all of them if it is None."""
    return hidden if count is None else hidden[..., :count, :]


_values_follow = contextvars.ContextVar("values_follow", default=False)


@contextlib.contextmanager
def values_follow() -> Iterator[None]:
    """Kernels made inside the block are zero, for a checkpoint's values will follow.

    Random ones take most of the time in which a large model is made.
    """
    token = _values_follow.set(True)
    try:
        yield
    finally:
        _values_follow.reset(token)


@keras.saving.register_keras_serializable(PACKAGE)
class KernelInitializer(keras.initializers.RandomNormal):
    """Normally distributed values, except inside :func:`values_follow`."""

    def __call__(self, shape, dtype=None):
        if _values_follow.get():
            return keras.ops.zeros(shape, dtype)
        return super().__call__(shape, dtype)


def kernel_initializer(config):
    """A new initializer: Keras 3 ones repeat their values when they are shared."""
    return KernelInitializer(stddev=config.initializer_range)
