"""A cache has every piece of its corpus once and in order, whatever interrupts it."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from functools import partial
from pathlib import Path
from unittest import mock

import filelock
import numpy as np
import pytest
from generated import texts
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.errors import InputError
from keras_squeezebert.pretraining import cache as cache_module
from keras_squeezebert.pretraining.cache import MANIFEST, TokenCache
from keras_squeezebert.pretraining.sentences import split_sentences

TOKENIZER = SqueezeBertTokenizerFast()
ROOT = Path(__file__).parents[2]
ARRAYS = ("ids", "sentence_ends", "document_ends")
# Documents of paragraphs, of one sentence or several.
DOCUMENTS = [
    ["A title", "It is short. It has unaffable words!", "“Quoted.” And more."],
    ["Another document."],
    [f"Line {number} of a long one. Nothing more." for number in range(9)],
    ["The last."],
]


def written(path, documents):
    path.write_text("\n\n".join("\n".join(lines) for lines in documents) + "\n")
    return path


def write(folder, paths=None, tokenizer=TOKENIZER, chunk_lines=2, **options):
    """A cache of some documents, in chunks of so few lines that there are several."""
    paths = paths or [written(folder.with_suffix(".txt"), DOCUMENTS)]
    options = {"shard_tokens": 20, **options}
    with mock.patch.object(cache_module, "_CHUNK_LINES", chunk_lines):
        return TokenCache.write(folder, paths, tokenizer, **options)


def sentences_of(cache):
    """The pieces of each sentence."""
    return [
        part.tolist()
        for shard in cache.shards
        for part in np.split(shard.ids, shard.sentence_ends[:-1])
        if len(shard.ids)
    ]


def document_ends(cache):
    """As sentences of all shards; and which of these are where a shard ends."""
    before = np.cumsum([0] + [len(shard.sentence_ends) for shard in cache.shards])
    ends = [
        end + shard.document_ends
        for end, shard in zip(before, cache.shards, strict=False)
    ]
    return np.concatenate(ends).tolist(), before[1:].tolist()


def contents(folder):
    """All files but the lock."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"
    }


def assert_rejected(action, match):
    with pytest.raises(InputError, match=match) as caught:
        action()
    assert "Received: " in str(caught.value)
    assert "\n" not in str(caught.value)


# === What is in it


def expected(documents):
    """Sentences, and where documents end, by the tokenizer for each sentence alone."""
    sentences, ends = [], []
    for lines in documents:
        for sentence in itertools.chain(*map(split_sentences, lines)):
            ids = TOKENIZER(sentence, truncation=False)["input_ids"][0, 1:-1].tolist()
            if ids:
                sentences.append(ids)
        if len(sentences) > (ends[-1] if ends else 0):
            ends.append(len(sentences))
    return sentences, ends


