"""inherit_word_embeddings: a student begins with what its teacher knows of words."""

import keras
import numpy as np

from keras_squeezebert.errors import InputError


def inherit_word_embeddings(student: keras.Model, teacher: keras.Model) -> None:
    """Puts the teacher's word embeddings in the place of a student's random ones.

    Where the student is narrower they are projected onto the directions in which they
    vary most. Those are turned at random, so that each group of a grouped convolution
    gets its share of them, and scaled to the size of what they replace.

    Args:
        student: The model that is to learn, whose word embeddings are overwritten.
        teacher: A model with its vocabulary.

    Raises:
        InputError: They have vocabularies of different sizes.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertForMaskedLM
        >>> config = SqueezeBertConfig(
        ...     vocab_size=100, hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> teacher = SqueezeBertForMaskedLM(config)
        >>> student = SqueezeBertForMaskedLM(config.replace(hidden_size=16))
        >>> inherit_word_embeddings(student, teacher)

    Reference:
        Jolliffe 2002, Principal Component Analysis, chapter 6.
    """
    target = student.transformer.embeddings.word_embeddings
    source = keras.ops.convert_to_numpy(
        teacher.transformer.embeddings.word_embeddings
    ).astype("float64")  # (vocabulary, teacher's hidden)
    if source.shape[0] != target.shape[0]:
        raise InputError(
            "The student must have the teacher's vocabulary. Received: "
            f"{target.shape[0]} and {source.shape[0]} pieces"
        )
    source -= source.mean(axis=0)
    width = min(source.shape[1], target.shape[1])
    _, directions = np.linalg.eigh(source.T @ source)  # those of most variance last
    turn, _ = np.linalg.qr(np.asarray(keras.random.normal((width, width))))
    values = keras.ops.convert_to_numpy(target).copy()
    projected = source @ directions[:, -width:] @ turn  # (vocabulary, width)
    values[:, :width] = projected * (values.std() / projected.std())
    target.assign(values)
