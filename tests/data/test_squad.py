"""read_squad: both versions, answers at their offsets, and what is not SQuAD."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import FORMATS, error_of, written

from keras_squeezebert.data import Answer, read_squad
from keras_squeezebert.data.squad import _nearest


def passage(context, *questions):
    return {"data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]}


def question(name="q", answers=(), **more):
    return {"id": name, "question": "?", "answers": list(answers), **more}


def answer(text, start):
    return {"text": text, "answer_start": start}


def saved(folder, content):
    return written(folder, "questions.json", json.dumps(content))


def test_version_1():
    examples = read_squad(FORMATS / "squad-v1.1.json")
    assert examples.ids == ["k1", "k2", "r1"]
    assert examples.questions[2] == "When did it rain?"
    assert examples.contexts[0] == examples.contexts[1] != examples.contexts[2]
    assert examples.answers == [
        [Answer("under the mat", 11), Answer("the mat", 17)],
        [Answer("the mat", 30)],
        [Answer("on Monday", 10)],
    ]


def test_version_2():
    examples = read_squad(FORMATS / "squad-v2.0.json")
    assert examples.answers == [[Answer("under the mat", 11)], []]


def test_without_answers(tmp_path):
    unknown = {"id": "q", "question": "?"}
    path = saved(tmp_path, passage("c", unknown))
    assert read_squad(path).answers is None
    path = saved(tmp_path, passage("c", unknown, question("r")))
    assert "1 of 2 without" in error_of(read_squad, path)


def test_offsets_count_characters(tmp_path):
    """Of code points, not of UTF-8 or UTF-16."""
    path = saved(tmp_path, passage("é 😀 b", question(answers=[answer("b", 4)])))
    assert read_squad(path).answers == [[Answer("b", 4)]]


def test_repair_moves_to_the_nearest_and_counts(tmp_path, caplog):
    context = "ab cd ab cd ab"
    asked = [
        question("1", [answer("ab", 0), answer("ab", 4)]),  # 3 and 6 are as near as 0
        question("2", [answer("ab", 8), answer("cd", -7), answer("cd", 99)]),
    ]
    path = saved(tmp_path, passage(context, *asked))
    assert "$.data[0].paragraphs[0].qas[0].answers[1]" in error_of(read_squad, path)
    with caplog.at_level(logging.WARNING):
        examples = read_squad(path, repair=True)
    assert examples.answers == [
        [Answer("ab", 0), Answer("ab", 6)],
        [Answer("ab", 6), Answer("cd", 3), Answer("cd", 9)],
    ]
    (record,) = caplog.records
    assert "moved 4 answers" in record.getMessage()
    assert "of 2 questions" in record.getMessage()
    missing = saved(tmp_path, passage(context, question("1", [answer("x", 0)])))
    assert "a passage of its context" in error_of(read_squad, missing, repair=True)


@given(st.text("ab", min_size=1, max_size=12), st.integers(-3, 15), st.data())
def test_nearest_by_trying_all_places(context, start, data):
    begin = data.draw(st.integers(0, len(context) - 1))
    text = context[begin : data.draw(st.integers(begin + 1, len(context)))]
    places = [i for i in range(len(context)) if context.startswith(text, i)]
    within = min(max(start, 0), len(context))
    expected = min(places, key=lambda place: abs(place - within))
    assert _nearest(context, text, start) == expected


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "empty"),
        ("{", "line 1: expected the JSON of SQuAD"),
        ('{"data":\n\n]}', "line 3"),
        ("[" * 100_000, "recursion"),
        ('{"data": 1' + "0" * 5000 + "}", "digits"),
        ("[]", "$: expected a JSON object with 'data'"),
        ('{"version": "2"}', "one with 'version'"),
        ('{"data": {}}', "$.data: expected a list"),
        ('{"data": []}', "no questions"),
        ('{"data": [{"paragraphs": []}]}', "no questions"),
        ('{"data": [7]}', "$.data[0]: expected a JSON object"),
        (b'{"data": "\xff"}', "UTF-8"),
        ('{"data": "\0"}', "NUL"),
    ],
)
def test_what_is_not_squad(tmp_path, content, part):
    assert part in error_of(read_squad, written(tmp_path, "q.json", content))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"id": 7}, ".id: expected a string"),
        ({"question": None}, ".question: expected a string"),
        ({"question": "\ud83d"}, "surrogate"),
        ({"answers": {}}, ".answers: expected a list"),
        ({"answers": ["c"]}, ".answers[0]: expected a JSON object with 'text'"),
        ({"answers": [{"text": "c"}]}, "with 'answer_start'"),
        ({"answers": [answer("c", "0")]}, ".answer_start: expected an integer"),
        ({"answers": [answer("c", False)]}, ".answer_start: expected an integer"),
        ({"answers": [answer("c", 0.0)]}, ".answer_start: expected an integer"),
        ({"answers": [answer("", 0)]}, "a passage of its context"),
        ({"answers": [answer("c", -3)]}, "with `repair=True`"),
        ({"is_impossible": False}, "`is_impossible` must be true"),
        ({"is_impossible": True, "answers": [answer("c", 4)]}, "1 answers"),
        ({"is_impossible": "yes"}, "`is_impossible`"),
    ],
)
def test_what_is_not_a_question(tmp_path, changes, part):
    path = saved(tmp_path, passage("a b c", {**question(), **changes}))
    message = error_of(read_squad, path)
    assert "$.data[0].paragraphs[0].qas[0]" in message
    assert part in message


def test_an_id_twice(tmp_path):
    path = saved(tmp_path, passage("c", question("a"), question("a")))
    message = error_of(read_squad, path)
    assert "qas[1]: `id` must be another than that of" in message


def test_a_folder(tmp_path):
    assert "Is a directory" in error_of(read_squad, tmp_path)