lines = st.one_of(
    texts, st.lists(texts, min_size=2, max_size=4).map(". The ".join)
).map(lambda text: text.replace("\x00", "").replace("\n", " ").replace("\r", " "))
files = st.lists(
    st.lists(
        st.lists(lines.filter(str.strip), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40)
@given(
    files=files,
    line=st.sampled_from(["paragraph", "document"]),
    shard_tokens=st.sampled_from([1, 30, 1000]),
    chunk_lines=st.integers(1, 4),
)
def test_every_piece_once_and_in_order(
    tmp_path_factory, files, line, shard_tokens, chunk_lines
):
    documents = [document for file in files for document in file]
    if line == "document":
        documents = [[text] for document in documents for text in document]
    sentences, ends = expected(documents)
    folder = tmp_path_factory.mktemp("cache")
    paths = [
        written(folder / f"{number}.txt", file) for number, file in enumerate(files)
    ]

    def made():
        options = {"line": line, "shard_tokens": shard_tokens}
        return write(folder / "cache", paths, chunk_lines=chunk_lines, **options)

    if not sentences:
        assert_rejected(made, "must have text")
        return
    cache = made()
    assert sentences_of(cache) == sentences
    # In which a shard ends, a document ends as well.
    found, shard_ends = document_ends(cache)
    assert set(found) - set(ends) <= set(shard_ends)
    assert set(ends) <= set(found)
    assert found == sorted(set(found))
    assert cache.counts == {
        "tokens": sum(map(len, sentences)),
        "sentences": len(sentences),
        "documents": len(found),
    }
    shard_sizes = [len(shard.ids) for shard in cache.shards[:-1]]
    assert all(size >= shard_tokens for size in shard_sizes)


def test_several_shards_are_one(tmp_path):
    many = write(tmp_path / "many", shard_tokens=1)
    one = write(tmp_path / "one", shard_tokens=10**6)
    whole = write(tmp_path / "whole", shard_tokens=10**6, chunk_lines=10**6)
    assert len(many.shards) == 7
    assert len(one.shards) == len(whole.shards) == 1
    assert sentences_of(many) == sentences_of(one) == sentences_of(whole)
    assert document_ends(one) == document_ends(whole)


def test_documents(tmp_path):
    """Blank lines and files part them; lines without pieces do neither."""
    first = tmp_path / "first.txt"
    first.write_text("a b\n\x07\nc. D\n\n\n\x07\n\nd\n")
    second = tmp_path / "second.txt"
    second.write_text("e\n\n\x07\nf\n")
    options = {"paths": [first, second], "shard_tokens": 100}
    cache = write(tmp_path / "paragraphs", **options)
    (shard,) = cache.shards
    assert shard.sentence_ends.tolist() == [2, 4, 5, 6, 7, 8]
    assert shard.document_ends.tolist() == [3, 4, 5, 6]
    cache = write(tmp_path / "documents", line="document", **options)
    assert cache.shards[0].document_ends.tolist() == [1, 3, 4, 5, 6]
    # One file alone may be named alone.
    alone = write(tmp_path / "alone", paths=str(first))
    assert alone.counts == {"tokens": 6, "sentences": 4, "documents": 2}


def large_tokenizer(size):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [f"word{number}" for number in range(size - len(tokens))]
    return SqueezeBertTokenizerFast([*tokens, *words])


@pytest.mark.parametrize(
    ("size", "dtype"), [(2**16, "uint16"), (2**16 + 1, "int32")], ids=str
)
def test_pieces_are_as_small_as_the_vocabulary_allows(tmp_path, size, dtype):
    tokenizer = large_tokenizer(size)
    last = tokenizer.vocabulary[-1]
    path = written(tmp_path / "t.txt", [[last, "word0"]])
    (shard,) = write(tmp_path / "cache", [path], tokenizer).shards
    assert shard.ids.dtype == dtype
    assert shard.ids.tolist() == [size - 1, 5]


def test_lines_that_are_books_are_not_held_together(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("word word\n" * 10)
    tokenised = []

    def pieces(tokenizer, texts):
        tokenised.append(len(texts))
        return cache_module_pieces(tokenizer, texts)

    cache_module_pieces = cache_module.word_pieces
    with (
        mock.patch.object(cache_module, "word_pieces", pieces),
        mock.patch.object(cache_module, "_CHUNK_CHARACTERS", 27),
    ):
        cache = TokenCache.write(tmp_path / "cache", path, TOKENIZER)
    assert tokenised == [3, 3, 3, 1]
    assert cache.counts["tokens"] == 20


# === Interrupted


class Interrupt(Exception):
    pass


def interrupt_at(call):
    calls = itertools.count(1)

    def progress(tokens):
        if next(calls) == call:
            raise Interrupt

    return progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A cache that nothing interrupted, and the tokens of which it told."""
    folder = tmp_path_factory.mktemp("whole") / "cache"
    seen = []
    cache = write(folder, progress=seen.append)
    return cache, seen


def test_progress_tells_all_tokens(whole):
    cache, seen = whole
    assert len(cache.shards) == 6
    assert seen == sorted(seen) and len(seen) == 7
    assert seen[-1] == cache.counts["tokens"]


@pytest.mark.parametrize("call", range(1, 8))
def test_it_goes_on_where_it_was(whole, tmp_path, call):
    cache, seen = whole
    folder = tmp_path / "cache"
    with pytest.raises(Interrupt):
        write(folder, progress=interrupt_at(call))
    if (folder / MANIFEST).exists():
        assert_rejected(lambda: TokenCache(folder, TOKENIZER), "not complete")
    sizes = np.cumsum([0] + [len(shard.ids) for shard in cache.shards])
    before = max(size for size in sizes if size <= seen[call - 1])
    if before == seen[call - 1]:  # the shard is written after the call
        before = sizes[list(sizes).index(before) - 1]
    again = []
    write(folder, progress=again.append)
    # Complete shards are not tokenised again.
    assert again == [tokens for tokens in seen if tokens > before]
    assert contents(folder) == contents(cache.folder)


def test_a_complete_cache_is_not_written_again(whole, tmp_path):
    folder = tmp_path / "cache"
    write(folder)
    seen = []
    cache = write(folder, progress=seen.append)
    assert not seen
    assert sentences_of(cache) == sentences_of(whole[0])


# Python announces what it does to audit hooks: the child kills itself at the n-th
# rename, of which each shard has four, for three arrays and the manifest.
KILLED = """
    import os, signal, sys
    from keras_squeezebert import SqueezeBertTokenizerFast
    from keras_squeezebert.pretraining import cache
    renames = 0
    def kill(event, arguments):
        global renames
        if event == "os.rename":
            renames += 1
            if renames == {number}:
                os.kill(os.getpid(), signal.SIGKILL)
    cache._CHUNK_LINES = 2
    sys.addaudithook(kill)
    cache.TokenCache.write(
        {folder!r}, {path!r}, SqueezeBertTokenizerFast(), shard_tokens=20
    )
"""


def test_kills(whole, tmp_path):
    """In the second shard, and before the manifest tells of the third."""
    folder = tmp_path / "cache"
    path = written(tmp_path / "cache.txt", DOCUMENTS)
    for number, shards in [(6, 1), (8, 2)]:
        script = textwrap.dedent(KILLED).format(
            number=number, folder=str(folder), path=str(path)
        )
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, cwd=ROOT
        )
        assert result.returncode == -signal.SIGKILL, result.stderr.decode()
        manifest = json.loads((folder / MANIFEST).read_text())
        assert (len(manifest["shards"]), manifest["complete"]) == (shards, False)
        assert list(folder.glob(".*"))  # the draft
    write(folder)
    assert contents(folder) == contents(whole[0].folder)


def test_two_processes(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    with filelock.FileLock(folder / "lock"):
        assert_rejected(lambda: write(folder), "another process is at it")
    assert not (folder / MANIFEST).exists()
    write(folder)


# === A full disk


@contextlib.contextmanager
def files_of_at_most(size):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FULL = {
    # Of a small file its header fits, and the rest does not.
    "in an array": lambda: files_of_at_most(140),
    "at an array": lambda: mock.patch.object(np, "save", full),
    "at the flush": lambda: mock.patch.object(os, "fsync", full),
    "at the manifest": lambda: mock.patch.object(cache_module, "write_json", full),
}


@pytest.mark.parametrize("kind", FULL)
def test_a_full_disk(whole, tmp_path, kind):
    """The command line tells of an OSError in a line; what was there stays whole."""
    folder = tmp_path / "cache"
    with pytest.raises(Interrupt):
        write(folder, progress=interrupt_at(4))
    before = contents(folder)
    assert before
    with FULL[kind](), pytest.raises(OSError):
        write(folder)
    after = contents(folder)
    assert after.items() >= before.items()
    assert not [name for name in after if name.startswith(".")]
    write(folder)
    assert contents(folder) == contents(whole[0].folder)


# === Damage


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of a whole cache, to be damaged."""
    shutil.copytree(whole[0].folder, tmp_path / "cache")
    return tmp_path / "cache"


def edit(folder, change):
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def incomplete(manifest):
    """As of a run that was killed after the shard that is damaged."""
    manifest["complete"] = False
    del manifest["shards"][2:]


def assert_damaged(folder, match="damaged"):
    """To be read, and to be gone on with."""
    assert_rejected(lambda: TokenCache(folder, TOKENIZER), match)
    edit(folder, incomplete)
    seen = []
    assert_rejected(lambda: write(folder, progress=seen.append), match)
    assert not seen


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("damage", ["first", "middle", "last", "cut", "gone", "folder"])
def test_damaged_arrays(folder, name, damage):
    path = folder / f"00001.{name}.npy"
    content = bytearray(path.read_bytes())
    places = {"first": 0, "middle": len(content) // 2, "last": -1}
    if damage in places:
        content[places[damage]] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    if damage == "folder":
        path.mkdir()
    assert_damaged(
        folder, rf"shard of the cache is damaged.*{folder}, shard 1: .*1\.{name}\.npy"
    )


def replaced(folder, name, content, number=1):
    """With a checksum that is right."""
    (folder / f"{number:05d}.{name}.npy").write_bytes(content)

    def change(manifest):
        digest = hashlib.sha256(content).hexdigest()
        manifest["shards"][number][name]["sha256"] = digest

    edit(folder, change)


def saved(folder, array, allow_pickle=False):
    np.save(folder.parent / "array.npy", array, allow_pickle=allow_pickle)
    return (folder.parent / "array.npy").read_bytes()


VALUES = {
    "floats": ("ids", lambda a: a.astype("float32")),
    "wider": ("ids", lambda a: a.astype("int32")),
    "other bytes first": ("ids", lambda a: a.astype(">u2")),
    "two dimensions": ("ids", lambda a: a[:, None]),
    "no dimension": ("ids", lambda a: a[0]),
    "fewer": ("ids", lambda a: a[:-1]),
    "more": ("ids", lambda a: np.append(a, a[:1])),
    "no pieces": ("ids", lambda a: np.full_like(a, 30528)),
    "sentences of int32": ("sentence_ends", lambda a: a.astype("int32")),
    "an empty sentence": ("sentence_ends", lambda a: np.insert(a, 1, a[0])),
    "an empty first sentence": ("sentence_ends", lambda a: np.insert(a, 0, 0)),
    "sentences that end before": ("sentence_ends", lambda a: np.insert(a, 0, -3)),
    "sentences that fall": ("sentence_ends", lambda a: np.append(a[::-1], a[-1])),
    # Their differences are more than int64 has, and seem to rise.
    "sentences far away": (
        "sentence_ends",
        lambda a: np.array([2**62, -(2**63), -(2**62), a[-1]]),
    ),
    "tokens of no sentence": ("sentence_ends", lambda a: a[:-1]),
    "sentences of no tokens": ("sentence_ends", lambda a: np.append(a, a[-1] + 1)),
    "no sentences": ("sentence_ends", lambda a: a[:0]),
    "documents of no sentences": ("document_ends", lambda a: a + 1),
    "no documents": ("document_ends", lambda a: a[:0]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_cannot_be(folder, kind):
    name, change = VALUES[kind]
    array = np.load(folder / f"00001.{name}.npy")
    replaced(folder, name, saved(folder, change(array)))
    assert_damaged(folder, "shard of the cache is damaged.*shard 1: ")


def test_a_piece_below_all(tmp_path):
    """Of int32, as a large vocabulary has them."""
    tokenizer = large_tokenizer(2**16 + 1)
    path = written(tmp_path / "t.txt", [["word0 word1"]])
    folder = tmp_path / "cache"
    write(folder, [path], tokenizer)
    replaced(folder, "ids", saved(folder, np.array([5, -1], "int32")), number=0)
    assert_rejected(lambda: TokenCache(folder, tokenizer), "that the vocabulary does")


HEADERS = {
    "no array": b"PK\x03\x04 an archive, or so it seems",
    "empty": b"",
    "no such size": "{'descr': '<u2', 'fortran_order': False, 'shape': (2**62,)}",
    "far more": f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({10**30},)}}",
    "much more": f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({2**50},)}}",
    "negative": "{'descr': '<u2', 'fortran_order': False, 'shape': (-1,)}",
    "not closed": "{'descr': (((",
    "nested": "(" * 5000,
    "an expression": "__import__('os').abort()",
    "bad dtype": "{'descr': 'nothing', 'fortran_order': False, 'shape': (1,)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_are_none(folder, kind):
    header = HEADERS[kind]
    if isinstance(header, str):
        header = header.encode() + b"\n"
        header = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    replaced(folder, "ids", header)
    assert_damaged(folder, "shard of the cache is damaged.*shard 1: ")


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_no_code_is_run(folder, tmp_path):
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(Bomb(str(trace)))).close()
    assert trace.exists()  # it works
    trace.unlink()
    array = np.array([Bomb(str(trace))], object)
    replaced(folder, "ids", saved(folder, array, allow_pickle=True))
    assert_damaged(folder, "shard of the cache is damaged")
    assert not trace.exists()


JUNK = [None, True, 1e30, 10**30, -1, 3.0, "x", "../00001", [], ["x"], {}, {"x": 1}]
PLACES = [
    *[("format",), ("tokenizer",), ("corpus",), ("shards",), ("complete",)],
    *[("shards", 1), ("shards", 1, "number"), ("shards", 1, "lines")],
    *[("shards", 1, "tokens"), ("shards", 1, "ids"), ("shards", 1, "ids", "sha256")],
]


def with_value(folder, place, value):
    """Puts it there; whether it is what was there before."""

    def change(manifest):
        *outer, last = place
        for key in outer:
            manifest = manifest[key]
        before = manifest[last]
        same.append(
            before == value and (last == "format" or type(before) is type(value))
        )
        manifest[last] = value

    same = []
    edit(folder, change)
    return same[0]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_junk_in_the_manifest(folder, place):
    before = (folder / MANIFEST).read_text()
    for value in JUNK:
        (folder / MANIFEST).write_text(before)
        if place == ("corpus",) and isinstance(value, dict):
            match = "another corpus"  # which only the writer knows
            assert not with_value(folder, place, value)
            TokenCache(folder, TOKENIZER)
            assert_rejected(lambda: write(folder), match)
        elif not with_value(folder, place, value):
            match = "damaged|another version|another vocabulary"
            assert_rejected(lambda: TokenCache(folder, TOKENIZER), match)
            assert_rejected(lambda: write(folder), match)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff", b"9" * 9999, b"[" * 9999]
)
def test_no_manifest(folder, content):
    (folder / MANIFEST).write_bytes(content)
    for action in (
        lambda: write(folder),
        lambda: TokenCache(folder, TOKENIZER),
    ):
        with pytest.raises(InputError, match=MANIFEST):
            action()


def test_other_tokens_than_the_manifest_tells(folder):
    (tokens,) = np.load(folder / "00001.ids.npy").shape
    with_value(folder, ("shards", 1, "tokens"), tokens + 1)
    assert_damaged(folder, f"shard 1: {tokens} tokens, not {tokens + 1}")


def test_shards_in_another_order(folder):
    edit(folder, lambda manifest: manifest["shards"].reverse())
    assert_damaged(folder, "damaged.*shard 0 as ")


def test_more_lines_than_the_corpus(folder):
    with_value(folder, ("shards", 1, "lines"), 1000)
    edit(folder, incomplete)
    assert_rejected(lambda: write(folder), "damaged.*more than the corpus has")


def test_no_cache(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        TokenCache(tmp_path / "nothing", TOKENIZER)


# === Another one


def test_another_tokenizer(folder):
    others = [
        SqueezeBertTokenizerFast(do_lower_case=False),
        SqueezeBertTokenizerFast(strip_accents=False),
        SqueezeBertTokenizerFast(TOKENIZER.vocabulary[:-1]),
        SqueezeBertTokenizerFast([*TOKENIZER.vocabulary[:-1], "otherwise!"]),
    ]
    for other in others:
        for action in (TokenCache, write):
            assert_rejected(
                partial(action, folder, tokenizer=other), "another vocabulary"
            )
    # It cuts texts, and a cache has none that are cut.
    TokenCache(folder, SqueezeBertTokenizerFast(model_max_length=8))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"line": "document"}, "line"),
        ({"shard_tokens": 21}, "shard_tokens"),
        ({"files": "one"}, "files"),
        ({"files": "swapped"}, "files"),
        ({"files": "changed"}, "files"),
        ({"files": "changed", "line": "document"}, "files, line"),
    ],
    ids=str,
)
def test_another_corpus(tmp_path, change, name):
    paths = [
        written(tmp_path / "a.txt", DOCUMENTS),
        written(tmp_path / "b.txt", DOCUMENTS[1:]),
    ]
    folder = tmp_path / "cache"
    write(folder, paths)
    before = contents(folder)
    options = dict(change)
    files = options.pop("files", None)
    if files == "changed":
        written(paths[0], [["other"], *DOCUMENTS[1:]])
    paths = {"one": paths[:1], "swapped": paths[::-1]}.get(files, paths)
    assert_rejected(
        lambda: write(folder, paths, **options), f"another corpus.*with other {name}$"
    )
    assert contents(folder) == before


