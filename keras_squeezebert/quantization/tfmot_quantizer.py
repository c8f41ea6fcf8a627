"""tfmot's quantizers, which know Keras 2, inside a layer of Keras 3."""

import contextlib
import os
import warnings

import keras

LEGACY_SWITCH = "TF_USE_LEGACY_KERAS"


def tfmot_quantizer(class_name: str, **options):
    """A quantizer of `tensorflow_model_optimization`.

    Args:
        class_name: E.g. "MovingAverageQuantizer".
        **options: Its constructor's arguments.
    """
    with _keras_left_alone():
        from tensorflow_model_optimization.python.core.quantization.keras import (
            quantizers,
        )
    return getattr(quantizers, class_name)(**options)


@contextlib.contextmanager
def _keras_left_alone():
    """Importing tfmot would turn `tf.keras` into Keras 2 for the whole process."""
    import tensorflow as tf

    _ = tf.keras.__name__  # decided at its first use, so before the import
    before = os.environ.get(LEGACY_SWITCH)
    try:
        with warnings.catch_warnings():
            # Of how it compares versions, which nothing here can mend.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if before is None:
            os.environ.pop(LEGACY_SWITCH, None)
        else:
            os.environ[LEGACY_SWITCH] = before


class RangeVariables:
    """Stands for the Keras 2 layer to which a quantizer adds its variables.

    Args:
        layer: The Keras 3 layer that gets them.
    """

    def __init__(self, layer: keras.layers.Layer):
        self.layer = layer

    def add_weight(self, name, initializer, shape=None, trainable=False):
        if shape is None:
            shape = ()
        elif isinstance(shape, int):
            shape = (shape,)
        # Of the initializer only that it is of Keras 2 matters: calibration and the
        # weights themselves give the ranges.
        return self.layer.add_weight(
            name=name,
            shape=tuple(shape),
            initializer="zeros",
            trainable=trainable,
            dtype="float32",
            autocast=False,
        )
