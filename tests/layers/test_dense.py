"""Dense: Keras' own, with quantization points, and exported as a convolution."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy_int8 import assert_same_codes, rounded, rounded_weight, scale_and_zero
from tiny import to_numpy, weights_of

from keras_squeezebert.layers.dense import Dense
from keras_squeezebert.lowering import tflite_lowering
from keras_squeezebert.quantization.points import quantizing
from keras_squeezebert.quantization.scheme import MIXED

CHANNELS, UNITS = 12, 18
SHAPES = pytest.mark.parametrize("shape", [(2,), (2, 5), (2, 3, 5)])


def make_layer(scheme=None):
    with quantizing(scheme):
        layer = Dense(UNITS, name="dense")
        layer.build((None, None, CHANNELS))
    randomize_weights(layer)
    return layer


def randomize_weights(layer):
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.standard_normal((CHANNELS, UNITS)))
    layer.bias.assign(rng.standard_normal(UNITS))


def make_inputs(*shape):
    rng = np.random.default_rng(1)
    return rng.standard_normal((*shape, CHANNELS)).astype("float32")


@SHAPES
def test_equals_keras_dense(shape):
    layer, x = make_layer(), make_inputs(*shape)
    theirs = keras.layers.Dense(UNITS)
    theirs.build(x.shape)
    theirs.set_weights(layer.get_weights())
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(theirs(x)))
    assert layer.compute_output_shape(x.shape) == (*shape, UNITS)


@SHAPES
def test_equals_the_convolution_that_is_exported(shape):
    layer, x = make_layer(), make_inputs(*shape)
    with tflite_lowering():
        convolved = tf.function(layer)(x)
    np.testing.assert_allclose(
        to_numpy(convolved), to_numpy(layer(x)), rtol=0, atol=1e-5
    )


@SHAPES
def test_the_exported_form_is_one_convolution(shape):
    layer = make_layer()

    def count(kind):
        traced = tf.function(lambda x: layer(x)).get_concrete_function(
            tf.TensorSpec((*shape, CHANNELS))
        )
        return str(traced.graph.as_graph_def()).count(f'op: "{kind}"')

    assert (count("Conv2D"), count("MatMul") > 0) == (0, True)
    with tflite_lowering():
        assert (count("Conv2D"), count("MatMul") > 0) == (1, False)


def test_a_shuffled_kernel_is_noticed():
    layer, x = make_layer(), make_inputs(2, 5)
    before = to_numpy(layer(x))
    layer.kernel.assign(to_numpy(layer.kernel)[:, ::-1])
    assert np.abs(to_numpy(layer(x)) - before).max() > 0.1


def test_serialization():
    layer = make_layer()
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(copy) is Dense
    assert copy.get_config() == layer.get_config()


def test_a_float_layer_has_no_quantizers():
    assert make_layer().quantizers == {}
    assert [v.path for v in make_layer().weights] == ["dense/kernel", "dense/bias"]


# === Quantized


def quantized_layer():
    layer = make_layer(MIXED)
    for name, limits in {"input": (-2.0, 1.5), "output": (-5.0, 6.0)}.items():
        for end, limit in zip(("min_var", "max_var"), limits, strict=True):
            layer.quantizers[name].range_variables[end].assign(limit)
    return layer


@pytest.mark.parametrize("lowered", [False, True])
def test_quantized_input_kernel_and_output(lowered):
    layer, x = quantized_layer(), make_inputs(4, 25)
    # In training a kernel's range is that of its values.
    call = tf.function(lambda x: layer(x, training=True))
    if lowered:
        with tflite_lowering():
            actual = call(x)
    else:
        actual = call(x)
    weights = {path.split("/")[-1]: value for path, value in weights_of(layer).items()}
    kernel = rounded_weight(weights["kernel"], axis=0)
    # The bias is an integer of the input's step times the kernel's.
    unit = 3.5 / 255 * np.abs(weights["kernel"]).max(axis=0) / 127
    bias = np.round(weights["bias"] / unit) * unit
    expected = rounded(x, -2.0, 1.5) @ kernel + bias
    scale, _ = scale_and_zero(-5.0, 6.0)
    assert_same_codes(to_numpy(actual), rounded(expected, -5.0, 6.0), scale)
    # The comparison sees whether input and kernel are rounded.
    for other in (x @ kernel, rounded(x, -2.0, 1.5) @ weights["kernel"]):
        with pytest.raises(AssertionError):
            wrong = rounded(other + bias, -5.0, 6.0)
            assert_same_codes(to_numpy(actual), wrong, scale)


def test_a_kernel_has_a_range_for_each_unit():
    layer = quantized_layer()
    layer(make_inputs(2, 5), training=True)
    variables = layer.quantizers["kernel"].range_variables
    limits = np.abs(to_numpy(layer.kernel)).max(axis=0)
    np.testing.assert_array_equal(to_numpy(variables["max_var"]), limits)
    np.testing.assert_array_equal(to_numpy(variables["min_var"]), -limits)
