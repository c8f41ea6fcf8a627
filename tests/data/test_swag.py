"""read_swag and read_codah."""

import pytest
from reading import FORMATS, error_of, written

from keras_squeezebert.data import ChoiceExamples, read_codah, read_swag

HEADER = "sent1,sent2,ending0,ending1,ending2,ending3,label\n"


def test_swag():
    assert read_swag(FORMATS / "swag.csv") == ChoiceExamples(
        ["She knocks twice, then waits.", "He fills the cup."],
        [
            [
                'Someone says "come in".',
                "Someone melts in the rain.",
                "Someone is made of doors.",
                "Someone sings a lamp.",
            ],
            [
                "He reads the tea with a saw.",
                "He drinks it.",
                "He is a cup of wood.",
                "He flies the table.",
            ],
        ],
        [0, 1],
    )


def test_swag_without_labels(tmp_path):
    path = written(
        tmp_path,
        "test.csv",
        "sent1,sent2,ending0,ending1,ending2,ending3\na,,b,c,d,e\n",
    )
    assert read_swag(path) == ChoiceExamples(["a"], [["b", "c", "d", "e"]])


def test_codah():
    assert read_codah(FORMATS / "codah.tsv") == ChoiceExamples(
        ["The dog is wet. It", "I paid, so I"],
        [
            ["shakes itself.", 'reads "news.', "is a very dry lake.", "has no dog."],
            ["am a coin.", "have less money.", "sank the bank.", "sing to the till."],
        ],
        [0, 1],
    )


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("sent1,label\na,0\n", "line 2: there is no column 'sent2'"),
        (HEADER + "a,b,c,d,e,f,4\n", "line 2: 'label' must be an index from 0 to 3"),
        (HEADER + "a,b,c,d,e,f,0\na,b,c,d,e,f,\n", "line 3: 'label' must be an index"),
        (HEADER + "a,b,c,d,e,f\n", "line 2: expected a field for each"),
        (HEADER + "a,b,c,d, ,f,1\n", "line 2: 'ending2' must not be empty"),
        (HEADER, "no examples"),
        ("", "empty"),
        ("a\0", "NUL"),
    ],
)
def test_what_is_not_swag(tmp_path, content, part):
    assert part in error_of(read_swag, written(tmp_path, "val.csv", content))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("o\ta\tb\tc\td\te\t0\no\ta\n", "line 2: expected the 7 fields"),
        ("o\ta\tb\tc\td\te\tf\t0\n", "Received: 8 fields"),
        ("o\ta\tb\tc\td\te\t4\n", "line 1: 'label' must be an index from 0 to 3"),
        ("o\ta\tb\tc\td\te\t²\n", "line 1: 'label'"),
        ("o\t\tb\tc\td\te\t1\n", "line 1: 'prompt' must not be empty"),
        ("", "empty"),
    ],
)
def test_what_is_not_codah(tmp_path, content, part):
    assert part in error_of(read_codah, written(tmp_path, "full_data.tsv", content))
