"""SqueezeBertForMaskedLM: the head of pretraining."""

import keras

from keras_squeezebert.layers import SqueezeBertMaskedLMHead
from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.models import objectives
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.models.model import SqueezeBertModel
from keras_squeezebert.models.pretrained_model import PretrainedModel


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertForMaskedLM(PretrainedModel):
    """SqueezeBERT with a score of every word piece at every position.

    The decoder is the word embedding table, unless `config.tie_word_embeddings` is
    False, and has a bias of its own. The model is compiled for labels int (batch,
    seq): the original id where a token was masked, −100, which is ignored, elsewhere.

    Args:
        config: A `SqueezeBertConfig`.
        dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
        **kwargs: `name`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: Dict of int32 tensors (batch, seq), see `SqueezeBertModel`.

    Returns:
        Logits, float (batch, seq, vocab_size).

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForMaskedLM,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ... )
        >>> model = SqueezeBertForMaskedLM(config)
        >>> inputs = SqueezeBertTokenizerFast()("paris is the [MASK] of france.")
        >>> model.predict(inputs, verbose=0).shape
        (1, 9, 30522)

    Reference:
        `transformers.SqueezeBertForMaskedLM`.
    """

    def __init__(self, config, *, dtype=None, **kwargs):
        # === Layers
        transformer = SqueezeBertModel(config, dtype=dtype, name="transformer")
        transformer.pooler.trainable = False  # it has no part in this head
        predictions = SqueezeBertMaskedLMHead(
            config, transformer.embeddings, dtype=dtype, name="predictions"
        )

        # === Functional model
        inputs = token_inputs()
        hidden = transformer(inputs)["last_hidden_state"]  # (batch, seq, hidden)
        logits = predictions(hidden)  # (batch, seq, vocab_size)
        super().__init__(config, inputs, logits, dtype=dtype, **kwargs)
        self.transformer = transformer
        self.predictions = predictions
        self.compile()

    def default_objective(self):
        return objectives.masked_lm()
