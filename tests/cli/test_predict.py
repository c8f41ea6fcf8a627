"""squeezebert predict: what each head says of texts, for people and as JSON."""

import json

import numpy as np
import pytest
from command_line import run, succeed
from every_head import LABELS, assert_close, letters, write_model
from tiny import ONE_LAYER

from keras_squeezebert import models

ASKED = {
    "sequence-classification": ("ab cd", "who?"),
    "token-classification": ("ab cd, who?", "a"),
    "question-answering": ("a b c d e f", "x y z", "--question", "who?")
    + ("--doc-stride", 2, "--max-question-length", 3),
    "multiple-choice": ("a b c", "--choice", "d", "--choice", "q r"),
    "masked-lm": ("a [MASK] b", "[MASK] c [MASK]", "--top", 2),
}


def predict(folder, model, *arguments):
    return json.loads(succeed("predict", model, *arguments, "--json", cwd=folder))


def outputs_of(folder, head, architecture, *texts):
    """Of the library's model, on texts that the tokenizer itself has encoded."""
    model = getattr(models, architecture).from_pretrained(folder / head)
    outputs = model(letters()(*texts))
    return np.asarray(outputs)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("head", ASKED)
@pytest.mark.parametrize("form", [".tflite", "-saved"])
def test_all_forms_of_a_model_say_the_same(heads, head, form):
    expected = predict(heads, head, *ASKED[head])
    found = predict(heads, f"{head}{form}", *ASKED[head])
    assert_close(found, expected)


def test_a_label(heads):
    texts = ["ab cd", "who?"]
    results = predict(heads, "sequence-classification", *texts, "--top", 2)
    logits = outputs_of(
        heads, "sequence-classification", "SqueezeBertForSequenceClassification", texts
    )
    for result, text, row in zip(results, texts, softmax(logits), strict=True):
        best = [LABELS[i] for i in np.argsort(-row)]
        assert result["text"] == text and result["label"] == best[0]
        assert list(result["scores"]) == best[:2]
        assert result["scores"][best[0]] == pytest.approx(row.max(), abs=1e-5)
    printed = succeed("predict", "sequence-classification", *texts, cwd=heads)
    assert printed.count("%") == 2 * 3


def test_a_pair(heads):
    (alone,) = predict(heads, "sequence-classification", "ab")
    (pair,) = predict(heads, "sequence-classification", "ab", "--text-pair", "cd")
    logits = outputs_of(
        *(heads, "sequence-classification", "SqueezeBertForSequenceClassification"),
        *(["ab"], ["cd"]),
    )
    assert max(pair["scores"].values()) == pytest.approx(
        softmax(logits).max(), abs=1e-5
    )
    assert alone["scores"] != pair["scores"]


@pytest.fixture(scope="module")
def problems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("problems")
    for name, architecture, fields in (
        ("several", "Sequence", {"problem_type": "multi_label_classification"}),
        ("number", "Sequence", {"id2label": {0: "score"}}),
        ("tagger", "Token", {"id2label": {0: "NOUN", 1: "VERB"}}),
    ):
        architecture = f"SqueezeBertFor{architecture}Classification"
        write_model(folder / name, architecture, ONE_LAYER.replace(**fields))
    model = models.SqueezeBertModel(ONE_LAYER)
    model.save_pretrained(folder / "headless")
    letters().save_pretrained(folder / "headless")
    return folder


def test_several_labels(problems):
    (result,) = predict(problems, "several", "ab cd", "--threshold", 0.3)
    chosen = [label for label, score in result["scores"].items() if score >= 0.3]
    assert sorted(result["labels"]) == sorted(chosen)
    scores = list(result["scores"].values())
    assert scores == sorted(scores, reverse=True) and sum(scores) != pytest.approx(1)
    arguments = ("predict", "several", "ab cd", "--threshold", 1)
    assert "labels: none" in succeed(*arguments, cwd=problems)


def test_a_number(problems):
    (result,) = predict(problems, "number", "ab cd")
    logits = outputs_of(
        problems, "number", "SqueezeBertForSequenceClassification", ["ab cd"]
    )
    assert result == {"text": "ab cd", "value": pytest.approx(logits[0, 0], abs=1e-5)}
    printed = succeed("predict", "number", "ab cd", cwd=problems)
    assert printed == f"ab cd\n  {result['value']:.4f}\n"


def test_entities_are_where_they_say(heads):
    text = "ab cd, who? z y x w"
    (result,) = predict(heads, "token-classification", text)
    assert result["entities"]
    printed = succeed("predict", "token-classification", text, cwd=heads).splitlines()
    assert printed[0] == text
    for entity, line in zip(result["entities"], printed[1:], strict=True):
        assert text[entity["start"] : entity["end"]] == entity["text"]
        where = f"{entity['start']}–{entity['end']}"
        assert line.split() == [
            *(f"{entity['score']:.1%}", "LOC", *entity["text"].split(), where)
        ]


