"""The three inputs that every BERT tokenizer gives."""

import keras
import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.lengths import check_length

INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")


def token_inputs(shape=(None,)):
    """`keras.Input`s of the model: int32 (batch, seq) each, or (batch, *shape).

    Example:
        >>> sorted(token_inputs())
        ['attention_mask', 'input_ids', 'token_type_ids']
    """
    return {name: keras.Input(shape, dtype="int32", name=name) for name in INPUT_NAMES}


def check_inputs(inputs, model):
    """Raises InputError for arrays that cannot be the inputs of `model`.

    Looks only at values that are at hand, numpy arrays and eager tensors: inside a
    compiled function a GPU reads outside the table without a word.

    Args:
        inputs: What the model was given; anything but a dict of arrays is left to
            Keras.
        model: The model, for its config and input shapes.
    """
    if not isinstance(inputs, dict):
        return
    missing = [name for name in INPUT_NAMES if name not in inputs]
    if missing:
        raise InputError(
            f"The model takes a dict of {', '.join(INPUT_NAMES)}. "
            f"Received: {', '.join(map(str, inputs)) or 'an empty dict'}"
        )
    if not all(_is_concrete(inputs[name]) for name in INPUT_NAMES):
        return
    arrays = {
        name: np.asarray(keras.ops.convert_to_numpy(inputs[name]))
        for name in INPUT_NAMES
    }
    limits = (model.config.vocab_size, 2**31, model.config.type_vocab_size)
    rank = len(model.input["input_ids"].shape)
    shape = arrays["input_ids"].shape
    check_length(shape[-1] if shape else None, model.config)
    for (name, array), limit in zip(arrays.items(), limits, strict=True):
        if array.dtype.kind not in "iu":
            raise InputError(
                f"`{name}` must hold integers. Received: dtype={array.dtype}"
            )
        if array.ndim != rank or array.shape != shape:
            axes = "(batch, seq)" if rank == 2 else "(batch, choices, seq)"
            raise InputError(
                f"`{name}` must be {axes} and of one shape with `input_ids`. "
                f"Received: {name}.shape={array.shape}, input_ids.shape={shape}"
            )
        if array.size and not 0 <= array.min() <= array.max() < limit:
            raise InputError(
                f"`{name}` must be in [0, {limit}). Received: values from "
                f"{array.min()} to {array.max()}"
            )


def _is_concrete(value):
    if isinstance(value, np.ndarray):
        return True
    if isinstance(value, keras.KerasTensor):
        return False
    # A tensor of a function that is being traced has no numpy value.
    return hasattr(value, "numpy") and keras.ops.is_tensor(value)
