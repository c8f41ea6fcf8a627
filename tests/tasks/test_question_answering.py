"""Answers are found in whatever windows they are, and the best one is the best."""

import json

import numpy as np
import pytest
from generated import perfect_spans, words
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.data import Answer, QuestionExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import QuestionAnswering

CONFIG = SqueezeBertConfig()
CONTEXTS = st.lists(words, min_size=1, max_size=40).map(" ".join)


def examples_of(*rows):
    """Examples of (question, context, answers)."""
    questions, contexts, answers = map(list, zip(*rows, strict=True))
    return QuestionExamples(
        [f"q{i}" for i in range(len(rows))], questions, contexts, answers
    )


@st.composite
def tasks(draw):
    """A task and a `max_length` that fits it."""
    question, stride = draw(st.integers(1, 6)), draw(st.integers(0, 8))
    max_length = question + 3 + stride + draw(st.integers(1, 12))
    task = QuestionAnswering(
        doc_stride=stride,
        max_question_length=question,
        max_answer_length=draw(st.integers(1, 12)),
        n_best=draw(st.integers(1, 6)),
    )
    return task, max_length


# === Windows


@settings(max_examples=60, deadline=None)
@given(task_and_length=tasks(), context=CONTEXTS)
def test_windows_cover_the_text_and_overlap(tokenizer, task_and_length, context):
    task, max_length = task_and_length
    question = "what is one and two and three"
    examples = examples_of((question, context, []))
    features = task.encode(examples, tokenizer, CONFIG, max_length)
    ids, types = features.inputs["input_ids"], features.inputs["token_type_ids"]
    whole = tokenizer(context, truncation=False)["input_ids"][0, 1:-1].tolist()
    asked = tokenizer(question)["input_ids"][0, 1:-1][: task.max_question_length]
    found = []
    for row in range(len(features)):
        kept = features.inputs["attention_mask"][row].sum()
        assert kept <= max_length
        assert row == len(features) - 1 or kept == max_length
        first = 2 + len(asked)
        assert ids[row, : first - 1].tolist() == [101, *asked]
        assert types[row].tolist()[:kept] == [0] * first + [1] * (kept - first)
        body = ids[row, first : kept - 1].tolist()
        overlap = task.doc_stride if row else 0
        assert found[len(found) - overlap :] == body[:overlap]
        found += body[overlap:]
    assert found == whole


# === Labels


def run_qa_label(offsets, start, end):
    """The positions of run_qa.py in one window; its loops, on offsets of the text."""
    if not offsets or not (offsets[0][0] <= start and offsets[-1][1] >= end):
        return None
    first, last = 0, len(offsets) - 1
    while first < len(offsets) and offsets[first][0] <= start:
        first += 1
    while last >= 0 and offsets[last][1] >= end:
        last -= 1
    return first - 1, last + 1


@settings(max_examples=80, deadline=None)
@given(task_and_length=tasks(), context=CONTEXTS, data=st.data())
def test_labels_are_those_of_run_qa(tokenizer, task_and_length, context, data):
    """Of any passage, be it half a word or a space."""
    task, max_length = task_and_length
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answer = Answer(context[start:end], start)
    examples = examples_of(("who", context, [answer]))
    features = task.encode(examples, tokenizer, CONFIG, max_length)
    windows, found = features.windows, False
    for row in range(len(features)):
        indices = windows.take(np.array([row])).indices()
        offsets = windows.offsets[indices].tolist()
        expected = run_qa_label(offsets, start, end)
        positions = [
            features.labels[f"{name}_logits"][row] for name in ("start", "end")
        ]
        if expected is None:
            assert positions == [0, 0]
        else:
            assert positions == [piece + features.columns[row] for piece in expected]
            found = True
    assert features.notes["answers in no window"] == (not found)


