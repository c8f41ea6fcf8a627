"""read_dataset: the containers from a package `datasets` that is made up here."""

import sys
import types

import numpy as np
import pytest
from reading import FORMATS

from keras_squeezebert.data import (
    Answer,
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
    read_dataset,
    read_glue,
)
from keras_squeezebert.data.glue import GLUE
from keras_squeezebert.data.hub import HUB
from keras_squeezebert.errors import InputError


class Rows(dict):
    """Columns by name, as a `datasets.Dataset` gives them."""

    names = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    features = {
        "ner_tags": types.SimpleNamespace(feature=types.SimpleNamespace(names=names))
    }


@pytest.fixture
def hub(monkeypatch):
    """What `load_dataset` gives, and the arguments that it was called with."""
    hub = types.SimpleNamespace(rows=None, calls=[])

    def load_dataset(path, name=None, *, split, revision):
        hub.calls.append((path, name, split, revision))
        if isinstance(hub.rows, Exception):
            raise hub.rows
        return Rows(hub.rows)

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return hub


def test_the_labels_are_those_of_the_files(hub):
    read = read_glue(FORMATS / "glue", "rte", "train")
    hub.rows = {
        "sentence1": read.texts,
        "sentence2": read.text_pairs,
        "label": [0, 1],
        "idx": [0, 1],
    }
    assert read_dataset("glue/rte", "train") == read
    assert hub.calls == [("nyu-mll/glue", "rte", "train", None)]


@pytest.mark.parametrize(
    ("split", "on_the_hub"),
    [
        ("dev", "validation"),
        ("validation", "validation"),
        ("dev_matched", "validation_matched"),
        ("test", "test"),
    ],
)
def test_splits(hub, split, on_the_hub):
    hub.rows = {"premise": ["a"], "hypothesis": ["b"], "label": [2]}
    examples = read_dataset("glue/mnli", split)
    assert examples == TextExamples(["a"], ["contradiction"], ["b"])
    assert hub.calls[0][2] == on_the_hub


def test_single_texts_tests_and_scores(hub):
    hub.rows = {"sentence": ["a", "b"], "label": [-1, -1]}
    assert read_dataset("glue/sst2", "test") == TextExamples(["a", "b"])
    hub.rows = {
        "sentence1": ["a"],
        "sentence2": ["b"],
        "label": [float(np.float32(3.8))],
    }
    assert read_dataset("glue/stsb", "dev") == TextExamples(["a"], ["3.8"], ["b"])
    hub.rows = {"sentence1": ["a"], "sentence2": ["b"], "label": [-1.0]}
    assert read_dataset("glue/stsb", "test").labels is None


def test_every_task_of_glue():
    assert {name for name in HUB if "/" in name} == {f"glue/{task}" for task in GLUE}


@pytest.mark.parametrize("name", ["squad", "squad_v2"])
def test_squad(hub, name):
    hub.rows = {
        "id": ["1", "2"],
        "question": ["q", "r"],
        "context": ["a b", "c"],
        "answers": [
            {"text": ["b", "a"], "answer_start": [2, 0]},
            {"text": [], "answer_start": []},
        ],
    }
    assert read_dataset(name, "dev") == QuestionExamples(
        ["1", "2"], ["q", "r"], ["a b", "c"], [[Answer("b", 2), Answer("a", 0)], []]
    )
    assert hub.calls == [(f"rajpurkar/{name}", None, "validation", None)]


def test_conll2003(hub):
    hub.rows = {
        "tokens": [["Ann", "in", "New", "York"], ["yes"]],
        "ner_tags": [[1, 0, 3, 4], [0]],
    }
    assert read_dataset("conll2003", "train") == TokenExamples(
        [["Ann", "in", "New", "York"], ["yes"]],
        [["B-PER", "O", "B-LOC", "I-LOC"], ["O"]],
    )


def test_swag(hub):
    hub.rows = {
        "sent1": ["a", "b"],
        "sent2": ["He", ""],
        **{f"ending{i}": [f"w{i}", f"x{i}"] for i in range(4)},
        "label": [3, 0],
    }
    choices = [["He w0", "He w1", "He w2", "He w3"], ["x0", "x1", "x2", "x3"]]
    assert read_dataset("swag", "dev") == ChoiceExamples(["a", "b"], choices, [3, 0])
    hub.rows["label"] = [-1, -1]
    assert read_dataset("swag", "test").labels is None


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ({"label": [0]}, "KeyError"),
        ({"sentence": ["a"]}, "KeyError"),
        ({"sentence": [None], "label": [0]}, r"texts\[0\]=None"),
        ({"sentence": ["a"], "label": [2]}, "from 0 to 1. Received: 2"),
        ({"sentence": ["a"], "label": [None]}, "TypeError"),
        ({"sentence": ["a"], "label": [0, 1]}, "2 labels, 1 texts"),
        (ConnectionError("no\nroute"), "cannot be had. Received: no route"),
        (ValueError('Unknown split "dve"'), "Unknown split"),
    ],
)
def test_what_does_not_fit(hub, rows, part):
    hub.rows = rows
    with pytest.raises(InputError, match=part):
        read_dataset("glue/cola", "train")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install keras-squeezebert\[datasets\]"):
        read_dataset("squad", "train")
