"""SqueezeBertTokenizerFast: texts to ids without TensorFlow."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tokenizers

from keras_squeezebert.tokenizers.base import TokenizerBase
from keras_squeezebert.tokenizers.inputs import (
    as_texts,
    check_lengths,
    check_pairs,
    length_limit,
    longest_first,
)
from keras_squeezebert.tokenizers.options import TokenizerOptions


class SqueezeBertTokenizerFast(TokenizerBase):
    """Word pieces by Hugging Face's Rust library, as numpy arrays.

    It imports neither TensorFlow nor Keras, holds no state between calls, and may be
    called by several threads at once.

    Args:
        vocabulary: Path of a `vocab.txt`, or the tokens in order. None is the
            vocabulary of uncased BERT.
        **options: Fields of :class:`~.options.TokenizerOptions`, as
            `do_lower_case=False`.

    Call arguments:
        texts: A string, or a sequence or array of strings or UTF-8 bytes. One string
            is a batch of one.
        text_pairs: The second text of each row, or None.
        max_length: Most tokens in a row, special ones included; None is
            `options.model_max_length`.
        padding: "longest" pads to the longest row, "max_length" to `max_length`.
        truncation: Whether to cut longer rows, of pairs the longer text first. If
            not, a row longer than `max_length` is an error; with `max_length` None
            and `padding` "longest", no row is too long.
        return_offsets_mapping: Whether to add "offset_mapping", (batch, length, 2):
            where in its text each token starts and ends, in characters.
        return_special_tokens_mask: Whether to add "special_tokens_mask": 1 where a
            token is not from the text.

    Returns:
        A dict of int32 arrays of shape (batch, length): "input_ids",
        "attention_mask", "token_type_ids".

    Raises:
        InputError: The vocabulary, an option or an argument does not fit.

    Example:
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> batch = tokenizer(["Hello!", "Bye"])
        >>> batch["input_ids"].tolist()
        [[101, 7592, 999, 102], [101, 9061, 102, 0]]
        >>> tokenizer.decode(batch["input_ids"][0])
        'hello!'

    Reference:
        `transformers.SqueezeBertTokenizerFast`.
    """

    def __init__(
        self,
        vocabulary: str | os.PathLike | Sequence[str] | None = None,
        **options: Any,
    ):
        self._set_vocabulary(vocabulary, TokenizerOptions(**options))
        self._rust = rust_tokenizer(self.get_vocab(), self.options)

    def __call__(
        self,
        texts: Any,
        text_pairs: Any = None,
        max_length: int | None = None,
        padding: str = "longest",
        truncation: bool = True,
        return_offsets_mapping: bool = False,
        return_special_tokens_mask: bool = False,
    ) -> dict[str, np.ndarray]:
        paired = text_pairs is not None
        limit = length_limit(max_length, padding, truncation, paired, self.options)
        batches = [as_texts(texts)]
        if paired:
            batches.append(as_texts(text_pairs, "text_pairs"))
            check_pairs(*map(len, batches))
        encode = (
            self._rust.encode_batch
            if return_offsets_mapping
            else self._rust.encode_batch_fast
        )
        segments = [encode(batch, add_special_tokens=False) for batch in batches]
        kept = np.array([list(map(len, segment)) for segment in segments], np.int64)
        special = 1 + len(segments)
        if truncation:
            kept = _truncated(kept, limit - special)
        lengths = kept.sum(axis=0) + special
        if limit is not None:
            check_lengths(lengths, limit)

        width = limit if padding == "max_length" else lengths.max(initial=0)
        shape = (len(lengths), width)
        ids = np.full(shape, self.pad_token_id, np.int32)
        mask = (np.arange(width) < lengths[:, None]).astype(np.int32)
        types = np.zeros(shape, np.int32)
        offsets = np.zeros((*shape, 2), np.int32)
        special_mask = np.ones(shape, np.int32)
        ids[:, :1] = self.cls_token_id
        for row, encodings in enumerate(zip(*segments, strict=True)):
            start = 1
            for segment, encoding in enumerate(encodings):
                count = kept[segment, row]
                end = start + count
                ids[row, start:end] = encoding.ids[:count]
                ids[row, end] = self.sep_token_id
                types[row, start : end + 1] = segment
                special_mask[row, start:end] = 0
                if return_offsets_mapping and count:
                    offsets[row, start:end] = encoding.offsets[:count]
                start = end + 1

        outputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        if return_offsets_mapping:
            outputs["offset_mapping"] = offsets
        if return_special_tokens_mask:
            outputs["special_tokens_mask"] = special_mask
        return outputs

    def tokenize(self, text: str | bytes) -> list[str]:
        """The tokens of one text, without `[CLS]` and `[SEP]`.

        Example:
            >>> SqueezeBertTokenizerFast().tokenize("Unaffable!")
            ['una', '##ffa', '##ble', '!']
        """
        (text,) = as_texts(text, "text")
        return self._rust.encode(text, add_special_tokens=False).tokens


def rust_tokenizer(
    vocabulary: dict[str, int], options: TokenizerOptions
) -> tokenizers.Tokenizer:
    """BERT's pipeline in the Rust library, which neither pads, cuts nor adds."""
    rust = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            vocabulary, unk_token=options.unk_token, max_input_chars_per_word=100
        )
    )
    rust.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=options.tokenize_chinese_chars,
        strip_accents=options.strip_accents,
        lowercase=options.do_lower_case,
    )
    rust.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    rust.add_special_tokens(list(options.special_tokens))
    return rust


def _truncated(lengths, room):
    """The lengths of one or two segments, (segments, batch), cut to `room`."""
    if len(lengths) == 1:
        return np.minimum(lengths, room)
    return np.array(longest_first(*lengths, room, np))
