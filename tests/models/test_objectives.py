"""Losses and metrics against numpy, and which model is compiled with which."""

import keras
import numpy as np
import numpy_squeezebert as oracle
import pytest
from tiny import ONE_LAYER, make_inputs, make_model, run

from keras_squeezebert.models.objectives import (
    LabelAccuracy,
    PositionCrossentropy,
    SmoothedCrossentropy,
)

RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.standard_normal((6, 5)).astype("float32")


# === PositionCrossentropy


@pytest.mark.parametrize("positions", [[0, 1, 2, 3, 4, 4], [4, 0, 0, 0, 1, 2]])
def test_position_crossentropy(positions):
    expected = oracle.cross_entropy(LOGITS, positions).mean()
    actual = float(PositionCrossentropy()(np.array(positions), LOGITS))
    assert actual == pytest.approx(expected, abs=1e-6)


def test_positions_past_the_sequence_are_ignored_and_negative_ones_are_zero():
    positions = np.array([5, 2, 100, -1, -100, 4])
    kept = oracle.cross_entropy(LOGITS[[1, 3, 4, 5]], [2, 0, 0, 4])
    actual = float(PositionCrossentropy()(positions, LOGITS))
    assert actual == pytest.approx(kept.mean(), abs=1e-6)
    unreduced = np.asarray(PositionCrossentropy(reduction="none")(positions, LOGITS))
    assert (unreduced[[0, 2]] == 0).all()
    np.testing.assert_allclose(unreduced[[1, 3, 4, 5]], kept, rtol=0, atol=1e-6)


def test_no_position_inside_the_sequence():
    assert float(PositionCrossentropy()(np.array([5] * 6), LOGITS)) == 0


# === SmoothedCrossentropy


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_smoothed_crossentropy(share):
    labels = np.array([0, 1, 2, 3, 4, 0])
    target = (1 - share) * np.eye(5)[labels] + share / 5
    expected = -(target * np.log(oracle.softmax(LOGITS))).sum(-1).mean()
    actual = float(SmoothedCrossentropy(share)(labels, LOGITS))
    assert actual == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("loss", [SmoothedCrossentropy(0.3), PositionCrossentropy()])
def test_losses_round_trip(loss):
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    labels = np.array([0, 1, 2, 3, 4, 0])
    assert type(copy) is type(loss)
    assert float(copy(labels, LOGITS)) == float(loss(labels, LOGITS))


# === LabelAccuracy


@pytest.mark.parametrize("weighted", [False, True])
def test_label_accuracy(weighted):
    logits = RNG.standard_normal((2, 4, 7, 3))
    labels = RNG.integers(3, size=(2, 4, 7))
    labels[RNG.random(labels.shape) < 0.5] = -100
    weights = RNG.random(labels.shape) if weighted else np.ones(labels.shape)
    metric = LabelAccuracy()
    for batch in range(2):  # it accumulates
        metric.update_state(
            labels[batch], logits[batch], weights[batch] if weighted else None
        )
    weights = weights * (labels != -100)
    right = logits.argmax(-1) == labels
    expected = (right * weights).sum() / weights.sum()
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_label_accuracy_of_one_label_a_row():
    metric = LabelAccuracy()
    metric.update_state(np.array([1, 0, -100]), np.eye(2)[[1, 1, 0]])
    assert float(metric.result()) == 0.5


def test_label_accuracy_without_labels_is_zero():
    metric = LabelAccuracy()
    metric.update_state(np.full(3, -100), np.zeros((3, 2)))
    assert float(metric.result()) == 0


# === The metrics that a model is compiled with


def evaluate(model, inputs, labels):
    model.compile(run_eagerly=True)  # quicker than tracing
    return model.evaluate(inputs, labels, verbose=0, return_dict=True)


def test_metrics_of_labels():
    model, inputs = make_model("SqueezeBertForTokenClassification", ONE_LAYER), None
    inputs = make_inputs(4, 7)
    labels = RNG.integers(3, size=(4, 7))
    labels[:, 5:] = -100
    right = run(model, inputs)["logits"].argmax(-1) == labels
    accuracy = evaluate(model, inputs, labels)["accuracy"]
    assert accuracy == pytest.approx(right[:, :5].mean(), abs=1e-6)


def test_metrics_of_several_labels():
    config = ONE_LAYER.replace(problem_type="multi_label_classification")
    model = make_model("SqueezeBertForSequenceClassification", config)
    inputs, labels = make_inputs(8, 7), RNG.integers(2, size=(8, 3))
    right = (run(model, inputs)["logits"] > 0) == labels
    accuracy = evaluate(model, inputs, labels)["accuracy"]
    assert accuracy == pytest.approx(right.mean(), abs=1e-6)


def test_metrics_of_regression():
    config = ONE_LAYER.replace(id2label={0: "score"})
    model = make_model("SqueezeBertForSequenceClassification", config)
    inputs, labels = make_inputs(4, 7), RNG.standard_normal(4).astype("float32")
    error = run(model, inputs)["logits"][:, 0] - labels
    metrics = evaluate(model, inputs, labels)
    assert metrics["loss"] == pytest.approx((error**2).mean(), abs=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(error).mean(), abs=1e-5)


def test_metrics_of_question_answering():
    model = make_model("SqueezeBertForQuestionAnswering", ONE_LAYER)
    inputs = make_inputs(4, 7)
    start, end = np.array([0, 2, 6, 3]), np.array([1, 6, 9, 4])
    logits = run(model, inputs)
    metrics = evaluate(model, inputs, {"start_logits": start, "end_logits": end})
    losses = [
        oracle.cross_entropy(logits["start_logits"], start).mean(),
        oracle.cross_entropy(logits["end_logits"][[0, 1, 3]], end[[0, 1, 3]]).mean(),
    ]
    assert metrics["loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    accuracy = (logits["start_logits"].argmax(-1) == start).mean()
    assert metrics["start_logits_accuracy"] == pytest.approx(accuracy, abs=1e-6)
