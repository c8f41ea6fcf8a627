"""Ranges on disk: what is loaded is what was saved, or it is an error."""

import json
import math

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file
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
from keras_squeezebert.quantization.ranges import (
    Range,
    activation_ranges,
    assign_ranges,
    check_calibrated,
    load_ranges,
    read_scheme,
    save_quantization,
)
from keras_squeezebert.quantization.scheme import MIXED, SCHEMES
from keras_squeezebert.tflite import Scheme, calibrate, quantize_aware

CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)
POINT = "encoder_layer_0/attention/scores"


def weights(model):
    """All of them, the ranges of weights and of activations among them."""
    return {v.path: to_numpy(v) for v in model.weights}


def assert_same_model(actual, expected, inputs):
    assert type(actual) is type(expected)
    assert actual.scheme == expected.scheme
    assert activation_ranges(actual) == activation_ranges(expected)
    assert weights(actual).keys() == weights(expected).keys()
    for path, value in weights(expected).items():
        np.testing.assert_array_equal(weights(actual)[path], value, err_msg=path)
    assert_equal_outputs(run(actual, inputs), run(expected, inputs), atol=0)


# === In memory


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ((-1.0, 1.0), True),
        ((0.0, 1e-9), True),
        ((0.0, 0.0), False),
        ((-math.inf, 1.0), False),
        ((0.0, math.nan), False),
    ],
)
def test_which_ranges_are_found(limits, found):
    assert Range(*limits).is_found == found


def test_ranges_are_assigned_by_their_points():
    quantized = quantize_aware(make_model(CLASSIFIER, CALM))
    expected = activation_ranges(quantized) | {POINT: Range(-2.0, 3.0)}
    assign_ranges(quantized, {POINT: Range(-2.0, 3.0)})
    assert activation_ranges(quantized) == expected


def test_a_model_without_ranges_is_not_calibrated(calibrated):
    model, quantized = calibrated()
    check_calibrated(model)
    check_calibrated(quantized)
    with pytest.raises(InputError, match=r"13 ranges .* Call `calibrate`"):
        check_calibrated(quantize_aware(model))


def test_one_missing_range_is_named():
    quantized = quantize_aware(make_model(CLASSIFIER, CALM))
    calibrate(quantized, [make_inputs(4, 7)], progress=False)
    assign_ranges(quantized, {POINT: Range(0.0, 0.0)})
    with pytest.raises(InputError, match=f"1 ranges .*that of '{POINT}'"):
        check_calibrated(quantized)


# === Round trips


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keras_file(calibrated, architecture, tmp_path):
    _, quantized = calibrated(architecture)
    quantized.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_same_model(loaded, quantized, inputs_for(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folder(calibrated, architecture, tmp_path):
    _, quantized = calibrated(architecture)
    quantized.save_pretrained(tmp_path)
    loaded = type(quantized).from_pretrained(tmp_path)
    assert_same_model(loaded, quantized, inputs_for(architecture))


@pytest.mark.parametrize("scheme", ["int8", "dynamic"])
@pytest.mark.parametrize("form", ["keras", "folder"])
def test_other_schemes(calibrated, scheme, form, tmp_path):
    _, quantized = calibrated("SqueezeBertForMaskedLM", scheme)
    if form == "keras":
        quantized.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    else:
        quantized.save_pretrained(tmp_path)
        loaded = type(quantized).from_pretrained(tmp_path)
    assert loaded.scheme == SCHEMES[scheme]
    assert_same_model(loaded, quantized, make_inputs(4, 7))


def test_an_uncalibrated_model_is_saved_as_it_is(tmp_path):
    quantized = quantize_aware(make_model(CLASSIFIER, CALM))
    quantized.save_pretrained(tmp_path)
    loaded = type(quantized).from_pretrained(tmp_path)
    assert_same_model(loaded, quantized, make_inputs(4, 7))
    with pytest.raises(InputError, match="13 ranges"):
        check_calibrated(loaded)


def test_a_scheme_without_quantizers_is_saved_too(tmp_path):
    copy = quantize_aware(make_model(CLASSIFIER, CALM), Scheme("none", ()))
    copy.save_pretrained(tmp_path)
    loaded = type(copy).from_pretrained(tmp_path)
    assert_same_model(loaded, copy, make_inputs(4, 7))


# === The folder


def test_the_folder_is_hugging_faces_but_for_one_file(calibrated, tmp_path):
    model, quantized = calibrated()
    model.save_pretrained(tmp_path / "float")
    quantized.save_pretrained(tmp_path / "int8")
    names = [{file.name for file in folder.iterdir()} for folder in tmp_path.iterdir()]
    assert names[0] ^ names[1] == {"quantization.json"}
    config = (tmp_path / "int8" / "config.json").read_text()
    assert config == (tmp_path / "float" / "config.json").read_text()
    assert "quanti" not in config
    found, expected = (
        load_file(tmp_path / folder / "model.safetensors")
        for folder in ("int8", "float")
    )
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_the_file_holds_scheme_and_ranges(calibrated, tmp_path):
    _, quantized = calibrated()
    save_quantization(quantized, tmp_path)
    values = json.loads((tmp_path / "quantization.json").read_text())
    ranges = {path: Range(*limits) for path, limits in values["ranges"].items()}
    assert ranges == activation_ranges(quantized)
    assert values == {"scheme": MIXED.to_dict(), "ranges": values["ranges"]}
    assert read_scheme(tmp_path) == MIXED


def test_a_folder_without_the_file_is_of_a_float_model(calibrated, tmp_path):
    model, _ = calibrated()
    assert read_scheme(tmp_path) is None
    model.save_pretrained(tmp_path)
    assert type(model).from_pretrained(tmp_path).scheme is None


def test_a_float_model_saved_over_a_quantized_one_is_float(calibrated, tmp_path):
    model, quantized = calibrated()
    quantized.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    assert type(model).from_pretrained(tmp_path).scheme is None


def test_a_quantized_folder_is_of_float32(calibrated, tmp_path):
    _, quantized = calibrated()
    quantized.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="mixed_float16"):
        type(quantized).from_pretrained(tmp_path, dtype="mixed_float16")


# === Damage


@pytest.fixture
def stored(calibrated, tmp_path):
    """Writes a changed `quantization.json`."""
    _, quantized = calibrated()
    save_quantization(quantized, tmp_path)
    path = tmp_path / "quantization.json"

    def write(change):
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))
        return tmp_path

    return write


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"a"'])
def test_what_is_no_json_object(calibrated, tmp_path, content):
    _, quantized = calibrated()
    (tmp_path / "quantization.json").write_bytes(content)
    for read in (read_scheme, lambda folder: load_ranges(quantized, folder)):
        with pytest.raises(InputError, match=r"quantization\.json"):
            read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("ranges"),
        lambda values: values.update(ranges=None),
        lambda values: values.update(ranges={}),
        lambda values: values.update(ranges=[]),
        lambda values: values.update(ranges=[1, 2]),
        lambda values: values.update(ranges=5),
        lambda values: values.update(ranges="all"),
    ],
)
def test_no_ranges(calibrated, stored, change):
    _, quantized = calibrated()
    with pytest.raises(InputError, match=r"quantization\.json: the ranges are not "):
        load_ranges(quantized, stored(change))


