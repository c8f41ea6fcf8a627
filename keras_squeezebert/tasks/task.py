"""Task: what stands between examples and the model of one head."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import Metric
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

if TYPE_CHECKING:
    from keras_squeezebert.models.pretrained_model import PretrainedModel

# By name, arrays with a first axis of rows.
Outputs = dict[str, np.ndarray]


class Task(ABC):
    """The way there and back: examples to features, and outputs to answers.

    Each head has a subclass, a frozen dataclass whose fields are the choices that the
    head leaves open. One loop serves all of them: `encode` the examples, run the model
    on the features (`model_outputs`), `decode` what it gives, and `score` that.

    Attributes:
        architecture: The name of the model's class that the features are for.
    """

    architecture: ClassVar[str]

    @property
    def model_class(self) -> type["PretrainedModel"]:
        """That class."""
        # Only here: outputs of a .tflite are scored without Keras.
        from keras_squeezebert import models

        return getattr(models, self.architecture)

    @abstractmethod
    def encode(
        self,
        examples: Any,
        tokenizer: SqueezeBertTokenizerFast,
        config: SqueezeBertConfig,
        max_length: int | None = None,
    ) -> Features:
        """The examples as arrays.

        Args:
            examples: The head's container of `keras_squeezebert.data`.
            tokenizer: A `SqueezeBertTokenizerFast`.
            config: The model's config, for its labels.
            max_length: Most tokens of a row; None is what the tokenizer allows.

        Raises:
            InputError: A label is not one of the config's, or a row is too long for
                the model.
        """

    def condense(
        self, outputs: Outputs, features: Features, rows: np.ndarray
    ) -> Outputs:
        """Of the outputs of a batch, what `decode` needs: here, all of it.

        Args:
            outputs: By name, float (rows, ...).
            features: What `encode` made of the examples.
            rows: The numbers of the rows in the batch.
        """
        return outputs

    @abstractmethod
    def decode(
        self,
        outputs: Outputs,
        features: Features,
        examples: Any,
        config: SqueezeBertConfig,
    ) -> list[Any]:
        """What the outputs say of each example, in values that JSON can hold.

        Args:
            outputs: By name, the model's outputs for every row of the features.
            features: What `encode` made of the examples.
            examples: The examples.
            config: The model's config.
        """

    @abstractmethod
    def metric(self, config: SqueezeBertConfig) -> Metric:
        """The metric of `score`, and what of it tells the better of two models."""

    @abstractmethod
    def score(
        self, examples: Any, answers: list[Any], config: SqueezeBertConfig
    ) -> dict[str, float]:
        """How good the answers are, by the labels of the examples.

        Raises:
            InputError: The examples have no labels.
        """

    def label_names(self, examples: Any) -> list[str] | None:
        """Names for the classes of a new head; None where it has none."""
        return None


def known(name: str, labels: Any) -> Any:
    """The labels of examples.

    Raises:
        InputError: They are None.
    """
    if labels is None:
        raise InputError(f"These examples have no {name}. Received: {name}=None")
    return labels
