"""inherit_word_embeddings: what a student knows of words before it learns."""

import keras
import numpy as np
import pytest
from tiny import ONE_LAYER, make_model

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.word_embeddings import inherit_word_embeddings

CLASSIFIER = "SqueezeBertForSequenceClassification"


def words(model):
    return keras.ops.convert_to_numpy(model.transformer.embeddings.word_embeddings)


def narrow(hidden, seed=1):
    config = ONE_LAYER.replace(hidden_size=hidden, intermediate_size=2 * hidden)
    return make_model(CLASSIFIER, config, seed)


def centred(values):
    return values - values.mean(axis=0)


@pytest.mark.parametrize("hidden", [48, 96, 192])
def test_distances_of_words_are_the_teachers(hidden):
    # Of so few directions that none is lost.
    teacher = make_model(CLASSIFIER, ONE_LAYER)
    table = teacher.transformer.embeddings.word_embeddings
    rng = np.random.default_rng(0)
    low = rng.standard_normal((101, 20)) @ rng.standard_normal((20, 96))
    table.assign(low)
    student = narrow(hidden)
    before = words(student)
    inherit_word_embeddings(student, teacher)
    width = min(hidden, 96)
    ours = centred(words(student))[:, :width]
    gram, expected = ours @ ours.T, centred(low) @ centred(low).T
    scale = np.sum(gram * expected) / np.sum(expected**2)
    assert np.abs(gram - scale * expected).max() < 1e-4 * np.abs(gram).max()
    assert np.std(ours) == pytest.approx(before.std(), rel=1e-4)
    # Each group of channels has its share.
    shares = (ours**2).reshape(101, 6, -1).sum(axis=(0, 2)) / (ours**2).sum()
    assert 0.4 / 6 < shares.min() < shares.max() < 2.5 / 6
    assert (words(student)[:, width:] == before[:, width:]).all()
    assert (words(teacher) == low.astype("float32")).all()


def test_what_is_dropped_varies_least():
    teacher, student = make_model(CLASSIFIER, ONE_LAYER), narrow(48)
    inherit_word_embeddings(student, teacher)
    ours, theirs = centred(words(student)), centred(words(teacher))
    # The share of the variance, another way.
    singular = np.linalg.svd(theirs, compute_uv=False)
    kept = (singular[:48] ** 2).sum()
    # The best fit of the student's words to the teacher's explains so much of them.
    fit = ours @ np.linalg.lstsq(ours, theirs, rcond=None)[0]
    assert (fit**2).sum() == pytest.approx(kept, rel=1e-4)


def test_another_vocabulary():
    teacher = make_model(CLASSIFIER, ONE_LAYER.replace(vocab_size=99))
    with pytest.raises(InputError, match="101 and 99 pieces"):
        inherit_word_embeddings(narrow(48), teacher)
