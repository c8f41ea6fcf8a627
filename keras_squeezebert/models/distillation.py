"""Distillation: a loss that is lower the more a model answers as its teacher does."""

from dataclasses import dataclass

import keras
from keras import ops

from keras_squeezebert.errors import InputError


@dataclass
class Distillation:
    """A teacher, and how much of the loss is the distance to its answers.

    The distance is the cross entropy of the two probabilities, at a temperature; of a
    regression it is the squared difference. Of heads that answer for each token, only
    the tokens that are not padding count.

    Args:
        teacher: A model with the inputs and outputs of the one that learns.
        weight: Share of this loss in the whole, in [0, 1].
        temperature: Divides the logits of both: above 1, the teacher's small
            probabilities count for more. The loss is multiplied by its square, so that
            gradients stay as large.

    Reference:
        Hinton et al. 2015, arXiv 1503.02531, section 2.
    """

    teacher: keras.Model
    weight: float = 0.5
    temperature: float = 1.0

    def __post_init__(self):
        if not 0 <= self.weight <= 1:
            raise InputError(
                f"`weight` must be from 0 to 1. Received: weight={self.weight}"
            )
        if not self.temperature > 0:
            raise InputError(
                "`temperature` must be positive. Received: "
                f"temperature={self.temperature}"
            )
        # Not in the training step, for metrics come with it and have variables.
        self.objective = self.teacher.default_objective().get("loss")

    def check(self, model: keras.Model) -> None:
        """Raises an `InputError` unless the teacher can teach a model."""
        shapes = [
            keras.tree.map_structure(lambda x: tuple(x.shape), m.output)
            for m in (self.teacher, model)
        ]
        if shapes[0] != shapes[1]:
            raise InputError(
                "The teacher must have the model's outputs. Received: outputs "
                f"{shapes[0]} of the teacher, {shapes[1]} of the model"
            )

    def blend(self, loss, inputs, outputs):
        """The part of the labels' loss and the part of the teacher's, a scalar."""
        taught = self.loss(inputs, outputs)
        return (1 - self.weight) * loss + self.weight * taught

    def loss(self, inputs, outputs):
        """The distance to the teacher's answers, a scalar; the mean of the outputs'."""
        answers = keras.tree.flatten(self.teacher(inputs, training=False))
        outputs = keras.tree.flatten(outputs)
        losses = [
            self._distance(ops.stop_gradient(answer), output, inputs["attention_mask"])
            for answer, output in zip(answers, outputs, strict=True)
        ]
        return sum(losses) / len(losses)

    def _distance(self, answer, output, attention_mask):
        if isinstance(self.objective, keras.losses.MeanSquaredError):
            return ops.mean(ops.square(answer - output))
        answer, output = answer / self.temperature, output / self.temperature
        if isinstance(self.objective, keras.losses.BinaryCrossentropy):
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
        mask = ops.cast(attention_mask, distances.dtype)  # (batch, seq)
        return self.temperature**2 * ops.sum(distances * mask) / ops.sum(mask)
