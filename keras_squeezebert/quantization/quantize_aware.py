"""quantize_aware: a model that computes, in float, what its int8 .tflite will."""

import keras

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import update_weight_ranges
from keras_squeezebert.quantization.scheme import Scheme, as_scheme


def quantize_aware(model: keras.Model, scheme: str | Scheme = "mixed") -> keras.Model:
    """A copy of a model, with what a scheme quantizes rounded as int8 would be.

    It is an ordinary model of the same class: after :func:`calibrate` it is trained by
    `fit`, saved by `save_pretrained` and exported by `export_tflite`, to a graph that
    computes the same. Train it on, at a low learning rate, from a model that has been
    trained in float.

    Args:
        model: Any SqueezeBERT model of float32. It is left as it is, and can be the
            teacher of the copy.
        scheme: Name of a scheme, or one of your own.

    Returns:
        The copy, compiled for its task with the default optimizer.

    Raises:
        InputError: There is no such scheme; the model is quantized already, has
            another dtype, or Keras runs on another backend than TensorFlow.

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.tflite import calibrate, quantize_aware
        >>> model = SqueezeBertForSequenceClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... ))
        >>> inputs = SqueezeBertTokenizerFast()(["what a film", "so dull"])
        >>> quantized = quantize_aware(model)
        >>> report = calibrate(quantized, [inputs], progress=False)
        >>> _ = quantized.fit(inputs, np.array([1, 0]), verbose=0)

    Reference:
        Jacob et al. 2018, arXiv 1712.05877.
    """
    scheme = as_scheme(scheme)
    check_can_be_simulated(model.dtype_policy)
    if model.scheme is not None:
        raise InputError(
            f"The model is quantized already. Received: scheme={model.scheme.name!r}"
        )
    config = {**model.get_config(), "scheme": scheme.to_dict()}
    quantized = type(model).from_config(config)
    weights = {variable.path: variable for variable in model.weights}
    for variable in quantized.weights:
        if variable.path in weights:  # else it is a range
            variable.assign(weights[variable.path])
    update_weight_ranges(quantized)
    return quantized


def check_can_be_simulated(dtype) -> None:
    """Raises an `InputError` unless int8 can be simulated here, in a dtype policy."""
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "Quantization-aware training needs Keras on TensorFlow. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}"
        )
    name = keras.dtype_policies.get(dtype).name
    if name != "float32":
        raise InputError(
            "Only float32 models can be quantized; int8 is simulated in float32. "
            f"Received: dtype={name!r}"
        )
