"""Evaluation: a task's metrics of any model, on examples that are encoded once."""

from typing import Any

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.metrics import Metric
from keras_squeezebert.tasks.run import model_outputs
from keras_squeezebert.tasks.task import Task
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast


class Evaluation:
    """Examples by which models of one task are scored.

    Args:
        task: The task.
        examples: Its examples, with labels.
        tokenizer: A `SqueezeBertTokenizerFast`.
        config: The config of the models.
        max_length: Most tokens of a row; None is what the tokenizer allows.

    Attributes:
        features: The examples as arrays.

    Raises:
        InputError: The examples have no labels, or others than the config's.

    Example:
        >>> from keras_squeezebert.data import TextExamples
        >>> from keras_squeezebert.tasks import SequenceClassification
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ...     id2label={0: "no", 1: "yes"},
        ... )
        >>> task = SequenceClassification()
        >>> examples = TextExamples(["good", "bad"], ["yes", "yes"])
        >>> evaluation = Evaluation(task, examples, SqueezeBertTokenizerFast(), config)
        >>> list(evaluation(task.model_class(config)))
        ['accuracy']
    """

    def __init__(
        self,
        task: Task,
        examples: Any,
        tokenizer: SqueezeBertTokenizerFast,
        config: SqueezeBertConfig,
        max_length: int | None = None,
    ):
        self.task = task
        self.examples = examples
        self.config = config
        self.features = task.encode(examples, tokenizer, config, max_length)

    @property
    def metric(self) -> Metric:
        """What is computed, and what of it tells the better of two models."""
        return self.task.metric(self.config)

    def __call__(self, model: Any, progress: bool = False) -> dict[str, float]:
        """The figures of a model: of Keras, or a `LiteRTModel`."""
        outputs = model_outputs(self.task, model, self.features, progress=progress)
        answers = self.task.decode(outputs, self.features, self.examples, self.config)
        return self.task.score(self.examples, answers, self.config)
