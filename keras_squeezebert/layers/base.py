"""What the composite layers share: they are made from a SqueezeBertConfig."""

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


def kernel_initializer(config):
    """A new initializer: Keras 3 ones repeat their values when they are shared."""
    return keras.initializers.RandomNormal(stddev=config.initializer_range)
