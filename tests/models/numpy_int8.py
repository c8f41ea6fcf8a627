"""TFLite's int8 in plain numpy, from its specification: the oracle of the tests.

A float is `scale * (code - zero)`, the code an integer from -128 to 127, or from -127
where the zero is in the middle; 0 has a code of its own. In float64 throughout, with
nothing in common with the quantizers under test.
"""

import numpy as np


def scale_and_zero(low, high, symmetric=False):
    """The step and the code of 0 of a range; of each range of two arrays."""
    first = -127 if symmetric else -128
    scale = (np.asarray(high, "float64") - low) / (127 - first)
    return scale, np.clip(np.round(first - low / scale), first, 127)


def rounded(x, low, high, symmetric=False):
    """What int8 over a range holds of `x`."""
    scale, zero = scale_and_zero(low, high, symmetric)
    first = -127 if symmetric else -128
    codes = np.clip(np.round(np.asarray(x, "float64") / scale) + zero, first, 127)
    return scale * (codes - zero)


def rounded_weight(x, axis=None):
    """A weight over the range of its values; `axis` are those within a channel."""
    limit = np.abs(np.asarray(x, "float64")).max(axis=axis, keepdims=True)
    return rounded(x, -limit, limit, symmetric=True)


def rounded_at_run_time(x, axis):
    """`x` over ranges that are found in it, of what lies along `axis`, and its steps.

    A range is stretched to hold 0, and what is 0 throughout stays so.
    """
    x = np.asarray(x, "float64")
    low = np.minimum(x.min(axis=axis, keepdims=True), 0)
    high = np.maximum(x.max(axis=axis, keepdims=True), 0)
    empty = low == high
    high = np.where(empty, 1.0, high)
    scale, _ = scale_and_zero(low, high)
    return rounded(x, low, high), scale


def layer_norm(x, weights, ranges):
    """LayerNorm of which every operation is int8; `ranges` by point.

    The scale of a channel of gamma is that of its one value, which it holds exactly.
    """

    def at(point, values):
        return rounded(values, *ranges[point])

    x = np.asarray(x, "float64")
    centered = at("centered", x - at("mean", x.mean(axis=-1, keepdims=True)))
    square = at("square", centered * centered)
    variance = at("variance", square.mean(axis=-1, keepdims=True))
    step, _ = scale_and_zero(*ranges["variance"])
    inverse = at("inverse_deviation", 1 / np.sqrt(np.maximum(variance, step)))
    normalized = at("normalized", centered * inverse)
    gamma, beta = (weights[name].astype("float64") for name in ("gamma", "beta"))
    unit = scale_and_zero(*ranges["normalized"])[0] * np.abs(gamma) / 127
    return normalized * gamma + np.round(beta / unit) * unit


def assert_same_codes(actual, expected, scale, share=0.01):
    """Of two rounded tensors: a value on the edge of two codes may have either."""
    steps = (np.asarray(actual, "float64") - expected) / scale
    np.testing.assert_allclose(steps, np.round(steps), rtol=0, atol=1e-3)
    assert np.abs(steps).max() < 1.5
    assert (np.abs(steps) > 0.5).mean() <= share
