"""text_model: strings in, the head's outputs out, as one Keras model."""

import keras


def text_model(model, tokenizer, pairs=False):
    """Puts the in-graph tokenizer before a model.

    The result trains, predicts, saves and exports like any Keras model. It shares its
    weights with `model` and is compiled as `model` is.

    Args:
        model: Any SqueezeBERT model whose inputs are (batch, seq).
        tokenizer: A `SqueezeBertTokenizer`; its `max_length` and `padding` hold.
        pairs: Whether it takes pairs of texts: a dict of `text` and `text_pair`.

    Returns:
        A `keras.Model` from string tensors (batch,) to the outputs of `model`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizer,
        ... )
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=2, num_attention_heads=4,
        ... )
        >>> classifier = text_model(
        ...     SqueezeBertForSequenceClassification(config),
        ...     SqueezeBertTokenizer(max_length=16, padding="max_length"),
        ... )
        >>> classifier(tf.constant(["turn on the light", "what is the time?"])).shape
        TensorShape([2, 2])
    """
    text = keras.Input((), dtype="string", name="text")
    if pairs:
        text_pair = keras.Input((), dtype="string", name="text_pair")
        inputs = {"text": text, "text_pair": text_pair}
        outputs = model(tokenizer(text, text_pair))
    else:
        inputs = text
        outputs = model(tokenizer(text))
    combined = keras.Model(inputs, outputs)
    if model.compiled:
        combined.dtype_policy = model.dtype_policy  # by which Keras scales the loss
        config = model.get_compile_config()
        del config["optimizer_built"]
        combined.compile(**keras.saving.deserialize_keras_object(config))
    return combined
