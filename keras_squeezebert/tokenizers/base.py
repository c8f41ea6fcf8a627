"""TokenizerBase: what both tokenizers know without splitting any text."""

import operator
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import decoders

from keras_squeezebert.errors import InputError
from keras_squeezebert.hub import pretrained_folder
from keras_squeezebert.tokenizers.folder import (
    TOKENIZER_FILES,
    read_tokenizer,
    write_tokenizer,
)
from keras_squeezebert.tokenizers.options import TokenizerOptions
from keras_squeezebert.tokenizers.vocabulary import PREFIX, as_vocabulary


class TokenizerBase:
    """A vocabulary with its options: ids of tokens, tokens of ids, text of ids."""

    options: TokenizerOptions

    def _set_vocabulary(self, vocabulary, options):
        """What a constructor does; Keras layers must run their own `__init__` first."""
        tokens = as_vocabulary(vocabulary)
        self.options = options
        self._tokens = _Tokens(tokens)
        for token in options.special_tokens:
            if token not in self._tokens.ids:
                raise InputError(
                    f"The vocabulary lacks a special token. Received: {token!r}, "
                    f"vocab_size={len(tokens)}"
                )

    # === Tokens and ids

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens in the order of their ids."""
        return self._tokens.tokens

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return len(self.vocabulary)

    def get_vocab(self) -> dict[str, int]:
        """The id of each token, as a new dict."""
        return dict(self._tokens.ids)

    @property
    def unk_token_id(self) -> int:
        """Id of `[UNK]`."""
        return self._tokens.ids[self.options.unk_token]

    @property
    def sep_token_id(self) -> int:
        """Id of `[SEP]`."""
        return self._tokens.ids[self.options.sep_token]

    @property
    def pad_token_id(self) -> int:
        """Id of `[PAD]`."""
        return self._tokens.ids[self.options.pad_token]

    @property
    def cls_token_id(self) -> int:
        """Id of `[CLS]`."""
        return self._tokens.ids[self.options.cls_token]

    @property
    def mask_token_id(self) -> int:
        """Id of `[MASK]`."""
        return self._tokens.ids[self.options.mask_token]

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the special tokens, in the order of `options.special_tokens`."""
        return [self._tokens.ids[token] for token in self.options.special_tokens]

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        """The id of a token, or a list of ids; that of `[UNK]` where there is none."""
        if isinstance(tokens, str):
            return self._tokens.ids.get(tokens, self.unk_token_id)
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> str | list[str]:
        """The token of an id, or a list of tokens.

        Raises:
            InputError: An id is not in the vocabulary.
        """
        ids = np.asarray(ids)
        return [self._token(i) for i in ids] if ids.ndim else self._token(ids)

    def _token(self, token_id):
        try:
            index = operator.index(token_id)
        except TypeError:
            raise InputError(f"Ids must be integers. Received: {token_id!r}") from None
        if not 0 <= index < self.vocab_size:
            raise InputError(
                f"Ids must be at least 0 and less than {self.vocab_size}. "
                f"Received: {index}"
            )
        return self.vocabulary[index]

    # === Text of ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text that a row of ids spells.

        Args:
            ids: Ids of one text.
            skip_special_tokens: Whether to leave out `[CLS]`, `[SEP]`, `[PAD]`,
                `[MASK]` and `[UNK]`.

        Raises:
            InputError: An id is not in the vocabulary.
        """
        tokens = self.convert_ids_to_tokens(ids)
        if skip_special_tokens:
            tokens = [t for t in tokens if t not in self.options.special_tokens]
        return decoders.WordPiece(prefix=PREFIX).decode(tokens)

    def batch_decode(
        self, ids: Iterable[Sequence[int]], skip_special_tokens: bool = True
    ) -> list[str]:
        """The texts of rows of ids; see :meth:`decode`."""
        return [self.decode(row, skip_special_tokens) for row in ids]

    # === Folders

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike,
        *,
        revision: str | None = None,
        **changes: Any,
    ):
        """The tokenizer of a Hugging Face model.

        Args:
            source: A folder that holds `vocab.txt` or `tokenizer.json`, and perhaps
                `tokenizer_config.json`; or an id on the Hugging Face Hub.
            revision: Branch, tag or commit on the Hub.
            **changes: Constructor arguments that replace what the source says.

        Raises:
            InputError: The files are missing or describe another kind of tokenizer.
        """
        tokens, options = read_tokenizer(
            pretrained_folder(source, TOKENIZER_FILES, revision)
        )
        return cls(tokens, **{**vars(options), **changes})

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes `vocab.txt` and `tokenizer_config.json`.

        `transformers.AutoTokenizer` loads the same tokenizer from them, beside the
        `config.json` of a model. A `tokenizer.json` already there is removed, as it
        would be preferred.
        """
        write_tokenizer(folder, self.vocabulary, self.options)


class _Tokens:
    """Tokens and their ids, in an object that Keras need not look into."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.ids = {token: index for index, token in enumerate(tokens)}
