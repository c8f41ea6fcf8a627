"""SqueezeBertModel: the encoder without a head."""

import keras

from keras_squeezebert.layers import (
    AttentionBias,
    SqueezeBertEmbeddings,
    SqueezeBertEncoderLayer,
    SqueezeBertPooler,
)
from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.models.inputs import check_inputs, token_inputs
from keras_squeezebert.models.pretrained_model import PretrainedModel


@keras.saving.register_keras_serializable(PACKAGE)
class SqueezeBertModel(PretrainedModel):
    """SqueezeBERT: embeddings, encoder and pooler, as a Functional model.

    The output of a layer can be had by Keras' own means, e.g.
    `model.get_layer("encoder_layer_3").output`, and all that `transformers` calls
    `hidden_states` and `attentions` from :meth:`intermediate_outputs`.

    Args:
        config: A `SqueezeBertConfig`.
        dtype: Dtype policy, e.g. "mixed_float16". Default: Keras' global one.
        **kwargs: `name`, `trainable` of `keras.Model`.

    Call arguments:
        inputs: Dict of int32 tensors (batch, seq): `input_ids`, `attention_mask`
            (0 marks padding), `token_type_ids`.

    Returns:
        Dict: `last_hidden_state`, float (batch, seq, hidden), and `pooler_output`,
        float (batch, hidden).

    Raises:
        InputError: Ids outside the vocabulary (checked on eager calls), wrong dtypes,
            or a sequence longer than `config.max_position_embeddings`.

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
        >>> config = SqueezeBertConfig(
        ...     vocab_size=100, hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ... )
        >>> model = SqueezeBertModel(config)
        >>> ids = np.array([[2, 17, 3, 0]], "int32")
        >>> outputs = model({
        ...     "input_ids": ids,
        ...     "attention_mask": np.sign(ids),
        ...     "token_type_ids": np.zeros_like(ids),
        ... })
        >>> outputs["last_hidden_state"].shape, outputs["pooler_output"].shape
        (TensorShape([1, 4, 32]), TensorShape([1, 32]))

    Reference:
        Iandola et al. 2020; `transformers.SqueezeBertModel`.
    """

    def __init__(self, config, *, dtype=None, **kwargs):
        # === Layers
        embeddings = SqueezeBertEmbeddings(config, dtype=dtype, name="embeddings")
        attention_bias = AttentionBias(dtype=dtype, name="attention_bias")
        encoder_layers = [
            SqueezeBertEncoderLayer(config, dtype=dtype, name=f"encoder_layer_{i}")
            for i in range(config.num_hidden_layers)
        ]
        pooler = SqueezeBertPooler(config, dtype=dtype, name="pooler")

        # === Functional model
        inputs = token_inputs()
        hidden = embeddings(inputs["input_ids"], inputs["token_type_ids"])
        bias = attention_bias(inputs["attention_mask"])
        for layer in encoder_layers:
            hidden = layer(hidden, bias)  # (batch, seq, hidden)
        outputs = {
            "last_hidden_state": hidden,
            "pooler_output": pooler(hidden),  # (batch, hidden)
        }
        super().__init__(config, inputs, outputs, dtype=dtype, **kwargs)
        self.embeddings = embeddings
        self.attention_bias = attention_bias
        self.encoder_layers = encoder_layers
        self.pooler = pooler

    def pooled(self, inputs):
        """`pooler_output` alone, of which all heads of whole texts are made.

        It is made of the first token, and so that is all the last layer computes: its
        other queries and its feed-forward block are left out. Exact, and a base model
        of 12 layers saves 7 % of its work.

        Args:
            inputs: As in a call; symbolic tensors too, as in a head's graph.

        Returns:
            Float tensor (batch, hidden).

        Example:
            >>> import numpy as np
            >>> from keras_squeezebert import SqueezeBertConfig
            >>> model = SqueezeBertModel(SqueezeBertConfig(
            ...     vocab_size=100, hidden_size=32, intermediate_size=64,
            ...     num_hidden_layers=2, num_attention_heads=4,
            ... ))
            >>> ids = np.array([[2, 17, 3]], "int32")
            >>> inputs = {
            ...     "input_ids": ids,
            ...     "attention_mask": np.sign(ids),
            ...     "token_type_ids": np.zeros_like(ids),
            ... }
            >>> expected = model(inputs)["pooler_output"]
            >>> np.allclose(model.pooled(inputs), expected, atol=1e-6)
            True
        """
        *layers, last = self.encoder_layers
        hidden = self.embeddings(inputs["input_ids"], inputs["token_type_ids"])
        bias = self.attention_bias(inputs["attention_mask"])
        for layer in layers:
            hidden = layer(hidden, bias)  # (batch, seq, hidden)
        return self.pooler(last(hidden, bias, num_queries=1))

    def intermediate_outputs(self, inputs):
        """What every layer of the encoder computes, for study and for distillation.

        Args:
            inputs: As in a call, eager or inside a `tf.function`.

        Returns:
            Dict: `hidden_states`, a list of float (batch, seq, hidden), the embeddings
            and then the output of each encoder layer; `attentions`, a list of float
            (batch, heads, seq, seq), the probabilities in each. `transformers` gives
            the masked scores before the softmax as a SqueezeBERT's `attentions`.

        Example:
            >>> import numpy as np
            >>> from keras_squeezebert import SqueezeBertConfig
            >>> model = SqueezeBertModel(SqueezeBertConfig(
            ...     vocab_size=100, hidden_size=32, intermediate_size=64,
            ...     num_hidden_layers=2, num_attention_heads=4,
            ... ))
            >>> ids = np.array([[2, 17, 3]], "int32")
            >>> outputs = model.intermediate_outputs({
            ...     "input_ids": ids,
            ...     "attention_mask": np.sign(ids),
            ...     "token_type_ids": np.zeros_like(ids),
            ... })
            >>> len(outputs["hidden_states"]), outputs["attentions"][0].shape
            (3, TensorShape([1, 4, 3, 3]))
        """
        check_inputs(inputs, self)
        bias = self.attention_bias(inputs["attention_mask"])
        hidden_states = [self.embeddings(inputs["input_ids"], inputs["token_type_ids"])]
        attentions = []
        for layer in self.encoder_layers:
            hidden_states.append(layer(hidden_states[-1], bias))
            attentions.append(layer.probabilities(hidden_states[-2], bias))
        return {"hidden_states": hidden_states, "attentions": attentions}