@settings(max_examples=80, deadline=None)
@given(task_and_length=tasks(), data=st.data())
def test_answers_come_back(tokenizer, task_and_length, data):
    """Of a model that is sure of the labels, answers are right to the character."""
    task, max_length = task_and_length
    rows = []
    for _ in range(data.draw(st.integers(1, 4))):
        context = data.draw(CONTEXTS)
        tokens = tokenizer(context, truncation=False, return_offsets_mapping=True)
        offsets = tokens["offset_mapping"][0, 1:-1].tolist()
        assume(offsets)
        # At most what every window shares with the next, so that one has the whole.
        longest = min(task.max_answer_length, max(task.doc_stride, 1))
        first = data.draw(st.integers(0, len(offsets) - 1))
        last = data.draw(st.integers(first, min(first + longest, len(offsets)) - 1))
        start, end = offsets[first][0], offsets[last][1]
        rows.append(("who", context, [Answer(context[start:end], start)]))
    examples = examples_of(*rows)
    features = task.encode(examples, tokenizer, CONFIG, max_length)
    assert features.notes["answers in no window"] == 0
    answers = task.decode(perfect_spans(features), features, examples, CONFIG)
    for answer, ((expected,), context) in zip(
        answers, zip(examples.answers, examples.contexts, strict=True), strict=True
    ):
        assert (answer["text"], answer["start"]) == (expected.text, expected.start)
        assert expected.is_in(context)
    figures = task.score(examples, answers, CONFIG)
    assert (figures["exact"], figures["f1"]) == (1.0, 1.0)
    json.dumps(answers, allow_nan=False)


# === Answers


def by_brute_force(task, outputs, features, context):
    """The n-best list of run_qa.py with every position among its candidates."""
    best, no_answer = {}, np.inf
    for row in range(len(features)):
        start, end = (outputs[f"{name}_logits"][row] for name in ("start", "end"))
        no_answer = min(no_answer, start[0] + end[0])
        window = features.windows.take(np.array([row]))
        offsets = window.offsets[window.indices()].tolist()
        columns = features.columns[row] + np.arange(len(offsets))
        for i, a in enumerate(columns):
            for j, b in enumerate(columns):
                if b < a or b - a + 1 > task.max_answer_length:
                    continue
                passage = (window.begins[0] + i, window.begins[0] + j)
                score = start[a] + end[b]
                if score > best.get(passage, (-np.inf,))[0]:
                    text = context[offsets[i][0] : offsets[j][1]]
                    best[passage] = (score, text, offsets[i][0])
    ranked = sorted(best.values(), key=lambda span: -span[0])[: task.n_best]
    scores = [score for score, _, _ in ranked]
    if task.no_answer_threshold is not None:
        scores.append(no_answer)
    odds = np.exp(np.array(scores) - max(scores))
    texts = [(text, start) for _, text, start in ranked]
    return texts, odds / odds.sum(), no_answer - ranked[0][0]


