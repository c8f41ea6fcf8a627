"""GroupedMuon, against singular values by NumPy and against AdamW."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_squeezebert.layers import GroupedConv1D
from keras_squeezebert.models.optimizer import GroupedMuon

RATE = 0.01


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_layer(channels, filters, groups):
    layer = GroupedConv1D(filters, groups=groups)
    layer.build((None, channels))
    return layer


@pytest.mark.parametrize(
    ("channels", "filters", "groups"),
    [(12, 12, 1), (12, 24, 2), (24, 12, 3), (24, 24, 4), (12, 36, 6)],
)
def test_each_group_is_orthogonal(rng, channels, filters, groups):
    """Its singular vectors are the gradient's, its singular values about the same."""
    kernel = make_layer(channels, filters, groups).kernel
    before = ops.convert_to_numpy(kernel)[0]
    shape = (channels // groups, filters)
    # Of very different sizes, in the groups and within each of them.
    gradient = rng.normal(size=shape) * np.geomspace(1, 10, filters)
    optimizer = GroupedMuon(RATE, weight_decay=0.0)
    optimizer.apply([ops.convert_to_tensor(gradient[None], "float32")], [kernel])
    moved = before - ops.convert_to_numpy(kernel)[0]
    longest = max(shape[0], filters // groups)
    for part, expected in zip(
        np.split(moved, groups, axis=1), np.split(gradient, groups, axis=1), strict=True
    ):
        left, _, right = np.linalg.svd(expected, full_matrices=False)
        inside = left.T @ (part / (RATE * 0.2 * longest**0.5)) @ right.T
        sizes = np.diag(inside)
        # As near as five Newton-Schulz steps bring them to 1.
        assert sizes.min() > 0.4 and sizes.max() < 1.3
        np.testing.assert_allclose(inside - np.diag(sizes), 0, atol=2e-3)


def test_a_group_knows_nothing_of_the_others(rng):
    moved = []
    gradient = rng.normal(size=(1, 4, 12)).astype("float32")
    for scale in (1.0, 100.0):
        kernel = make_layer(12, 12, 3).kernel
        kernel.assign(np.zeros(kernel.shape))
        scaled = gradient * np.repeat([1.0, scale, 1.0], 4).astype("float32")
        GroupedMuon(RATE).apply([ops.convert_to_tensor(scaled)], [kernel])
        moved.append(ops.convert_to_numpy(kernel))
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-6)
    # As one matrix it would: the third of the columns outweighs the others.
    kernel = make_layer(4, 12, 1).kernel
    kernel.assign(np.zeros(kernel.shape))
    GroupedMuon(RATE).apply([ops.convert_to_tensor(gradient)], [kernel])
    assert np.abs(ops.convert_to_numpy(kernel) - moved[0]).max() > 1e-3


def test_momentum(rng):
    """Two gradients as one that is the sum which Nesterov's momentum makes of them."""
    first, second = rng.normal(size=(2, 1, 4, 8)).astype("float32")
    twice, once = (make_layer(8, 8, 2).kernel for _ in range(2))
    optimizer = GroupedMuon(RATE, weight_decay=0.0, momentum=0.9)
    optimizer.apply([ops.convert_to_tensor(first)], [twice])
    between = ops.convert_to_numpy(twice)
    optimizer.apply([ops.convert_to_tensor(second)], [twice])
    once.assign(between)
    ahead = second + 0.9 * (0.9 * first + second)
    GroupedMuon(RATE, weight_decay=0.0).apply([ops.convert_to_tensor(ahead)], [once])
    np.testing.assert_allclose(
        ops.convert_to_numpy(twice), ops.convert_to_numpy(once), atol=2e-5
    )


def test_other_variables_are_adamw_s(rng):
    values = [rng.normal(size=(7, 3)), rng.normal(size=3), rng.normal(size=(1, 3, 5))]
    gradients = [[rng.normal(size=v.shape) for v in values] for _ in range(3)]
    ends = []
    for optimizer in (
        GroupedMuon(RATE, weight_decay=0.1, epsilon=1e-6),
        keras.optimizers.AdamW(RATE, weight_decay=0.1, epsilon=1e-6),
    ):
        variables = [keras.Variable(value, dtype="float32") for value in values]
        for step in gradients:
            step = [ops.convert_to_tensor(g, "float32") for g in step]
            optimizer.apply(step, variables)
        ends.append([ops.convert_to_numpy(variable) for variable in variables])
    for found, expected, value in zip(*ends, values, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(found - value).max() > RATE


def test_it_is_saved_as_it_is():
    optimizer = GroupedMuon(0.02, weight_decay=0.3, momentum=0.8)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is GroupedMuon
    assert copy.get_config() == optimizer.get_config()
