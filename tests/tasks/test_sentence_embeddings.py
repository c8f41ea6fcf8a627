"""Sentence embeddings are the means of each text alone, whatever runs the encoder."""

import numpy as np
import pytest
from number_words import WORDS, word_model, word_tokenizer
from tiny import ONE_LAYER

from keras_squeezebert import (
    InputError,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.tasks import sentence_embeddings
from keras_squeezebert.tflite import LiteRTModel, export_tflite

TEXTS = [" ".join(WORDS[:count]) for count in range(10, 0, -1)]  # the longest first


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer()


@pytest.fixture(scope="module")
def model():
    return word_model()


@pytest.fixture(scope="module")
def expected(model, tokenizer):
    """Without padding, so that there is nothing to leave out of a mean."""
    rows = [
        np.asarray(model(tokenizer([text]))["last_hidden_state"])[0].mean(axis=0)
        for text in TEXTS
    ]
    vectors = np.stack([row / np.linalg.norm(row) for row in rows])
    assert np.abs(vectors[:-1] - vectors[1:]).max() > 0.01  # of a row elsewhere
    return vectors


@pytest.mark.parametrize("batch_size", [3, 32])
def test_they_are_those_of_each_text_alone(model, tokenizer, expected, batch_size):
    found = sentence_embeddings(model, tokenizer, TEXTS, batch_size=batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_of_a_tflite(model, tokenizer, expected, tmp_path):
    export_tflite(model, tmp_path / "encoder.tflite", 16, tokenizer=tokenizer)
    file = LiteRTModel(tmp_path / "encoder.tflite")
    found = sentence_embeddings(file, file.tokenizer, TEXTS, max_length=16)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_long_texts_are_cut(model, tokenizer, expected):
    cut = sentence_embeddings(model, tokenizer, TEXTS, max_length=7)
    np.testing.assert_allclose(
        cut[:6], np.broadcast_to(expected[5], (6, 96)), atol=1e-5
    )


def test_of_a_head():
    config = ONE_LAYER.replace(vocab_size=30522)
    model = SqueezeBertForSequenceClassification(config)
    with pytest.raises(InputError, match=r"without a head.*a model of logits"):
        sentence_embeddings(model, SqueezeBertTokenizerFast(), TEXTS, max_length=16)
