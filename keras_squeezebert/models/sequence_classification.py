"""SqueezeBertForSequenceClassification: one answer for a text or a pair of texts."""

import keras

from keras_squeezebert.layers.base import PACKAGE, kernel_initializer
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.models import objectives
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.models.model import SqueezeBertModel
from keras_squeezebert.models.pretrained_model import PretrainedModel


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertForSequenceClassification(PretrainedModel):
    """SqueezeBERT with a linear layer on the pooled output.

    `config.problem_type` says what it is trained on: "single_label_classification"
    (labels int (batch,), −100 is ignored), "multi_label_classification" (labels 0 or
    1, (batch, num_labels)) or "regression" (labels float, (batch,) or
    (batch, num_labels)). Left None it is regression with one label and single label
    with more. The model is compiled for it; compile it again to choose otherwise.

    Args:
        config: A `SqueezeBertConfig`.
        dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
        **kwargs: `name`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: Dict of int32 tensors (batch, seq), see `SqueezeBertModel`.

    Returns:
        Logits, float (batch, num_labels).

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ...     id2label={0: "bad", 1: "fair", 2: "good"},
        ... )
        >>> model = SqueezeBertForSequenceClassification(config)
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> inputs = tokenizer(["what a film", "so long"])
        >>> _ = model.fit(inputs, np.array([2, 0]), verbose=0)
        >>> model.predict(inputs, verbose=0).shape
        (2, 3)

    Reference:
        `transformers.SqueezeBertForSequenceClassification`.
    """

    def __init__(self, config, *, dtype=None, **kwargs):
        # === Layers
        transformer = SqueezeBertModel(config, dtype=dtype, name="transformer")
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
        pooled = transformer.pooled(inputs)  # (batch, hidden)
        logits = classifier(dropout(pooled))  # (batch, num_labels)
        super().__init__(config, inputs, logits, dtype=dtype, **kwargs)
        self.transformer = transformer
        self.classifier = classifier
        self.compile()

    def default_objective(self):
        return objectives.sequence_classification(self.config)
