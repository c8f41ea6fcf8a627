"""A tokenizer of ten words, and an encoder that tells texts of them apart."""

import keras
from tiny import ONE_LAYER

from keras_squeezebert import SqueezeBertModel, SqueezeBertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def word_tokenizer():
    return SqueezeBertTokenizerFast([*SPECIAL, *WORDS])


def word_model():
    """Its weights are wide, so that no two texts are nearly the same to it."""
    keras.utils.set_random_seed(0)
    vocab_size = len(SPECIAL) + len(WORDS)
    return SqueezeBertModel(
        ONE_LAYER.replace(vocab_size=vocab_size, initializer_range=0.5)
    )
