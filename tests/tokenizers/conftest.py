import pytest

from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast


@pytest.fixture(scope="session")
def fast():
    return SqueezeBertTokenizerFast()


@pytest.fixture(scope="session")
def layer():
    return SqueezeBertTokenizer()


@pytest.fixture(scope="session", params=["fast", "layer"])
def tokenizer(request):
    """Each of the two, for what both must do alike."""
    return request.getfixturevalue(request.param)
