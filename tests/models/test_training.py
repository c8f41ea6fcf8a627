"""Every model trains with Keras' own means, and is compiled as asked."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import (
    ARCHITECTURES,
    HEADS,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    inputs_for,
    make_inputs,
    make_model,
)

from keras_squeezebert.models.objectives import LabelAccuracy, PositionCrossentropy

CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)
LABELS = {
    "SqueezeBertModel": {
        "last_hidden_state": np.zeros((4, 7, 96), "float32"),
        "pooler_output": np.zeros((4, 96), "float32"),
    },
    "SqueezeBertForMaskedLM": np.where(np.arange(28) % 3, -100, 5).reshape(4, 7),
    "SqueezeBertForMultipleChoice": np.array([4, 0, 2, 1]),
    "SqueezeBertForQuestionAnswering": {
        "start_logits": np.array([0, 3, 9, 2]),
        "end_logits": np.array([1, 6, 9, 5]),
    },
    "SqueezeBertForSequenceClassification": np.array([2, 0, 1, 1]),
    "SqueezeBertForTokenClassification": np.where(
        np.arange(28) % 3, np.arange(28) % 2, -100
    ).reshape(4, 7),
}


def objective(architecture):
    return {"loss": "mse"} if architecture == "SqueezeBertModel" else {}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_falls(architecture):
    model = make_model(architecture, CALM)
    model.compile(
        keras.optimizers.Adam(1e-3), jit_compile=False, **objective(architecture)
    )
    data = tf.data.Dataset.from_tensor_slices(
        (inputs_for(architecture), LABELS[architecture])
    ).batch(2)
    losses = model.fit(data, epochs=6, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    "architecture",
    [
        "SqueezeBertForMaskedLM",
        "SqueezeBertForQuestionAnswering",
        "SqueezeBertForTokenClassification",
    ],
)
def test_training_on_tokens_warns_of_nothing(architecture):
    model = make_model(architecture, CALM)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.train_on_batch(inputs_for(architecture), LABELS[architecture])
    assert not [str(warning.message) for warning in caught]


def test_all_weights_are_trained():
    model = make_model("SqueezeBertForMaskedLM", CALM)
    before = {v.path: np.array(np.asarray(v)) for v in model.trainable_variables}
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    labels = np.arange(28).reshape(4, 7)
    model.train_on_batch(make_inputs(4, 7), labels)
    unchanged = [
        v.path
        for v in model.trainable_variables
        if np.abs(np.asarray(v) - before[v.path]).max() < 1e-7
    ]
    # What is added to all keys of a head alike changes no probability.
    assert unchanged == ["encoder_layer_0/attention/key/bias"]


def test_a_frozen_encoder_stays():
    model = make_model(CLASSIFIER, CALM)
    model.transformer.trainable = False
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    before = [np.array(np.asarray(v)) for v in model.transformer.weights]
    assert len(model.trainable_variables) == 2
    model.train_on_batch(make_inputs(4, 7), LABELS[CLASSIFIER])
    for old, variable in zip(before, model.transformer.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), old)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = make_model(CLASSIFIER, ONE_LAYER, dtype=policy)
    history = model.fit(make_inputs(4, 7), LABELS[CLASSIFIER], verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.output.dtype == policy.removeprefix("mixed_")


def test_xla_and_plain_steps_agree():
    losses = []
    for jit_compile in (False, True):
        model = make_model(CLASSIFIER, CALM)
        model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
        for _ in range(2):
            loss = model.train_on_batch(
                make_inputs(4, 7), LABELS[CLASSIFIER], return_dict=True
            )["loss"]
        losses.append(float(loss))
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


# === compile


@pytest.mark.parametrize("architecture", HEADS)
def test_the_default_is_the_tasks_own(architecture):
    model = make_model(architecture, ONE_LAYER)
    assert model.compiled
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert float(model.optimizer.learning_rate) == pytest.approx(5e-5)
    assert model.optimizer.global_clipnorm == 1.0
    if architecture == "SqueezeBertForQuestionAnswering":
        assert {type(loss) for loss in model.loss.values()} == {PositionCrossentropy}
    else:
        assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)


def test_the_base_model_has_no_task():
    assert not make_model("SqueezeBertModel", ONE_LAYER).compiled


def test_decay_spares_biases_and_layer_norms():
    model = make_model(CLASSIFIER, ONE_LAYER)
    model.optimizer.build(model.trainable_variables)
    decayed = {
        v.name
        for v in model.trainable_variables
        if model.optimizer._use_weight_decay(v)
    }
    assert decayed == {
        "kernel",
        "word_embeddings",
        "position_embeddings",
        "token_type_embeddings",
    }


@pytest.fixture
def compiled():
    def compile_(**arguments):
        model = make_model(CLASSIFIER, ONE_LAYER)
        model.compile(run_eagerly=True, **arguments)
        inputs, labels = make_inputs(4, 7), LABELS[CLASSIFIER]
        metrics = model.evaluate(inputs, labels, verbose=0, return_dict=True)
        return model, metrics

    return compile_


def test_only_the_optimizer(compiled):
    model, metrics = compiled(optimizer="sgd")
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)
    assert set(metrics) == {"loss", "accuracy"}


def test_only_the_loss(compiled):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=False)
    model, metrics = compiled(loss=loss)
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert model.loss is loss
    assert set(metrics) == {"loss", "accuracy"}


def test_only_the_metrics(compiled):
    model, metrics = compiled(metrics=[LabelAccuracy(name="right")])
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)
    assert set(metrics) == {"loss", "right"}


@pytest.mark.parametrize("metrics", [[], None])
def test_no_metrics(compiled, metrics):
    assert set(compiled(metrics=metrics)[1]) == {"loss"}


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_loss_weights_of_question_answering(weight):
    model = make_model("SqueezeBertForQuestionAnswering", ONE_LAYER)
    inputs, labels = make_inputs(4, 7), LABELS["SqueezeBertForQuestionAnswering"]
    weights = {"start_logits": weight, "end_logits": 0.0}
    model.compile(loss_weights=weights, run_eagerly=True)
    metrics = model.evaluate(inputs, labels, verbose=0, return_dict=True)
    expected = weight * metrics["start_logits_loss"]
    assert metrics["loss"] == pytest.approx(expected, abs=1e-5)
