"""SqueezeBertForMultipleChoice: which of several continuations fits best."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE, kernel_initializer
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.models import objectives
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.models.model import SqueezeBertModel
from keras_squeezebert.models.pretrained_model import PretrainedModel


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertForMultipleChoice(PretrainedModel):
    """SqueezeBERT with one score for each choice, for any number of choices.

    Each choice is encoded by itself, usually as the pair (prompt, choice). The model
    is compiled for labels int (batch,), the index of the right choice.

    Args:
        config: A `SqueezeBertConfig`.
        dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
        **kwargs: `name`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: Dict of int32 tensors (batch, choices, seq): `input_ids`,
            `attention_mask`, `token_type_ids`.

    Returns:
        Logits, float (batch, choices).

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForMultipleChoice,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ... )
        >>> model = SqueezeBertForMultipleChoice(config)
        >>> inputs = SqueezeBertTokenizerFast()(
        ...     ["she opened"] * 3, ["the door.", "a rain.", "the blue."]
        ... )
        >>> inputs = {name: ids[None] for name, ids in inputs.items()}
        >>> model.predict(inputs, verbose=0).shape
        (1, 3)

    Reference:
        `transformers.SqueezeBertForMultipleChoice`.
    """

    def __init__(self, config, *, dtype=None, **kwargs):
        # === Layers
        transformer = SqueezeBertModel(config, dtype=dtype, name="transformer")
        dropout = keras.layers.Dropout(
            config.hidden_dropout_prob, dtype=dtype, name="dropout"
        )
        classifier = Dense(
            1,
            kernel_initializer=kernel_initializer(config),
            dtype=dtype,
            name="classifier",
        )

        # === Functional model
        inputs = token_inputs(shape=(None, None))
        flat = {name: FlattenChoices()(x) for name, x in inputs.items()}
        pooled = transformer.pooled(flat)  # (batch * choices, hidden)
        scores = classifier(dropout(pooled))  # (batch * choices, 1)
        logits = UnflattenChoices()(scores, inputs["input_ids"])  # (batch, choices)
        super().__init__(config, inputs, logits, dtype=dtype, **kwargs)
        self.transformer = transformer
        self.classifier = classifier
        self.compile()

    def default_objective(self):
        return objectives.multiple_choice()


@keras.saving.register_keras_serializable(PACKAGE)
class FlattenChoices(keras.layers.Layer):
    """(batch, choices, seq) → (batch * choices, seq)."""

    def call(self, inputs):
        return ops.reshape(inputs, (-1, ops.shape(inputs)[-1]))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((None, inputs.shape[-1]), dtype=inputs.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class UnflattenChoices(keras.layers.Layer):
    """(batch * choices, 1) → (batch, choices), of a tensor (batch, choices, seq)."""

    def call(self, scores, like):
        return ops.reshape(scores, ops.shape(like)[:2])

    def compute_output_spec(self, scores, like):
        return keras.KerasTensor(like.shape[:2], dtype=scores.dtype)
