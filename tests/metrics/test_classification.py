"""Accuracy, F1 and Matthews' correlation equal their formulas written out."""

import math

import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import (
    accuracy,
    f1,
    matthews,
    multi_class_f1,
    multi_label_f1,
)


def random_classes(seed, classes, size=200):
    """Labels, and predictions of which about half are right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=size)
    guesses = rng.integers(classes, size=size)
    return labels, np.where(rng.random(size) < 0.4, labels, guesses)


def confusion(labels, predictions, classes):
    """How many examples of each class got which, (classes, classes)."""
    counts = np.zeros((classes, classes))
    for label, prediction in zip(labels, predictions, strict=True):
        counts[label, prediction] += 1
    return counts


def class_f1s(counts):
    """2 TP / (2 TP + FP + FN) of each class."""
    return 2 * np.diag(counts) / (counts.sum(axis=0) + counts.sum(axis=1))


# === Formulas


@pytest.mark.parametrize("seed", range(3))
def test_two_classes(seed):
    labels, predictions = random_classes(seed, 2)
    (tn, fp), (fn, tp) = confusion(labels, predictions, 2)
    assert f1(labels, predictions) == pytest.approx(
        {
            "f1": tp / (tp + (fp + fn) / 2),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "accuracy": (tp + tn) / 200,
        },
        rel=1e-12,
    )
    expected = (tp * tn - fp * fn) / math.sqrt(
        (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    )
    assert matthews(labels, predictions)["matthews"] == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("seed", range(3))
def test_many_classes(seed):
    labels, predictions = random_classes(seed, 5)
    counts = confusion(labels, predictions, 5)
    share = np.trace(counts) / 200
    assert accuracy(labels, predictions)["accuracy"] == pytest.approx(share, rel=1e-12)
    assert multi_class_f1(labels, predictions) == pytest.approx(
        {"f1_macro": class_f1s(counts).mean(), "f1_micro": share}, rel=1e-12
    )
    # Gorodkin's correlation of two tables of indicators.
    true, predicted = np.eye(5)[labels], np.eye(5)[predictions]

    def covariance(a, b):
        return ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).sum()

    expected = covariance(true, predicted) / math.sqrt(
        covariance(true, true) * covariance(predicted, predicted)
    )
    assert matthews(labels, predictions)["matthews"] == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("seed", range(3))
def test_many_labels(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random((60, 4)) < (0.1, 0.3, 0.5, 0.9)
    predictions = labels ^ (rng.random((60, 4)) < 0.3)
    hits = (labels & predictions).sum(axis=0)
    sizes = labels.sum(axis=0) + predictions.sum(axis=0)
    expected = {
        "f1_macro": (2 * hits / sizes).mean(),
        "f1_micro": 2 * hits.sum() / sizes.sum(),
        "accuracy": sum(map(np.array_equal, labels, predictions)) / 60,
    }
    assert multi_label_f1(labels, predictions) == pytest.approx(expected, rel=1e-12)
    as_lists = multi_label_f1(labels.astype(int).tolist(), predictions.tolist())
    assert as_lists == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [accuracy, multi_class_f1, matthews])
def test_names_count_as_their_ids_do(metric):
    labels, predictions = random_classes(0, 3)
    names = np.array(["no", "maybe", "yes"])
    by_name = metric(names[labels].tolist(), names[predictions].tolist())
    assert by_name == pytest.approx(metric(labels, predictions), rel=1e-12)


# === Examples in the documentation of the Hugging Face `evaluate` library


def test_published_examples():
    assert f1([0, 1, 0, 1, 0], [0, 0, 1, 1, 0])["f1"] == 0.5
    figures = multi_class_f1([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1])
    assert round(figures["f1_macro"], 2) == 0.27
    assert round(figures["f1_micro"], 2) == 0.33
    figures = matthews([1, 3, 2, 0, 3, 2], [1, 2, 2, 0, 3, 3])
    assert figures["matthews"] == pytest.approx(0.5384615384615384, rel=1e-12)


# === Edges


@pytest.mark.parametrize(
    ("labels", "predictions", "f1_of_1", "right"),
    [
        ([0, 0], [0, 0], 0.0, 1.0),
        ([1, 1], [1, 1], 1.0, 1.0),
        ([1, 0], [0, 0], 0.0, 0.5),
        ([0, 0], [1, 0], 0.0, 0.5),
        ([1, 1], [0, 0], 0.0, 0.0),
        ([1], [1], 1.0, 1.0),
    ],
)
def test_one_class_only(labels, predictions, f1_of_1, right):
    figures = f1(labels, predictions)
    assert (figures["f1"], figures["accuracy"]) == (f1_of_1, right)
    assert matthews(labels, predictions) == {"matthews": 0.0}
    assert multi_class_f1(labels, predictions)["f1_micro"] == right


def test_a_class_that_is_never_predicted():
    # F1 of "a" 2 / 3, of the others 0.
    figures = multi_class_f1(["a", "b", "c"], ["a", "a", "b"])
    assert figures["f1_macro"] == pytest.approx(2 / 9, rel=1e-12)


def test_labels_that_are_never_given():
    nothing = np.zeros((3, 2), int)
    assert multi_label_f1(nothing, nothing) == {
        "f1_macro": 0.0,
        "f1_micro": 0.0,
        "accuracy": 1.0,
    }
    # One text: F1 of its labels 1, 0 and 0.
    figures = multi_label_f1([[1, 0, 1]], [[1, 0, 0]])
    assert figures["f1_macro"] == pytest.approx(1 / 3, rel=1e-12)
    assert figures["f1_micro"] == pytest.approx(2 / 3, rel=1e-12)


# === Mistakes


@pytest.mark.parametrize(
    ("metric", "labels", "predictions", "message"),
    [
        (accuracy, [0, 1], [[0.1, 0.9], [0.8, 0.2]], r"argmax.*labels \(2,\), predic"),
        (accuracy, [0, 1], [0.1, 0.9], "ids of classes .*predictions of float64"),
        (accuracy, ["a", "b"], [0, 1], "labels of <U1, predictions of int64"),
        (accuracy, [None, "b"], ["a", "b"], "labels of object"),
        (accuracy, [[0, 1], [0]], [[0, 1], [0]], "`labels` must be an array"),
        (f1, [0, 2], [0, 1], "use `multi_class_f1`. Received: 2"),
        (f1, ["no", "yes"], ["no", "no"], "Received: 'no'"),
        (multi_label_f1, [0, 1], [0, 1], r"2 axes.* Received: labels \(2,\)"),
        (multi_label_f1, [[0, 1]], [[0, 3]], "`logits > 0`. Received: 3"),
        (multi_label_f1, [[0], [1]], [[0], [1]], r"use `f1`. Received: labels \(2, 1"),
    ],
)
def test_mistakes(metric, labels, predictions, message):
    with pytest.raises(InputError, match=message):
        metric(labels, predictions)
