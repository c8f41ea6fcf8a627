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


def assert_same_codes(actual, expected, scale, share=0.01):
    """Of two rounded tensors: a value on the edge of two codes may have either."""
    steps = (np.asarray(actual, "float64") - expected) / scale
    np.testing.assert_allclose(steps, np.round(steps), rtol=0, atol=1e-3)
    assert np.abs(steps).max() < 1.5
    assert (np.abs(steps) > 0.5).mean() <= share