@settings(max_examples=60, deadline=None)
@given(
    task_and_length=tasks(),
    threshold=st.none() | st.floats(-3, 3),
    contexts=st.lists(CONTEXTS, min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_the_best_spans(tokenizer, task_and_length, threshold, contexts, seed):
    task, max_length = task_and_length
    task = QuestionAnswering(**{**vars(task), "no_answer_threshold": threshold})
    examples = examples_of(*(("who", context, []) for context in contexts))
    features = task.encode(examples, tokenizer, CONFIG, max_length)
    shape = features.inputs["input_ids"].shape
    rng = np.random.default_rng(seed)
    outputs = {f"{x}_logits": rng.standard_normal(shape) for x in ("start", "end")}
    answers = task.decode(outputs, features, examples, CONFIG)
    json.dumps(answers, allow_nan=False)
    for number, (context, answer) in enumerate(zip(contexts, answers, strict=True)):
        assert answer["text"] in context
        if not tokenizer.tokenize(context):
            assert (answer["text"], answer["n_best"]) == ("", [])
            continue
        # Each example by itself, so that those beside it have no say.
        alone = examples_of(("who", context, []))
        of_one = task.encode(alone, tokenizer, CONFIG, max_length)
        rows = {name: x[features.rows == number] for name, x in outputs.items()}
        texts, scores, difference = by_brute_force(task, rows, of_one, context)
        found = [(span["text"], span["start"]) for span in answer["n_best"]]
        assert found == texts
        probabilities = [span["score"] for span in answer["n_best"]]
        np.testing.assert_allclose(probabilities, scores[: len(found)], atol=1e-6)
        assert answer["no_answer_score"] == pytest.approx(difference)
        if threshold is not None and difference > threshold:
            assert (answer["text"], answer["start"]) == ("", None)
            assert answer["score"] == pytest.approx(scores[-1], abs=1e-6)
        else:
            assert (answer["text"], answer["start"]) == texts[0]


def test_no_answer(tokenizer):
    examples = examples_of(
        ("Where?", "She lives in Oslo.", [Answer("Oslo", 13)]),
        ("Why?", "She lives in Oslo.", []),
    )
    task = QuestionAnswering(no_answer_threshold=0.0)
    features = task.encode(examples, tokenizer, CONFIG)
    answers = task.decode(perfect_spans(features), features, examples, CONFIG)
    assert [answer["text"] for answer in answers] == ["Oslo", ""]
    figures = task.score(examples, answers, CONFIG)
    assert (figures["exact"], figures["NoAns_exact"], figures["best_f1"]) == (1, 1, 1)
    always = QuestionAnswering()
    answers = always.decode(perfect_spans(features), features, examples, CONFIG)
    assert all(answer["text"] for answer in answers)
    assert "best_f1" not in always.score(examples, answers, CONFIG)


def test_the_first_answer_is_trained_on(tokenizer):
    answers = [Answer("Oslo", 13), Answer("in Oslo", 10)]
    examples = examples_of(("Where?", "She lives in Oslo.", answers))
    features = QuestionAnswering().encode(examples, tokenizer, CONFIG)
    # [CLS] where ? [SEP] she lives in oslo . [SEP]
    assert features.labels["start_logits"].tolist() == [7]
    assert features.labels["end_logits"].tolist() == [7]


def test_notes(tokenizer):
    context = "one two three four five six seven eight nine ten"
    examples = examples_of(
        ("a b c d", context, [Answer("one two three four", 0)]), ("a", "b", [])
    )
    task = QuestionAnswering(doc_stride=1, max_question_length=2)
    features = task.encode(examples, tokenizer, CONFIG, max_length=8)
    assert features.notes == {
        "questions that were truncated": 1,
        "texts in several windows": 1,
        "answers in no window": 1,
    }
    # Of ten words three fit, and one is shared.
    assert features.rows.tolist() == [0, 0, 0, 0, 0, 1]


def test_unknown_answers(tokenizer):
    examples = QuestionExamples(["q"], ["Where?"], ["In Oslo."])
    task = QuestionAnswering()
    assert task.encode(examples, tokenizer, CONFIG).labels is None
    with pytest.raises(InputError, match="answers=None"):
        task.score(examples, [{"text": ""}], CONFIG)


@pytest.mark.parametrize(
    "choice",
    [
        {"doc_stride": -1},
        {"max_question_length": 0},
        {"max_answer_length": 0},
        {"n_best": 0},
    ],
)
def test_numbers_too_small(choice):
    with pytest.raises(InputError, match=f"Received: {next(iter(choice))}="):
        QuestionAnswering(**choice)


def test_windows_that_would_not_move_on(tokenizer):
    examples = examples_of(("a", "b", []))
    with pytest.raises(InputError, match=r"max_length=195.*doc_stride=128"):
        QuestionAnswering().encode(examples, tokenizer, CONFIG, max_length=195)
    QuestionAnswering().encode(examples, tokenizer, CONFIG, max_length=196)
