"""TokenCache: a corpus as word pieces, in shards that are mapped into memory."""

import dataclasses
import hashlib
import itertools
import json
import os
import reprlib
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from keras_squeezebert.data.documents import read_paragraphs
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file, read_json, write_json
from keras_squeezebert.pretraining.sentences import split_sentences
from keras_squeezebert.tasks.pieces import word_pieces
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.training.lock import used_alone

MANIFEST = "cache.json"
_FORMAT = 1
_ARRAYS = ("ids", "sentence_ends", "document_ends")
# Lines that are tokenised together: so many, or fewer of so many characters, for a
# line can be a whole book.
_CHUNK_LINES, _CHUNK_CHARACTERS = 2048, 2**24
# More than any corpus has; what counts lines takes no number of any size.
_MOST = 2**48
# What reading an array raises: TokenError where its header is no Python.
_DAMAGED = (OSError, ValueError, OverflowError, MemoryError, tokenize.TokenError)
_REMEDY = "Remove the folder and write it again."


@dataclass(frozen=True, eq=False)
class Shard:
    """A part of a corpus. A document that it ends in begins anew in the next one.

    Args:
        ids: Word pieces, uint16, or int32 where the vocabulary is larger; (pieces,).
        sentence_ends: The piece after the last one of each sentence, int64
            (sentences,).
        document_ends: The sentence after the last one of each document, int64
            (documents,).
    """

    ids: np.ndarray
    sentence_ends: np.ndarray
    document_ends: np.ndarray


class TokenCache:
    """The word pieces of a corpus, by sentences and documents; no `[CLS]` or `[SEP]`.

    Args:
        folder: What :meth:`write` made.
        tokenizer: The one that it was made with.

    Attributes:
        shards: The `Shard`s, whose arrays are read from the files as they are used.

    Raises:
        InputError: The folder is no cache, is not complete or damaged, or of another
            tokenizer.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> text = folder / "texts.txt"
        >>> _ = text.write_text("One sentence. Another.\\n\\nThe second document.\\n")
        >>> cache = TokenCache.write(
        ...     folder / "cache", [text], SqueezeBertTokenizerFast()
        ... )
        >>> cache.counts
        {'tokens': 9, 'sentences': 3, 'documents': 2}
        >>> cache.shards[0].sentence_ends.tolist()
        [3, 5, 9]
    """

    def __init__(self, folder: str | os.PathLike, tokenizer: SqueezeBertTokenizerFast):
        self.folder = Path(folder)
        manifest = read_json(self.folder / MANIFEST)
        _check_manifest(self.folder, manifest, tokenizer)
        if not manifest["complete"]:
            raise InputError(
                "The cache is not complete. Write it again with the same corpus, which "
                f"goes on where it stopped. Received: {self.folder}"
            )
        self.shards = _read_shards(self.folder, manifest, tokenizer)

    @property
    def counts(self) -> dict[str, int]:
        """How many tokens, sentences and documents there are."""
        return {
            name: sum(len(getattr(shard, array)) for shard in self.shards)
            for name, array in zip(
                ("tokens", "sentences", "documents"), _ARRAYS, strict=True
            )
        }

    @classmethod
    def write(
        cls,
        folder: str | os.PathLike,
        paths: Sequence[str | os.PathLike],
        tokenizer: SqueezeBertTokenizerFast,
        *,
        line: Literal["paragraph", "document"] = "paragraph",
        errors: str = "strict",
        shard_tokens: int = 2**23,
        waits: bool = False,
        progress: Callable[[int], Any] = lambda tokens: None,
    ) -> "TokenCache":
        """Tokenises files; what an earlier call has done of it is not done again.

        Args:
            folder: Made if it does not exist. One process at a time writes it.
            paths: Of the corpus, see `keras_squeezebert.data.read_paragraphs`.
            tokenizer: A `SqueezeBertTokenizerFast`.
            line: What a line of the files is: a paragraph, of documents with blank
                lines between them; or a document.
            errors: As in `read_paragraphs`.
            shard_tokens: About how many are in a shard.
            waits: Whether to wait for another process that writes the folder.
            progress: Called with the number of tokens that are done, now and then.

        Raises:
            InputError: A file cannot be read; the folder is in use and not waited for,
                or has the cache of another corpus or tokenizer.
            OSError: The folder cannot be written to, or the disk is full.
        """
        if line not in ("paragraph", "document"):
            raise InputError(
                f"`line` must be 'paragraph' or 'document'. Received: line={line!r}"
            )
        if shard_tokens < 1:
            raise InputError(
                f"`shard_tokens` must be positive. Received: {shard_tokens=}"
            )
        paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        lines = read_paragraphs(paths, errors)
        corpus = {
            "files": [_described(path) for path in paths],
            "line": line,
            "shard_tokens": shard_tokens,
        }
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with used_alone(folder, "tokenisation", waits=waits):
            manifest = _begun(folder, corpus, tokenizer)
            if not manifest["complete"]:
                _write_shards(folder, manifest, lines, tokenizer, progress)
        return cls(folder, tokenizer)


