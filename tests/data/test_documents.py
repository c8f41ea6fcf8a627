"""read_documents, read_paragraphs: lines of files, one at a time."""

import gzip
import logging
import lzma
import tracemalloc
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import error_of, written

from keras_squeezebert.data import read_documents
from keras_squeezebert.data.documents import read_paragraphs
from keras_squeezebert.errors import InputError

# The higher presets of xz need some MB to be unpacked, whatever is in them.
PACK = {
    ".txt": bytes,
    ".txt.gz": gzip.compress,
    ".txt.xz": partial(lzma.compress, preset=0),
}
TEXT = "\ufeffFirst one.\r\n\n \nZweite Ähre\u2028ends.\nLast"
DOCUMENTS = ["First one.", "Zweite Ähre\u2028ends.", "Last"]


def all_of(path, **options):
    return list(read_documents(path, **options))


def packed(folder, suffix, content, name="texts"):
    return written(folder, name + suffix, PACK[suffix](content))


@pytest.mark.parametrize("suffix", PACK)
def test_each_line_is_a_document(tmp_path, suffix):
    path = packed(tmp_path, suffix, TEXT.encode())
    assert all_of(path) == DOCUMENTS
    assert all_of(str(path)) == DOCUMENTS


def test_several_files_in_their_order(tmp_path):
    paths = [packed(tmp_path, suffix, TEXT.encode()) for suffix in PACK]
    assert all_of(paths[::-1]) == DOCUMENTS * 3


@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n\ufeff")
        ).filter(str.strip),
        min_size=1,
        max_size=8,
    )
)
def test_what_was_written_comes_back(tmp_path_factory, documents):
    content = "\n".join(documents).encode()
    folder = tmp_path_factory.mktemp("documents")
    for suffix in PACK:
        assert all_of(packed(folder, suffix, content)) == documents


