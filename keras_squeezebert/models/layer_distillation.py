"""LayerDistillation: a loss that is lower the more layers work as a teacher's do."""

import keras
import numpy as np
from keras import ops

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.models.hidden_states import with_hidden_states

# Of a probability, where its logarithm is taken: masked tokens have 0, and so has what
# int8 rounds to it.
_LEAST = 1e-7


class LayerDistillation:
    """Distances to the hidden states and to the attention of a teacher's layers.

    Layer m of M learns from layer m·N/M of the teacher's N, rounded, and the embeddings
    from the embeddings. Of hidden states the distance is the mean squared difference,
    after a linear map of the model's to the teacher's width if these differ. The map is
    learnt together with the model and is no part of it. Of attention it is the
    divergence KL(teacher ‖ model) of the probabilities, head by head. Padding does not
    count, nor does what the model leaves out because no output depends on it.

    Args:
        student: The model that learns.
        teacher: Its teacher, with an encoder of any size.
        hidden_weight: What the mean of the states' distances is multiplied by.
        attention_weight: What the mean of the attentions' is multiplied by. If it is
            not 0, both must have as many heads: means over heads would hide what
            each of them looks at.

    Raises:
        InputError: The teacher is no SqueezeBERT or BERT, has fewer layers, or another
            number of heads.

    Reference:
        Jiao et al. 2020, arXiv 1909.10351, section 3, whose attention loss is that of
        Wang et al. 2020, arXiv 2002.10957, here.
    """

    def __init__(self, student, teacher, hidden_weight, attention_weight):
        self.student_encoder, self.teacher_encoder = (
            getattr(model, "transformer", model) for model in (student, teacher)
        )
        self._check(teacher, attention_weight)
        self.hidden_weight = hidden_weight
        self.attention_weight = attention_weight
        self.student = with_hidden_states(student)
        self.teacher = with_hidden_states(teacher)
        self.matched = matched_states(*self._both("num_hidden_layers"))
        width, taught_width = self._both("hidden_size")
        self.projection = None
        if hidden_weight and width != taught_width:
            self.projection = keras.layers.Dense(
                taught_width,
                use_bias=False,
                dtype=student.dtype_policy,
                name="projection",
            )
            self.projection.build((None, None, width))
        self._states = None

    def _check(self, teacher, attention_weight):
        if not hasattr(self.teacher_encoder, "encoder_layers"):
            raise InputError(
                "`hidden_weight` and `attention_weight` need the layers of a teacher "
                "that is a model of this package. Set both to 0 to learn from its "
                f"answers alone. Received: teacher={teacher!r}"
            )
        configs = (self.student_encoder.config, self.teacher_encoder.config)
        check_layers(*configs, attention_weight)

    def _both(self, field):
        """A field of the configs, of the model and of the teacher."""
        encoders = (self.student_encoder, self.teacher_encoder)
        return [getattr(encoder.config, field) for encoder in encoders]

    @property
    def variables(self):
        """What is learnt beside the model."""
        return [] if self.projection is None else self.projection.variables

    def run_student(self, inputs):
        """The outputs of the model in training; its states are kept for the loss."""
        outputs, self._states = self.student(inputs, training=True)
        return outputs

    def run_teacher(self, inputs):
        """The outputs of the teacher, and the loss of the model's layers, a scalar."""
        states, self._states = self._states, None
        answers, taught = self.teacher(inputs, training=False)
        mask = inputs["attention_mask"]
        mask = ops.reshape(mask, (-1, ops.shape(mask)[-1]))  # (texts, seq)
        loss = 0.0
        if self.hidden_weight:
            loss += self.hidden_weight * self._hidden_loss(states, taught, mask)
        if self.attention_weight:
            loss += self.attention_weight * self._attention_loss(states, taught, mask)
        return answers, loss

    def _hidden_loss(self, states, taught, mask):
        losses = []
        for state, number in zip(states, self.matched, strict=True):
            tokens = ops.shape(state)[1]
            target = ops.cast(taught[number][:, :tokens], "float32")
            if self.projection is not None:
                state = self.projection(state)
            difference = ops.cast(state, "float32") - ops.stop_gradient(target)
            distances = ops.mean(ops.square(difference), axis=-1)  # (texts, tokens)
            losses.append(mean_of_tokens(distances, mask[:, :tokens]))
        return sum(losses) / len(losses)

    def _attention_loss(self, states, taught, mask):
        losses = []
        for m, number in enumerate(self.matched[1:]):
            p, q = (
                _probabilities(encoder, layer, hidden, mask)
                for encoder, layer, hidden in [
                    (self.teacher_encoder, number - 1, taught[number - 1]),
                    (self.student_encoder, m, states[m]),
                ]
            )
            losses.append(mean_of_tokens(attention_divergence(p, q), mask))
        return sum(losses) / len(losses)


def check_layers(
    config: SqueezeBertConfig, taught: SqueezeBertConfig, attention_weight: float
) -> None:
    """Looks whether the layers of one model can learn from those of another.

    Args:
        config: Of the model that learns.
        taught: Of its teacher.
        attention_weight: What its attention counts for.

    Raises:
        InputError: The teacher has fewer layers, or, if its attention is to be learnt,
            another number of heads.
    """
    layers, taught_layers = config.num_hidden_layers, taught.num_hidden_layers
    if layers > taught_layers:
        raise InputError(
            "Layers can only be taught by as many or more. Set `hidden_weight` and "
            f"`attention_weight` to 0. Received: {layers} layers of the model, "
            f"{taught_layers} of the teacher"
        )
    heads, taught_heads = config.num_attention_heads, taught.num_attention_heads
    if attention_weight and heads != taught_heads:
        raise InputError(
            "Attention is taught head by head. Set `attention_weight` to 0, or "
            f"`num_attention_heads` of a new model to {taught_heads}. Received: "
            f"{heads} heads of the model, {taught_heads} of the teacher"
        )


def matched_states(layers: int, taught_layers: int) -> list[int]:
    """For the embeddings and each layer, the number of the teacher's state.

    Example:
        >>> matched_states(4, 12)
        [0, 3, 6, 9, 12]
    """
    return [round(number) for number in np.linspace(0, taught_layers, layers + 1)]


def attention_divergence(p, q):
    """KL(p ‖ q) of each query, its mean over heads: (texts, seq).

    Args:
        p: The teacher's probabilities, float32 (texts, heads, seq, seq).
        q: The model's.
    """
    p = ops.stop_gradient(p)
    divergence = ops.sum(p * (_log(p) - _log(q)), axis=-1)  # (texts, heads, seq)
    return ops.mean(divergence, axis=1)


def mean_of_tokens(values, mask):
    """The mean of values (texts, seq) where the mask is not 0, a scalar."""
    mask = ops.cast(ops.not_equal(mask, 0), values.dtype)
    return ops.sum(values * mask) / ops.maximum(ops.sum(mask), 1)


def _probabilities(encoder, number, hidden, mask):
    # Queries and keys are projected once more than in the layer's call, which keeps
    # no probabilities: not every attention in every training has to hand them out.
    layer = encoder.encoder_layers[number]
    return ops.cast(
        layer.probabilities(hidden, encoder.attention_bias(mask)), "float32"
    )


def _log(p):
    return ops.log(ops.maximum(p, _LEAST))
