"""TextHead: what a head answers to strings, in TensorFlow ops."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import tensorflow as tf

from keras_squeezebert.tokenizers import SqueezeBertTokenizer

Tensors = dict[str, tf.Tensor]


def strings(*shape: int | None) -> tf.TensorSpec:
    """The spec of a tensor of strings."""
    return tf.TensorSpec(shape, tf.string)


class TextHead(ABC):
    """A model behind the in-graph tokenizer, and its answers in words.

    The graph has what `tasks/` has in numpy: `encode`, the model and `decode`. Every
    output has a first axis of rows, so that a server can run the rows of several
    requests together.

    Args:
        model: The head's model.
        tokenizer: A `SqueezeBertTokenizer`; its `max_length` holds.

    Attributes:
        inputs: Specs of the strings it takes, by name.
        max_length: Tokens of a row unless told otherwise; None is all a model takes.
    """

    inputs: ClassVar[dict[str, tf.TensorSpec]] = {"text": strings(None)}
    max_length: ClassVar[int | None] = None

    def __init__(self, model: Any, tokenizer: SqueezeBertTokenizer):
        self.model = model
        self.config = model.config
        self.tokenizer = tokenizer

    @abstractmethod
    def __call__(self, **texts: tf.Tensor) -> Tensors:
        """The answers to a batch.

        Args:
            **texts: String tensors by the names in `inputs`.

        Returns:
            By name, tensors (batch, ...).
        """
