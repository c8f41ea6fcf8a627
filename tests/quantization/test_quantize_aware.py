"""quantize_aware: a copy that rounds, beside a model that is left as it was."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny import (
    ARCHITECTURES,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    inputs_for,
    make_inputs,
    make_model,
    run,
    to_numpy,
)

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import check_calibrated
from keras_squeezebert.quantization.scheme import KERNEL, MIXED, SCHEMES
from keras_squeezebert.tflite import Scheme, calibrate, quantize_aware

ROOT = Path(__file__).parents[2]
CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)


def snapshot(model):
    return {v.path: to_numpy(v).copy() for v in model.weights}


def assert_same_weights(actual, expected):
    assert list(actual) == list(expected)
    for path, value in expected.items():
        np.testing.assert_array_equal(actual[path], value, err_msg=path)


# === The copy


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_quantizers_the_outputs_are_equal_to_the_bit(architecture):
    model, inputs = make_model(architecture, ONE_LAYER), inputs_for(architecture)
    copy = quantize_aware(model, Scheme("none", ()))
    assert type(copy) is type(model) and copy is not model
    assert_equal_outputs(run(copy, inputs), run(model, inputs), atol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs_are_close_to_those_of_the_model_and_not_the_same(
    calibrated, architecture, scheme
):
    model, quantized = calibrated(architecture, scheme)
    inputs = inputs_for(architecture)
    expected, actual = run(model, inputs), run(quantized, inputs)
    assert list(actual) == list(expected)
    for name, value in expected.items():
        error = np.sqrt(np.mean((actual[name] - value) ** 2) / np.mean(value**2))
        assert 1e-4 < error < 0.2


def test_weights_and_config_are_those_of_the_model(calibrated):
    model, quantized = calibrated()
    found = snapshot(quantized)
    expected = snapshot(model)
    assert_same_weights({path: found[path] for path in expected}, expected)
    assert quantized.config == model.config
    assert quantized.scheme == MIXED
    ranges = set(found) - set(expected)
    assert {path.split("/")[-1] for path in ranges} == {"range_min", "range_max"}


def test_only_weights_are_trained(calibrated):
    model, quantized = calibrated()
    assert [v.path for v in quantized.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]


def test_the_copy_is_compiled_for_its_task(calibrated):
    _, quantized = calibrated()
    assert quantized.compiled
    assert isinstance(quantized.optimizer, keras.optimizers.AdamW)
    assert isinstance(quantized.loss, keras.losses.SparseCategoricalCrossentropy)


def test_a_scheme_of_kernels_alone_needs_no_calibration():
    model = make_model(CLASSIFIER, CALM)
    copy = quantize_aware(model, Scheme("kernels", (("*/kernel", KERNEL),)))
    inputs = make_inputs(4, 7)
    expected, actual = run(model, inputs)["logits"], run(copy, inputs)["logits"]
    assert 0 < np.abs(actual - expected).max() < 0.2
    check_calibrated(copy)


def test_dynamic_needs_no_calibration(calibrated):
    model, calibrated_copy = calibrated(CLASSIFIER, "dynamic")
    copy, inputs = quantize_aware(model, "dynamic"), make_inputs(4, 7)
    check_calibrated(copy)
    assert_equal_outputs(run(copy, inputs), run(calibrated_copy, inputs), atol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_before_its_calibration_outputs_are_finite(scheme):
    copy = quantize_aware(make_model(CLASSIFIER, CALM), scheme)
    assert np.isfinite(run(copy, make_inputs(4, 7))["logits"]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_channel_without_weights_has_finite_outputs(scheme):
    model, inputs = make_model(CLASSIFIER, CALM), make_inputs(4, 7)
    for variable in model.trainable_variables:
        if variable.name in ("kernel", "gamma"):
            variable.assign(to_numpy(variable) * (np.arange(variable.shape[-1]) != 1))
    copy = quantize_aware(model, scheme)
    calibrate(copy, [inputs], progress=False)
    error = run(copy, inputs)["logits"] - run(model, inputs)["logits"]
    assert np.abs(error).max() < 0.5


# === The model


def test_the_model_is_left_as_it_was():
    model, inputs = make_model(CLASSIFIER, CALM), make_inputs(4, 7)
    weights, outputs = snapshot(model), run(model, inputs)
    copy = quantize_aware(model)
    calibrate(copy, [inputs], progress=False)
    copy.compile(keras.optimizers.SGD(0.1))
    before = snapshot(copy)
    copy.fit(inputs, np.array([0, 1, 2, 0]), verbose=0)
    changed = [path for path, x in snapshot(copy).items() if (x != before[path]).any()]
    assert any(path.endswith("conv/kernel") for path in changed)
    assert_same_weights(snapshot(model), weights)
    assert_equal_outputs(run(model, inputs), outputs, atol=0)
    assert model.scheme is None


# === Errors


def test_an_unknown_scheme():
    with pytest.raises(InputError, match=r"one of mixed, .*Received: scheme='int4'"):
        quantize_aware(make_model(CLASSIFIER, ONE_LAYER), "int4")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_model_that_is_quantized_already(calibrated, scheme):
    with pytest.raises(InputError, match=rf"already\. Received: scheme='{scheme}'"):
        quantize_aware(calibrated(CLASSIFIER, scheme)[1])


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_a_model_of_another_dtype(dtype):
    model = make_model(CLASSIFIER, ONE_LAYER, dtype=dtype)
    with pytest.raises(InputError, match=f"Only float32 .*Received: dtype='{dtype}'"):
        quantize_aware(model)


ON_JAX = """
import keras
from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import quantize_aware

assert keras.backend.backend() == "jax"
model = SqueezeBertModel(SqueezeBertConfig(
    vocab_size=10, hidden_size=8, intermediate_size=8, num_attention_heads=2,
    num_hidden_layers=1, q_groups=1, k_groups=1, v_groups=1, intermediate_groups=1,
    output_groups=1,
))
assert model.scheme is None
try:
    quantize_aware(model)
except InputError as error:
    assert "Received: KERAS_BACKEND=jax" in str(error), error
else:
    raise AssertionError("no error")
"""


def test_another_backend():
    pytest.importorskip("jax")
    finished = subprocess.run(
        [sys.executable, "-c", ON_JAX],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
