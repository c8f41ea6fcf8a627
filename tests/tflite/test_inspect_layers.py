"""layer_errors: how far a .tflite is from a model, and where."""

import numpy as np
import pytest
from tiny import (
    ARCHITECTURES,
    CONFIG,
    ONE_LAYER,
    inputs_for,
    make_inputs,
    make_model,
    run,
)

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import (
    Range,
    activation_ranges,
    assign_ranges,
)
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    layer_errors,
    quantize_aware,
)

CLASSIFIER = "SqueezeBertForSequenceClassification"
QUANTIZED = ("dynamic_ptq", "dynamic", "mixed", "int8")
LAYERS = ["embeddings", "encoder_layer_0", "pooler", "logits"]


def decibels(path, model, inputs):
    return {e.layer: e.snr_db for e in layer_errors(path, model, inputs)}


@pytest.fixture(scope="module")
def inputs():
    return make_inputs(6, 8, seed=3)


# === A float file is the model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_float_files(exported, architecture):
    model, path = exported(architecture)
    shape = LiteRTModel(path).input_shape[1:]
    errors = layer_errors(path, model, make_inputs(5, *shape))
    layers = [error.layer for error in errors]
    assert layers[:2] == ["embeddings", "encoder_layer_0"]
    has_pooler = architecture.endswith(("SequenceClassification", "MultipleChoice"))
    assert ("pooler" in layers) == has_pooler
    assert set(run(model, inputs_for(architecture))) <= set(layers)
    for error in errors:
        assert error.snr_db > 80, error
        assert error.cosine == pytest.approx(1, abs=1e-6)
        assert error.lowest_cosine == pytest.approx(1, abs=1e-6)


# === A quantized file is near it


@pytest.mark.parametrize("quantization", QUANTIZED)
def test_quantized_files(exported, inputs, quantization):
    model, _ = exported()
    _, path = exported(quantization=quantization)
    errors = layer_errors(path, model, inputs)
    assert [error.layer for error in errors] == LAYERS
    for error in errors:
        assert 5 < error.snr_db < 80, error
        assert 0.9 < error.cosine < 1
        assert 0.5 < error.lowest_cosine <= error.cosine


def test_int8_is_further_off_than_mixed(exported, inputs):
    model, _ = exported()
    mixed, int8 = (
        decibels(exported(quantization=q)[1], model, inputs) for q in ("mixed", "int8")
    )
    assert int8["encoder_layer_0"] < mixed["encoder_layer_0"] - 3


@pytest.mark.parametrize("quantization", ["dynamic", "mixed", "int8"])
def test_a_file_is_nearest_to_its_own_model(exported, inputs, quantization):
    model, _ = exported()
    quantized, path = exported(quantization=quantization)
    own, other = (decibels(path, m, inputs) for m in (quantized, model))
    assert own["embeddings"] > other["embeddings"] + 3
    assert own["logits"] > other["logits"]


@pytest.mark.parametrize("quantization", ["float32", "mixed"])
def test_logits_against_the_equation(exported, inputs, quantization):
    model, _ = exported()
    _, path = exported(quantization=quantization)
    expected = run(model, inputs)["logits"].astype("float64")
    actual = LiteRTModel(path)(inputs)["logits"]
    noise = np.sum((actual - expected) ** 2)
    (error,) = (e for e in layer_errors(path, model, inputs) if e.layer == "logits")
    snr_db = 10 * np.log10(np.sum(expected**2) / noise)
    assert error.snr_db == pytest.approx(snr_db, abs=3 if noise < 1e-6 else 1e-2)
    cosines = [
        a @ e / np.sqrt((a @ a) * (e @ e))
        for a, e in zip(actual, expected, strict=True)
    ]
    assert error.cosine == pytest.approx(np.mean(cosines), abs=1e-6)
    assert error.lowest_cosine == pytest.approx(min(cosines), abs=1e-6)


# === Padding


def test_padding_does_not_count(exported, inputs):
    model, _ = exported()
    _, path = exported(quantization="mixed")
    is_padding = inputs["attention_mask"] == 0
    changed = inputs | {"input_ids": np.where(is_padding, 50, inputs["input_ids"])}
    assert (changed["input_ids"] != inputs["input_ids"]).any()
    # The first token, which the pooler takes, is of no text here.
    assert not is_padding[:, 0].any()
    errors = [decibels(path, model, x) for x in (inputs, changed)]
    assert errors[0] == pytest.approx(errors[1], abs=0.01)
    nothing = inputs | {"attention_mask": np.zeros_like(is_padding, "int32")}
    with pytest.raises(InputError, match="not padding"):
        layer_errors(path, model, nothing)


def test_a_batch_that_is_not_full(exported, inputs):
    model, _ = exported()
    _, path = exported(batch_size=4)
    assert min(decibels(path, model, inputs).values()) > 80


# === Where a range goes wrong


def test_a_ruined_range_shows_at_its_layer(tmp_path, inputs):
    model = make_model(CLASSIFIER, CONFIG)
    quantized = quantize_aware(model)
    batches = [make_inputs(4, 8, seed=seed) for seed in range(4)]
    calibrate(quantized, batches, progress=False)
    errors = []
    for name in ("right", "ruined"):
        path = export_tflite(quantized, tmp_path / f"{name}.tflite", 8)
        errors.append(decibels(path, model, inputs))
        point = "encoder_layer_1/feed_forward/activation"
        _, high = activation_ranges(quantized)[point]
        assign_ranges(quantized, {point: Range(-0.1, high / 20)})
    right, ruined = errors
    for layer in ("embeddings", "encoder_layer_0"):
        assert ruined[layer] == pytest.approx(right[layer])
    assert ruined["encoder_layer_1"] < right["encoder_layer_1"] - 6


def test_a_layer_that_is_not_found_is_told(exported, inputs, tmp_path):
    model, path = exported()
    content = path.read_bytes()
    assert b"encoder_layer_0" in content
    path = tmp_path / "renamed.tflite"
    path.write_bytes(content.replace(b"encoder_layer_0", b"encoder_lay-r_0"))
    errors = {error.layer: error for error in layer_errors(path, model, inputs)}
    assert list(errors) == LAYERS
    lost = errors.pop("encoder_layer_0")
    assert (lost.snr_db, lost.cosine, lost.lowest_cosine) == (None, None, None)
    assert all(error.snr_db > 80 for error in errors.values())


# === Mistakes


def test_another_shape(exported, inputs):
    _, path = exported()
    for changes in ({"q_groups": 4}, {"vocab_size": 102}, {"num_labels": 4}):
        model = make_model(CLASSIFIER, ONE_LAYER.replace(**changes))
        (name,) = changes
        with pytest.raises(InputError, match=f"of one shape. Received: {name}="):
            layer_errors(path, model, inputs)


def test_another_length(exported):
    model, path = exported()
    with pytest.raises(InputError, match=r"of shape \('rows', 8\)"):
        layer_errors(path, model, make_inputs(2, 7))
