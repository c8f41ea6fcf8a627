"""TokenCache: a corpus as word pieces, in shards that are mapped into memory."""

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
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
# Paragraphs that are tokenised together.
_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Shard:
    """A part of a corpus, in whole documents but for those that are longer than it.

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
    """The word pieces of a corpus, by sentences and documents, without special ones.

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
        self.shards = [
            Shard(**{name: _mapped(self.folder, entry, name) for name in _ARRAYS})
            for entry in manifest["shards"]
        ]

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
            progress: Called with the number of tokens that are done, now and then.

        Raises:
            InputError: A file cannot be read; the folder is in use, or has the cache
                of another corpus or tokenizer.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        corpus = {
            "files": [_described(path) for path in paths],
            "line": line,
            "shard_tokens": shard_tokens,
        }
        with used_alone(folder, "tokenisation"):
            manifest = _begun(folder, corpus, tokenizer)
            if not manifest["complete"]:
                lines = read_paragraphs(paths, errors)
                _write_shards(folder, manifest, lines, tokenizer, progress)
        return cls(folder, tokenizer)


# === The manifest


def _described(path):
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"The corpus cannot be read: {error}") from None
    return {"name": Path(path).name, "sha256": digest}


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
        raise InputError(
            "The folder has the cache of another corpus. Choose another folder, or "
            f"remove this one. Received: {folder}, of {manifest['corpus']}"
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
            raise InputError(f"{path} is damaged. Received: no `{name}`")
    if manifest["tokenizer"] != tokenizer_digest(tokenizer):
        raise InputError(
            "The cache was made with another vocabulary, or other options of the "
            "tokenizer. Make one for this tokenizer in another folder. Received: "
            f"{folder}"
        )


# === The shards


def _mapped(folder, entry, name):
    """An array of a shard, after a look at whether it is what was written."""
    try:
        known = entry[name]
        path = folder / f"{int(entry['number']):05d}.{name}.npy"
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != known["sha256"]:
            raise ValueError("its checksum is another one")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"A shard of the cache is damaged. Remove the folder and write it again. "
            f"Received: {folder}, {name}: {error}"
        ) from None
    return array


def _write_shards(folder, manifest, lines, tokenizer, progress):
    """Writes what is left, shard by shard, and after each of them the manifest."""
    done = sum(entry["lines"] for entry in manifest["shards"])
    tokens = sum(entry["tokens"] for entry in manifest["shards"])
    for _ in itertools.islice(lines, done):
        pass
    for builder in _shards(lines, tokenizer, manifest["corpus"], tokens, progress):
        entry = builder.written(folder, len(manifest["shards"]))
        manifest["shards"].append(entry)
        write_json(folder / MANIFEST, manifest)
    if not manifest["shards"]:
        raise InputError("A corpus must have text. Received: none")
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


def _chunks(lines: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(lines, _CHUNK)):
        yield chunk


class _Builder:
    """A shard that is being made."""

    def __init__(self, tokenizer):
        self.dtype = "uint16" if tokenizer.vocab_size <= 2**16 else "int32"
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
        self.ids.append(ids.astype(self.dtype))
        self.counts.append(counts[kept])
        self.tokens += len(ids)
        self.sentences += int(kept.sum())
        self.lines += len(ends)

    def written(self, folder, number):
        """Writes the shard's files; what the manifest is to know of them."""
        arrays = {
            "ids": np.concatenate(self.ids),
            "sentence_ends": np.cumsum(np.concatenate(self.counts), dtype="int64"),
            "document_ends": np.array(self.document_ends, "int64"),
        }
        entry = {"number": number, "lines": self.lines, "tokens": self.tokens}
        for name, array in arrays.items():
            path = folder / f"{number:05d}.{name}.npy"
            with atomic_file(path) as draft:
                np.save(draft, array, allow_pickle=False)
                with open(draft, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            entry[name] = {"sha256": digest}
        return entry
