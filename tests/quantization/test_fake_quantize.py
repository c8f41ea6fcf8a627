"""FakeQuantize: TFLite's rounding in float, and whose ranges follow what."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import numpy_squeezebert as oracle
import pytest
import tensorflow as tf
from numpy_int8 import (
    assert_same_codes,
    rounded,
    rounded_at_run_time,
    rounded_weight,
    scale_and_zero,
)
from tiny import ONE_LAYER, equalized_units, to_numpy

from keras_squeezebert.errors import InputError
from keras_squeezebert.layers import GroupedConv1D
from keras_squeezebert.lowering import tflite_lowering
from keras_squeezebert.quantization.fake_quantize import FakeQuantize, observing
from keras_squeezebert.quantization.points import quantizing
from keras_squeezebert.quantization.scheme import (
    ACTIVATION,
    EQUALIZED,
    KERNEL,
    MASKED,
    PROBABILITY,
    RUN_TIME_INPUT,
    RUN_TIME_KERNEL,
    SYMMETRIC,
    TABLE,
)
from keras_squeezebert.tflite import Quantizer, Scheme, quantize_aware

ROOT = Path(__file__).parents[2]


def make_layer(quantizer, low=None, high=None, channels=None):
    layer = FakeQuantize(quantizer)
    layer.build(channels)
    if low is not None:
        layer.range_variables["min_var"].assign(low)
        layer.range_variables["max_var"].assign(high)
    return layer


def limits(layer):
    """Lower and upper end of the range."""
    return tuple(
        to_numpy(layer.range_variables[name]).tolist()
        for name in ("min_var", "max_var")
    )


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 2, shape).astype("float32")


# === The rounding


@pytest.mark.parametrize(
    ("low", "high"), [(-3.1, 2.7), (-0.01, 5.0), (0.0, 4.0), (-4.0, 0.0), (-1e-3, 2e-3)]
)
def test_an_asymmetric_range(low, high):
    x = values(4, 300) * high if high else values(4, 300)
    actual = make_layer(ACTIVATION, low, high)(x)
    scale, _ = scale_and_zero(low, high)
    assert_same_codes(to_numpy(actual), rounded(x, low, high), scale)
    assert len(np.unique(to_numpy(actual))) > 50


def test_zero_stays_zero():
    for low, high in [(-3.1, 2.7), (-0.01, 5.0), (-1.0, 1.0), (0.0, 1.0)]:
        layer = make_layer(ACTIVATION, low, high)
        assert to_numpy(layer(np.zeros(3, "float32"))).tolist() == [0.0, 0.0, 0.0]


def test_a_symmetric_range_has_its_zero_in_the_middle():
    x, layer = values(4, 300), make_layer(SYMMETRIC, -2.0, 2.0)
    scale, zero = scale_and_zero(-2.0, 2.0, symmetric=True)
    assert (scale, zero) == (2 / 127, 0)
    actual = to_numpy(layer(x))
    assert_same_codes(actual, rounded(x, -2.0, 2.0, symmetric=True), scale)
    np.testing.assert_array_equal(to_numpy(layer(-x)), -actual)
    assert (actual.min(), actual.max()) == (-2.0, 2.0)


def test_another_range_is_noticed():
    x = values(4, 300)
    actual = to_numpy(make_layer(ACTIVATION, -3.0, 2.0)(x))
    scale, _ = scale_and_zero(-3.0, 2.0)
    for wrong in (rounded(x, -3.0, 2.1), rounded(x, -3.0, 3.0, symmetric=True)):
        with pytest.raises(AssertionError):
            assert_same_codes(actual, wrong, scale)


def test_probabilities_have_steps_of_1_in_256():
    layer = make_layer(PROBABILITY)
    x = np.random.default_rng(0).random((3, 500), "float32")
    actual = to_numpy(layer(x))
    assert_same_codes(actual, rounded(x, 0.0, 255 / 256), 1 / 256)
    np.testing.assert_array_equal(actual * 256, np.round(actual * 256))
    ends = to_numpy(layer(np.array([0.0, 1.0], "float32"))).tolist()
    assert ends == [0.0, 255 / 256]
    assert layer.weights == []


@pytest.mark.parametrize("shape", [(1, 1, 5, 7), (5, 7)])
def test_channels_have_ranges_of_their_own(shape):
    kernel = values(*shape) * 10.0 ** np.arange(-3, 4)
    actual = make_layer(KERNEL, channels=7)(kernel, training=True)
    axes = tuple(range(len(shape) - 1))
    expected = rounded_weight(kernel.astype("float32"), axis=axes)
    scale = np.abs(kernel).max(axis=axes) / 127
    assert_same_codes(to_numpy(actual), expected, scale)
    # The smallest channel would vanish in a range that all of them shared.
    assert np.abs(rounded_weight(kernel)[..., 0]).max() == 0
    assert np.abs(to_numpy(actual)[..., 0]).max() > 0


def test_the_output_is_float32_and_of_the_same_shape():
    layer = make_layer(ACTIVATION, -1.0, 1.0)
    assert layer(values(2, 3).astype("float16")).dtype == "float32"
    symbolic = layer(keras.KerasTensor((None, 5), "float32"))
    assert (symbolic.shape, symbolic.dtype) == ((None, 5), "float32")


# === Ranges found at run time


def run_time_layer(by_position):
    layer = FakeQuantize(RUN_TIME_INPUT, by_position=by_position)
    layer.build()
    return layer


@pytest.mark.parametrize("shape", [(4, 7, 12), (4, 1, 7, 12), (4, 12)])
@pytest.mark.parametrize("by_position", [False, True])
def test_a_range_of_each_example_or_position(shape, by_position):
    x = values(*shape)
    x *= 10.0 ** np.arange(-2, 2).reshape(4, *[1] * (len(shape) - 1))  # (batch, ...)
    x[0] = 0.0
    x[1, ..., 1:] = np.abs(x[1, ..., 1:])
    axis = -1 if by_position else tuple(range(1, len(shape)))
    expected, scale = rounded_at_run_time(x, axis)
    actual = to_numpy(run_time_layer(by_position)(x))
    assert_same_codes(actual, expected, scale)
    assert (actual[0] == 0).all()
    # Another example's range would not do, nor that of all of them.
    assert np.abs(actual - rounded_at_run_time(x, None)[0]).max() > 1e-3
    if len(shape) > 2:
        other, _ = rounded_at_run_time(x, tuple(range(1, len(shape))))
        assert (np.abs(actual - other).max() > 1e-3) == by_position


@pytest.mark.parametrize("by_position", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_range_of_one_sign_holds_zero(sign, by_position):
    x = sign * (np.abs(values(3, 5, 6)) + 1)
    actual = to_numpy(run_time_layer(by_position)(x))
    axes = -1 if by_position else (1, 2)
    step = np.abs(x).max(axis=axes, keepdims=True) / 255
    assert_same_codes(actual, np.round(x / step) * step, step)


def test_zeros_are_finite_and_have_a_gradient():
    for by_position in (False, True):
        layer, x = run_time_layer(by_position), tf.zeros((2, 3, 4))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        assert not to_numpy(y).any()
        assert (to_numpy(tape.gradient(y, x)) == 1).all()


def test_nothing_is_cut_off_and_every_gradient_passes():
    layer, x = run_time_layer(False), tf.constant(values(3, 5, 6))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    assert (to_numpy(tape.gradient(y, x)) == 1).all()
    assert np.abs(to_numpy(y) - to_numpy(x)).max() < np.ptp(to_numpy(x)) / 255
    assert layer.weights == []
    assert layer.step() is None


@pytest.mark.parametrize("quantizer", [RUN_TIME_INPUT, RUN_TIME_KERNEL])
def test_what_tflite_finds_by_itself_is_not_in_the_graph(quantizer):
    layer = make_layer(quantizer, channels=7 if quantizer.per_channel else None)
    x = values(5, 7)
    assert (to_numpy(layer(x, training=True)) != x).any()
    with tflite_lowering():
        np.testing.assert_array_equal(to_numpy(layer(x)), x)


# === Ranges extended from another


def test_an_extended_range_is_the_sources_and_a_margin_below():
    source = make_layer(ACTIVATION, -3.0, 5.0)
    layer = FakeQuantize(MASKED, source)
    layer.build()
    assert [float(limit) for limit in layer.limits()] == [-13.0, 5.0]
    source.range_variables["min_var"].assign(-1.0)
    assert [float(limit) for limit in layer.limits()] == [-11.0, 5.0]
    x = np.float32([[-127.5, -20.0, -1.0, 0.0, 4.9, 9.0]])
    actual, scale = to_numpy(layer(x, training=True)), 16 / 255
    assert_same_codes(actual, rounded(x, -11.0, 5.0), scale)
    assert actual.ravel()[[0, 1]].tolist() == [actual.min()] * 2
    assert float(layer.step()) == pytest.approx(scale)
    assert layer.weights == []


def test_observing_leaves_an_extended_range_to_its_source():
    source = make_layer(ACTIVATION, 0.0, 0.0)
    layer = FakeQuantize(MASKED, source)
    layer.build()
    with observing("activation"):
        source(np.float32([-2.0, 3.0]))
        layer(np.float32([-100.0, 100.0]))
    assert limits(source) == (-2.0, 3.0)
    assert [float(limit) for limit in layer.limits()] == [-12.0, 3.0]


@pytest.mark.parametrize("of", ["", "scores", "probabilities", "masked_scores"])
def test_an_extended_range_without_its_source(calibrated, of):
    """It is not quantized, comes after it, or is itself."""
    points = (
        ("*/masked_scores", Quantizer("extended", of=of, margin=10.0)),
        ("*/probabilities", PROBABILITY),
    )
    message = r"An extended range .*Received: .*'masked_scores'"
    with pytest.raises(InputError, match=message):
        quantize_aware(calibrated()[0], Scheme("wrong", points))


def test_an_extended_range_of_one_that_is_found_at_run_time(calibrated):
    points = (("*/masked_scores", MASKED), ("*/scores", RUN_TIME_INPUT))
    with pytest.raises(InputError):
        quantize_aware(calibrated()[0], Scheme("wrong", points))


# === The gradient


@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_passes_inside_the_range_only(training):
    layer = make_layer(ACTIVATION, -1.0, 2.0)
    x = tf.constant([-3.0, -1.1, -0.9, 0.0, 0.3, 1.9, 2.1, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
    gradient = tape.gradient(y, x, tf.range(1.0, 9.0))
    assert to_numpy(gradient).tolist() == [0, 0, 3, 4, 5, 6, 0, 0]


def test_all_of_a_weight_has_a_gradient_in_training():
    for quantizer, channels in [(TABLE, None), (KERNEL, 7)]:
        layer, x = make_layer(quantizer, channels=channels), tf.constant(values(5, 7))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        assert to_numpy(tape.gradient(y, x)).min() == 1.0


# === The range


def test_ranges_are_float32_and_not_trained():
    with_channels = make_layer(KERNEL, channels=7)
    for layer in (with_channels, make_layer(TABLE), make_layer(ACTIVATION)):
        assert {v.dtype for v in layer.weights} == {"float32"}
        assert (len(layer.weights), layer.trainable_weights) == (2, [])
    assert [tuple(v.shape) for v in with_channels.weights] == [(7,), (7,)]
    assert [tuple(v.shape) for v in make_layer(TABLE).weights] == [(), ()]


def test_the_range_of_a_weight_follows_it_in_training():
    layer, x = make_layer(TABLE, -9.0, 9.0), np.array([-0.5, 2.0], "float32")
    layer(x, training=False)
    assert limits(layer) == (-9.0, 9.0)
    layer(x, training=True)
    assert limits(layer) == (-2.0, 2.0)
    layer(x / 2, training=True)
    assert limits(layer) == (-1.0, 1.0)


def test_the_range_of_an_activation_stays():
    layer, x = make_layer(ACTIVATION, -1.0, 1.0), values(50)
    layer(x, training=True)
    layer(x)
    assert limits(layer) == (-1.0, 1.0)


def test_the_range_of_an_activation_that_moves_moves_slowly():
    moving = Quantizer("activation", moving=True)
    layer, x = make_layer(moving, -1.0, 1.0), np.array([-3.0, 5.0], "float32")
    layer(x, training=False)
    assert limits(layer) == (-1.0, 1.0)
    layer(x, training=True)
    expected = (-1.0 * 0.999 - 3.0 * 0.001, 1.0 * 0.999 + 5.0 * 0.001)
    assert limits(layer) == pytest.approx(expected, rel=1e-6)


def test_a_moving_range_stays_symmetric():
    moving = Quantizer("activation", symmetric=True, moving=True)
    layer = make_layer(moving, -1.0, 1.0)
    layer(np.array([-3.0, 5.0], "float32"), training=True)
    low, high = limits(layer)
    assert (low, high) == (-high, pytest.approx(1.0 * 0.999 + 5.0 * 0.001, rel=1e-6))


def test_a_moving_range_is_calibrated_like_another():
    layer = make_layer(Quantizer("activation", moving=True), 0.0, 0.0)
    with observing("activation"):
        layer(np.array([-3.0, 5.0], "float32"))
        layer(np.array([-1.0, 6.0], "float32"), training=True)
    assert limits(layer) == (-3.0, 6.0)


def test_observed_activations_grow_to_all_values():
    layer = make_layer(ACTIVATION, 0.0, 0.0)
    with observing("activation"):
        for batch in ([1.0, 3.0], [-2.0, 1.0], [-1.0, 0.5]):
            layer(np.array(batch, "float32"), training=False)
    assert limits(layer) == (-2.0, 3.0)
    layer(np.array([9.0], "float32"), training=False)
    assert limits(layer) == (-2.0, 3.0)


def test_an_observed_range_has_zero_in_it():
    for batch, expected in [([2.0, 3.0], (0.0, 3.0)), ([-3.0, -2.0], (-3.0, 0.0))]:
        layer = make_layer(ACTIVATION, 0.0, 0.0)
        with observing("activation"):
            layer(np.array(batch, "float32"))
        assert limits(layer) == expected


def test_an_observed_symmetric_range_is_symmetric():
    layer = make_layer(SYMMETRIC, 0.0, 0.0)
    with observing("activation"):
        layer(np.array([-1.0, 4.0], "float32"))
        layer(np.array([-3.0, 1.0], "float32"))
    assert limits(layer) == (-4.0, 4.0)


def test_only_the_kinds_asked_for_observe():
    weight, activation = make_layer(TABLE, -9.0, 9.0), make_layer(ACTIVATION, -1, 1)
    x = np.array([-2.0, 3.0], "float32")
    with observing("weight"):
        weight(x), activation(x)
    assert (limits(weight), limits(activation)) == ((-3.0, 3.0), (-1.0, 1.0))
    with observing("activation"):
        weight(2 * x), activation(x)
    assert (limits(weight), limits(activation)) == ((-3.0, 3.0), (-2.0, 3.0))


def test_observing_ends_with_its_block_and_its_error():
    layer = make_layer(ACTIVATION, -1.0, 1.0)
    with pytest.raises(ZeroDivisionError), observing("activation"):
        raise ZeroDivisionError
    layer(np.array([5.0], "float32"))
    assert limits(layer) == (-1.0, 1.0)


# === In a layer

CONVOLUTIONS = {
    "attention/query": "q_groups",
    "attention/key": "k_groups",
    "attention/value": "v_groups",
    "post_attention/conv": "post_attention_groups",
    "feed_forward/intermediate": "intermediate_groups",
    "feed_forward/output/conv": "output_groups",
}


def grouped_convolution(model, path):
    layer = model.transformer.encoder_layers[0]
    for name in path.replace("output", "output_block").split("/"):
        layer = getattr(layer, name)
    return layer


def units_of(path, kernel, bias):
    """In what channels of a convolution are rounded; all are 1 if none is equalized."""
    if path != "feed_forward/output/conv":
        return np.ones(bias.size)
    return equalized_units(kernel, bias)


@pytest.mark.parametrize("path", CONVOLUTIONS)
def test_a_grouped_convolution(calibrated, path):
    _, model = calibrated()
    layer = grouped_convolution(model, path)
    groups = getattr(ONE_LAYER, CONVOLUTIONS[path])
    low, high = limits(layer.quantizers["output"])
    symmetric = path in ("attention/key", "attention/value")
    x = values(4, 7, to_numpy(layer.kernel).shape[1] * groups)

    # 1/√d is part of the query's kernel and bias.
    factor = (96 / 16) ** -0.5 if path == "attention/query" else 1.0
    kernel, bias = (
        to_numpy(weight).astype("float64") * factor
        for weight in (layer.kernel, layer.bias)
    )
    units = units_of(path, kernel, bias)
    kernel, bias = kernel / units, bias / units
    weights = {"kernel": rounded_weight(kernel, axis=(0, 1)), "bias": bias}
    expected = oracle.grouped_dense(x, weights, groups)
    scale, _ = scale_and_zero(low, high, symmetric)
    actual = to_numpy(layer(x)) / units
    assert_same_codes(actual, rounded(expected, low, high, symmetric), scale)
    # Without the rounding of the kernel it would be something else.
    wrong = oracle.grouped_dense(x, weights | {"kernel": kernel}, groups)
    with pytest.raises(AssertionError):
        assert_same_codes(actual, rounded(wrong, low, high, symmetric), scale)


@pytest.mark.parametrize("path", CONVOLUTIONS)
def test_a_bias_is_an_integer_of_the_inputs_step_times_the_kernels(calibrated, path):
    _, model = calibrated()
    layer = grouped_convolution(model, path)
    bias, step = values(to_numpy(layer.bias).size), 0.5
    kernel = to_numpy(layer.kernel).astype("float64")
    factor = (96 / 16) ** -0.5 if path == "attention/query" else 1.0
    kernel /= units_of(path, kernel, to_numpy(layer.bias))
    unit = step * factor * np.abs(kernel).max(axis=(0, 1)) / 127
    with tf.GradientTape() as tape:
        variable = tf.constant(bias)
        tape.watch(variable)
        actual = layer.quantized_bias(variable, step)
    assert_same_codes(to_numpy(actual), np.round(bias / unit) * unit, unit)
    assert to_numpy(tape.gradient(actual, variable)).tolist() == [1.0] * bias.size
    np.testing.assert_array_equal(to_numpy(layer.quantized_bias(bias, None)), bias)


@pytest.mark.parametrize(
    ("point", "quantizer"),
    [
        ("*/scores", Quantizer("activation", per_channel=True)),
        ("*/word_embeddings", Quantizer("weight", per_channel=True)),
        ("*/probabilities", Quantizer("fixed", low=2.0, high=1.0)),
        ("*/probabilities", Quantizer("run_time", per_channel=True)),
        ("*/probabilities", Quantizer("extended", of="scores", per_channel=True)),
        ("*/attention/scores", EQUALIZED),
        ("pooler/dense/output", EQUALIZED),
        ("*/query/kernel", Quantizer("weight", per_channel=True, equalized=True)),
    ],
)
def test_a_quantizer_that_cannot_be_is_an_input_error(calibrated, point, quantizer):
    model, _ = calibrated()
    with pytest.raises(InputError):
        quantize_aware(model, Scheme("wrong", ((point, quantizer),)))


# === A channel that is far larger than the others


def with_outlier(equalized):
    """A convolution under "mixed" one of whose channels is 300 times the others."""
    points = (
        ("*/kernel", KERNEL),
        ("*/output", EQUALIZED if equalized else ACTIVATION),
    )
    with quantizing(Scheme("outputs", points)):
        layer = GroupedConv1D(18, groups=3, name="conv")
        layer.build((None, None, 12))
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal(layer.kernel.shape)
    kernel[..., 7] *= 300
    bias = rng.standard_normal(18)
    bias[7] *= 300
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    x = values(4, 9, 12)
    with observing("weight", "activation"):
        layer(x)
    weights = {"kernel": kernel, "bias": bias}
    return layer, x, oracle.grouped_dense(x, weights, 3)


@pytest.mark.parametrize("equalized", [True, False])
def test_only_equalized_channels_leave_the_others_their_steps(equalized):
    layer, x, expected = with_outlier(equalized)
    error = np.sqrt(np.mean((to_numpy(layer(x)) - expected) ** 2, axis=(0, 1)))
    share = error / expected.std(axis=(0, 1))  # (channels,)
    others = np.arange(18) != 7
    assert share[7] < 0.03
    assert share[others].max() < 0.03 if equalized else share[others].min() > 0.3


def test_an_equalized_channel_learns_as_any_other():
    layer, x, _ = with_outlier(equalized=True)
    for limit in layer.quantizers["output"].range_variables.values():
        limit.assign(2 * limit)  # nothing is clipped
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    kernel, bias = tape.gradient(y, [layer.kernel, layer.bias], np.ones(y.shape, "f"))
    np.testing.assert_allclose(to_numpy(bias), 4 * 9, rtol=1e-6)
    sums = x.sum(axis=(0, 1)).reshape(3, 4)  # (groups, in)
    expected = np.repeat(sums.T, 6, axis=1)[None]  # (1, in, filters)
    np.testing.assert_allclose(to_numpy(kernel), expected, rtol=0, atol=1e-4)


# === tfmot in the process

ALONE = """
import os, sys, warnings

