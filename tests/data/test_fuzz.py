"""Whatever the bytes of a file, a reader gives examples or an InputError."""

import gzip
import lzma
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import FORMATS

from keras_squeezebert.data import (
    GLUE,
    read_choices,
    read_codah,
    read_conll,
    read_documents,
    read_examples,
    read_glue,
    read_squad,
    read_swag,
    read_tokens,
)
from keras_squeezebert.errors import InputError


def documents(path, **options):
    return list(read_documents(path, **options))


def glue(path, task, split):
    return read_glue(path.parents[1], task, split)


def seed(name):
    return (FORMATS / name).read_bytes()


JSON_LINES = (
    b'{"text": "a", "label": ["x", "y"], "tokens": ["a", "b"], "tags": ["O", "B-X"],'
    b' "context": "c", "choices": ["d", "e"]}\n'
    b'{"text": "b", "label": [], "tokens": ["c"], "tags": ["O"],'
    b' "context": "c", "choices": ["d", "e"]}\n'
)

# By name: the file, the content that is mutated, and the reader.
READERS = {
    "conll": ("t.conll", seed("iob1.conll"), read_conll),
    "bioes": ("t.conll", seed("bioes.conll"), partial(read_conll, scheme="BIOES")),
    "squad": ("t.json", seed("squad-v2.0.json"), read_squad),
    "squad, repaired": (
        *("t.json", seed("squad-v1.1.json")),
        partial(read_squad, repair=True),
    ),
    "swag": ("t.csv", seed("swag.csv"), read_swag),
    "codah": ("t.tsv", seed("codah.tsv"), read_codah),
    "documents": ("t.txt", b"one\n\ntwo \xc3\xa9\n", documents),
    "documents, replaced": (
        *("t.txt", b"one\n\ntwo \xc3\xa9\n"),
        partial(documents, errors="replace", max_line_bytes=50),
    ),
    "documents, gz": ("t.txt.gz", gzip.compress(b"one\ntwo\n", mtime=0), documents),
    "documents, xz": ("t.txt.xz", lzma.compress(b"one\ntwo\n"), documents),
    "several labels": (
        *("t.jsonl", JSON_LINES),
        partial(read_examples, label_separator=","),
    ),
    "tokens": ("t.jsonl", JSON_LINES, read_tokens),
    "tokens, csv": ("t.csv", b"tokens,tags\na b,O B-X\nc,O\n", read_tokens),
    "choices": ("t.jsonl", JSON_LINES, partial(read_choices, label_column=None)),
}
for name, task in GLUE.items():
    for split, files in task.files.items():
        path = next(
            file.path for file in files if (FORMATS / "glue" / file.path).exists()
        )
        if "msr_paraphrase" not in path:  # which has another file beside it
            content = seed(f"glue/{path}")
            READERS[f"{name}, {split}"] = (
                *(path, content),
                partial(glue, task=name, split=split),
            )


def assert_read_or_refused(folder, name, content, read):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        examples = read(path)
    except InputError as error:
        assert str(path) in str(error) or str(path.parents[1]) in str(error)
        return
    assert len(examples) > 0


@st.composite
def mutations(draw, content):
    """The content with a few pieces cut, repeated, or replaced."""
    content = bytearray(content)
    pieces = st.one_of(
        st.binary(max_size=4),
        st.sampled_from(
            [b"\t", b"\n", b"\r", b'"', b",", b"\0", b"\xff", b"\xef\xbb\xbf"]
            + [b"null", b"[]", b"{}", b"-1", b"1e999", b"O", b"B-X", b"\\ud800"]
        ),
    )
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(content)))
        end = min(len(content), begin + draw(st.integers(0, 6)))
        content[begin:end] = draw(pieces) * draw(st.integers(0, 2))
    return bytes(content)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40)
@given(data=st.data())
def test_mutated_files(tmp_path_factory, name, data):
    file, content, read = READERS[name]
    mutated = data.draw(mutations(content))
    assert_read_or_refused(tmp_path_factory.mktemp("fuzz"), file, mutated, read)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=20)
@given(content=st.binary(max_size=100))
def test_random_bytes(tmp_path_factory, name, content):
    file, _, read = READERS[name]
    assert_read_or_refused(tmp_path_factory.mktemp("fuzz"), file, content, read)


@pytest.mark.parametrize("name", READERS)
def test_the_files_are_read_as_they_are(tmp_path, name):
    file, content, read = READERS[name]
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(content)
    assert len(read(tmp_path / file)) > 0
