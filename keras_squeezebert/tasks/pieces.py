"""Word pieces of many texts in one array, and rows for a model made of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.inputs import length_limit, longest_first

# Characters of the texts that are tokenised at a time, once all are as long as the
# longest of them.
_MOST_CHARACTERS = 2**21


@dataclass(frozen=True, eq=False)
class Pieces:
    """Texts as ranges of one array of word pieces, without `[CLS]` and `[SEP]`.

    Args:
        ids: The pieces, int32 (pieces,).
        begins: The first piece of each text, int (texts,).
        counts: How many it has, int (texts,).
        offsets: Where in its text each piece starts and ends, int32 (pieces, 2), or
            None where that is not known.
    """

    ids: np.ndarray
    begins: np.ndarray
    counts: np.ndarray
    offsets: np.ndarray | None = None

    def take(self, texts: np.ndarray) -> "Pieces":
        """Some of the texts, in another order, or several times."""
        return replace(self, begins=self.begins[texts], counts=self.counts[texts])

    def cut(self, skipped: np.ndarray | int, counts: np.ndarray) -> "Pieces":
        """Of each text a part: `counts` pieces, after those that are skipped."""
        return replace(self, begins=self.begins + skipped, counts=counts)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """The text of each piece, and its number in it; (pieces of all texts,) both."""
        return numbered(self.counts)

    def indices(self) -> np.ndarray:
        """Where in `ids` the pieces are, text after text; (pieces of all texts,)."""
        texts, numbers = self.places()
        return self.begins[texts] + numbers


def numbered(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of things that have `counts` parts: whose each part is, and which of its parts.

    Example:
        >>> [array.tolist() for array in numbered(np.array([2, 0, 3]))]
        [[0, 0, 2, 2, 2], [0, 1, 0, 1, 2]]
    """
    owners = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return owners, np.arange(len(owners)) - before[owners]


def word_pieces(tokenizer: SqueezeBertTokenizerFast, texts: Sequence[str]) -> Pieces:
    """The word pieces of texts; of a text that comes often they are found once.

    Args:
        tokenizer: A `SqueezeBertTokenizerFast`.
        texts: Strings of any length.

    Example:
        >>> pieces = word_pieces(SqueezeBertTokenizerFast(), ["unaffable", "", "a b"])
        >>> pieces.counts.tolist()
        [3, 0, 2]
        >>> pieces.offsets[pieces.take([0]).indices()].tolist()
        [[0, 3], [3, 6], [6, 9]]
    """
    # By length, so that those tokenised together are padded little.
    distinct = sorted(set(texts), key=len)
    number_of = {text: number for number, text in enumerate(distinct)}
    ids, offsets, counts = [np.zeros(0, "int32")], [np.zeros((0, 2), "int32")], []
    for part in _parts(distinct):
        tokens = tokenizer(
            part,
            truncation=False,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        from_text = tokens["special_tokens_mask"] == 0  # (texts, seq)
        ids.append(tokens["input_ids"][from_text])
        offsets.append(tokens["offset_mapping"][from_text])
        counts.extend(from_text.sum(axis=-1).tolist())
    counts = np.array(counts, "int64")
    pieces = Pieces(
        np.concatenate(ids), np.cumsum(counts) - counts, counts, np.concatenate(offsets)
    )
    return pieces.take(np.array([number_of[text] for text in texts], "int64"))


def _parts(texts: list[str]) -> Iterator[list[str]]:
    """Texts, sorted by length, in parts of a bounded size."""
    start = 0
    for end, text in enumerate(texts):
        if (end + 1 - start) * len(text) > _MOST_CHARACTERS and end > start:
            yield texts[start:end]
            start = end
    if texts:
        yield texts[start:]


def token_rows(
    tokenizer: SqueezeBertTokenizerFast, *segments: Pieces
) -> dict[str, np.ndarray]:
    """Rows `[CLS] first [SEP]`, or `[CLS] first [SEP] second [SEP]`.

    Args:
        tokenizer: For its special tokens.
        *segments: One or two, with as many texts.

    Returns:
        A dict of int32 arrays (texts, seq), as the tokenizer itself gives it.

    Raises:
        InputError: There are no texts.

    Example:
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> pieces = word_pieces(tokenizer, ["Hello!", "Bye"])
        >>> token_rows(tokenizer, pieces)["input_ids"].tolist()
        [[101, 7592, 999, 102], [101, 9061, 102, 0]]
    """
    lengths = 1 + sum(segment.counts + 1 for segment in segments)  # (texts,)
    if not len(lengths):
        raise InputError("There must be an example at least. Received: none")
    positions = np.arange(lengths.max())  # (seq,)
    shape = (len(lengths), len(positions))
    ids = np.full(shape, tokenizer.pad_token_id, "int32")
    types = np.zeros(shape, "int32")
    ids[:, :1] = tokenizer.cls_token_id
    starts = np.ones_like(lengths)  # (texts,)
    for number, segment in enumerate(segments):
        texts, numbers = segment.places()
        ids[texts, starts[texts] + numbers] = segment.ids[segment.indices()]
        ends = starts + segment.counts
        ids[np.arange(len(ends)), ends] = tokenizer.sep_token_id
        inside = (starts[:, None] <= positions) & (positions <= ends[:, None])
        types[inside] = number
        starts = ends + 1
    return {
        "input_ids": ids,
        "attention_mask": (positions < lengths[:, None]).astype("int32"),
        "token_type_ids": types,
    }


def truncated_rows(
    tokenizer: SqueezeBertTokenizerFast,
    max_length: int | None,
    first: Pieces,
    second: Pieces | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The rows of texts, or pairs of them, cut where they are longer than a row.

    Args:
        tokenizer: For its special tokens and its longest row.
        max_length: Tokens of a row; None is `tokenizer.options.model_max_length`.
        first: The texts.
        second: As many second texts.

    Returns:
        What :func:`token_rows` gives, and which rows were cut, bool (texts,).

    Raises:
        InputError: There are no texts, or `max_length` leaves no room for the special
            tokens.

    Example:
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> pieces = word_pieces(tokenizer, ["one two three", "four"])
        >>> inputs, cut = truncated_rows(tokenizer, 4, pieces)
        >>> tokenizer.batch_decode(inputs["input_ids"]), cut.tolist()
        (['one two', 'four'], [True, False])
    """
    segments = [first] if second is None else [first, second]
    paired = second is not None
    limit = length_limit(max_length, "longest", True, paired, tokenizer.options)
    room = limit - 1 - len(segments)
    counts = [segment.counts for segment in segments]
    # Both tokenizers cut so.
    kept = longest_first(*counts, room, np) if paired else [np.minimum(*counts, room)]
    cut = sum(counts) > sum(kept)  # (texts,)
    parts = [part.cut(0, count) for part, count in zip(segments, kept, strict=True)]
    return token_rows(tokenizer, *parts), cut
