"""TokenizerOptions: what besides the vocabulary decides the word pieces."""

import dataclasses
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_squeezebert.errors import InputError

# `transformers` writes 1e30 for "not set".
_UNSET = 2**31


@dataclass(frozen=True)
class TokenizerOptions:
    """The options of a BERT tokenizer, by the names of `tokenizer_config.json`.

    Args:
        do_lower_case: Whether to put the text in lower case.
        strip_accents: Whether to take accents off the letters; None means as
            `do_lower_case`.
        tokenize_chinese_chars: Whether each CJK ideograph is a word.
        model_max_length: Longest sequence, in tokens.
        unk_token: Stands for a word that the pieces cannot spell.
        sep_token: Ends each text.
        pad_token: Fills short rows.
        cls_token: Starts each row.
        mask_token: Stands for a token that the model is to guess.

    Raises:
        InputError: A value is of the wrong type, `model_max_length` is under 3, or a
            special token is repeated or could be an ordinary word.

    Example:
        >>> TokenizerOptions(do_lower_case=False).special_tokens
        ('[UNK]', '[SEP]', '[PAD]', '[CLS]', '[MASK]')

    Reference:
        `transformers.BertTokenizer`.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    model_max_length: int = 512
    unk_token: str = "[UNK]"
    sep_token: str = "[SEP]"
    pad_token: str = "[PAD]"
    cls_token: str = "[CLS]"
    mask_token: str = "[MASK]"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, field.type) or (
                field.type is int and isinstance(value, bool)
            ):
                raise InputError(
                    f"`{field.name}` is of the wrong type. Received: "
                    f"{field.name}={value!r}"
                )
        if self.model_max_length < 3:
            raise InputError(
                "`model_max_length` must leave room for [CLS] and two [SEP]. "
                f"Received: model_max_length={self.model_max_length}"
            )
        if len(set(self.special_tokens)) != len(self.special_tokens):
            raise InputError(
                "The special tokens must differ from one another. Received: "
                f"{self.special_tokens}"
            )
        for token in self.special_tokens:
            # Text is split around punctuation, so no word can equal such a token.
            if len(token) < 2 or not set(token) & set(string.punctuation):
                raise InputError(
                    "A special token must hold a punctuation mark and one more "
                    f"character. Received: {token!r}"
                )

    @property
    def strips_accents(self) -> bool:
        """`strip_accents` with its default resolved."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The five special tokens, in the order of the fields."""
        return (
            self.unk_token,
            self.sep_token,
            self.pad_token,
            self.cls_token,
            self.mask_token,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TokenizerOptions":
        """The options among the values of a `tokenizer_config.json`."""
        known = {}
        for name in cls.__dataclass_fields__.keys() & values.keys():
            value = values[name]
            if isinstance(value, Mapping):  # an AddedToken, written out
                value = value.get("content")
            known[name] = value
        length = known.get("model_max_length")
        if length is None or (isinstance(length, int | float) and length >= _UNSET):
            known.pop("model_max_length", None)
        return cls(**known)
