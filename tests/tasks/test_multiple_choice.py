"""Choices are pairs, and only an example's own can win."""

import json

import numpy as np
import pytest
from generated import one_hot, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.data import ChoiceExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import MultipleChoice

CONFIG = SqueezeBertConfig()
TASK = MultipleChoice()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.integers(2, 5), max_length=st.integers(3, 30))
def test_labels_come_back(tokenizer, data, count, max_length):
    contexts = data.draw(st.lists(texts, min_size=1, max_size=4))
    choices = [
        data.draw(st.lists(texts, min_size=count, max_size=count)) for _ in contexts
    ]
    labels = [data.draw(st.integers(0, count - 1)) for _ in contexts]
    examples = ChoiceExamples(contexts, choices, labels)
    features = TASK.encode(examples, tokenizer, CONFIG, max_length)
    for row, context in enumerate(contexts):
        expected = tokenizer([context] * count, choices[row], max_length=max_length)
        for name, array in expected.items():
            actual = features.inputs[name][row]  # (choices, seq)
            seq = array.shape[-1]
            np.testing.assert_array_equal(actual[:, :seq], array, err_msg=name)
            assert not actual[:, seq:].any()
    outputs = {"logits": one_hot(features.labels, count)}
    answers = TASK.decode(outputs, features, examples, CONFIG)
    assert [answer["choice"] for answer in answers] == labels
    assert TASK.score(examples, answers, CONFIG) == {"accuracy": 1.0}
    json.dumps(answers, allow_nan=False)


def test_choices_that_there_are_not_never_win(tokenizer):
    examples = ChoiceExamples(["a"], [["b", "c"]], [1])
    features = TASK.encode(examples, tokenizer, CONFIG)
    outputs = {"logits": np.array([[0.0, np.log(3.0), 99.0, 99.0]])}
    assert TASK.decode(outputs, features, examples, CONFIG) == [
        {"choice": 1, "scores": [0.25, 0.75]}
    ]


def test_notes_and_no_labels(tokenizer):
    examples = ChoiceExamples(["one two three"], [["a", "b c d e f"]])
    features = TASK.encode(examples, tokenizer, CONFIG, max_length=8)
    assert features.labels is None
    assert features.notes == {"choices that were truncated": 1}
    with pytest.raises(InputError, match="labels=None"):
        TASK.score(examples, [{"choice": 0}], CONFIG)
