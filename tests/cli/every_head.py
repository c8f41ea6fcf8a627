"""Tiny models of every head, and data for them."""

import json
import string

import pytest
from tiny import ONE_LAYER, make_model

from keras_squeezebert import SqueezeBertTokenizerFast

LABELS = {0: "O", 1: "B-LOC", 2: "I-LOC"}
# By head: the arguments of its evaluation, after --data.
EVERY_HEAD = {
    "sequence-classification": ("texts.csv",),
    "token-classification": ("words.conll",),
    "question-answering": (
        *("squad.json", "--doc-stride", 2, "--max-question-length", 3),
        *("--no-answer-threshold", 0),
    ),
    "multiple-choice": ("choices.jsonl",),
    "masked-lm": ("texts.txt", "--mask-rate", 0.4),
}
SEQ = 20
ARCHITECTURES = {
    "sequence-classification": "SqueezeBertForSequenceClassification",
    "token-classification": "SqueezeBertForTokenClassification",
    "question-answering": "SqueezeBertForQuestionAnswering",
    "multiple-choice": "SqueezeBertForMultipleChoice",
    "masked-lm": "SqueezeBertForMaskedLM",
}

TEXTS = ["ab cd", "a", "abc de fg h i j k", "who?", "x y z a b"]
CONLL = "ab O\ncd B-LOC\nab I-LOC\n\na O\n\nx O\ny B-LOC\nz O\n"
CONTEXT = "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c"


def letters():
    """A tokenizer of as many pieces as the tiny models have, all of letters."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [*string.ascii_lowercase, *string.digits, *".,!?"]
    tokens += [f"##{letter}" for letter in string.ascii_lowercase]
    tokens += [f"##{a}{b}" for a in "abc" for b in "defghijklm"]
    return SqueezeBertTokenizerFast(tokens[: ONE_LAYER.vocab_size], model_max_length=24)


def write_model(folder, architecture, config=ONE_LAYER, seed=0):
    """A model of large random weights, whose answers differ from text to text."""
    model = make_model(architecture, config, seed)
    model.save_pretrained(folder)
    letters().save_pretrained(folder)
    return model


def write_saved_model(model, folder):
    """As a user would who has Keras."""
    model.export(folder, verbose=False)
    model.config.save(folder, architecture=type(model).__name__)
    letters().save_pretrained(folder)


def write_data(folder):
    labels = ["O", "B-LOC", "I-LOC", "O", "B-LOC"]
    rows = zip(TEXTS, labels, strict=True)
    table = "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)
    (folder / "texts.csv").write_text(table)
    (folder / "words.conll").write_text(CONLL)
    (folder / "texts.txt").write_text("\n".join([*TEXTS, CONTEXT]))
    questions = [
        {"id": "q1", "question": "c", "answers": [{"text": "d e", "answer_start": 6}]},
        {"id": "q2", "question": "who ab?", "answers": []},
        {"id": "q3", "question": "z", "answers": [{"text": "w", "answer_start": 44}]},
    ]
    passages = [{"context": CONTEXT, "qas": questions}]
    (folder / "squad.json").write_text(json.dumps({"data": [{"paragraphs": passages}]}))
    rows = [
        {"context": text, "choices": ["a", "bc d"], "label": row % 2}
        for row, text in enumerate(TEXTS)
    ]
    (folder / "choices.jsonl").write_text("\n".join(map(json.dumps, rows)))


def assert_close(actual, expected):
    """That two nested containers hold the same, but for what arithmetic differs in."""
    for value, other in zip(_leaves(actual), _leaves(expected), strict=True):
        if isinstance(other, float):
            other = pytest.approx(other, rel=2e-4, abs=2e-4)
        assert value == other


def _leaves(value):
    """All values that are in nested containers, with the names in front of them."""
    if isinstance(value, dict):
        value = [leaf for item in value.items() for leaf in item]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
