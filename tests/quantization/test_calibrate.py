"""calibrate: each activation gets the range of what is seen of it."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import ONE_LAYER, WITHOUT_DROPOUT, make_inputs, make_model, to_numpy

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.calibrate import CalibrationReport
from keras_squeezebert.quantization.ranges import (
    Range,
    activation_ranges,
    quantizers,
)
from keras_squeezebert.tflite import calibrate, quantize_aware

CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)
LABELS = np.array([0, 1, 2, 0])


@pytest.fixture(scope="module")
def model():
    return make_model(CLASSIFIER, CALM)


@pytest.fixture
def quantized(model):
    return quantize_aware(model)


def batches(count=3, start=0):
    return [make_inputs(4, 7, seed=seed) for seed in range(start, start + count)]


def variable(model, path):
    (found,) = [v for v in model.weights if v.path == path]
    return found


def observe_values(model):
    """Records what every activation's quantizer is shown while it observes."""
    seen = {}

    def recording(path, observed):
        def call(x, *arguments):
            seen.setdefault(path, []).append(to_numpy(x).copy())
            return observed(x, *arguments)

        return call

    for path, layer in quantizers(model).items():
        if layer.quantizer.kind == "activation":
            layer.observed = recording(path, layer.observed)
    return seen


# === The ranges


def test_ranges_are_those_of_the_values_seen(quantized):
    seen = observe_values(quantized)
    tf.config.run_functions_eagerly(True)
    try:
        report = calibrate(quantized, batches(), progress=False)
    finally:
        tf.config.run_functions_eagerly(False)
    expected = {}
    for path, values in seen.items():
        assert len(values) == 3
        low = min(0.0, *(float(x.min()) for x in values))
        high = max(0.0, *(float(x.max()) for x in values))
        if path.endswith(("key/output", "value/output")):
            low, high = -max(-low, high), max(-low, high)
        expected[path] = Range(low, high)
    assert len(expected) == 13
    assert activation_ranges(quantized) == report.ranges == expected


def test_ranges_are_those_of_all_batches(model, quantized):
    report = calibrate(quantized, batches(), progress=False)
    # Before it only the tables are rounded, so it does not depend on other ranges.
    embeddings = quantized.transformer.embeddings
    hidden = [
        to_numpy(embeddings(inputs["input_ids"], inputs["token_type_ids"]))
        for inputs in batches()
    ]
    lows, highs = [x.min() for x in hidden], [x.max() for x in hidden]
    found = report.ranges["encoder_layer_0/attention/input"]
    assert found == pytest.approx((min(lows), max(highs)), rel=1e-6)
    assert lows[0] > min(lows) or highs[0] < max(highs)


def test_a_recalibration_forgets(quantized):
    once = calibrate(quantized, batches(1), progress=False).ranges
    calibrate(quantized, batches(5, start=7), progress=False)
    assert activation_ranges(quantized) != once
    assert calibrate(quantized, batches(1), progress=False).ranges == once
    assert activation_ranges(quantized) == once


def test_the_order_of_reports_is_that_of_the_model(quantized):
    report = calibrate(quantized, batches(1), progress=False)
    assert list(report.ranges) == list(activation_ranges(quantized))
    assert isinstance(report, CalibrationReport)
    assert (report.batches, report.dead, report.exploded) == (1, (), ())
    assert str(report) == "13 ranges found in 1 batches"


# === Batches


def dataset(labelled):
    arrays = [np.concatenate(parts) for parts in zip(*map(list, rows()), strict=True)]
    inputs = dict(zip(make_inputs(1, 7), arrays, strict=True))
    labels = np.tile(LABELS, 3)
    whole = (inputs, labels) if labelled else inputs
    return tf.data.Dataset.from_tensor_slices(whole).batch(4)


def rows():
    return [inputs.values() for inputs in batches()]


@pytest.mark.parametrize(
    "given",
    [
        lambda: iter(batches()),
        lambda: [(inputs, LABELS) for inputs in batches()],
        lambda: [(inputs, LABELS, np.ones(4)) for inputs in batches()],
        lambda: [
            {name: tf.constant(x) for name, x in inputs.items()} for inputs in batches()
        ],
        lambda: dataset(labelled=False),
        lambda: dataset(labelled=True),
    ],
    ids=["dicts", "labelled", "weighted", "tensors", "dataset", "labelled dataset"],
)
def test_forms_of_batches(quantized, calibrated_ranges, given):
    report = calibrate(quantized, given(), progress=False)
    assert report.batches == 3
    assert report.ranges == calibrated_ranges


