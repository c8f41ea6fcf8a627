"""with_hidden_states: a model that tells, beside its outputs, how it came to them."""

import keras

from keras_squeezebert.layers import SqueezeBertEmbeddings, SqueezeBertEncoderLayer


def with_hidden_states(model: keras.Model) -> keras.Model:
    """A model of the same layers that also gives the states between them.

    It computes what `model` does and nothing twice, so the last layer of a head that
    reads the first token only has the state of that token only.

    Args:
        model: Any SqueezeBERT model, of which it shares all weights.

    Returns:
        A `keras.Model` with the inputs of `model`. Its outputs are `(outputs, states)`:
        those of `model`; and a list of float (batch, seq, hidden), the embeddings and
        then what each encoder layer gives. Choices are so many texts of the batch.

    Example:
        >>> import numpy as np
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> model = SqueezeBertForSequenceClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ... ))
        >>> inputs = SqueezeBertTokenizerFast()(["what a film"])
        >>> logits, states = with_hidden_states(model)(inputs)
        >>> np.array_equal(logits, model(inputs))
        True
        >>> [tuple(state.shape) for state in states]
        [(1, 5, 32), (1, 5, 32), (1, 1, 32)]
    """
    states = []

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.Model):  # the encoder, inside a head
            return _rewired(layer, call, *args).output
        outputs = layer(*args, **kwargs)
        if isinstance(layer, (SqueezeBertEmbeddings, SqueezeBertEncoderLayer)):
            states.append(outputs)
        return outputs

    # Without what the model is compiled with, which Keras would copy.
    rewired = _rewired(keras.Model(model.input, model.output), call)
    return keras.Model(rewired.input, (rewired.output, states))


def _rewired(model, call, inputs=None):
    return keras.models.clone_model(
        model,
        input_tensors=inputs,
        clone_function=lambda layer: layer,
        call_function=call,
    )
