"""Pearson's and Spearman's correlation equal their formulas; constants give nan."""

import math

import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import pearson_spearman


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())


def ranks(values):
    """From 1; of equal values each has the mean of their ranks."""
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    return below + (equal + 1) / 2


@pytest.mark.parametrize("seed", range(3))
def test_formulas(seed):
    rng = np.random.default_rng(seed)
    # As in STS-B: grades with many ties against real numbers.
    labels = rng.integers(0, 26, size=150) / 5
    predictions = labels + rng.normal(size=150)
    pearson = correlation(labels, predictions)
    spearman = correlation(ranks(labels), ranks(predictions))
    assert pearson_spearman(labels, predictions.tolist()) == pytest.approx(
        {"pearson": pearson, "spearman": spearman, "mean": (pearson + spearman) / 2},
        rel=1e-12,
    )


def test_published_examples():
    # In the documentation of the Hugging Face `evaluate` library.
    figures = pearson_spearman([1, 2, 3, 4, 5], [10, 9, 2.5, 6, 4])
    assert round(figures["pearson"], 2) == -0.74
    assert figures["spearman"] == pytest.approx(-0.7, rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([1.0, 2.0, 3.0], [2.5, 2.5, 2.5]),
        ([4, 4, 4], [1.0, 2.0, 3.0]),
        ([1.0, 1.0], [2.0, 2.0]),
    ],
)
def test_constants_give_nan(labels, predictions):
    assert all(map(math.isnan, pearson_spearman(labels, predictions).values()))


def test_nearly_constant_predictions():
    figures = pearson_spearman([1.0, 2.0, 3.0], [1.0, 1.0, 1.0 + 1e-14])
    assert figures["spearman"] == pytest.approx(math.sqrt(3) / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([1.0], [1.0], "two examples or more. Received: 1 labels"),
        ([1.0, 2.0], [1.0, math.nan], r"diverged. Received: predictions\[1\]=nan"),
        ([1.0, 2.0], [math.inf, 1.0], r"Received: predictions\[0\]=inf"),
        (["1", "2"], [1.0, 2.0], "`labels` must be numbers.* labels of <U1"),
        ([1.0, 2.0], [[1.0], [2.0]], r"float64, shape \(2, 1\)"),
    ],
)
def test_mistakes(labels, predictions, message):
    with pytest.raises(InputError, match=message):
        pearson_spearman(labels, predictions)
