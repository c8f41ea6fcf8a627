"""Training a quantized model, in one go or with a pause on disk."""

import keras
import numpy as np
import pytest
from tiny import (
    ONE_LAYER,
    WITHOUT_DROPOUT,
    kernel_limits,
    make_inputs,
    make_model,
    to_numpy,
)

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import activation_ranges, quantizers
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import calibrate, quantize_aware

CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)
INPUTS, LABELS = make_inputs(8, 7), np.arange(8) % 3


TRAINED = {**SCHEMES, "moving": SCHEMES["int8"].with_moving_ranges()}


def calibrated_model(scheme):
    quantized = quantize_aware(make_model(CLASSIFIER, CALM), TRAINED[scheme])
    calibrate(quantized, [INPUTS], progress=False)
    return quantized


def train(model, epochs=4):
    model.compile(keras.optimizers.SGD(0.02))
    model.fit(INPUTS, LABELS, batch_size=4, epochs=epochs, shuffle=False, verbose=0)


@pytest.fixture(scope="module", params=TRAINED)
def scheme(request):
    return request.param


@pytest.fixture(scope="module")
def trained(scheme):
    """A model after four epochs, and its ranges before them."""
    model = calibrated_model(scheme)
    before = activation_ranges(model)
    train(model)
    return model, before


def test_without_calibration_there_is_no_training():
    quantized = quantize_aware(make_model(CLASSIFIER, CALM))
    before = [to_numpy(v).copy() for v in quantized.weights]
    with pytest.raises(InputError, match=r"13 ranges .* Call `calibrate`"):
        quantized.fit(INPUTS, LABELS, verbose=0)
    for old, variable in zip(before, quantized.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), old)


def test_the_loss_falls(trained):
    model, _ = trained
    first, *_, last = model.history.history["loss"]
    assert last < 0.8 * first


def test_the_ranges_of_weights_are_those_of_the_final_weights(trained, scheme):
    model, _ = trained
    values = {v.path: to_numpy(v) for v in model.trainable_variables}
    weights = [
        (path, layer)
        for path, layer in quantizers(model).items()
        if layer.quantizer.kind == "weight"
    ]
    counts = {"mixed": 10, "int8": 14, "moving": 14, "dynamic": 8}
    assert len(weights) == counts[scheme]
    for path, layer in weights:
        limit = np.abs(values[path]).max()
        if layer.quantizer.per_channel:
            limit = kernel_limits(values, path, scheme)
        ends = [to_numpy(v) for v in layer.range_variables.values()]
        np.testing.assert_allclose(ends, [-limit, limit], rtol=1e-7, err_msg=path)


def test_the_ranges_of_activations_stay_unless_they_move(trained, scheme):
    model, before = trained
    after = activation_ranges(model)
    if scheme == "moving":
        assert sum(after[path] != before[path] for path in before) > len(before) / 2
        assert all(limits.is_found for limits in after.values())
    else:
        assert after == before


def test_moving_ranges_move():
    moving = SCHEMES["mixed"].with_moving_ranges()
    model = quantize_aware(make_model(CLASSIFIER, CALM), moving)
    calibrate(model, [INPUTS], progress=False)
    before = activation_ranges(model)
    model(make_inputs(8, 7, seed=1), training=False)
    assert activation_ranges(model) == before
    model(make_inputs(8, 7, seed=1), training=True)
    after = activation_ranges(model)
    moved = [path for path in before if after[path] != before[path]]
    assert len(moved) > len(before) / 2


@pytest.fixture(scope="module")
def paused(scheme):
    """A model after half of the epochs."""
    model = calibrated_model(scheme)
    train(model, epochs=2)
    return model


@pytest.mark.parametrize("form", ["keras", "folder"])
def test_training_goes_on_after_a_pause_on_disk(trained, paused, form, tmp_path):
    if form == "keras":
        paused.save(tmp_path / "model.keras")
        model = keras.saving.load_model(tmp_path / "model.keras")
    else:
        paused.save_pretrained(tmp_path)
        model = type(paused).from_pretrained(tmp_path)
    train(model, epochs=2)
    expected, _ = trained
    for actual, wanted in zip(model.weights, expected.weights, strict=True):
        assert actual.path == wanted.path
        np.testing.assert_allclose(
            to_numpy(actual), to_numpy(wanted), rtol=0, atol=1e-6, err_msg=actual.path
        )