# === Bad corpora


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "at least one"),
        (b"\n \n", "at least one"),
        (b"\x07\n", "must have text"),
        (b"text\nno\0text\n", "line 2: .*NUL"),
        (b"text\n" + bytes(range(1, 256)), "line 3: .*UTF-8"),
    ],
)
def test_corpora_that_are_none(tmp_path, content, part):
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    for _ in range(2):  # nothing is left of the first one that seems done
        assert_rejected(lambda: write(tmp_path / "cache", [path]), part)


def test_binary_junk_can_be_replaced(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(np.random.default_rng(0).bytes(10_000))
    cache = write(tmp_path / "cache", [path], errors="replace")
    assert cache.counts["tokens"] > 1000


def test_a_corpus_that_is_bad_further_on(tmp_path):
    """Is mended, which makes it another one; or read with replacements."""
    path = tmp_path / "t.txt"
    path.write_bytes(b"a good line\n" * 50 + b"\xff\n")
    folder = tmp_path / "cache"
    assert_rejected(lambda: write(folder, [path]), "line 51")
    seen = []
    cache = write(folder, [path], errors="replace", progress=seen.append)
    assert seen[0] > 100  # it goes on
    assert cache.counts["tokens"] == 150  # of U+FFFD the tokenizer makes none


def test_a_line_without_end(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"text\n")
    os.truncate(path, 10**8)
    tracemalloc.start()
    assert_rejected(lambda: write(tmp_path / "cache", [path]), "line 2: .*at most")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6e7  # the longest line that is read, and no more


def test_a_long_line(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("word " * 2**17 + "x" * 2**17)
    (shard,) = write(tmp_path / "cache", [path]).shards
    (word,) = TOKENIZER.convert_tokens_to_ids(["word"])
    assert shard.ids.tolist() == [word] * 2**17 + [TOKENIZER.unk_token_id]
    assert shard.sentence_ends.tolist() == [2**17 + 1]


@pytest.mark.parametrize("paths", [[], ["nothing.txt"], ["t.csv"], ["t.txt", "no.txt"]])
def test_files_that_are_none(tmp_path, paths):
    for name in ("t.txt", "t.csv"):
        (tmp_path / name).write_text("text\n")
    folder = tmp_path / "cache"
    with pytest.raises(InputError, match="Received: "):
        TokenCache.write(folder, [tmp_path / path for path in paths], TOKENIZER)
    assert not folder.exists()


@pytest.mark.parametrize(
    "option", [{"line": "sentence"}, {"shard_tokens": 0}, {"errors": "ignore"}], ids=str
)
def test_options(tmp_path, option):
    (name,) = option
    assert_rejected(lambda: write(tmp_path / "cache", **option), f"Received: {name}=")
    assert not (tmp_path / "cache").exists()
