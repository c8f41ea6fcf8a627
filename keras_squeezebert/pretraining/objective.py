"""pretraining_model: all that a masked LM learns from, as one Functional model."""

import keras
from keras import ops

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.models.hidden_states import with_hidden_states
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.models.layer_distillation import (
    attention_divergence,
    check_layers,
    matched_states,
)
from keras_squeezebert.models.objectives import LabelAccuracy
from keras_squeezebert.pretraining.initial import draw_kernels
from keras_squeezebert.pretraining.recipe import PretrainingRecipe

DISTANCES = ("hidden", "attention", "sentence")


def pretraining_model(
    model: keras.Model,
    recipe: PretrainingRecipe,
    teacher: keras.Model | None = None,
) -> keras.Model:
    """A model that shares the layers of a masked LM, with an output for each loss.

    It takes what `Rows.batch` gives. The head of the sentence order, and the map to a
    teacher's width where it has another, are its own: they are learnt and then left.

    Args:
        model: A `SqueezeBertForMaskedLM`.
        recipe: Says by its weights which losses there are.
        teacher: A `SqueezeBertModel` of the same vocabulary, if one of them is a
            distance.

    Returns:
        A `keras.Model` with those of these outputs that have a weight: `masked_lm`,
        logits (batch, places, vocabulary); `sentence_order`, logits (batch, 2);
        `hidden_distance`, `attention_distance` and `sentence_distance`, (batch,). It is
        compiled, with the optimizer of the recipe.

    Raises:
        InputError: There is nothing to learn; or a distance to no teacher, or to one
            that it cannot be taken to.
    """
    config, dtype = model.config, model.dtype_policy
    weights = {name: getattr(recipe, f"{name}_weight") for name in DISTANCES}
    _check_teacher(config, teacher, weights)
    encoder = model.transformer
    encoder.pooler.trainable = recipe.sentence_order
    inputs = token_inputs()
    outputs, states = with_hidden_states(encoder)(inputs)
    found = {}
    if recipe.masked_lm_weight and recipe.mask_rate:
        inputs["masked_positions"] = keras.Input(
            (None,), dtype="int32", name="masked_positions"
        )
        hidden = AtPositions(dtype=dtype)(states[-1], inputs["masked_positions"])
        found["masked_lm"] = model.predictions(hidden)
    if recipe.sentence_order:
        order = Dense(2, dtype=dtype, name="seq_relationship")
        found["sentence_order"] = order(outputs["pooler_output"])
    if teacher is not None:
        found |= _distances(encoder, states, inputs, teacher, recipe, dtype)
    if not found:
        raise InputError("There is nothing to learn: all weights are 0.")
    training = keras.Model(inputs, found, name="pretraining")
    of_model = {id(variable) for variable in model.variables}
    draw_kernels(
        [v for v in training.trainable_variables if id(v) not in of_model],
        config.initializer_range,
        recipe.seed,
    )
    optimizer = recipe.new_optimizer()
    if dtype.compute_dtype == "float16":  # whose small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    training.compile(
        optimizer,
        loss={name: _loss(name) for name in found},
        loss_weights={name: _weight(name, recipe) for name in found},
        metrics={
            name: [LabelAccuracy(name="accuracy")]
            for name in found
            if not name.endswith("_distance")
        },
        jit_compile=keras.config.backend() == "jax",
    )
    return training


def _weight(name, recipe):
    if name == "sentence_order":
        return 1.0
    return getattr(recipe, f"{name.removesuffix('_distance')}_weight")


def _loss(name):
    if name.endswith("_distance"):
        return Mean()
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=IGNORED_LABEL
    )


def _check_teacher(config, teacher, weights):
    wanted = [f"{name}_weight" for name, weight in weights.items() if weight]
    if teacher is None:
        if wanted:
            raise InputError(
                f"A distance is to a teacher. Received: {', '.join(wanted)}, no teacher"
            )
        return
    if not wanted:
        raise InputError(
            "Of a teacher something is to be learnt: set `hidden_weight`, "
            "`attention_weight` or `sentence_weight`. Received: all 0"
        )
    taught = teacher.config
    if taught.vocab_size != config.vocab_size:
        raise InputError(
            "The teacher must have the model's vocabulary. Received: "
            f"{taught.vocab_size} pieces of the teacher, {config.vocab_size} of the "
            "model"
        )
    check_layers(config, taught, weights["attention"])


