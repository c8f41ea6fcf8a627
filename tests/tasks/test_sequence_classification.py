"""Labels come back from logits that are sure of them, whatever the problem."""

import json

import numpy as np
import pytest
from generated import one_hot, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import SequenceClassification

NAMES = ["bad", "fair", "good"]
CONFIG = SqueezeBertConfig(id2label=dict(enumerate(NAMES)))
SEVERAL = CONFIG.replace(problem_type="multi_label_classification")
REGRESSION = SqueezeBertConfig(id2label={0: "stars"})
TASK = SequenceClassification()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(texts, texts, st.sampled_from(NAMES)), min_size=1),
    paired=st.booleans(),
)
def test_one_label(tokenizer, rows, paired):
    first, second, labels = map(list, zip(*rows, strict=True))
    examples = TextExamples(first, labels, second if paired else None)
    features = TASK.encode(examples, tokenizer, CONFIG, max_length=20)
    expected = tokenizer(first, examples.text_pairs, max_length=20)
    np.testing.assert_array_equal(features.inputs["input_ids"], expected["input_ids"])
    outputs = {"logits": one_hot(features.labels, 3)}
    answers = TASK.decode(outputs, features, examples, CONFIG)
    assert [answer["label"] for answer in answers] == labels
    assert TASK.score(examples, answers, CONFIG) == {"accuracy": 1.0}
    json.dumps(answers, allow_nan=False)


@settings(max_examples=25, deadline=None)
@given(
    labels=st.lists(st.lists(st.sampled_from(NAMES), unique=True), min_size=1),
)
def test_several_labels(tokenizer, labels):
    examples = TextExamples(["a text"] * len(labels), labels)
    features = TASK.encode(examples, tokenizer, SEVERAL)
    assert features.labels.dtype == "float32"
    outputs = {"logits": 9 * (2 * features.labels - 1)}
    answers = TASK.decode(outputs, features, examples, SEVERAL)
    assert [set(answer["labels"]) for answer in answers] == [set(x) for x in labels]
    assert TASK.score(examples, answers, SEVERAL)["accuracy"] == 1.0
    json.dumps(answers, allow_nan=False)


def test_the_threshold_is_a_probability(tokenizer):
    examples = TextExamples(["a"])
    logits = np.array([[-1.0, 0.0, 1.0]], "float32")
    probabilities = 1 / (1 + np.exp(-logits[0]))
    for threshold, labels in [(0.2, NAMES), (0.5, NAMES[1:]), (0.7, NAMES[2:])]:
        task = SequenceClassification(threshold=threshold)
        features = task.encode(examples, tokenizer, SEVERAL)
        (answer,) = task.decode({"logits": logits}, features, examples, SEVERAL)
        assert answer["labels"] == labels
        scores = list(answer["scores"].values())
        np.testing.assert_allclose(scores, probabilities, atol=1e-6)


def test_regression(tokenizer):
    examples = TextExamples(["a", "b", "c"], ["1.5", "-2", "0"])
    features = TASK.encode(examples, tokenizer, REGRESSION)
    assert features.labels.tolist() == [1.5, -2.0, 0.0]
    outputs = {"logits": features.labels[:, None]}
    answers = TASK.decode(outputs, features, examples, REGRESSION)
    assert answers == [{"value": 1.5}, {"value": -2.0}, {"value": 0.0}]
    assert TASK.score(examples, answers, REGRESSION)["mean"] == pytest.approx(1.0)
    assert TASK.metric(REGRESSION).primary == "mean"


def test_what_is_cut_is_told(tokenizer):
    examples = TextExamples(["one two three", "one"])
    features = TASK.encode(examples, tokenizer, CONFIG, max_length=4)
    assert features.labels is None
    assert features.notes == {"texts that were truncated": 1}


def test_another_metric(tokenizer):
    examples = TextExamples(["a", "b"], ["good", "bad"])
    answers = [{"label": "good"}, {"label": "fair"}]
    task = SequenceClassification(metric_name="multi_class_f1")
    figures = task.score(examples, answers, CONFIG)
    assert figures["f1_micro"] == 0.5
    assert task.metric(CONFIG).primary == "f1_macro"


def test_label_names():
    assert TASK.label_names(TextExamples(["a", "b"], ["10", "9"])) == ["9", "10"]
    several = TextExamples(["a", "b"], [["x", "y"], ["z", "x"]])
    assert TASK.label_names(several) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("labels", "config", "message"),
    [
        (["best"], CONFIG, "unknown.*'best'"),
        (["good"], SEVERAL, "list of labels.*problem_type='multi_label"),
        ([["good"]], CONFIG, "list of labels.*problem_type=None"),
        (["good"], REGRESSION, "finite numbers.*'good'"),
        (["1"], CONFIG.replace(problem_type="regression"), "one label.*num_labels=3"),
    ],
)
def test_labels_that_do_not_fit(tokenizer, labels, config, message):
    with pytest.raises(InputError, match=message):
        TASK.encode(TextExamples(["a"], labels), tokenizer, config)


def test_texts_that_do_not_fit_the_model(tokenizer):
    config = CONFIG.replace(max_position_embeddings=8)
    with pytest.raises(InputError, match=r"position embeddings.*Received: 12 tokens"):
        TASK.encode(TextExamples(["word " * 10]), tokenizer, config)


@pytest.mark.parametrize("choice", [{"threshold": 1.5}, {"metric_name": "bleu"}])
def test_choices_that_there_are_not(choice):
    with pytest.raises(InputError, match=f"Received: {next(iter(choice))}="):
        SequenceClassification(**choice)
