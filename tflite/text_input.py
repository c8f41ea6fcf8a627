"""Text in the graph of a .tflite: word pieces by TensorFlow Text's own operations."""

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_text

from keras_squeezebert.errors import InputError

# All that is not TFLite's own, by the names that `read_ops` gives them.
TEXT_OPS = (
    "CUSTOM:FastBertNormalize",
    "CUSTOM:FastWordpieceTokenizeWithOffsets",
    "CUSTOM:RaggedTensorToTensor",
)
# `SqueezeBertTokenizer`, which is exact, has a dozen operations that no TFLite comes
# with, unless TensorFlow's runtime is linked into it; LiteRT's for Python has not been
# since TensorFlow 2.20 (https://github.com/google-ai-edge/LiteRT/issues/6458).


def check_text_input(model: keras.Model, tokenizer, length: int, runtime: str) -> None:
    """Raises InputError unless a model's .tflite can take text."""
    name = type(model).__name__
    if name != "SqueezeBertForSequenceClassification":
        raise InputError(
            "A .tflite takes text for a SqueezeBertForSequenceClassification only: "
            "other heads tell of tokens, which one finds in a text by their offsets, "
            f"or of several texts. Export ids. Received: text_input=True, {name}"
        )
    if tokenizer is None:
        raise InputError(
            "A .tflite that takes text needs a vocabulary: give the model's "
            "tokenizer. Received: text_input=True, tokenizer=None"
        )
    if tokenizer.vocab_size > model.config.vocab_size:
        raise InputError(
            "The model must have all ids of the tokenizer. Received: vocabulary of "
            f"{tokenizer.vocab_size}, config.vocab_size={model.config.vocab_size}"
        )
    options = tokenizer.options
    if options.strips_accents != options.do_lower_case:
        raise InputError(
            "TensorFlow Text strips accents where it lower-cases, and only there. "
            f"Received: do_lower_case={options.do_lower_case}, "
            f"strip_accents={options.strip_accents}"
        )
    if not options.tokenize_chinese_chars:
        raise InputError(
            "TensorFlow Text takes each CJK ideograph for a word. Received: "
            "tokenize_chinese_chars=False"
        )
    if length < 3:
        raise InputError(
            "A row holds [CLS], [SEP] and at least one token of the text. Received: "
            f"text_input=True, sequence_length={length}"
        )
    if runtime == "gpu":
        raise InputError(
            "The GPU delegate has no operations on text. Received: text_input=True, "
            "runtime='gpu'"
        )


def text_to_ids(tokenizer, length: int) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A function from texts to the inputs of a model, in operations that TFLite takes.

    Args:
        tokenizer: Either of the two, for its vocabulary and its options.
        length: Tokens of each row; longer texts are cut.

    Returns:
        A function of a string tensor (batch,) of fixed size, which returns int32
        tensors (batch, length) by the names of the inputs.

    Raises:
        InputError: TensorFlow Text cannot hold a token.

    Example:
        >>> from keras_squeezebert import SqueezeBertTokenizerFast
        >>> to_ids = text_to_ids(SqueezeBertTokenizerFast(), 6)
        >>> to_ids(tf.constant(["Élan vital", ""]))["input_ids"].numpy().tolist()
        [[101, 3449, 2319, 8995, 102, 0], [101, 102, 0, 0, 0, 0]]
    """
    try:
        pieces = tensorflow_text.FastBertTokenizer(
            list(tokenizer.vocabulary),
            token_out_type=tf.int32,
            unknown_token=tokenizer.options.unk_token,
            lower_case_nfd_strip_accents=tokenizer.options.do_lower_case,
        )
    except RuntimeError as error:
        raise InputError(f"TensorFlow Text refuses the vocabulary: {error}") from None

    def to_ids(texts):
        (batch,) = texts.shape
        ids = pieces.tokenize(texts)  # (batch, pieces)
        # From here on all sizes are known, so that XNNPACK takes the model.
        ends = tf.reshape(tf.minimum(ids.row_lengths(), length - 2) + 1, (batch, 1))
        ids = ids.to_tensor(tokenizer.pad_token_id, shape=(batch, length - 2))
        first = tf.fill((batch, 1), tokenizer.cls_token_id)
        last = tf.fill((batch, 1), tokenizer.pad_token_id)
        ids = tf.concat([first, ids, last], axis=1)  # (batch, length)
        positions = tf.range(length, dtype=ends.dtype)
        return {
            "input_ids": tf.where(positions == ends, tokenizer.sep_token_id, ids),
            "attention_mask": tf.cast(positions <= ends, tf.int32),
            "token_type_ids": tf.zeros_like(ids),
        }

    return to_ids
