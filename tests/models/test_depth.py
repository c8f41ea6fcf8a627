"""A shallower model has the layers that were asked for, and all else of a deep one."""

import re

import numpy as np
import pytest
from tiny import (
    ARCHITECTURES,
    CONFIG,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    differ,
    inputs_for,
    make_model,
    run,
    to_numpy,
)

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.depth import reduce_depth
from keras_squeezebert.quantization.ranges import activation_ranges
from keras_squeezebert.tflite import calibrate, quantize_aware

CLASSIFIER = "SqueezeBertForSequenceClassification"
DEEP = CONFIG.replace(num_hidden_layers=5)


@pytest.mark.parametrize(
    ("depth", "count", "expected"),
    [
        (12, 6, [0, 2, 4, 7, 9, 11]),  # DistilBERT's
        (12, 12, list(range(12))),
        (5, 3, [0, 2, 4]),
        (5, 1, [0]),
    ],
)
def test_which_layers(depth, count, expected):
    model = make_model("SqueezeBertModel", CONFIG.replace(num_hidden_layers=depth))
    by_count, by_number = reduce_depth(model, count), reduce_depth(model, expected)
    deep = {v.path: to_numpy(v) for v in model.weights}
    for small in (by_count, by_number):
        assert small.config == model.config.replace(num_hidden_layers=count)
        for variable in small.weights:
            path = re.sub(
                r"layer_(\d+)", lambda m: f"layer_{expected[int(m[1])]}", variable.path
            )
            np.testing.assert_array_equal(to_numpy(variable), deep[path])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_layers_are_the_model(architecture):
    model, inputs = make_model(architecture, DEEP), inputs_for(architecture)
    expected = run(model, inputs)
    assert_equal_outputs(run(reduce_depth(model, 5), inputs), expected, atol=0)
    small = reduce_depth(model, [1, 3])
    assert type(small) is type(model)
    assert small.compiled == model.compiled
    assert differ(run(small, inputs), expected)
    assert_equal_outputs(run(model, inputs), expected, atol=0)  # it is left as it was


def test_the_layers_that_are_left_compute_what_they_did():
    model, inputs = make_model("SqueezeBertModel", DEEP), inputs_for("SqueezeBertModel")
    states = model.intermediate_outputs(inputs)["hidden_states"]
    small = reduce_depth(model, range(2)).intermediate_outputs(inputs)["hidden_states"]
    for state, expected in zip(small, states[:3], strict=True):
        np.testing.assert_array_equal(to_numpy(state), to_numpy(expected))


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
def test_a_quantized_model(scheme):
    inputs = inputs_for(CLASSIFIER)
    model = quantize_aware(make_model(CLASSIFIER, DEEP), scheme)
    calibrate(model, [inputs], progress=False)
    same = reduce_depth(model, 5)
    assert same.scheme == model.scheme
    assert activation_ranges(same) == activation_ranges(model)
    assert_equal_outputs(run(same, inputs), run(model, inputs), atol=0)
    ranges = activation_ranges(reduce_depth(model, [2, 4]))
    deep = activation_ranges(model)
    points = [path for path in ranges if "encoder_layer_1/" in path]
    assert points
    for path in points:
        assert ranges[path] == deep[path.replace("layer_1/", "layer_4/")]


def test_its_dtype_stays():
    model = make_model(CLASSIFIER, DEEP, dtype="mixed_bfloat16")
    assert reduce_depth(model, 2).dtype_policy == model.dtype_policy


def test_it_starts_from_its_teacher():
    calm = DEEP.replace(**WITHOUT_DROPOUT)
    teacher, inputs = make_model(CLASSIFIER, calm), inputs_for(CLASSIFIER)
    student = reduce_depth(teacher, 3)
    student.distill_from(teacher, hidden_weight=1.0, attention_weight=1.0)
    student.compile(run_eagerly=True)
    losses = student.fit(inputs, np.zeros(4), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (0, "5 layers, .* layers=0"),
        (6, "5 layers, .* layers=6"),
        ([], r"from 0 to 4.* layers=\[\]"),
        ([0, 5], r"layers=\[0, 5\]"),
        ([-1, 2], r"layers=\[-1, 2\]"),
        ([2, 1], r"rising numbers .* layers=\[2, 1\]"),
        ([1, 1], r"layers=\[1, 1\]"),
    ],
)
def test_layers_that_there_are_not(layers, message):
    with pytest.raises(InputError, match=message):
        reduce_depth(make_model(CLASSIFIER, DEEP), layers)
