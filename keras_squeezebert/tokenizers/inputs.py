"""What both tokenizers take: texts, lengths and paddings, checked in one place."""

from collections.abc import Sequence
from typing import Any

from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers.options import TokenizerOptions

PADDINGS = ("longest", "max_length")


def as_texts(texts: Any, name: str = "texts") -> list[str]:
    """A batch as a list of strings; one string is a batch of one.

    Args:
        texts: A string, or a sequence or one-dimensional array of strings. Bytes are
            decoded as UTF-8, where U+FFFD replaces what is not.
        name: Of the argument, for the message.

    Raises:
        InputError: It is none of these, or holds something other than strings.

    Example:
        >>> as_texts([b"caf\\xc3\\xa9", "tea"])
        ['café', 'tea']
    """
    if hasattr(texts, "tolist"):  # numpy arrays and scalars, pandas columns
        texts = texts.tolist()
    if isinstance(texts, str | bytes):
        texts = [texts]
    if not isinstance(texts, Sequence):
        raise InputError(
            f"`{name}` must be a string or a sequence of strings. Received: "
            f"{name}={_shown(texts)}"
        )
    return [_as_text(text, name, row) for row, text in enumerate(texts)]


def check_pairs(count: int, pair_count: int) -> None:
    """Raises InputError unless there is a second text for each first one."""
    if count != pair_count:
        raise InputError(
            "There must be as many second texts as first ones. Received: "
            f"len(texts)={count}, len(text_pairs)={pair_count}"
        )


def length_limit(
    max_length: int | None,
    padding: str,
    truncation: bool,
    paired: bool,
    options: TokenizerOptions,
) -> int | None:
    """The most tokens a row may have; None where there is no limit.

    Raises:
        InputError: An argument is out of its range.
    """
    if padding not in PADDINGS:
        raise InputError(
            f"`padding` must be one of {PADDINGS}. Received: padding={padding!r}"
        )
    if max_length is None:
        bounded = truncation or padding == "max_length"
        return options.model_max_length if bounded else None
    # numpy's integers are welcome, True and 8.0 are not.
    if isinstance(max_length, bool) or not hasattr(max_length, "__index__"):
        raise InputError(
            f"`max_length` must be an integer. Received: max_length={max_length!r}"
        )
    special = 3 if paired else 2
    if max_length < special:
        raise InputError(
            f"`max_length` must leave room for the {special} special tokens. "
            f"Received: max_length={max_length}"
        )
    return int(max_length)


def longest_first(first, second, room, xp):
    """How many tokens to keep of each text so that both fit: the longer gives first.

    Args:
        first: Lengths of the first texts.
        second: Lengths of the second texts.
        room: Tokens that both may have together.
        xp: The module to compute with, `numpy` or `tensorflow`.

    Returns:
        Two arrays of lengths.

    Reference:
        The LongestFirst strategy of Hugging Face's `tokenizers`: of an odd room the
        longer text gets the odd token, of equal texts the second.
    """
    short = xp.minimum(xp.minimum(first, second), room // 2)
    long = xp.minimum(xp.maximum(first, second), room - short)
    swapped = first > second
    return xp.where(swapped, long, short), xp.where(swapped, short, long)


def check_lengths(lengths: Any, limit: int) -> None:
    """Raises InputError, which names the row, where one is longer than `limit`."""
    for row, length in enumerate(lengths):
        if length > limit:
            raise InputError(
                f"Row {row} has {length} tokens, {length - limit} too many, and "
                f"truncation is off. Received: max_length={limit}"
            )


def _as_text(text, name, row):
    if isinstance(text, bytes):
        return text.decode("utf-8", errors="replace")
    if not isinstance(text, str):
        raise InputError(
            f"`{name}` must hold strings. Received: {name}[{row}]={_shown(text)}"
        )
    if text.isascii():
        return text
    # A lone surrogate is not text either.
    return text.encode("utf-8", errors="surrogatepass").decode(
        "utf-8", errors="replace"
    )


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
