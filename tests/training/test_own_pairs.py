"""Own pairs: who meets whom, and that the label is what the mean states say."""

from unittest import mock

import numpy as np
import pytest
from number_words import WORDS, word_model, word_tokenizer

from keras_squeezebert import InputError
from keras_squeezebert.data import TextExamples
from keras_squeezebert.tasks import sentence_embeddings
from keras_squeezebert.training import own_pairs

TEXTS = [f"{first} {second}" for first in WORDS for second in WORDS]
LABELS = ["1.0", "3.5", "2.0", "4.0", "1.5"]
EXAMPLES = TextExamples(TEXTS[:50], LABELS * 10, TEXTS[50:])


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer()


@pytest.fixture(scope="module")
def model():
    return word_model()


@pytest.fixture(scope="module")
def pairs(model, tokenizer):
    return own_pairs(model, tokenizer, EXAMPLES, per_text=5, max_length=16)


def test_labels_are_cosines_from_the_lowest_to_the_highest(model, tokenizer, pairs):
    embeddings = sentence_embeddings(model, tokenizer, TEXTS)
    vectors = dict(zip(TEXTS, embeddings, strict=True))
    cosines = [
        vectors[first] @ vectors[second]
        for first, second in zip(pairs.texts, pairs.text_pairs, strict=True)
    ]
    expected = 1.0 + 3.0 * np.array(cosines)
    np.testing.assert_allclose(pairs.label_values(), expected, atol=1e-4)
    assert np.ptp(expected) > 0.5  # no other pair's label would do


def test_every_text_meets_others(pairs):
    assert 3 * len(TEXTS) < len(pairs) <= 5 * len(TEXTS)
    assert {*pairs.texts, *pairs.text_pairs} == set(TEXTS)
    assert all(a != b for a, b in zip(pairs.texts, pairs.text_pairs, strict=True))


def test_near_texts_meet_more_often_and_far_ones_too(model, tokenizer, pairs):
    vectors = sentence_embeddings(model, tokenizer, TEXTS)
    of_all = 1.0 + 3.0 * (vectors @ vectors.T)[np.triu_indices(len(TEXTS), 1)]
    labels = pairs.label_values()
    assert np.median(labels) > np.quantile(of_all, 0.75)
    assert np.mean(labels < np.median(of_all)) > 0.05


def test_the_seed_tells_which(model, tokenizer, pairs):
    again, other = (
        own_pairs(model, tokenizer, EXAMPLES, per_text=5, max_length=16, seed=seed)
        for seed in (0, 1)
    )
    assert again == pairs and other != pairs


def test_of_many_texts_some_are_drawn(model, tokenizer):
    with mock.patch("keras_squeezebert.training.own_pairs._LARGEST", 10):
        pairs = own_pairs(model, tokenizer, EXAMPLES, per_text=3)
    texts = {*pairs.texts, *pairs.text_pairs}
    assert len(texts) == 10 and texts < set(TEXTS)
    assert texts != set(sorted(TEXTS)[:10])


@pytest.mark.parametrize(
    ("examples", "options", "message"),
    [
        (TextExamples(["a"], ["1"]), {}, "for pairs of texts"),
        (TextExamples(["a"], ["1"], ["b"]), {"per_text": 0}, "per_text=0"),
        (TextExamples(["a"], ["1"], ["a"]), {}, "two texts or more. Received: 1"),
        (TextExamples(["a"], ["x"], ["b"]), {}, "x"),
        (TextExamples(["a"], None, ["b"]), {}, "labels"),
    ],
)
def test_what_has_none(model, tokenizer, examples, options, message):
    with pytest.raises(InputError, match=message):
        own_pairs(model, tokenizer, examples, **options)
