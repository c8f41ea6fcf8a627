"""Distillation: a loss that is lower the more a model answers as its teacher does."""

from dataclasses import dataclass

import keras
from keras import ops

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.layer_distillation import (
    LayerDistillation,
    mean_of_tokens,
)
from keras_squeezebert.models.objectives import PositionCrossentropy

# Before the names of outputs, those of a teacher's answers among the inputs.
TEACHER = "teacher_"
_MASKED = -1e9  # a logit; its probability is 0


@dataclass(frozen=True)
class SavedAnswers:
    """The teacher whose answers are saved: they come with the inputs.

    `keras_squeezebert.training.teacher_answers` saves them, and puts them there.

    Args:
        output_shapes: Of the teacher's outputs, by name, as `output_shapes` gives them.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[2.0, 0.0]], "float16")
        >>> teacher = SavedAnswers({"logits": (None, 2)})
        >>> teacher({"teacher_logits": logits})["logits"] is logits
        True
    """

    output_shapes: dict[str, tuple[int | None, ...]]

    def __call__(self, inputs, training=False):
        missing = [name for name in self.output_shapes if TEACHER + name not in inputs]
        if missing:
            raise InputError(
                "The inputs hold no answers of the teacher. Train on the features that "
                "`save_answers` or `load_answers` gives. Received: "
                f"{', '.join(inputs)}"
            )
        return {name: inputs[TEACHER + name] for name in self.output_shapes}


class Distillation:
    """A teacher, and how much of the loss is the distance to what it does.

    The distance to its answers is the cross entropy of the two probabilities, at a
    temperature; of a regression it is the squared difference. Of heads that answer for
    each token, only the tokens that are not padding count.

    Args:
        student: The model that learns.
        teacher: A Keras model with the inputs and outputs of the one that learns, or
            `SavedAnswers`, which have no layers to learn from.
        weight: Share of this distance in the whole, in [0, 1].
        temperature: Divides the logits of both: above 1, the teacher's small
            probabilities count for more. The loss is multiplied by its square, so that
            gradients stay as large.
        hidden_weight: Of the distance of hidden states, which is added; see
            :class:`LayerDistillation`.
        attention_weight: Of that of attention.

    Raises:
        InputError: A number is out of its range, or the teacher does not fit.

    Reference:
        Hinton et al. 2015, arXiv 1503.02531, section 2.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | SavedAnswers,
        weight: float = 0.5,
        temperature: float = 1.0,
        hidden_weight: float = 0.0,
        attention_weight: float = 0.0,
    ):
        if not 0 <= weight <= 1:
            raise InputError(f"`weight` must be from 0 to 1. Received: weight={weight}")
        if not temperature > 0:
            raise InputError(
                f"`temperature` must be positive. Received: temperature={temperature}"
            )
        weights = {"hidden_weight": hidden_weight, "attention_weight": attention_weight}
        for name, value in weights.items():
            if not value >= 0:
                raise InputError(
                    f"`{name}` must be 0 or more. Received: {name}={value}"
                )
        _check_outputs(student, teacher)
        self.teacher = teacher
        self.weight = weight
        self.temperature = temperature
        # Not in the training step, for metrics come with it and have variables.
        self.objectives = named_outputs(student.default_objective()["loss"])
        self.layers = None
        if hidden_weight or attention_weight:
            self.layers = LayerDistillation(student, teacher, **weights)

    @property
    def variables(self):
        """What is learnt beside the model."""
        return [] if self.layers is None else self.layers.variables

    @property
    def settings(self):
        """Its numbers, and what it learns from, in values that JSON can hold."""
        return {
            "teacher": type(self.teacher).__name__,
            "weight": self.weight,
            "temperature": self.temperature,
            "hidden_weight": self.layers and self.layers.hidden_weight,
            "attention_weight": self.layers and self.layers.attention_weight,
        }

    def blend(self, loss, inputs, outputs):
        """The part of the labels' loss and the part of the teacher's, a scalar."""
        if self.layers is None:
            answers, of_layers = self.teacher(inputs, training=False), 0.0
        else:
            answers, of_layers = self.layers.run_teacher(inputs)
        taught = self.loss(answers, outputs, inputs["attention_mask"])
        return (1 - self.weight) * loss + self.weight * taught + of_layers

    def loss(self, answers, outputs, attention_mask):
        """The distance of outputs to answers, a scalar; the mean of all outputs'."""
        answers, outputs = named_outputs(answers), named_outputs(outputs)
        losses = []
        for name, objective in self.objectives.items():
            answer, output = (
                ops.cast(values[name], "float32") for values in (answers, outputs)
            )
            answer = ops.stop_gradient(answer)
            losses.append(self._distance(objective, answer, output, attention_mask))
        return sum(losses) / len(losses)

    def _distance(self, objective, answer, output, attention_mask):
        if isinstance(objective, keras.losses.MeanSquaredError):
            return ops.mean(ops.square(answer - output))
        answer, output = answer / self.temperature, output / self.temperature
        if isinstance(objective, PositionCrossentropy):  # logits (batch, seq)
            is_token = ops.not_equal(attention_mask, 0)
            answer, output = (ops.where(is_token, x, _MASKED) for x in (answer, output))
        if isinstance(objective, keras.losses.BinaryCrossentropy):
            distances = ops.mean(
                ops.binary_crossentropy(ops.sigmoid(answer), output, from_logits=True),
                axis=-1,
            )
        else:
            distances = ops.categorical_crossentropy(
                ops.softmax(answer), output, from_logits=True
            )
        if len(answer.shape) < 3:
            return self.temperature**2 * ops.mean(distances)
        return self.temperature**2 * mean_of_tokens(distances, attention_mask)


def named_outputs(outputs):
    """Outputs by name; that of a head without names is `logits`."""
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


def output_shapes(model: keras.Model) -> dict[str, tuple[int | None, ...]]:
    """The shapes of a model's outputs by name, None for the sizes that vary.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> from keras_squeezebert.models import SqueezeBertForTokenClassification
        >>> output_shapes(SqueezeBertForTokenClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )))
        {'logits': (None, None, 2)}
    """
    outputs = named_outputs(model.output)
    return {name: tuple(x.shape) for name, x in outputs.items()}


def _check_outputs(student, teacher):
    if not student.default_objective():
        raise InputError(
            "A model without a task has no answers to learn. Distil a model with a "
            f"head. Received: a {type(student).__name__}"
        )
    taught = (
        teacher.output_shapes
        if isinstance(teacher, SavedAnswers)
        else output_shapes(teacher)
    )
    if taught != output_shapes(student):
        raise InputError(
            "The teacher must have the model's outputs. Received: outputs "
            f"{taught} of the teacher, {output_shapes(student)} of the model"
        )
