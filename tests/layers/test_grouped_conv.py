"""GroupedConv1D: a block-diagonal matrix, in the two forms that compute it."""

import keras
import numpy as np
import numpy_squeezebert as oracle
import pytest
import tensorflow as tf
from tiny import randomize, to_numpy, weights_of

from keras_squeezebert.errors import InputError
from keras_squeezebert.layers import GroupedConv1D
from keras_squeezebert.lowering import tflite_lowering

CHANNELS, FILTERS = 12, 18
GROUPS = pytest.mark.parametrize("groups", [1, 2, 3, 6])


def make_layer(groups, **kwargs):
    layer = GroupedConv1D(FILTERS, groups, **kwargs)
    layer.build((None, None, CHANNELS))
    randomize(layer)
    return layer


def make_hidden(*shape):
    return (
        np.random.default_rng(1).standard_normal((*shape, CHANNELS)).astype("float32")
    )


def assert_close(actual, expected, atol=1e-6):
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=atol)


@GROUPS
@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 1, 5), (2, 3, 4, 5), (0, 5)])
def test_equals_a_block_diagonal_matrix(groups, shape):
    layer, x = make_layer(groups), make_hidden(*shape)
    expected = oracle.grouped_dense(x, weights_of(layer), groups)
    assert_close(layer(x), expected)
    assert layer.compute_output_shape(x.shape) == expected.shape


@GROUPS
def test_equals_conv1d_with_the_same_weights(groups):
    layer, x = make_layer(groups), make_hidden(2, 5)
    conv = keras.layers.Conv1D(FILTERS, 1, groups=groups)
    conv.build(x.shape)
    conv.set_weights([value.astype("float32") for value in weights_of(layer).values()])
    assert_close(layer(x), to_numpy(tf.function(conv)(x)))


@GROUPS
@pytest.mark.parametrize("scale", [1.0, 0.125])
def test_equals_the_convolution_that_is_exported(groups, scale):
    layer, x = make_layer(groups, output_scale=scale), make_hidden(2, 1, 5)
    with tflite_lowering():
        convolved = tf.function(layer)(x)
    assert_close(convolved, to_numpy(layer(x)))


def test_the_exported_form_is_one_convolution():
    layer = make_layer(3)

    def convolutions():
        traced = tf.function(lambda x: layer(x)).get_concrete_function(
            tf.TensorSpec((2, 1, 5, CHANNELS))
        )
        # Keras may put it into a function of its own; the text shows those too.
        return str(traced.graph.as_graph_def()).count('op: "Conv2D"')

    assert convolutions() == 0
    with tflite_lowering():
        assert convolutions() == 1
    assert convolutions() == 0


@GROUPS
def test_gradients(groups):
    layer, x = make_layer(groups, output_scale=0.5), tf.constant(make_hidden(2, 5))
    upstream = np.random.default_rng(2).standard_normal((2, 5, FILTERS))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) * tf.constant(upstream, "float32"))
    variables = [layer.kernel.value, layer.bias.value]
    of_inputs, of_kernel, of_bias = tape.gradient(loss, [x, *variables])

    matrix = oracle.block_diagonal(weights_of(layer)["kernel"], groups)
    assert_close(of_inputs, 0.5 * upstream @ matrix.T, atol=1e-5)
    assert_close(of_bias, 0.5 * upstream.sum((0, 1)), atol=1e-5)
    dense = 0.5 * np.einsum("bsi,bso->io", to_numpy(x), upstream)
    width = CHANNELS // groups
    for output in range(FILTERS):
        start = output // (FILTERS // groups) * width
        expected = dense[start : start + width, output]
        assert_close(of_kernel[0, :, output], expected, atol=1e-5)


def test_output_scale_multiplies_the_whole_output():
    x = make_hidden(2, 5)
    plain, scaled = make_layer(2), make_layer(2, output_scale=0.3)
    assert_close(scaled(x), 0.3 * to_numpy(plain(x)))
    assert np.abs(weights_of(plain)["bias"]).min() > 1e-3


def test_a_shuffled_kernel_is_noticed():
    layer, x = make_layer(3), make_hidden(2, 5)
    weights = weights_of(layer)
    weights["kernel"] = weights["kernel"][:, ::-1]
    wrong = oracle.grouped_dense(x, weights, 3)
    assert np.abs(to_numpy(layer(x)) - wrong).max() > 0.1


def test_another_group_count_is_noticed():
    x = make_hidden(2, 5)
    wrong = oracle.grouped_dense(x, weights_of(make_layer(3)), 3)
    with pytest.raises(AssertionError):
        assert_close(make_layer(2)(x), wrong)


def test_groups_share_nothing():
    layer, x = make_layer(3), make_hidden(2, 5)
    other = x.copy()
    other[..., 4:8] += 1  # the second of three groups
    changed = (to_numpy(layer(other)) != to_numpy(layer(x))).any((0, 1))
    assert changed.tolist() == [False] * 6 + [True] * 6 + [False] * 6


def test_groups_that_do_not_divide():
    with pytest.raises(InputError, match="Received: filters=18, groups=4"):
        GroupedConv1D(18, groups=4)
    with pytest.raises(InputError, match="Received: channels=12, groups=9"):
        GroupedConv1D(18, groups=9)(make_hidden(2, 5))


def test_the_kernel_initializer_is_used():
    layer = GroupedConv1D(4, 2, kernel_initializer="ones")
    layer.build((None, 2))
    assert_close(layer.kernel, np.ones((1, 1, 4)))