# === The manifest


def _described(path):
    try:
        return {"name": Path(path).name, "sha256": _digest(path)}
    except OSError as error:
        raise InputError(f"The corpus cannot be read. Received: {error}") from None


def _begun(folder, corpus, tokenizer):
    """The manifest of what an earlier run has done, or of nothing."""
    if not (folder / MANIFEST).exists():
        return {
            "format": _FORMAT,
            "tokenizer": tokenizer_digest(tokenizer),
            "corpus": corpus,
            "shards": [],
            "complete": False,
        }
    manifest = read_json(folder / MANIFEST)
    _check_manifest(folder, manifest, tokenizer)
    if manifest["corpus"] != corpus:
        others = [
            name for name in corpus if manifest["corpus"].get(name) != corpus[name]
        ]
        raise InputError(
            "The folder has the cache of another corpus. Choose another folder, or "
            f"remove this one. Received: {folder}, with other {', '.join(others)}"
        )
    return manifest


def tokenizer_digest(tokenizer: SqueezeBertTokenizerFast) -> str:
    """Of all by which the tokenizer finds its pieces."""
    options = dataclasses.asdict(tokenizer.options)
    del options["model_max_length"]  # which cuts, and parts nothing
    content = "\n".join([*tokenizer.vocabulary, json.dumps(options)])
    return hashlib.sha256(content.encode()).hexdigest()


def _check_manifest(folder, manifest, tokenizer):
    path = folder / MANIFEST
    if manifest.get("format") != _FORMAT:
        raise InputError(
            f"{path} is of another version of this package. Received: "
            f"format={manifest.get('format')!r}, not {_FORMAT}"
        )
    expected = {"tokenizer": str, "corpus": dict, "shards": list, "complete": bool}
    for name, kind in expected.items():
        if not isinstance(manifest.get(name), kind):
            raise InputError(f"{path} is damaged. {_REMEDY} Received: no `{name}`")
    for number, entry in enumerate(manifest["shards"]):
        if not _is_entry(entry, number):
            raise InputError(
                f"{path} is damaged. {_REMEDY} Received: shard {number} as "
                f"{reprlib.repr(entry)}"
            )
    if manifest["complete"] and not _tokens(manifest):
        raise InputError(f"{path} is damaged. {_REMEDY} Received: no tokens")
    if manifest["tokenizer"] != tokenizer_digest(tokenizer):
        raise InputError(
            "The cache was made with another vocabulary, or other options of the "
            "tokenizer. Make one for this tokenizer in another folder. Received: "
            f"{folder}"
        )


def _tokens(manifest):
    return sum(entry["tokens"] for entry in manifest["shards"])


def _is_entry(entry, number):
    """Whether it is what `_Builder.written` gives for the shard of this number."""
    if not isinstance(entry, dict) or entry.get("number") != number:
        return False
    counts = [entry.get(name) for name in ("number", "lines", "tokens")]
    digests = [entry.get(name) for name in _ARRAYS]
    return all(type(count) is int and 0 <= count < _MOST for count in counts) and all(
        isinstance(digest, dict) and isinstance(digest.get("sha256"), str)
        for digest in digests
    )


# === The shards


def _path(folder, number, name):
    return folder / f"{number:05d}.{name}.npy"


def _dtypes(tokenizer):
    ids = "uint16" if tokenizer.vocab_size <= 2**16 else "int32"
    return dict(zip(_ARRAYS, (ids, "int64", "int64"), strict=True))


def _read_shards(folder, manifest, tokenizer):
    """The shards that a manifest tells of, after a look at whether they are whole."""
    return [_mapped(folder, entry, tokenizer) for entry in manifest["shards"]]


def _mapped(folder, entry, tokenizer):
    try:
        shard = Shard(
            **{
                name: _array(
                    _path(folder, entry["number"], name), entry[name]["sha256"], dtype
                )
                for name, dtype in _dtypes(tokenizer).items()
            }
        )
        if len(shard.ids) != entry["tokens"]:
            raise ValueError(f"{len(shard.ids)} tokens, not {entry['tokens']}")
        if len(shard.ids) and not 0 <= shard.ids.min() <= shard.ids.max() < (
            tokenizer.vocab_size
        ):
            raise ValueError("tokens that the vocabulary does not have")
        _check_ends("sentence_ends", shard.sentence_ends, len(shard.ids))
        _check_ends("document_ends", shard.document_ends, len(shard.sentence_ends))
    except _DAMAGED as error:
        raise InputError(
            f"A shard of the cache is damaged. {_REMEDY} Received: {folder}, shard "
            f"{entry['number']}: {error}"
        ) from None
    return shard


