"""Lengths of sequences: whether one fits in a model, and which ones run quickly."""

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError


def check_length(seq: int | None, config: SqueezeBertConfig) -> None:
    """Checks that there is a position embedding for every token.

    Args:
        seq: How many tokens there are; None, which is any number, passes.
        config: The model's config.

    Raises:
        InputError: There are more than `config.max_position_embeddings`.

    Example:
        >>> check_length(513, SqueezeBertConfig())
        Traceback (most recent call last):
        ...
        keras_squeezebert.errors.InputError: The sequence is longer than ...
    """
    limit = config.max_position_embeddings
    if seq is not None and seq > limit:
        raise InputError(
            "The sequence is longer than the model's position embeddings: at most "
            f"{limit} tokens fit (`max_position_embeddings`). Truncate the text, "
            f"e.g. tokenizer(texts, max_length={limit}). Received: {seq} tokens"
        )


def length_multiple() -> int:
    """What to pad the lengths of batches to, so that a training compiles few of them.

    Returns:
        32 with JAX, which compiles a program for every shape; else 1.

    Example:
        >>> length_multiple()
        1
    """
    import keras  # which not all that asks for lengths needs

    return 32 if keras.config.backend() == "jax" else 1