switch = "TF_USE_LEGACY_KERAS"
before = os.environ.get(switch)
import keras_squeezebert
import keras_squeezebert.quantization.calibrate
import keras_squeezebert.quantization.quantize_aware

assert "tensorflow_model_optimization" not in sys.modules
from keras_squeezebert.quantization.fake_quantize import FakeQuantize
from keras_squeezebert.quantization.scheme import ACTIVATION

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    FakeQuantize(ACTIVATION).build()
assert "tensorflow_model_optimization" in sys.modules
assert os.environ.get(switch) == before, os.environ.get(switch)

import keras
import tensorflow as tf

assert tf.keras.__version__ == keras.__version__, tf.keras.__version__
assert tf.keras.layers.Dense is keras.layers.Dense
for warning in caught:
    print(warning.message)
"""


@pytest.fixture(scope="module")
def alone():
    """Two interpreters in which tfmot was imported: with the switch unset, and at 0."""
    clean = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ALONE],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in (clean, clean | {"TF_USE_LEGACY_KERAS": "0"})
    ]
    return [(*process.communicate(), process.returncode) for process in processes]


def test_tfmot_is_imported_late_and_leaves_keras_alone(alone):
    for _, errors, code in alone:
        assert code == 0, errors[-2000:]


def test_importing_tfmot_warns_of_nothing(alone):
    assert [output for output, _, _ in alone] == ["", ""]