def _distances(encoder, states, inputs, teacher, recipe, dtype):
    """An output (batch,) for each kind of distance that has a weight."""
    names = list(token_inputs())
    taught = TeacherStates(teacher, dtype=dtype)(*(inputs[name] for name in names))
    numbers = matched_states(
        encoder.config.num_hidden_layers, teacher.config.num_hidden_layers
    )
    mask = inputs["attention_mask"]
    projected = states
    width = teacher.config.hidden_size
    if width != encoder.config.hidden_size:
        projection = keras.layers.Dense(
            width, use_bias=False, dtype=dtype, name="projection"
        )
        projected = [projection(state) for state in states]
    targets = [taught[number] for number in numbers]
    found = {}
    if recipe.hidden_weight:
        some = slice(-1 if recipe.hidden_states == "last" else 0, None)
        found["hidden_distance"] = HiddenDistance(name="hidden_distance")(
            projected[some], targets[some], mask
        )
    if recipe.attention_weight:
        found["attention_distance"] = AttentionDistance(
            encoder, teacher, numbers, dtype=dtype, name="attention_distance"
        )(states[:-1], [taught[number - 1] for number in numbers[1:]], mask)
    if recipe.sentence_weight:
        found["sentence_distance"] = SentenceDistance(name="sentence_distance")(
            projected[-1], targets[-1], mask
        )
    return found


class Mean(keras.losses.Loss):
    """The mean of an output that is a loss already."""

    def call(self, y_true, y_pred):
        return y_pred


class AtPositions(keras.layers.Layer):
    """Some tokens of each row, by their positions (batch, n): (batch, n, hidden)."""

    def call(self, hidden, positions):
        return ops.take_along_axis(hidden, positions[..., None], axis=1)

    def compute_output_spec(self, hidden, positions):
        shape = (*positions.shape, hidden.shape[-1])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


class TeacherStates(keras.layers.Layer):
    """The hidden states of a model that does not learn, (batch, seq, hidden) each.

    Its weights are none of this layer's, so that a state of the training does not hold
    them.
    """

    def __init__(self, teacher, **kwargs):
        super().__init__(**kwargs)
        teacher.trainable = False
        self._of = lambda: teacher

    def call(self, input_ids, attention_mask, token_type_ids):
        teacher = self._of()
        states = [teacher.embeddings(input_ids, token_type_ids, training=False)]
        bias = teacher.attention_bias(attention_mask)
        for layer in teacher.encoder_layers:
            states.append(layer(states[-1], bias, training=False))
        return [ops.stop_gradient(state) for state in states]

    def compute_output_spec(self, input_ids, attention_mask, token_type_ids):
        config = self._of().config
        shape = (*input_ids.shape, config.hidden_size)
        return [  # each a tensor of its own: Keras tells them apart by identity
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for _ in range(1 + config.num_hidden_layers)
        ]


class HiddenDistance(keras.layers.Layer):
    """Σ|s − t|² / Σ|t|² over the tokens of a row, its mean over layers: (batch,).

    It is 1 for states of zeros, whatever the scale of the teacher's.
    """

    def call(self, states, taught, mask):
        distances = []
        for state, target in zip(states, taught, strict=True):
            state, target = ops.cast(state, "float32"), ops.cast(target, "float32")
            missed = ops.mean(ops.square(state - target), axis=-1)  # (batch, seq)
            whole = ops.mean(ops.square(target), axis=-1)  # (batch, seq)
            distances.append(mean_of_row(missed, mask) / mean_of_row(whole, mask))
        return sum(distances) / len(distances)

    def compute_output_spec(self, states, taught, mask):
        return keras.KerasTensor(mask.shape[:1], dtype="float32")


class AttentionDistance(keras.layers.Layer):
    """KL(teacher ‖ model) of the attention of each head, mean over all: (batch,)."""

    def __init__(self, encoder, teacher, numbers, **kwargs):
        super().__init__(**kwargs)
        self._of = lambda: (encoder, teacher, numbers)

    def call(self, states, taught, mask):
        encoder, teacher, numbers = self._of()
        bias = encoder.attention_bias(mask)
        distances = []
        for m, number in enumerate(numbers[1:]):
            q = encoder.encoder_layers[m].probabilities(states[m], bias)
            p = teacher.encoder_layers[number - 1].probabilities(taught[m], bias)
            p, q = (ops.cast(x, "float32") for x in (p, q))
            distances.append(attention_divergence(p, q))  # (batch, seq)
        return mean_of_row(sum(distances) / len(distances), mask)

    def compute_output_spec(self, states, taught, mask):
        return keras.KerasTensor(mask.shape[:1], dtype="float32")


class SentenceDistance(keras.layers.Layer):
    """1 − cosine of the two mean-pooled rows: (batch,)."""

    def call(self, state, taught, mask):
        state, taught = (
            mean_of_row(ops.cast(x, "float32"), mask[..., None])
            for x in (state, taught)
        )  # (batch, hidden) each
        both = ops.sum(state * taught, axis=-1)
        norms = ops.sum(ops.square(state), -1) * ops.sum(ops.square(taught), -1)
        return 1.0 - both * ops.rsqrt(norms + 1e-12)

    def compute_output_spec(self, state, taught, mask):
        return keras.KerasTensor(mask.shape[:1], dtype="float32")


def mean_of_row(values, mask):
    """The mean over the tokens, axis 1, where the mask is not 0."""
    mask = ops.cast(ops.not_equal(mask, 0), values.dtype)
    return ops.sum(values * mask, axis=1) / ops.sum(mask, axis=1)
