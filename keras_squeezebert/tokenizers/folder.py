"""A tokenizer's files in a Hugging Face model folder."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json, write_json
from keras_squeezebert.tokenizers.options import TokenizerOptions
from keras_squeezebert.tokenizers.vocabulary import (
    PREFIX,
    VOCABULARY_FILE,
    read_vocabulary,
    write_vocabulary,
)

TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_FILES = (VOCABULARY_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE)


def read_tokenizer(folder: str | os.PathLike) -> tuple[list[str], TokenizerOptions]:
    """The vocabulary and the options in a folder.

    Args:
        folder: Holds `vocab.txt` or `tokenizer.json`, the first of which is read, and
            perhaps `tokenizer_config.json`, whose options count before those of
            `tokenizer.json`.

    Raises:
        InputError: Neither file is there, or they describe another kind of tokenizer.
    """
    folder = Path(folder)
    values = {}
    if (folder / VOCABULARY_FILE).is_file():
        tokens = read_vocabulary(folder / VOCABULARY_FILE)
    elif (folder / TOKENIZER_FILE).is_file():
        tokens, values = _read_tokenizer_json(folder / TOKENIZER_FILE)
    else:
        raise InputError(
            f"There is neither a {VOCABULARY_FILE} nor a {TOKENIZER_FILE} in the "
            f"folder. Received: folder={folder}"
        )
    if (folder / TOKENIZER_CONFIG_FILE).is_file():
        values |= read_json(folder / TOKENIZER_CONFIG_FILE)
    options = TokenizerOptions.from_dict(values)
    for added in values.get("added_tokens_decoder", {}).values():
        _check_added(added, options, folder / TOKENIZER_CONFIG_FILE)
    return tokens, options


def write_tokenizer(
    folder: str | os.PathLike, tokens: tuple[str, ...], options: TokenizerOptions
) -> None:
    """Writes `vocab.txt` and `tokenizer_config.json`, from which `transformers` loads.

    A `tokenizer.json` already there is removed: `transformers` would prefer it.
    """
    folder = Path(folder)
    write_vocabulary(folder / VOCABULARY_FILE, tokens)
    write_json(
        folder / TOKENIZER_CONFIG_FILE,
        {
            "tokenizer_class": "SqueezeBertTokenizer",
            **dataclasses.asdict(options),
        },
    )
    (folder / TOKENIZER_FILE).unlink(missing_ok=True)


def _read_tokenizer_json(path) -> tuple[list[str], dict[str, Any]]:
    contents = read_json(path)
    model = contents.get("model") or {}
    normalizer = contents.get("normalizer") or {}
    expected = {
        "model.type": (model.get("type", "WordPiece"), "WordPiece"),
        "model.continuing_subword_prefix": (
            model.get("continuing_subword_prefix", PREFIX),
            PREFIX,
        ),
        "model.max_input_chars_per_word": (
            model.get("max_input_chars_per_word", 100),
            100,
        ),
        "normalizer.type": (normalizer.get("type"), "BertNormalizer"),
        "normalizer.clean_text": (normalizer.get("clean_text", True), True),
        "pre_tokenizer.type": (
            (contents.get("pre_tokenizer") or {}).get("type"),
            "BertPreTokenizer",
        ),
    }
    for name, (received, wanted) in expected.items():
        if received != wanted:
            raise InputError(
                f"{path} describes another kind of tokenizer. Expected "
                f"{name}={wanted!r}. Received: {name}={received!r}"
            )
    vocabulary = model.get("vocab", {})
    tokens = sorted(vocabulary, key=vocabulary.get)
    if [vocabulary[token] for token in tokens] != list(range(len(tokens))):
        raise InputError(f"The ids of {path} must be 0, 1, 2, … without a gap.")
    options = {
        "do_lower_case": normalizer.get("lowercase", True),
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
        "unk_token": model.get("unk_token", "[UNK]"),
        "added_tokens_decoder": {
            str(added.get("id")): added for added in contents.get("added_tokens", [])
        },
    }
    return tokens, options


def _check_added(added, options, path):
    """Refuses tokens beyond the vocabulary, which would be cut to pieces unnoticed."""
    if added.get("content") not in options.special_tokens:
        raise InputError(
            f"Only the five special tokens of BERT can be matched in the text; {path} "
            f"adds another. Received: {added.get('content')!r}"
        )
