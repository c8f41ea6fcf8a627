"""SqueezeBertForQuestionAnswering: where in the text the answer starts and ends."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE, kernel_initializer
from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.models import objectives
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.models.model import SqueezeBertModel
from keras_squeezebert.models.pretrained_model import PretrainedModel


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertForQuestionAnswering(PretrainedModel):
    """SqueezeBERT with a start score and an end score for every token.

    It is compiled for labels `{"start_logits", "end_logits"}`, int (batch,) each: the
    positions of the answer's first and last token. A position past the sequence is
    ignored, a negative one counts as 0 (`[CLS]`), as in Hugging Face.

    Args:
        config: A `SqueezeBertConfig`.
        dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
        **kwargs: `name`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: Dict of int32 tensors (batch, seq), see `SqueezeBertModel`.

    Returns:
        Dict: `start_logits` and `end_logits`, float (batch, seq) each.

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForQuestionAnswering,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ... )
        >>> model = SqueezeBertForQuestionAnswering(config)
        >>> inputs = SqueezeBertTokenizerFast()(["who came?"], ["ada came."])
        >>> model.predict(inputs, verbose=0)["start_logits"].shape
        (1, 9)

    Reference:
        `transformers.SqueezeBertForQuestionAnswering`, which has no dropout here.
    """

    def __init__(self, config, *, dtype=None, **kwargs):
        # Start and end are no classes: labels of an earlier task mean nothing here,
        # and Hugging Face reads the width of its layer from them.
        config = config.replace(id2label=None)

        # === Layers
        transformer = SqueezeBertModel(config, dtype=dtype, name="transformer")
        transformer.pooler.trainable = False  # it has no part in this head
        qa_outputs = Dense(
            2,
            kernel_initializer=kernel_initializer(config),
            dtype=dtype,
            name="qa_outputs",
        )

        # === Functional model
        inputs = token_inputs()
        hidden = transformer(inputs)["last_hidden_state"]  # (batch, seq, hidden)
        logits = qa_outputs(hidden)  # (batch, seq, 2)
        # Not `logits[..., 0]`, which TFLite's GPU delegate leaves to the CPU.
        outputs = {
            "start_logits": ops.squeeze(logits[..., :1], -1),  # (batch, seq)
            "end_logits": ops.squeeze(logits[..., 1:], -1),  # (batch, seq)
        }
        super().__init__(config, inputs, outputs, dtype=dtype, **kwargs)
        self.transformer = transformer
        self.qa_outputs = qa_outputs
        self.compile()

    def default_objective(self):
        return objectives.question_answering()
