"""The tokenizers of these tests, and a way to their helpers."""

import string
import sys
from pathlib import Path

import pytest
from tiny import CONFIG

from keras_squeezebert import SqueezeBertTokenizerFast

# pytest's importlib mode adds no folder of tests to the path.
sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tokenizer():
    return SqueezeBertTokenizerFast()


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """As many pieces as the tiny models have; all of them are letters."""
    letters = [*string.ascii_lowercase, *string.digits, *".,!?"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    tokens += [f"##{letter}" for letter in string.ascii_lowercase]
    tokens += [f"##{a}{b}" for a in "abc" for b in "defghijklm"]
    return SqueezeBertTokenizerFast(tokens[: CONFIG.vocab_size], model_max_length=24)
