"""Which of several models a metric calls the best."""

import math

import pytest

from keras_squeezebert.metrics import METRICS


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
