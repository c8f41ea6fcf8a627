"""SavedModel: runs the folder of an exported model on arrays."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_squeezebert.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

SAVED_MODEL_FILE = "saved_model.pb"
# Of its folder, what is not the graph's.
EXTRA = "assets.extra"
# The name of a version's folder, as TF Serving has it.
VERSION = re.compile(r"0|[1-9]\d{0,18}")

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
            raise _damaged(folder, error) from None
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


# === What is in a folder, without loading it


def newest_version(folder: str | os.PathLike) -> str:
    """The folder of a SavedModel, or in one of several versions that of the newest.

    Args:
        folder: Anywhere that TensorFlow reads.

    Raises:
        InputError: It is neither.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> for version in ("2", "10", "old"):
        ...     (folder / version).mkdir()
        ...     (folder / version / SAVED_MODEL_FILE).touch()
        >>> newest_version(folder).removeprefix(str(folder))
        '/10'
    """
    found = find_saved_model(folder)
    if found is None:
        raise InputError(
            "A SavedModel is expected, or a folder of versions of one, as `squeezebert "
            f"export --format saved-model` writes them. Received: {folder}"
        )
    return found


def find_saved_model(folder: str | os.PathLike) -> str | None:
    """As :func:`newest_version`, and None where there is no SavedModel.

    Raises:
        InputError: The folder cannot be read.
    """
    import tensorflow as tf

    def is_saved_model(path):
        return tf.io.gfile.exists(os.path.join(path, SAVED_MODEL_FILE))

    folder = str(folder)
    try:
        if is_saved_model(folder):
            return folder
        there = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else ()
        names = [name.removesuffix("/") for name in there]
        paths = {
            int(name): os.path.join(folder, name)
            for name in names
            if VERSION.fullmatch(name)
        }
        versions = {n: path for n, path in paths.items() if is_saved_model(path)}
    except tf.errors.OpError as error:
        raise InputError(
            f"The folder cannot be read. Received: {folder} ({error.message})"
        ) from None
    return versions[max(versions)] if versions else None


@dataclass(frozen=True)
class SignatureSpecs:
    """What a signature takes and gives.

    Args:
        inputs: Shapes and types, by name.
        outputs: The same.
    """

    inputs: dict[str, "tf.TensorSpec"]
    outputs: dict[str, "tf.TensorSpec"]


def read_signatures(folder: str | os.PathLike) -> dict[str, SignatureSpecs]:
    """By name, the signatures of a SavedModel.

    Raises:
        InputError: There is none, or its file is damaged.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = os.path.join(folder, SAVED_MODEL_FILE)
    try:
        content = tf.io.read_file(path).numpy()
        (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    except (tf.errors.OpError, DecodeError, ValueError) as error:
        raise _damaged(folder, error) from None

    def specs(tensors):
        return {
            name: tf.TensorSpec(tf.TensorShape(tensor.tensor_shape), tensor.dtype)
            for name, tensor in sorted(tensors.items())
        }

    return {
        name: SignatureSpecs(specs(signature.inputs), specs(signature.outputs))
        for name, signature in graph.signature_def.items()
        if not name.startswith("__")
    }


def _damaged(folder, error):
    return InputError(
        f"{folder} is not a SavedModel that can be loaded. Received: "
        f"{' '.join(str(error).split())[:200]}"
    )
