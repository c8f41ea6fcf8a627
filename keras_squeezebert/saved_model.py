"""SavedModel: runs a folder that Keras' `model.export` wrote, on arrays."""

import os
from collections.abc import Mapping

import numpy as np

from keras_squeezebert.errors import InputError

SAVED_MODEL_FILE = "saved_model.pb"

_SIGNATURE = "serving_default"
# What Keras calls the output of a model whose outputs have no names.
_NAMELESS = "output_0"


class SavedModel:
    """A TensorFlow SavedModel of any head, called by its serving signature.

    Args:
        folder: Its folder, as `model.export(folder)` writes it.

    Attributes:
        input_shape: (None, None), or (None, None, None) of a multiple choice.

    Raises:
        InputError: TensorFlow cannot load the folder, or its model takes other inputs
            than `input_ids`, `attention_mask` and `token_type_ids` of any size.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> folder = tempfile.mkdtemp()
        >>> model = SqueezeBertForSequenceClassification(config)
        >>> model.export(folder, verbose=False)
        >>> ids = np.array([[101, 2204, 102]], "int32")
        >>> inputs = {
        ...     "input_ids": ids,
        ...     "attention_mask": np.ones_like(ids),
        ...     "token_type_ids": np.zeros_like(ids),
        ... }
        >>> SavedModel(folder)(inputs)["logits"].shape
        (1, 2)
    """

    def __init__(self, folder: str | os.PathLike):
        import tensorflow as tf

        try:
            # The variables live as long as what was loaded.
            self._loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(
                f"{folder} is not a SavedModel that can be loaded. Received: "
                f"{' '.join(str(error).split())[:200]}"
            ) from None
        if _SIGNATURE not in self._loaded.signatures:
            raise InputError(
                f"A SavedModel must have a signature {_SIGNATURE!r}; `model.export` "
                f"writes one. Received: {folder}, with "
                f"{', '.join(map(repr, self._loaded.signatures)) or 'none'}"
            )
        self._run = self._loaded.signatures[_SIGNATURE]
        self.input_shape = self._checked_shape(folder)

    def _checked_shape(self, folder):
        # Imported here, as it brings Keras.
        from keras_squeezebert.models.inputs import INPUT_NAMES

        _, specs = self._run.structured_input_signature
        shapes = {name: tuple(spec.shape) for name, spec in specs.items()}
        shape = next(iter(shapes.values()), ())
        is_ours = shapes == dict.fromkeys(INPUT_NAMES, shape) and len(shape) in (2, 3)
        if not is_ours or any(size is not None for size in shape):
            raise InputError(
                f"A SavedModel must take {', '.join(INPUT_NAMES)} of any size, as "
                f"`model.export` writes it. Received: {folder}, with {shapes}"
            )
        return shape

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs arrays with any number of rows.

        Args:
            inputs: By name, integers (rows, [choices], seq).

        Returns:
            By name, float (rows, ...); of a head without names `logits`.
        """
        import tensorflow as tf

        outputs = self._run(**{n: tf.constant(x, "int32") for n, x in inputs.items()})
        return {
            "logits" if name == _NAMELESS else name: value.numpy()
            for name, value in outputs.items()
        }
