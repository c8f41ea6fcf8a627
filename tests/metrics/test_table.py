"""What all metrics of the table have in common."""

import math

import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import METRICS

# Labels, predictions as good as can be, and worse ones.
CASES = {
    "accuracy": ([0, 1, 2], [0, 1, 2], [0, 1, 1]),
    "f1": ([1, 0, 1], [1, 0, 1], [1, 1, 0]),
    "matthews": ([1, 0, 1], [1, 0, 1], [1, 1, 1]),
    "pearson_spearman": ([0.0, 1.5, 5.0], [0.0, 1.5, 5.0], [1.5, 0.0, 5.0]),
    "multi_class_f1": (["a", "b", "c"], ["a", "b", "c"], ["a", "b", "b"]),
    "multi_label_f1": (
        [[1, 0], [1, 1], [0, 1]],
        [[1, 0], [1, 1], [0, 1]],
        [[1, 0], [0, 1], [0, 0]],
    ),
    "entities": (
        [["B-X", "I-X"], ["O"], ["B-Y"]],
        [["B-X", "I-X"], ["O"], ["B-Y"]],
        [["B-X", "O"], ["O"], ["B-Y"]],
    ),
    "squad": ([["in Paris"], [], ["two"]], ["in Paris", "", "two"], ["Paris", "", ""]),
    "perplexity": ([3, 1, 2], [0.0, 0.0, 0.0], [0.1, 0.0, 0.2]),
}


def test_every_metric_has_a_case():
    assert list(CASES) == list(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_the_primary_figure_is_better_for_better_predictions(name):
    metric = METRICS[name]
    labels, best, worse = CASES[name]
    best, worse = metric.compute(labels, best), metric.compute(labels, worse)
    assert list(best) == list(worse)
    assert best[metric.primary] == pytest.approx(1.0, abs=1e-12)
    if metric.direction == "max":
        assert worse[metric.primary] < best[metric.primary]
    else:
        assert metric.direction == "min"
        assert worse[metric.primary] > best[metric.primary]


@pytest.mark.parametrize("name", METRICS)
def test_figures_are_plain_numbers_from_lists_and_from_arrays(name):
    labels, _, predictions = CASES[name]
    figures = METRICS[name].compute(labels, predictions)
    assert {type(figure) for figure in figures.values()} <= {float, int}
    if name not in ("entities", "squad"):  # whose rows have several lengths
        arrays = METRICS[name].compute(np.array(labels), np.array(predictions))
        assert arrays == figures


@pytest.mark.parametrize("name", METRICS)
def test_nothing_to_measure(name):
    with pytest.raises(InputError, match=r"one example or more\. Received: 0 "):
        METRICS[name].compute([], [])


@pytest.mark.parametrize("name", METRICS)
def test_lengths_that_differ(name):
    labels, predictions, _ = CASES[name]
    with pytest.raises(InputError, match=r"Received: 3 \w+, 2 \w+"):
        METRICS[name].compute(labels, predictions[:2])
    with pytest.raises(InputError, match=r"Received: 2 \w+, 3 \w+"):
        METRICS[name].compute(labels[:2], predictions)


@pytest.mark.parametrize(
    ("name", "scores", "best"),
    [
        ("accuracy", [0.1, 0.3, 0.2], 1),
        ("accuracy", [0.3, 0.3, 0.2], 0),
        ("matthews", [-0.5, -0.2], 1),
        ("pearson_spearman", [math.nan, -0.9, math.nan], 1),
        ("pearson_spearman", [math.nan, math.nan], 0),
        ("perplexity", [30.0, 10.0, 20.0], 1),
        ("perplexity", [math.nan, 10.0, 5.0, math.inf], 2),
    ],
)
def test_the_best(name, scores, best):
    assert METRICS[name].best(scores) == best
