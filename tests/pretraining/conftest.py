"""The tokenizer of these tests, and a way to their helpers."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

from keras_squeezebert import SqueezeBertTokenizerFast

# pytest's importlib mode adds no folder of tests to the path.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tasks")]

# Files are written and read, and how long that takes is the machine's affair.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


@pytest.fixture(scope="session")
def tokenizer():
    return SqueezeBertTokenizerFast()
