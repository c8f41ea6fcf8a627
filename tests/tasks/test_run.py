"""One loop serves every head, in Keras and from a .tflite."""

import json
from dataclasses import fields

import numpy as np
import pytest
from tiny import CONFIG, ONE_LAYER, WITHOUT_DROPOUT, make_model

from keras_squeezebert.data import (
    Answer,
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
)
from keras_squeezebert.tasks import (
    Features,
    FillMask,
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
    model_outputs,
)
from keras_squeezebert.tflite import LiteRTModel, export_tflite
from keras_squeezebert.training import Recipe, fine_tune

SEQ = 16
TEXTS = ["ab cd", "a", "abc de fg h i j k", "who?", "x y z a b"]
EXAMPLES = {
    SequenceClassification(): TextExamples(TEXTS, list("abcab")),
    TokenClassification(): TokenExamples(
        [text.split() for text in [*TEXTS, "ab " * 20]],
        [
            ["abc"[len(word) % 3] for word in text.split()]
            for text in [*TEXTS, "ab " * 20]
        ],
    ),
    QuestionAnswering(doc_stride=2, max_question_length=3, n_best=2): QuestionExamples(
        list("12345"),
        ["who?"] * 5,
        [*TEXTS[:4], "a b c d e f g h i j k l m n"],
        [[Answer("cd", 3)], [], [Answer("fg h", 7)], [], [Answer("l m", 22)]],
    ),
    MultipleChoice(): ChoiceExamples(TEXTS, [["a", "bc d"]] * 5, [0, 1, 0, 1, 1]),
    MaskedLM(rate=0.3): TextExamples(TEXTS),
    FillMask(top=2): TextExamples(["a [MASK] b", "[MASK] c [MASK]"], ["c", "d"]),
}
TASKS = pytest.mark.parametrize("task", list(EXAMPLES), ids=lambda t: type(t).__name__)


def encoded(task, tokenizer, config=CONFIG):
    return task.encode(EXAMPLES[task], tokenizer, config, max_length=SEQ)


def answered(task, model, features):
    outputs = model_outputs(task, model, features, batch_size=2)
    answers = task.decode(outputs, features, EXAMPLES[task], CONFIG)
    json.dumps(answers, allow_nan=False)
    return answers, outputs


@TASKS
def test_all_heads_are_served(task, tiny_tokenizer):
    """Outputs come in the order of the rows, and are those of each row by itself."""
    assert isinstance(task, Task)
    features = encoded(task, tiny_tokenizer)
    model = make_model(task.architecture)
    assert type(model) is task.model_class
    answers, outputs = answered(task, model, features)
    assert len(answers) == len(EXAMPLES[task])
    for row in range(len(features)):
        inputs, _ = features.batch(np.array([row]))
        alone = model(inputs)
        alone = alone if isinstance(alone, dict) else {"logits": alone}
        alone = {name: np.asarray(x) for name, x in alone.items()}
        alone = task.condense(alone, features, np.array([row]))
        for name, values in alone.items():
            inner = tuple(map(slice, values.shape[1:]))
            np.testing.assert_allclose(
                outputs[name][(slice(row, row + 1), *inner)], values, atol=2e-5
            )
    figures = task.score(EXAMPLES[task], answers, CONFIG)
    assert task.metric(CONFIG).primary in figures


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Gives a model and its .tflite of a length that is not the features' own."""
    made = {}

    def export(name):
        if name not in made:
            model = make_model(name, ONE_LAYER)
            choices = {"num_choices": 3} if name.endswith("MultipleChoice") else {}
            path = tmp_path_factory.mktemp("tasks") / f"{name}.tflite"
            made[name] = model, export_tflite(model, path, SEQ + 3, **choices)
        return made[name]

    return export


@TASKS
def test_a_tflite_gives_the_same(task, tiny_tokenizer, files):
    """Rows are shorter than its length, and choices fewer than its number."""
    model, path = files(task.architecture)
    features = encoded(task, tiny_tokenizer)
    found, _ = answered(task, LiteRTModel(path), features)
    expected, _ = answered(task, model, features)
    for actual, value in zip(leaves(found), leaves(expected), strict=True):
        assert actual == pytest.approx(value, abs=1e-4)


def leaves(answers):
    """All values, and the names in front of them, that are in nested containers."""
    if isinstance(answers, dict):
        answers = [*answers, *answers.values()]
    if not isinstance(answers, list):
        return [answers]
    return [leaf for answer in answers for leaf in leaves(answer)]


@TASKS
def test_all_heads_learn(task, tiny_tokenizer):
    """From batches with labels: the loss on them falls, and the score rises."""
    features = encoded(task, tiny_tokenizer)
    if features.labels is None:
        pytest.skip("filling gaps is not trained")
    config = ONE_LAYER.replace(**WITHOUT_DROPOUT)
    model = make_model(task.architecture, config)
    figure = task.metric(CONFIG).primary
    before = task.score(EXAMPLES[task], answered(task, model, features)[0], CONFIG)
    # The masking of epoch 0, again and again.
    same = {field.name: getattr(features, field.name) for field in fields(Features)}
    recipe = Recipe(epochs=25, batch_size=4, learning_rate=5e-3)
    history = fine_tune(model, Features(**same), recipe=recipe, verbose=0)
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    after = task.score(EXAMPLES[task], answered(task, model, features)[0], CONFIG)
    better = after[figure] > before[figure]
    assert better == (task.metric(CONFIG).direction == "max")