def _array(path, sha256, dtype):
    if _digest(path) != sha256:
        raise ValueError(f"another checksum of {path.name}")
    # Which opens arrays and nothing else, no archives and no pickled objects.
    array = np.lib.format.open_memmap(path, mode="r")
    if array.dtype != dtype or array.ndim != 1:
        raise ValueError(f"{path.name} of {array.dtype}, shape {array.shape}")
    return array


def _check_ends(name, ends, count):
    """Each part has something, and together they are all: they index other arrays."""
    ends = np.concatenate([[0], ends])
    if (ends[1:] <= ends[:-1]).any() or ends[-1] != count:
        raise ValueError(f"{name} that do not rise to {count}")


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_shards(folder, manifest, lines, tokenizer, progress):
    """Writes what is left, shard by shard, and after each of them the manifest."""
    for abandoned in [*folder.glob(".*.npy"), *folder.glob(".*.json")]:
        abandoned.unlink()  # the draft of a run that was killed
    entries = manifest["shards"]
    _read_shards(folder, manifest, tokenizer)  # before more is built on them
    done = sum(entry["lines"] for entry in entries)
    if sum(1 for _ in itertools.islice(lines, done)) < done:
        raise InputError(
            f"{folder / MANIFEST} is damaged. {_REMEDY} Received: {done} lines that "
            "are done, more than the corpus has"
        )
    parts = _shards(lines, tokenizer, manifest["corpus"], _tokens(manifest), progress)
    for builder in parts:
        entries.append(builder.written(folder, len(entries)))
        write_json(folder / MANIFEST, manifest)
    if not _tokens(manifest):
        raise InputError(
            "A corpus must have text of which the tokenizer makes pieces. Received: "
            "none"
        )
    manifest["complete"] = True
    write_json(folder / MANIFEST, manifest)


def _shards(lines, tokenizer, corpus, done, progress):
    builder = _Builder(tokenizer)
    for chunk in _chunks(lines):
        sentences = [split_sentences(text) for _, text in chunk]
        pieces = word_pieces(tokenizer, [s for of_line in sentences for s in of_line])
        counts, ids = pieces.counts, pieces.ids[pieces.indices()]
        ends = np.cumsum([len(of_line) for of_line in sentences])  # (lines,)
        if corpus["line"] == "document":
            documents = range(len(chunk))
        else:
            documents = [document for document, _ in chunk]
        builder.add(ids, counts, ends, documents, corpus["line"])
        progress(done + builder.tokens)
        if builder.tokens >= corpus["shard_tokens"]:
            yield builder
            done += builder.tokens
            builder = _Builder(tokenizer)
    if builder.lines:
        yield builder


def _chunks(lines):
    chunk, characters = [], 0
    for document, text in lines:
        chunk.append((document, text))
        characters += len(text)
        if len(chunk) == _CHUNK_LINES or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


class _Builder:
    """A shard that is being made."""

    def __init__(self, tokenizer):
        self.dtypes = _dtypes(tokenizer)
        self.ids, self.counts, self.document_ends = [], [], []
        self.tokens = self.sentences = self.lines = 0
        self._document = None

    def add(self, ids, counts, ends, documents, line):
        """Pieces of so many lines' sentences, which end at `ends`."""
        kept = counts > 0  # sentences of which the tokenizer leaves nothing
        kept_before = np.concatenate([[0], np.cumsum(kept)])
        for document, end in zip(documents, ends, strict=True):
            end = self.sentences + int(kept_before[end])
            same = line == "paragraph" and document == self._document
            if same and self.document_ends:
                self.document_ends[-1] = end
            elif end > (self.document_ends[-1] if self.document_ends else 0):
                self.document_ends.append(end)
                self._document = document
        self.ids.append(ids.astype(self.dtypes["ids"]))
        self.counts.append(counts[kept])
        self.tokens += len(ids)
        self.sentences += int(kept.sum())
        self.lines += len(ends)

    def written(self, folder, number):
        """Writes the shard's files; what the manifest is to know of them."""
        ends = np.cumsum(np.concatenate(self.counts))
        arrays = (np.concatenate(self.ids), ends, np.array(self.document_ends))
        entry = {"number": number, "lines": self.lines, "tokens": self.tokens}
        for (name, dtype), array in zip(self.dtypes.items(), arrays, strict=True):
            with atomic_file(_path(folder, number, name)) as draft:
                np.save(draft, array.astype(dtype), allow_pickle=False)
                entry[name] = {"sha256": _digest(draft)}
        return entry
