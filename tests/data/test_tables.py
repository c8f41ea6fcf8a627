"""Readers of CSV, TSV and JSON Lines: what was written comes back, or an error."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_squeezebert.data import (
    ChoiceExamples,
    TextExamples,
    TokenExamples,
    read_choices,
    read_examples,
    read_tokens,
)
from keras_squeezebert.errors import InputError

SUFFIXES = (".csv", ".tsv", ".jsonl")


def filled(without=""):
    """Any text that UTF-8 can hold, is not blank, and has none of some characters."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters=without)
    return st.text(characters, min_size=1).filter(str.strip)


def rows_of(texts):
    return st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=8)


def write_table(path, rows, columns=("text", "label", "other")):
    """Writes a table with Python's own writers."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            for row in rows:
                values = dict(zip(columns, row, strict=True))
                file.write(json.dumps(values, ensure_ascii=False) + "\n")
        elif path.suffix == ".csv":
            csv.writer(file).writerows([columns, *rows])
        else:
            for row in [columns, *rows]:
                file.write("\t".join(row) + "\n")
    return path


def write_bytes(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def error_of(path, read=read_examples, **columns):
    with pytest.raises(InputError) as caught:
        read(path, **columns)
    message = str(caught.value)
    assert str(path) in message
    assert "Received: " in message
    assert "\n" not in message
    return message


# === Round trips


def assert_read_back(suffix, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / f"table{suffix}", rows)
        examples = read_examples(path, text_pair_column="other")
    texts, labels, text_pairs = map(list, zip(*rows, strict=True))
    assert examples == TextExamples(texts, labels, text_pairs)


@given(rows_of(filled(without="\0")))
def test_csv_reads_back(rows):
    assert_read_back(".csv", rows)


@given(rows_of(filled(without="\0\t\r\n")))
def test_tsv_reads_back(rows):
    assert_read_back(".tsv", rows)


@given(rows_of(filled()))
def test_json_lines_read_back(rows):
    assert_read_back(".jsonl", rows)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_examples_or_an_input_error(suffix, content):
    with tempfile.TemporaryDirectory() as folder:
        path = write_bytes(Path(folder), f"table{suffix}", content)
        try:
            examples = read_examples(path)
        except InputError:
            return
    assert len(examples) > 0


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@given(content=st.text('text,label\t"\r\n', max_size=60))
def test_no_field_is_lost(suffix, content):
    """Of what is accepted, each character but separators and quotes is in a field."""
    header = {".csv": "text,label\n", ".tsv": "text\tlabel\n"}[suffix]
    with tempfile.TemporaryDirectory() as folder:
        path = write_bytes(Path(folder), f"table{suffix}", (header + content).encode())
        try:
            examples = read_examples(path)
        except InputError:
            return
    fields = "".join([*examples.texts, *examples.labels])
    for letter in "textlabel":
        assert fields.count(letter) == content.count(letter)


# === What each format accepts


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_byte_order_mark_is_passed_over(tmp_path, suffix):
    path = write_table(tmp_path / f"table{suffix}", [("é", "x", "o")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_examples(path).texts == ["é"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n", b"\n\n\n"])
def test_blank_lines_at_the_end_are_passed_over(tmp_path, suffix, end):
    path = write_table(tmp_path / f"table{suffix}", [("a", "x", "o"), ("b", "y", "p")])
    path.write_bytes(path.read_bytes().rstrip() + end)
    assert read_examples(path).labels == ["x", "y"]


def test_the_suffix_may_be_in_capitals(tmp_path):
    path = write_bytes(tmp_path, "TABLE.CSV", b"text,label\na,x\n")
    assert read_examples(str(path)) == TextExamples(["a"], ["x"])


def test_columns_by_name(tmp_path):
    path = write_table(tmp_path / "t.csv", [("1", "q", "a")], ("id", "query", "reply"))
    assert read_examples(path, "query", None) == TextExamples(["q"])
    assert read_examples(path, "reply", "id", "query") == TextExamples(
        ["a"], ["1"], ["q"]
    )


def test_a_tsv_has_no_quoting(tmp_path):
    path = write_bytes(tmp_path, "t.tsv", b'text\tlabel\n" Unclosed\tx\n"b"\ty\n')
    assert read_examples(path).texts == ['" Unclosed', '"b"']


def test_csv_quotes_hold_commas_quotes_and_lines(tmp_path):
    path = write_bytes(tmp_path, "t.csv", b'text,label\r\n"a, ""b""\r\nc",x\r\n')
    assert read_examples(path).texts == ['a, "b"\r\nc']


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ('"yes"', "yes"),
        ("3", "3"),
        ("-0.5", "-0.5"),
        ("1.0", "1.0"),
        ("true", "true"),
        ("1" + "0" * 400, "1" + "0" * 400),
    ],
)
def test_json_labels_become_strings(tmp_path, written, label):
    line = f'{{"text": "a", "label": {written}}}\n'
    assert read_examples(write_bytes(tmp_path, "t.jsonl", line.encode())).labels == [
        label
    ]


def test_json_lines_end_with_newlines_only(tmp_path):
    path = write_table(tmp_path / "t.jsonl", [("a\u2028b\u0085c\x1cd", "x", "o")])
    assert read_examples(path).texts == ["a\u2028b\u0085c\x1cd"]


# === Errors


@pytest.mark.parametrize("name", ["t.json", "t.txt", "t", "t.csv.gz"])
def test_other_suffixes_are_refused(tmp_path, name):
    message = error_of(write_bytes(tmp_path, name, b"text,label\na,x\n"))
    assert ".csv, .tsv, .jsonl" in message


def test_no_such_file(tmp_path):
    assert "No such file" in error_of(tmp_path / "absent.csv")


def test_a_folder(tmp_path):
    (tmp_path / "t.csv").mkdir()
    assert "t.csv" in error_of(tmp_path / "t.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(tmp_path, suffix, content):
    assert "empty" in error_of(write_bytes(tmp_path, f"t{suffix}", content))


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_header_only(tmp_path, suffix):
    assert "no examples" in error_of(write_table(tmp_path / f"t{suffix}", []))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("role", ["text_column", "label_column", "text_pair_column"])
def test_a_missing_column_lists_those_there_are(tmp_path, suffix, role):
    path = write_table(tmp_path / f"t{suffix}", [("a", "x", "o")])
    message = error_of(path, **{role: "Text"})
    assert "no column 'Text'" in message
    assert message.endswith("Received: columns 'text', 'label', 'other'")


@pytest.mark.parametrize(
    ("name", "content", "line", "part"),
    [
        ("few.csv", b"text,label\na,x\nb\n", 3, "1 fields"),
        ("many.csv", b"text,label\na,x\nb,c,y\n", 3, "3 fields"),
        ("many.tsv", b"text\tlabel\nb\tc\ty\n", 2, "3 fields"),
        ("blank.csv", b"text,label\na,x\n\nb,y\n", 3, "0 fields"),
        ("blank.tsv", b"text\tlabel\na\tx\n\nb\ty\n", 3, "0 fields"),
        ("lines.tsv", b'text\tlabel\n"a\nb"\ty\n', 2, "use .csv or .jsonl"),
        ("after.csv", b'text,label\n"a\nb",x\nc\n', 4, "1 fields"),
        ("quote.csv", b'text,label\na,x\n"b"c,y\n', 3, "double quotes"),
        ("open.csv", b'text,label\na,x\n"b,y\nc,z\n', 3, "double quotes"),
        ("twice.csv", b"text,label,text\na,x,b\n", 1, "each once"),
        ("first.csv", b"\ntext,label\na,x\n", 1, "name the columns"),
        ("text.csv", b"text,label\na,x\n,y\n", 3, "'text' must not be empty"),
        ("spaces.tsv", b"text\tlabel\n  \ty\n", 2, "'text' must not be empty"),
        ("label.csv", b"text,label\na,\n", 2, "'label' must not be empty"),
        ("long.csv", b"text,label\na,x\n" + b"b" * 200_000, 3, "field limit"),
        ("long.tsv", b"text\tlabel\n" + b"b" * 200_000 + b"\tx", 2, "field limit"),
        ("parse.jsonl", b'{"text": "a", "label": 1}\n{"text"}\n', 2, "JSON object"),
        ("blank.jsonl", b'{"text": "a", "label": 1}\n\n{}\n', 2, "JSON object"),
        ("array.jsonl", b'[{"text": "a", "label": 1}]\n', 1, "JSON object"),
        ("two.jsonl", b'{"text": "a", "label": 1} {"text": "b"}\n', 1, "Extra data"),
        ("deep.jsonl", b"[" * 100_000, 1, "recursion"),
        ("digits.jsonl", b'{"text": "a", "label": ' + b"1" * 5000 + b"}", 1, "digits"),
        ("missing.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"}', 2, "no column"),
        ("bare.jsonl", b"{}\n", 1, "columns none"),
        ("null.jsonl", b'{"text": null, "label": 1}\n', 1, "not be empty"),
        ("nolabel.jsonl", b'{"text": "a", "label": null}\n', 1, "not be empty"),
        ("number.jsonl", b'{"text": 7, "label": 1}\n', 1, "must be a string"),
        ("list.jsonl", b'{"text": "a", "label": ["x"]}\n', 1, "a number or a boolean"),
        ("nan.jsonl", b'{"text": "a", "label": NaN}\n', 1, "a number or a boolean"),
        ("inf.jsonl", b'{"text": "a", "label": 1e999}\n', 1, "a number or a boolean"),
        ("half.jsonl", b'{"text": "\\ud83d", "label": 1}\n', 1, "surrogate"),
        ("utf8.csv", b"text,label\na,x\ncaf\xe9,y\n", 3, "UTF-8"),
        ("utf8.jsonl", b'\xef\xbb\xbf{"text": "a",\n"\xff"', 2, "UTF-8"),
        ("utf16.csv", "text,label\na,x\n".encode("utf-16"), 1, "UTF-8"),
        ("nul.csv", b"text,label\r\na,x\r\nb\0,y\r\n", 3, "NUL"),
    ],
)
def test_errors_tell_the_line(tmp_path, name, content, line, part):
    message = error_of(write_bytes(tmp_path, name, content))
    assert f"{name}, line {line}: " in message
    assert part in message
    assert len(message) < 500 + len(str(tmp_path))


# === Several labels


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'text,label\na,"x,y"\nb,\nc,"z"\n'),
        ("t.tsv", "text\tlabel\na\tx, y\nb\t\nc\tz\n"),
        (
            "t.jsonl",
            '{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n'
            '{"text": "c", "label": "z"}\n',
        ),
    ],
)
def test_several_labels(tmp_path, name, content):
    path = write_bytes(tmp_path, name, content.encode())
    examples = read_examples(path, label_separator=",")
    assert examples == TextExamples(["a", "b", "c"], [["x", "y"], [], ["z"]])


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("t.csv", b"text,label\na,x;;y\n", "line 2: 'label' must not be empty"),
        ("t.jsonl", b'{"text": "a", "label": [1]}', "must be a list of strings"),
        ("t.jsonl", b'{"text": "a", "label": null}', "must not be empty"),
        ("t.jsonl", b'{"text": "a", "label": 3}', "must be a list of strings"),
    ],
)
def test_several_labels_that_do_not_fit(tmp_path, name, content, part):
    path = write_bytes(tmp_path, name, content)
    assert part in error_of(path, label_separator=";")


def test_an_empty_separator(tmp_path):
    with pytest.raises(InputError, match="label_separator=''"):
        read_examples(tmp_path / "t.csv", label_separator="")


# === Tokens


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "tokens,tags\nNew York,I-LOC I-LOC\nyes,O\n"),
        ("t.tsv", "tokens\ttags\nNew York\tI-LOC I-LOC\nyes\tO\n"),
        (
            "t.jsonl",
            '{"tokens": ["New", "York"], "tags": ["I-LOC", "I-LOC"]}\n'
            '{"tokens": ["yes"], "tags": ["O"]}\n',
        ),
    ],
)
def test_tokens(tmp_path, name, content):
    path = write_bytes(tmp_path, name, content.encode())
    words = [["New", "York"], ["yes"]]
    assert read_tokens(path) == TokenExamples(words, [["B-LOC", "I-LOC"], ["O"]])
    assert read_tokens(path, tags_column=None) == TokenExamples(words)
    plain = read_tokens(path, "tokens", "tags", "plain")
    assert plain.tags == [["I-LOC", "I-LOC"], ["O"]]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("tokens,tags\na,O\nb c,O\n", "line 3: 'tags' must have a tag for each word"),
        ("tokens,tags\n ,O\n", "line 2: 'tokens' must have a word"),
        ("tokens,tags\na  b,O O\n", "line 2: 'tokens' must not be empty"),
        ("tokens,tags\na,O\nb,I-X\nc,B-X\n", "line 3, tag 1, 'I-X': in IOB2"),
        ("words,tags\na,O\n", "no column 'tokens'"),
        ("tokens,tags\n", "no examples"),
    ],
)
def test_tokens_that_do_not_fit(tmp_path, content, part):
    path = write_bytes(tmp_path, "t.csv", content.encode())
    assert part in error_of(path, read_tokens)


# === Choices


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("t.csv", "context,a,b,label\nc,d,e,1\nf,g,h,0\n", ["a", "b"]),
        ("t.tsv", "context\ta\tb\tlabel\nc\td\te\t1\nf\tg\th\t0\n", ["a", "b"]),
        (
            "t.jsonl",
            '{"context": "c", "choices": ["d", "e"], "label": 1}\n'
            '{"context": "f", "choices": ["g", "h"], "label": "0"}\n',
            "choices",
        ),
    ],
)
def test_choices(tmp_path, name, content, columns):
    path = write_bytes(tmp_path, name, content.encode())
    examples = read_choices(path, choices_columns=columns)
    assert examples == ChoiceExamples(["c", "f"], [["d", "e"], ["g", "h"]], [1, 0])
    unknown = read_choices(path, choices_columns=columns, label_column=None)
    assert unknown == ChoiceExamples(["c", "f"], [["d", "e"], ["g", "h"]])


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"context": "c", "choices": ["d"], "label": 0}', "two choices or more"),
        ('{"context": "c", "choices": [], "label": 0}', "two choices or more"),
        ('{"context": "c", "choices": "de", "label": 0}', "must be a list of strings"),
        ('{"context": "c", "choices": ["d", 3], "label": 0}', "a list of strings"),
        ('{"context": "c", "choices": ["d", " "], "label": 0}', "must not be empty"),
        ('{"context": "c", "choices": ["d", "e"], "label": 2}', "from 0 to 1"),
        ('{"context": "c", "choices": ["d", "e"], "label": true}', "from 0 to 1"),
        ('{"context": "c", "choices": ["d", "e"], "label": 0.0}', "from 0 to 1"),
        ('{"context": "c", "choices": ["d", "e"], "label": "x"}', "from 0 to 1"),
        ('{"context": "c", "choices": ["d", "e"]}', "no column 'label'"),
    ],
)
def test_choices_that_do_not_fit(tmp_path, content, part):
    message = error_of(write_bytes(tmp_path, "t.jsonl", content.encode()), read_choices)
    assert "line 1: " in message
    assert part in message


def test_as_many_choices_in_every_example(tmp_path):
    lines = (
        b'{"context": "c", "choices": ["d", "e"], "label": 1}\n'
        b'{"context": "c", "choices": ["d", "e", "f"], "label": 1}\n'
    )
    message = error_of(write_bytes(tmp_path, "t.jsonl", lines), read_choices)
    assert "line 2: " in message
    assert "the first, which has 2. Received: 3 choices" in message