def test_a_missing_and_an_unknown_point_are_named(calibrated, stored):
    _, quantized = calibrated()
    before = activation_ranges(quantized)
    missing = stored(lambda values: values["ranges"].pop(POINT))
    with pytest.raises(InputError, match=f"Only in one of the two: {POINT}"):
        load_ranges(quantized, missing)
    unknown = stored(
        lambda values: values["ranges"].update({POINT: [0, 1], "b/c": [0, 1]})
    )
    with pytest.raises(InputError, match="Only in one of the two: b/c"):
        load_ranges(quantized, unknown)
    assert activation_ranges(quantized) == before


@pytest.mark.parametrize(
    "limits",
    [
        [1.0, -1.0],
        [math.nan, 1.0],
        [0.0, math.inf],
        [-1.0, 10**400],
        [-1.0, 1e39],
        ["-1", "1"],
        [True, 1.0],
        [None, 1.0],
        [[-1.0], [1.0]],
        [-1.0],
        [-1.0, 0.0, 1.0],
        [],
        "01",
        {"low": -1.0, "high": 1.0},
        1.0,
        None,
    ],
)
def test_what_is_no_range(calibrated, stored, limits):
    _, quantized = calibrated()
    before = activation_ranges(quantized)
    folder = stored(lambda values: values["ranges"].update({POINT: limits}))
    with pytest.raises(InputError, match=rf"quantization\.json: .*{POINT}="):
        load_ranges(quantized, folder)
    assert activation_ranges(quantized) == before


@pytest.mark.parametrize("limits", [[1.0, 2.0], [-2.0, -1.0]])
def test_a_range_without_zero_is_none(calibrated, stored, limits):
    """int8 has a code for 0: such a range would be another in the exported file."""
    _, quantized = calibrated()
    folder = stored(lambda values: values["ranges"].update({POINT: limits}))
    with pytest.raises(InputError, match=f"{POINT}="):
        load_ranges(quantized, folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("scheme"),
        lambda values: values.update(scheme="mixed"),
        lambda values: values["scheme"].pop("points"),
        lambda values: values["scheme"].pop("name"),
        lambda values: values["scheme"]["points"].append(["*", {"kind": "int4"}]),
        lambda values: values["scheme"]["points"].append(["*", {"bits": 4}]),
        lambda values: values["scheme"]["points"].append("*"),
    ],
)
def test_a_damaged_scheme(stored, change):
    with pytest.raises(InputError, match=r"quantization\.json: .*Received: "):
        read_scheme(stored(change))


def test_from_pretrained_notices_damage(calibrated, tmp_path):
    _, quantized = calibrated()
    quantized.save_pretrained(tmp_path)
    path = tmp_path / "quantization.json"
    values = json.loads(path.read_text())
    values["ranges"][POINT] = [1, -1]
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=rf"quantization\.json: .*{POINT}="):
        type(quantized).from_pretrained(tmp_path)
    values["scheme"] = {}
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"quantization\.json: This is no quant"):
        type(quantized).from_pretrained(tmp_path)
