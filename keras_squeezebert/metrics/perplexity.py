"""Perplexity of a language model, from losses that were summed while it ran."""

import math
from collections.abc import Sequence

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics.checks import check_lengths, number_array


def perplexity(
    token_counts: Sequence[int], loss_sums: Sequence[float]
) -> dict[str, float]:
    """The exponential of the mean loss of a token.

    Batches hold different numbers of predicted tokens, so that a mean of their means
    would be another figure.

    Args:
        token_counts: For each batch (or text) how many tokens were predicted.
        loss_sums: The sum of their cross entropies, in nats.

    Returns:
        `loss`, the mean over all tokens, and `perplexity`, infinite where a float
        cannot hold it.

    Raises:
        InputError: No tokens, different lengths, negative counts, or losses that are
            not finite.

    Example:
        >>> perplexity([3, 1], [3 * math.log(2), math.log(2)])["perplexity"]
        2.0
    """
    check_lengths(token_counts=token_counts, loss_sums=loss_sums)
    counts = number_array("token_counts", token_counts)
    if counts.min() < 0 or counts.sum() == 0:
        raise InputError(
            "`token_counts` must not be negative, nor all zero. Received: "
            f"min(token_counts)={counts.min():g}, sum(token_counts)={counts.sum():g}"
        )
    # fsum rounds once, however many batches there are.
    loss = math.fsum(number_array("loss_sums", loss_sums)) / float(counts.sum())
    with np.errstate(over="ignore"):
        return {"loss": loss, "perplexity": float(np.exp(loss))}
