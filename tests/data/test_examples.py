"""TextExamples and the order of labels."""

import dataclasses

import numpy as np
import pytest

from keras_squeezebert.data import TextExamples, sorted_labels
from keras_squeezebert.errors import InputError


def test_examples_keep_what_they_are_given():
    examples = TextExamples(["a", "b"], ["x", "y"], text_pairs=["c", "d"])
    assert len(examples) == 2
    assert examples.texts == ["a", "b"]
    assert examples.labels == ["x", "y"]
    assert examples.text_pairs == ["c", "d"]


def test_examples_are_frozen():
    examples = TextExamples(["a"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        examples.texts = ["b"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"texts": ["a"], "labels": []}, "Received: 0 labels, 1 texts"),
        ({"texts": ["a"], "text_pairs": ["b", "c"]}, "2 text_pairs, 1 texts"),
        ({"texts": None}, "`texts` must be a list of strings. Received: NoneType"),
        ({"texts": "abc"}, "`texts` must be a list of strings. Received: str"),
        ({"texts": ["a", None]}, r"Received: texts\[1\]=None"),
        ({"texts": ["a"], "labels": [0]}, r"Received: labels\[0\]=0"),
    ],
)
def test_columns_that_do_not_fit(columns, message):
    with pytest.raises(InputError, match=message):
        TextExamples(**columns)


def test_label_ids():
    ids = TextExamples(["a", "b", "c"], ["y", "x", "y"]).label_ids({"x": 0, "y": 1})
    np.testing.assert_array_equal(ids, [1, 0, 1])
    assert ids.dtype == np.int32


def test_an_unknown_label_is_named_with_its_row():
    label2id = {f"label {i}": i for i in range(150)}
    with pytest.raises(InputError) as caught:
        TextExamples(["a", "b"], ["label 3", "labl 4"]).label_ids(label2id)
    message = str(caught.value)
    assert message.endswith("Received: labels[1]='labl 4'")
    assert "'label 0', 'label 1'" in message
    assert "(150 in all)" in message
    assert len(message) < 300


def test_label_ids_without_labels():
    with pytest.raises(InputError, match="no labels"):
        TextExamples(["a"]).label_ids({"x": 0})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (["10", "2", "1", "2"], ["1", "2", "10"]),
        (["0.5", "-1", "1e1"], ["-1", "0.5", "1e1"]),
        (["10", "2", "x"], ["10", "2", "x"]),
        (["2", "10", "nan"], ["10", "2", "nan"]),
        (["true", "false"], ["false", "true"]),
        (["1.0", "1"], ["1", "1.0"]),
        ([], []),
    ],
)
def test_sorted_labels(labels, expected):
    assert sorted_labels(labels) == expected
    assert sorted_labels(reversed(labels)) == expected


# === Several labels, and numbers


def test_ids_of_several_labels():
    examples = TextExamples(["a", "b", "c"], [["y"], [], ["z", "x", "z"]])
    ids = examples.label_ids({"x": 0, "y": 1, "z": 2})
    np.testing.assert_array_equal(ids, [[0, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert ids.dtype == np.float32


def test_an_unknown_label_of_several():
    with pytest.raises(InputError, match=r"Received: labels\[1\]\[1\]='w'"):
        TextExamples(["a", "b"], [[], ["x", "w"]]).label_ids({"x": 0})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["x"], "y"], r"`labels\[1\]` must be a list of strings. Received: str"),
        (["x", ["y"]], r"labels\[1\]=\['y'\]"),
        ([["x"], [3]], r"labels\[1\]\[0\]=3"),
        ([["x"]], "1 labels, 2 texts"),
    ],
)
def test_several_labels_that_do_not_fit(labels, message):
    with pytest.raises(InputError, match=message):
        TextExamples(["a", "b"], labels)


def test_label_values():
    values = TextExamples(["a"] * 4, ["3.800", "-1", "1e2", " 0"]).label_values()
    np.testing.assert_array_equal(values, np.float32([3.8, -1, 100, 0]))
    assert values.dtype == np.float32


@pytest.mark.parametrize("label", ["x", "", "nan", "inf", "1e39", "1,5", ["1"]])
def test_labels_that_are_no_numbers(label):
    others = ["1"] if isinstance(label, str) else [["1"]]
    with pytest.raises(InputError, match=r"finite numbers. Received: labels\["):
        TextExamples(["a", "b"], [*others, label]).label_values()


def test_label_values_without_labels():
    with pytest.raises(InputError, match="no labels"):
        TextExamples(["a"]).label_values()