texts_of_lines = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n\ufeff")
)
files_of_documents = st.lists(
    st.lists(
        st.lists(texts_of_lines.filter(str.strip), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=3,
)
blank_lines = st.lists(st.sampled_from(["\n", " \n", "\t\u3000\n", "\r\n"]), min_size=1)


@given(files=files_of_documents, data=st.data())
def test_blank_lines_and_files_part_documents(tmp_path_factory, files, data):
    folder = tmp_path_factory.mktemp("paragraphs")
    paths, expected, number = [], [], 0
    for documents in files:
        content = data.draw(st.sampled_from(["", "\n", "\ufeff"]))
        for lines in documents:
            content += "".join(line + "\n" for line in lines)
            content += "".join(data.draw(blank_lines))
            expected += [(number, line) for line in lines]
            number += 1
        paths.append(packed(folder, ".txt", content.encode(), str(len(paths))))
    assert list(read_paragraphs(paths)) == expected
    assert list(read_documents(paths)) == [line for _, line in expected]


def test_documents_end_with_their_file(tmp_path):
    """With a line break after the last line, without one, and after blank lines."""
    contents = ["a\nb", "c\n", "\n\nd\n\n\ne\n\n", "f"]
    paths = [
        packed(tmp_path, ".txt", content.encode(), str(number))
        for number, content in enumerate(contents)
    ]
    expected = [(0, "a"), (0, "b"), (1, "c"), (2, "d"), (3, "e"), (4, "f")]
    assert list(read_paragraphs(paths)) == expected


def test_paragraphs_are_refused_as_documents_are(tmp_path):
    """Before any is read: files and options; while it is read: lines."""
    path = written(tmp_path, "t.txt", b"one\n\nno\0text\n")
    assert "no such file" in error_of(read_paragraphs, [path, "b.txt"], names="b.txt")
    with pytest.raises(InputError, match="errors='ignore'"):
        read_paragraphs(path, errors="ignore")
    paragraphs = read_paragraphs(path)
    assert next(paragraphs) == (0, "one")
    with pytest.raises(InputError, match="line 3: save the file as UTF-8"):
        next(paragraphs)
    replaced = list(read_paragraphs(path, errors="replace"))
    assert replaced == [(0, "one"), (1, "no\ufffdtext")]


@pytest.mark.parametrize("suffix", PACK)
def test_a_large_file_is_not_held(tmp_path, suffix):
    lines = (b"word " * 20 + b"\n") * 40_000  # 4 MB
    path = packed(tmp_path, suffix, lines)
    del lines
    tracemalloc.start()
    count = sum(1 for _ in read_documents(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 1e6


def test_a_long_line_is_read_whole_or_refused_without_being_held(tmp_path):
    path = packed(tmp_path, ".txt.xz", b"short\n" + b"a" * 10_000_000 + b"\nafter\n")
    assert [len(text) for text in read_documents(path)] == [5, 10_000_000, 5]
    tracemalloc.start()
    message = error_of(all_of, path, max_line_bytes=10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"{path}, line 2: expected lines of at most 10,000 bytes" in message
    assert len(message) < 400 + len(str(path))
    assert peak < 1e6


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_length_of_a_line_is_without_its_end(tmp_path, end):
    path = written(tmp_path, "t.txt", f"abcd{end}")
    assert all_of(path, max_line_bytes=4) == ["abcd"]
    assert "line 1" in error_of(all_of, path, max_line_bytes=3)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"one\n\ncaf\xe9\n", "line 3: save the file as UTF-8"),
        (b"one\ntw\0\n", "line 2: save the file as UTF-8"),
        ("one\ntwo\n".encode("utf-16"), "line 1: save the file as UTF-8"),
    ],
)
def test_what_is_not_utf8(tmp_path, content, part, caplog):
    path = written(tmp_path, "t.txt", content)
    documents = read_documents(path)
    with pytest.raises(InputError, match=part):
        list(documents)


def test_replacing_is_counted(tmp_path, caplog):
    path = written(tmp_path, "t.txt", b"one\ncaf\xe9 \xff\n\xef\xbf\xbd\nnu\0l\n")
    with caplog.at_level(logging.WARNING):
        documents = all_of(path, errors="replace")
    assert documents == ["one", "caf\ufffd \ufffd", "\ufffd", "nu\ufffdl"]
    (record,) = caplog.records
    assert "in 2 lines of 4" in record.getMessage()


@pytest.mark.parametrize("suffix", [".txt.gz", ".txt.xz"])
@pytest.mark.parametrize("damage", ["cut", "other", "empty", "after"])
def test_packed_files_that_are_not_whole(tmp_path, suffix, damage):
    whole = PACK[suffix](b"a line of words\n" * 10_000)
    content = {
        "cut": whole[: len(whole) // 2],
        "other": b"plain text\n",
        "empty": b"",
        "after": whole + b"more",
    }[damage]
    path = written(tmp_path, f"t{suffix}", content)
    assert "line " in error_of(all_of, path) or damage == "empty"


def test_files_are_checked_before_any_is_read(tmp_path):
    good = written(tmp_path, "good.txt", "a\n")
    assert "no such file" in error_of(
        read_documents, [good, tmp_path / "b.txt"], names="b.txt"
    )
    (tmp_path / "c.txt").mkdir()
    assert "a folder" in error_of(read_documents, tmp_path / "c.txt")
    for name in ("t.csv", "t.gz", "t.txt.bz2", "t", "txt"):
        path = written(tmp_path, name, "a\n")
        assert "'.txt', '.txt.gz', '.txt.xz'" in error_of(read_documents, path)


@pytest.mark.parametrize("content", ["", "\n\n", " \n\t\n", "\ufeff"])
def test_no_documents(tmp_path, content):
    assert "at least one" in error_of(all_of, written(tmp_path, "t.txt", content))


def test_options():
    with pytest.raises(InputError, match="errors='ignore'"):
        read_documents("t.txt", errors="ignore")
    with pytest.raises(InputError, match="max_line_bytes=0"):
        read_documents("t.txt", max_line_bytes=0)
    with pytest.raises(InputError, match="a file at least"):
        read_documents([])
