"""SqueezeBertForTokenClassification: a label for every token, e.g. for NER."""

import keras

from keras_squeezebert.layers.base import PACKAGE, kernel_initializer
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.models import objectives
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.models.model import SqueezeBertModel
from keras_squeezebert.models.pretrained_model import PretrainedModel


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertForTokenClassification(PretrainedModel):
    """SqueezeBERT with a linear layer on every token.

    It is compiled for labels int (batch, seq), of which −100 (padding, special
    tokens, later word pieces) is ignored.

    Args:
        config: A `SqueezeBertConfig`.
        dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
        **kwargs: `name`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: Dict of int32 tensors (batch, seq), see `SqueezeBertModel`.

    Returns:
        Logits, float (batch, seq, num_labels).

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForTokenClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ...     id2label={0: "O", 1: "B-PER", 2: "I-PER"},
        ... )
        >>> model = SqueezeBertForTokenClassification(config)
        >>> model.predict(SqueezeBertTokenizerFast()("ada came"), verbose=0).shape
        (1, 4, 3)

    Reference:
        `transformers.SqueezeBertForTokenClassification`.
    """

    def __init__(self, config, *, dtype=None, **kwargs):
        # === Layers
        transformer = SqueezeBertModel(config, dtype=dtype, name="transformer")
        transformer.pooler.trainable = False  # it has no part in this head
        dropout = keras.layers.Dropout(
            config.hidden_dropout_prob, dtype=dtype, name="dropout"
        )
        classifier = Dense(
            config.num_labels,
            kernel_initializer=kernel_initializer(config),
            dtype=dtype,
            name="classifier",
        )

        # === Functional model
        inputs = token_inputs()
        hidden = transformer(inputs)["last_hidden_state"]  # (batch, seq, hidden)
        logits = classifier(dropout(hidden))  # (batch, seq, num_labels)
        super().__init__(config, inputs, logits, dtype=dtype, **kwargs)
        self.transformer = transformer
        self.classifier = classifier
        self.compile()

    def default_objective(self):
        return objectives.token_classification()
