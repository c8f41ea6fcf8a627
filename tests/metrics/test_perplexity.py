"""Perplexity is the exponential of the mean over tokens, at any scale."""

import math
from fractions import Fraction

import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import perplexity


def test_uniform_guesses_have_the_size_of_the_vocabulary():
    counts = np.array([7, 0, 13, 1])
    figures = perplexity(counts, counts * math.log(30522))
    assert figures["perplexity"] == pytest.approx(30522, rel=1e-12)
    assert figures["loss"] == pytest.approx(math.log(30522), rel=1e-12)


def test_batches_count_by_their_tokens():
    # 8 tokens of loss ln 2 and 2 of ln 64: (8 + 12) / 10 = 2 bits, not (1 + 6) / 2.
    figures = perplexity([8, 2], [8 * math.log(2), 2 * math.log(64)])
    assert figures["perplexity"] == pytest.approx(4, rel=1e-12)


def test_equals_the_product_of_probabilities():
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.1, 1.0, size=(6, 5))
    losses = -np.log(probabilities).sum(axis=1)
    expected = np.prod(probabilities) ** (-1 / 30)
    assert perplexity([5] * 6, losses)["perplexity"] == pytest.approx(
        expected, rel=1e-12
    )


def test_many_small_losses_after_a_large_one():
    # Summed one after the other, no 1.0 would change 1e16.
    losses = [1e16, *[1.0] * 10_000]
    exact = float(sum(map(Fraction, losses)) / 10_001)
    assert perplexity([1] * 10_001, losses)["loss"] == exact


def test_a_perplexity_past_the_largest_float():
    assert perplexity([1], [1000.0]) == {"loss": 1000.0, "perplexity": math.inf}


def test_losses_of_32_bits():
    losses = np.array([0.5, 1.5], "float32")
    assert perplexity(np.array([1, 1]), losses) == {
        "loss": 1.0,
        "perplexity": math.e,
    }


@pytest.mark.parametrize(
    ("counts", "losses", "message"),
    [
        ([0, 0], [0.0, 0.0], r"nor all zero. .*sum\(token_counts\)=0"),
        ([3, -1], [1.0, 1.0], r"not be negative, .*min\(token_counts\)=-1"),
        ([1, 1], [1.0, math.nan], r"diverged. Received: loss_sums\[1\]=nan"),
        ([1, 1], [math.inf, 1.0], r"Received: loss_sums\[0\]=inf"),
        (["1"], [1.0], "`token_counts` must be numbers"),
    ],
)
def test_mistakes(counts, losses, message):
    with pytest.raises(InputError, match=message):
        perplexity(counts, losses)
