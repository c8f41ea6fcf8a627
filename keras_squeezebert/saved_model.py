"""SavedModel: runs the folder of an exported model on arrays."""

import os
from collections.abc import Mapping

import numpy as np

from keras_squeezebert.errors import InputError

SAVED_MODEL_FILE = "saved_model.pb"
# Of its folder, what is not the graph's.
EXTRA = "assets.extra"

# That of `squeezebert export --format saved-model`, and that of Keras' `model.export`.
_SIGNATURES = ("tokens", "serving_default")
# What Keras calls the output of a model whose outputs have no names.
_NAMELESS = "output_0"


class SavedModel:
    """A TensorFlow SavedModel of any head, called by the signature that takes tokens.

    Args:
        folder: Its folder, as `export_saved_model` or Keras' `model.export(folder)`
            write it.

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
        there = self._loaded.signatures
        name = next((name for name in _SIGNATURES if name in there), None)
        if name is None:
            raise InputError(
                f"A SavedModel must have a signature {' or '.join(_SIGNATURES)}; "
                "`squeezebert export --format saved-model` writes the first. Received: "
                f"{folder}, with {', '.join(map(repr, there)) or 'none'}"
            )
        self._run = there[name]
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
                f"`export_saved_model` writes it. Received: {folder}, with {shapes}"
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
