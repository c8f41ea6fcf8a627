"""Inputs that cannot be a model's are refused, wherever they are given."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import ONE_LAYER, make_inputs, make_model, run

from keras_squeezebert.errors import InputError


def one_id(value, name="input_ids"):
    inputs = make_inputs(2, 7)
    inputs[name] = inputs[name].copy()
    inputs[name][1, 3] = value
    return inputs


def changed(**changes):
    return make_inputs(2, 7) | changes


BAD = {
    "missing": (
        {"input_ids": np.ones((2, 7), int)},
        "dict of input_ids, attention_mask, token_type_ids. Received: input_ids$",
    ),
    "empty": ({}, "Received: an empty dict"),
    "float": (
        changed(attention_mask=np.ones((2, 7))),
        "`attention_mask` must hold integers. Received: dtype=float64",
    ),
    "boolean": (changed(attention_mask=np.ones((2, 7), bool)), "dtype=bool"),
    "shape": (
        changed(token_type_ids=np.zeros((2, 6), int)),
        r"token_type_ids.shape=\(2, 6\), input_ids.shape=\(2, 7\)",
    ),
    "rank": (make_inputs(7), r"\(batch, seq\).*input_ids.shape=\(7,\)"),
    "choices": (make_inputs(2, 3, 7), r"\(batch, seq\).*\(2, 3, 7\)"),
    "id too large": (one_id(101), r"`input_ids` .*\[0, 101\).*from \d+ to 101"),
    "id negative": (one_id(-1), r"`input_ids` .*from -1 to \d+"),
    "type too large": (one_id(3, "token_type_ids"), r"\[0, 3\).*from 0 to 3"),
    "type negative": (one_id(-1, "token_type_ids"), "`token_type_ids` .*from -1"),
    "mask negative": (one_id(-1, "attention_mask"), "`attention_mask` .*from -1"),
    "too long": (make_inputs(2, 25), "at most 24 tokens fit.*Received: 25 tokens"),
}
LABELS = np.array([0, 1])


@pytest.fixture(scope="module")
def model():
    return make_model("SqueezeBertForSequenceClassification", ONE_LAYER)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("method", ["__call__", "predict", "evaluate", "fit"])
def test_bad_inputs(model, method, bad):
    inputs, message = BAD[bad]
    arguments = {
        "__call__": {},
        "predict": {"verbose": 0},
        "evaluate": {"y": LABELS, "verbose": 0},
        "fit": {"y": LABELS, "verbose": 0},
    }
    with pytest.raises(InputError, match=f"(?s){message}"):
        getattr(model, method)(inputs, **arguments[method])


def test_eager_tensors_are_looked_at(model):
    inputs = {name: tf.constant(value) for name, value in one_id(101).items()}
    with pytest.raises(InputError, match="to 101"):
        model(inputs)


def test_the_axes_of_choices():
    model = make_model("SqueezeBertForMultipleChoice", ONE_LAYER)
    with pytest.raises(InputError, match=r"\(batch, choices, seq\).*\(2, 7\)"):
        model(make_inputs(2, 7))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int32"])
def test_any_integers(model, dtype):
    inputs = make_inputs(2, 7)
    other = {name: value.astype(dtype) for name, value in inputs.items()}
    np.testing.assert_array_equal(
        run(model, other)["logits"], run(model, inputs)["logits"]
    )


def test_the_largest_ids(model):
    inputs = one_id(100) | {"token_type_ids": np.full((2, 7), 2)}
    assert np.isfinite(run(model, inputs)["logits"]).all()


def test_inside_a_function_nothing_is_looked_at(model):
    inputs = make_inputs(2, 7)
    traced = tf.function(lambda x: model(x))
    actual = np.asarray(traced({k: tf.constant(v) for k, v in inputs.items()}))
    np.testing.assert_allclose(actual, run(model, inputs)["logits"], rtol=0, atol=1e-5)
