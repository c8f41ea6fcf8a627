"""What each head is trained on: its default loss and metrics.

Hugging Face computes these losses inside its models; Keras compiles them in. Labels
of −100 are ignored in both.
"""

import keras
from keras import ops

from keras_squeezebert.labels import IGNORED_LABEL, problem_type
from keras_squeezebert.layers.base import PACKAGE


def sequence_classification(config):
    """Loss and metrics by `config.problem_type`."""
    problem = problem_type(config)
    if problem == "regression":
        return {"loss": keras.losses.MeanSquaredError(), "metrics": ["mae"]}
    if problem == "multi_label_classification":
        # A logit of 0 is a probability of one half.
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        return {"loss": loss, "metrics": [accuracy]}
    return one_label()


def one_label():
    """Cross entropy and accuracy of one label: for a text, each token, or a choice."""
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=IGNORED_LABEL
    )
    return {"loss": loss, "metrics": [LabelAccuracy(name="accuracy")]}


masked_lm = multiple_choice = token_classification = one_label


def question_answering():
    """The mean of the cross entropies of the two positions."""
    outputs = ("start_logits", "end_logits")
    return {
        "loss": {name: PositionCrossentropy() for name in outputs},
        "loss_weights": dict.fromkeys(outputs, 0.5),
        "metrics": {name: [LabelAccuracy(name="accuracy")] for name in outputs},
    }


@keras.saving.register_keras_serializable(PACKAGE)
class PositionCrossentropy(keras.losses.Loss):
    """Cross entropy of a position in the sequence, int (batch,), against its logits.

    A position past the sequence (an answer that was truncated away) is ignored, a
    negative one counts as 0.

    Example:
        >>> import numpy as np
        >>> loss = PositionCrossentropy()
        >>> logits = np.array([[9.0, 0.0], [9.0, 0.0]], "float32")
        >>> round(float(loss(np.array([1, 2]), logits)), 3)
        9.0

    Reference:
        The loss in `transformers.SqueezeBertForQuestionAnswering.forward`.
    """

    def __init__(self, reduction="sum_over_batch_size", name="position_crossentropy"):
        super().__init__(reduction=reduction, name=name)

    def call(self, y_true, y_pred):
        seq = ops.shape(y_pred)[-1]
        position = ops.maximum(ops.cast(y_true, "int32"), 0)
        position = ops.where(position < seq, position, IGNORED_LABEL)
        return keras.losses.sparse_categorical_crossentropy(
            position, y_pred, from_logits=True, ignore_class=IGNORED_LABEL
        )


@keras.saving.register_keras_serializable(PACKAGE)
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross entropy of an int label, a share of which is spread over all labels.

    Args:
        label_smoothing: The share, in [0, 1).
        ignore_class: A label that does not count, or None.
        **kwargs: `reduction` and `name` of `keras.losses.Loss`.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[2.0, 0.0]], "float32")
        >>> round(float(SmoothedCrossentropy(0.1)(np.array([0]), logits)), 3)
        0.227

    Reference:
        Szegedy et al. 2016, arXiv 1512.00567, section 7.
    """

    def __init__(
        self,
        label_smoothing,
        ignore_class=None,
        name="smoothed_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.ignore_class = ignore_class

    def call(self, y_true, y_pred):
        labels = ops.one_hot(ops.cast(y_true, "int32"), ops.shape(y_pred)[-1])
        losses = keras.losses.categorical_crossentropy(
            labels, y_pred, from_logits=True, label_smoothing=self.label_smoothing
        )
        if self.ignore_class is None:
            return losses
        # Keras divides by the number of labels: let it be that of those that count.
        counted = ops.cast(ops.not_equal(y_true, self.ignore_class), losses.dtype)
        return losses * counted / ops.maximum(ops.mean(counted), 1e-9)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "ignore_class": self.ignore_class,
        }


@keras.saving.register_keras_serializable(PACKAGE)
class LabelAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Accuracy over the labels that are not −100.

    Example:
        >>> import numpy as np
        >>> metric = LabelAccuracy()
        >>> logits = np.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> metric.update_state(np.array([[1, -100]]), logits)
        >>> float(metric.result())
        1.0
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        counted = ops.cast(ops.not_equal(y_true, IGNORED_LABEL), self.dtype)
        if sample_weight is not None:
            counted = counted * ops.cast(sample_weight, self.dtype)
        return super().update_state(y_true, y_pred, sample_weight=counted)
