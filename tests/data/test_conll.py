"""read_conll: words and tags from columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import FORMATS, error_of, written

from keras_squeezebert.data import TokenExamples, read_conll


def test_conll2003():
    examples = read_conll(FORMATS / "iob1.conll")
    assert examples == TokenExamples(
        [["The", "New", "York", "Berlin", "flight"], ["Ann", "Oslo", "."]],
        [["O", "B-LOC", "I-LOC", "B-LOC", "O"], ["B-PER", "B-LOC", "O"]],
    )


def test_other_columns_and_schemes():
    chunks = read_conll(FORMATS / "iob1.conll", tag_column=2).tags[0]
    assert chunks == ["B-NP", "I-NP", "I-NP", "B-NP", "I-NP"]
    plain = read_conll(FORMATS / "iob1.conll", tag_column=1, scheme="plain")
    assert plain.tags[0] == ["DT", "NNP", "NNP", "NNP", "NN"]
    assert read_conll(FORMATS / "iob1.conll", tag_column=1) == plain
    assert read_conll(FORMATS / "iob1.conll", None).tags is None
    assert read_conll(FORMATS / "iob1.conll", 0, "plain", 1).words == plain.tags


def test_tabs_and_bioes():
    examples = read_conll(FORMATS / "bioes.conll")
    assert examples.words == [["New York", "and", "Ann", "van", "Dyck"], ["rain"]]
    assert examples.tags[0] == ["B-LOC", "O", "B-PER", "I-PER", "I-PER"]


@pytest.mark.parametrize(
    "content",
    [
        "a O\nb O\n\nc O",
        "\n\na O\nb O\n \n\n\nc O\n\n",
        "a O\r\nb O\r\n\r\nc O\r\n",
        "\ufeffa O\nb O\n-DOCSTART- O\nc O\n-DOCSTART-\n",
        " a   O\nb O \n\t\nc O\n",
    ],
)
def test_where_sentences_end(tmp_path, content):
    path = written(tmp_path, "t.conll", content)
    assert read_conll(path).words == [["a", "b"], ["c"]]


def test_other_spaces_are_characters(tmp_path):
    path = written(tmp_path, "t.conll", "10\u00a0000 O\n\u2028 O\n")
    assert read_conll(path).words == [["10\u00a0000", "\u2028"]]


WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n\ufeff"),
    min_size=1,
).filter(lambda word: word.strip() and word != "-DOCSTART-")


@given(
    sentences=st.lists(
        st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5),
        min_size=1,
        max_size=5,
    )
)
def test_what_was_written_comes_back(tmp_path_factory, sentences):
    lines = ["\n".join(f"{word}\t{tag}" for word, tag in rows) for rows in sentences]
    path = written(tmp_path_factory.mktemp("conll"), "t.conll", "\n\n".join(lines))
    examples = read_conll(path, scheme="plain")
    assert examples.words == [[word for word, _ in rows] for rows in sentences]
    assert examples.tags == [[tag for _, tag in rows] for rows in sentences]


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        ("a O\nb\n", 2, "expected 2 columns"),
        ("a O\n\nb X O\n", 3, "expected 2 columns"),
        ("a\tO\n\tO\n", 2, "none of them empty"),
        ("a\n", 1, "different columns"),
        ("a O\nb I-X\nc O\n\nd B-Y\n", 2, "'I-X': in IOB2 it must follow"),
        ("a O\nb I-X\nc O\n\nd B-Y\n", 5, "'B-Y': in IOB1 it must follow"),
        ("a O\nb B\n", 2, "a prefix must have a type"),
        ("a O\nb\0 O\n", 2, "NUL"),
        (b"a O\nb O\ncaf\xe9 O\n", 3, "UTF-8"),
    ],
)
def test_errors_tell_the_line(tmp_path, content, line, part):
    path = written(tmp_path, "t.conll", content)
    message = error_of(read_conll, path)
    assert f"{path}, line {line}" in message
    assert part in message


def test_errors_of_a_scheme_that_is_given(tmp_path):
    path = written(tmp_path, "t.conll", "a O\nb I-X\n")
    message = error_of(read_conll, path, scheme="IOB2")
    assert f"{path}, line 2: in IOB2 it must follow a B-X" in message


def test_errors_of_the_file(tmp_path):
    assert "No such file" in error_of(read_conll, tmp_path / "absent")
    assert "Is a directory" in error_of(read_conll, tmp_path)
    assert "empty" in error_of(read_conll, written(tmp_path, "empty", ""))
    path = written(tmp_path, "t", "-DOCSTART- O\n\n \n")
    assert "no words" in error_of(read_conll, path)


@pytest.mark.parametrize("column", ["tag_column", "word_column"])
@pytest.mark.parametrize("number", [4, -5])
def test_columns_that_are_not_there(column, number):
    message = error_of(
        read_conll,
        FORMATS / "iob1.conll",
        names=f"{column}={number}",
        **{column: number},
    )
    assert "from 0 to 3" in message