@pytest.fixture(scope="module")
def calibrated_ranges(model):
    return calibrate(quantize_aware(model), batches(), progress=False).ranges


def test_batches_of_several_lengths(quantized):
    inputs = [make_inputs(rows, seq) for rows, seq in [(1, 3), (5, 9), (2, 7)]]
    report = calibrate(quantized, inputs, progress=False)
    assert report.batches == 3
    assert all(limits.is_found for limits in report.ranges.values())


def test_progress_is_shown_on_request_only(quantized, capsys):
    calibrate(quantized, batches(1), progress=False)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    calibrate(quantized, batches(1))
    captured = capsys.readouterr()
    assert captured.out == "" and "Calibrating" in captured.err


# === What looks wrong


def test_dead_points_are_reported():
    quantized = quantize_aware(make_model(CLASSIFIER, CALM.replace(hidden_act="relu")))
    path = "encoder_layer_0/feed_forward/intermediate"
    variable(quantized, f"{path}/bias").assign(np.full(192, -1e3))
    report = calibrate(quantized, batches(), progress=False)
    dead = "encoder_layer_0/feed_forward/activation"
    assert report.dead == (dead,)
    assert report.ranges[dead] == (0, 0)
    assert f"{dead}: only zeros were seen" in str(report)
    with pytest.raises(InputError, match=f"1 ranges .*'{dead}'"):
        quantized.fit(make_inputs(4, 7), LABELS, verbose=0)


def test_exploded_points_are_reported():
    config = CALM.replace(num_hidden_layers=3)
    quantized = quantize_aware(make_model(CLASSIFIER, config))
    report = calibrate(quantized, batches(), progress=False)
    assert (report.dead, report.exploded) == ((), ())

    layer = "encoder_layer_1/post_attention/conv"
    for name in ("kernel", "bias"):
        weight = variable(quantized, f"{layer}/{name}")
        weight.assign(to_numpy(weight) * 100)
    report = calibrate(quantized, batches(), progress=False)
    assert report.exploded == (f"{layer}/output",)
    low, high = report.ranges[f"{layer}/output"]
    line = f"{layer}/output: far wider than in other layers, {low:.3g} to {high:.3g}"
    assert line in str(report)


# === Errors leave the ranges as they were


@pytest.fixture
def known(quantized):
    calibrate(quantized, batches(), progress=False)
    return quantized, activation_ranges(quantized)


@pytest.mark.parametrize("given", [[], iter(()), ()])
def test_no_batches(known, given):
    quantized, before = known
    with pytest.raises(InputError, match="Received: no batches"):
        calibrate(quantized, given, progress=False)
    assert activation_ranges(quantized) == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(known, value):
    quantized, before = known
    bias = variable(quantized, "encoder_layer_0/feed_forward/intermediate/bias")
    bias.assign(np.where(np.arange(192) == 5, value, to_numpy(bias)))
    with pytest.raises(InputError, match=r"not finite at .* points, .* is '.+/.+'"):
        calibrate(quantized, batches(), progress=False)
    assert activation_ranges(quantized) == before


def test_values_that_are_not_finite_in_one_batch_of_several(known):
    quantized, before = known
    table = variable(quantized, "embeddings/word_embeddings")
    values = to_numpy(table).copy()
    values[100] = np.nan
    table.assign(values)
    given = batches()
    for inputs in given:
        inputs["input_ids"] %= 100
    # Tables are rounded by one range, which NaN spoils for all of their rows.
    with pytest.raises(InputError, match="not finite"):
        calibrate(quantized, given, progress=False)
    assert activation_ranges(quantized) == before


def test_an_error_of_the_batches(known):
    quantized, before = known

    def broken():
        yield from batches(1, start=5)
        raise OSError("disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        calibrate(quantized, broken(), progress=False)
    assert activation_ranges(quantized) == before


def without_types():
    return {k: v for k, v in make_inputs(4, 7).items() if k != "token_type_ids"}


@pytest.mark.parametrize(
    "inputs",
    [
        without_types(),
        make_inputs(4, 7) | {"input_ids": np.full((4, 7), 101, "int32")},
        make_inputs(4, 25),
        np.zeros((4, 7), "int32"),
    ],
    ids=["missing", "outside the vocabulary", "too long", "no dict"],
)
def test_inputs_that_do_not_fit(known, inputs):
    quantized, before = known
    with pytest.raises(InputError, match="Received"):
        calibrate(quantized, [*batches(1, start=5), inputs], progress=False)
    assert activation_ranges(quantized) == before


def test_a_float_model(model):
    with pytest.raises(InputError, match="Call `quantize_aware` on it first"):
        calibrate(model, batches(), progress=False)