def test_tags_that_are_not_of_entities(problems):
    (result,) = predict(problems, "tagger", "ab, cd")
    assert result["words"] == ["ab", ",", "cd"]
    assert set(result["tags"]) <= {"NOUN", "VERB"} and len(result["scores"]) == 3
    printed = succeed("predict", "tagger", "ab, cd", cwd=problems)
    columns = (result["tags"], result["words"])
    rows = [line.split()[1:] for line in printed.splitlines()[1:]]
    assert rows == [list(row) for row in zip(*columns, strict=True)]


def test_an_answer_is_a_passage_of_the_text(heads):
    results = predict(heads, "question-answering", *ASKED["question-answering"])
    for result, text in zip(results, ("a b c d e f", "x y z"), strict=True):
        assert result["text"] == text and result["question"] == "who?"
        for passage in result["n_best"]:
            start = passage["start"]
            after = start + len(passage["text"])
            assert text[start:after] == passage["text"]
        best = result["n_best"][0]
        assert (result["answer"], result["start"]) == (best["text"], best["start"])
        assert len(result["n_best"]) == 3


def test_no_answer(heads):
    arguments = (*ASKED["question-answering"], "--no-answer-threshold")
    for threshold, is_none in (("-1000", True), ("1000", False)):
        results = predict(heads, "question-answering", *arguments, threshold)
        assert [result["answer"] == "" for result in results] == [is_none] * 2
        assert [result["start"] is None for result in results] == [is_none] * 2
        printed = succeed(
            "predict", "question-answering", *arguments, threshold, cwd=heads
        )
        assert ("no answer" in printed) == is_none


def test_a_choice(heads):
    (result,) = predict(heads, "multiple-choice", *ASKED["multiple-choice"])
    pairs = letters()(["a b c"] * 2, ["d", "q r"])
    model = models.SqueezeBertForMultipleChoice.from_pretrained(
        heads / "multiple-choice"
    )
    logits = np.asarray(model({name: ids[None] for name, ids in pairs.items()}))
    scores = softmax(logits)[0]
    assert result["choice"] == scores.argmax()
    assert [choice["text"] for choice in result["choices"]] == ["d", "q r"]
    found = [choice["score"] for choice in result["choices"]]
    assert found == pytest.approx(scores.tolist(), abs=1e-5)
    printed = succeed(
        "predict", "multiple-choice", *ASKED["multiple-choice"], cwd=heads
    )
    assert printed.splitlines()[1].endswith(["d", "q r"][result["choice"]])


def test_gaps(heads):
    first, second = predict(heads, "masked-lm", *ASKED["masked-lm"])
    assert [len(gap) for gap in first["masks"]] == [2]
    assert [len(gap) for gap in second["masks"]] == [2, 2]
    text = "a [MASK] b"
    logits = outputs_of(heads, "masked-lm", "SqueezeBertForMaskedLM", [text])
    scores = softmax(logits)[0, 2]  # after [CLS] and a
    expected = letters().convert_ids_to_tokens(np.argsort(-scores)[:2])
    assert [piece["token"] for piece in first["masks"][0]] == expected
    printed = succeed("predict", "masked-lm", text, "--top", 1, cwd=heads)
    assert printed == f"{text}\n  {expected[0]} {scores.max():.1%}\n"


def test_truncation_is_told(heads):
    finished = run(
        "predict", "sequence-classification", "ab cd", "--max-length", 4, cwd=heads
    )
    assert finished.returncode == 0
    assert "1 texts that were truncated" in finished.stderr


MISTAKES = {
    "a question to a classifier": (
        ("predict", "sequence-classification", "ab", "--question", "who?"),
        ["--question is for question-answering"],
    ),
    "a choice by a flag of another name": (
        ("predict", "masked-lm", "[MASK]", "--choice", "a"),
        ["--choice is for multiple-choice"],
    ),
    "labels to show of tags": (
        ("predict", "token-classification", "ab", "--top", 2),
        ["--top is for sequence-classification, question-answering, masked-lm"],
    ),
    "no question": (("predict", "question-answering", "ab"), ["--question"]),
    "a single choice": (
        ("predict", "multiple-choice", "ab", "--choice", "a"),
        ["--choice twice or more", "1 times"],
    ),
    "no gap": (("predict", "masked-lm", "ab"), ["[MASK]", "'ab'"]),
    "no word": (("predict", "token-classification", " "), ["must have a word"]),
    "windows that do not fit": (
        ("predict", "question-answering", "ab", "--question", "who?"),
        ["doc_stride=128"],
    ),
    "too long a row": (
        ("predict", "masked-lm.tflite", "[MASK]", "--max-length", 21),
        ["at most 20"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_clear_line(heads, mistake):
    arguments, words = MISTAKES[mistake]
    finished = run(*arguments, cwd=heads)
    assert finished.returncode == 2, finished.stderr
    line = finished.stderr.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line


def test_a_model_without_a_head(problems):
    finished = run("predict", "headless", "ab", cwd=problems)
    assert finished.returncode == 2
    assert "The model must have a head" in finished.stderr
    assert "Received: SqueezeBertModel" in finished.stderr
