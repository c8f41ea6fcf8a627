"""TokenExamples, ChoiceExamples and QuestionExamples: what they take and refuse."""

import dataclasses

import pytest

from keras_squeezebert.data import (
    Answer,
    ChoiceExamples,
    QuestionExamples,
    TokenExamples,
)
from keras_squeezebert.errors import InputError

GOOD = [
    TokenExamples([["a", "b"], ["c"]], [["X", "Y"], ["Z"]]),
    TokenExamples([["a", "b"], ["c"]]),
    ChoiceExamples(["a", "b"], [["c", "d", "e"], ["f", "g", "h"]], [0, 2]),
    ChoiceExamples(["a", "b"], [["c", "d"], ["f", "g"]]),
    QuestionExamples(["1", "2"], ["q", "r"], ["ab", "cd"], [[Answer("b", 1)], []]),
    QuestionExamples(["1", "2"], ["q", "r"], ["ab", "cd"]),
]


@pytest.mark.parametrize("examples", GOOD)
def test_length_and_frozen(examples):
    assert len(examples) == 2
    for field in dataclasses.fields(examples):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(examples, field.name, None)


@pytest.mark.parametrize(
    ("container", "arguments", "message"),
    [
        (TokenExamples, (None,), "`words` must be a list of lists"),
        (TokenExamples, (["ab"],), r"`words\[0\]` must be a list of strings.*str"),
        (TokenExamples, ([["a"], []],), r"words\[1\]=\[\]"),
        (TokenExamples, ([["a", ""]],), "a word a character"),
        (TokenExamples, ([["a"]], []), "0 tags, 1 words"),
        (TokenExamples, ([["a"]], [["X", "Y"]]), r"2 tags\[0\], 1 words\[0\]"),
        (TokenExamples, ([["a"]], [[3]]), r"tags\[0\]\[0\]=3"),
        (ChoiceExamples, ("a", [["b", "c"]]), "`contexts` must be a list"),
        (ChoiceExamples, (["a"], [["b"]]), "two choices or more.*1 in choices"),
        (
            ChoiceExamples,
            (["a", "b"], [["c", "d"], ["e", "f", "g"]]),
            r"all as many as the first, which has 2\. Received: 3 in choices\[1\]",
        ),
        (ChoiceExamples, (["a"], [["b", "c"]], [2]), r"from 0 to 1.*labels\[0\]=2"),
        (ChoiceExamples, (["a"], [["b", "c"]], [-1]), r"labels\[0\]=-1"),
        (ChoiceExamples, (["a"], [["b", "c"]], [True]), r"labels\[0\]=True"),
        (ChoiceExamples, (["a"], [["b", "c"]], ["0"]), r"labels\[0\]='0'"),
        (ChoiceExamples, (["a"], [["b", "c"]], 0), "Received: int"),
        (ChoiceExamples, (["a"], [["b", "c"]], [0, 1]), "2 labels, 1 contexts"),
        (QuestionExamples, (["1"], ["q"], []), "0 contexts, 1 ids"),
        (QuestionExamples, (["1", "1"], ["q"] * 2, ["c"] * 2), r"ids\[1\]='1'"),
        (QuestionExamples, (["1"], ["q"], ["c"], [None]), "a list of answers"),
        (QuestionExamples, (["1"], ["q"], ["c"], []), "0 answers, 1 ids"),
        (QuestionExamples, (["1"], ["q"], ["c"], [["c"]]), r"answers\[0\]\[0\]='c'"),
        (QuestionExamples, (["1"], ["q"], ["c"], [[Answer("c", 1)]]), "at its `start`"),
        (QuestionExamples, (["1"], ["q"], ["c"], [[Answer("c", -1)]]), "start=-1"),
        (QuestionExamples, (["1"], ["q"], ["c"], [[Answer("", 0)]]), "text=''"),
    ],
)
def test_what_does_not_fit(container, arguments, message):
    with pytest.raises(InputError, match=message):
        container(*arguments)
