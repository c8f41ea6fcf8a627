"""text_model: what the model says of the tokenizer's ids, from strings."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import (
    ONE_LAYER,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    make_model,
    named,
    run,
)

from keras_squeezebert import (
    SqueezeBertTokenizer,
    SqueezeBertTokenizerFast,
    text_model,
)

TEXTS = ["turn on the light", "what is the time?", "a"]
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("turn", "on", "the", "light", "what", "is", "time", "?", "a", "##s"),
]
LABELS = np.array([2, 0, 1])


def make_classifier(pairs=False, config=ONE_LAYER, **options):
    model = make_model("SqueezeBertForSequenceClassification", config)
    return model, text_model(model, SqueezeBertTokenizer(VOCABULARY, **options), pairs)


@pytest.fixture(scope="module", params=["longest", "max_length"])
def classifier(request):
    return make_classifier(max_length=8, padding=request.param)


@pytest.fixture(scope="module")
def pair_classifier():
    return make_classifier(pairs=True, max_length=8)


def expected_logits(model, *texts):
    return run(model, SqueezeBertTokenizerFast(VOCABULARY)(*texts, max_length=8))


def pairs_of(texts, others):
    return {"text": tf.constant(texts), "text_pair": tf.constant(others)}


def test_eager(classifier):
    model, combined = classifier
    actual = named(combined(tf.constant(TEXTS)))
    assert_equal_outputs(actual, expected_logits(model, TEXTS))


def test_predict(classifier):
    model, combined = classifier
    actual = named(combined.predict(tf.constant(TEXTS), verbose=0))
    assert_equal_outputs(actual, expected_logits(model, TEXTS))


def test_pairs(pair_classifier):
    model, combined = pair_classifier
    pairs, expected = pairs_of(TEXTS, TEXTS[::-1]), (TEXTS, TEXTS[::-1])
    assert_equal_outputs(named(combined(pairs)), expected_logits(model, *expected))
    actual = named(combined.predict(pairs, verbose=0))
    assert_equal_outputs(actual, expected_logits(model, *expected))
    swapped = named(combined(pairs_of(TEXTS[::-1], TEXTS)))
    assert np.abs(swapped["logits"] - actual["logits"]).max() > 1e-3


@pytest.mark.parametrize("pairs", [False, True])
def test_fit_trains_the_model_inside(pairs):
    config = ONE_LAYER.replace(**WITHOUT_DROPOUT)
    model, combined = make_classifier(pairs, config, max_length=8)
    texts = pairs_of(TEXTS, TEXTS[::-1]) if pairs else tf.constant(TEXTS)
    combined.compile(keras.optimizers.Adam(1e-3), model.loss, jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((texts, LABELS)).batch(3)
    losses = combined.fit(data, epochs=6, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    expected = expected_logits(model, *([TEXTS, TEXTS[::-1]] if pairs else [TEXTS]))
    assert_equal_outputs(named(combined(texts)), expected)


def test_it_is_compiled_as_the_model_is(classifier):
    model, combined = classifier
    assert isinstance(combined.optimizer, keras.optimizers.AdamW)
    assert combined.optimizer is not model.optimizer
    metrics = combined.evaluate(tf.constant(TEXTS), LABELS, verbose=0, return_dict=True)
    inputs = SqueezeBertTokenizerFast(VOCABULARY)(TEXTS, max_length=8)
    expected = model.evaluate(inputs, LABELS, verbose=0, return_dict=True)
    assert metrics == pytest.approx(expected, abs=1e-5)


# Keras makes room for the state of an optimizer that has none yet, and says so.
@pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning")
@pytest.mark.parametrize("pairs", [False, True])
def test_keras_file(tmp_path, pairs):
    _, combined = make_classifier(pairs, max_length=8)
    combined.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    texts = pairs_of(TEXTS, TEXTS[::-1]) if pairs else tf.constant(TEXTS)
    assert_equal_outputs(named(loaded(texts)), named(combined(texts)), atol=0)
    assert loaded.compiled


def test_half_precision_has_its_loss_scaled():
    model = make_model(
        "SqueezeBertForSequenceClassification", ONE_LAYER, dtype="mixed_float16"
    )
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    combined = text_model(model, SqueezeBertTokenizer(VOCABULARY))
    assert isinstance(combined.optimizer, keras.optimizers.LossScaleOptimizer)


def test_question_answering_keeps_its_names():
    model = make_model("SqueezeBertForQuestionAnswering", ONE_LAYER)
    tokenizer = SqueezeBertTokenizer(VOCABULARY, max_length=8)
    outputs = named(text_model(model, tokenizer)(tf.constant(TEXTS)))
    assert_equal_outputs(outputs, expected_logits(model, TEXTS))
