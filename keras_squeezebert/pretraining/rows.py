"""Rows: a cache's sentences, packed into rows of one length, and batches of them."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.pretraining.cache import TokenCache
from keras_squeezebert.tasks.masking import Masking, draws
from keras_squeezebert.tasks.pieces import Pieces, numbered, token_rows
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

# How far the pieces that a row may have to guess are beyond those of a mean row: each
# place costs a row of logits, guessed or not. Of a row that has more, words are dropped
# at random: else those at its end would be guessed less often.
_PLACES_MARGIN = 1.25
# Of the draws of a row, added to the seed: others than those of `Masking`.
_ORDER, _CLEAN, _DROPPED = 1, 2, 3


class Rows:
    """Rows `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]` of a cache, as full as can be.

    Each row is sentences that follow one another in a document; a sentence that is
    longer than a row is cut. Where there are two segments, the row's sentences are
    parted between two of them, or anywhere in its only one, and in half of the rows the
    later segment comes first; a row of a single piece is left out. The order of the
    rows, where they are parted, which are swapped and which pieces are hidden are
    others in every pass, and depend on the seed and the pass alone.

    Args:
        cache: A `TokenCache`.
        tokenizer: Its tokenizer.
        length: Tokens of every row.
        masking: What hides pieces. Its seed is that of all else here.
        paired: Whether there are two segments.
        clean_share: Share of the rows of which no piece is hidden.

    Raises:
        InputError: The cache has no text of which a row can be made.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> text = folder / "texts.txt"
        >>> _ = text.write_text("A cat sat. It was fat. Then it ran away.")
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> cache = TokenCache.write(folder / "cache", [text], tokenizer)
        >>> rows = Rows(cache, tokenizer, 13, Masking(tokenizer, seed=31))
        >>> inputs, labels = rows.batch(0, [0])
        >>> tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=False)
        '[CLS] it was fat. [SEP] a [MASK] sat. [SEP] [PAD] [PAD]'
        >>> labels["sentence_order"]  # 1: the segments are swapped
        array([1], dtype=int32)
        >>> inputs["masked_positions"], labels["masked_lm"]
        (array([[7, 0, 0]], dtype=int32), array([[4937, -100, -100]], dtype=int32))

    Reference:
        Devlin et al. 2019, section 3.1 and their create_pretraining_data.py; Lan et
        al. 2020, arXiv 1909.11942, section 3.1, for the order of the segments.
    """

    def __init__(
        self,
        cache: TokenCache,
        tokenizer: SqueezeBertTokenizerFast,
        length: int,
        masking: Masking,
        paired: bool = True,
        clean_share: float = 0.0,
    ):
        self.cache = cache
        self.tokenizer = tokenizer
        self.length = length
        self.masking = masking
        self.paired = paired
        self.clean_share = clean_share
        room = length - (3 if paired else 2)
        self.places = min(int(np.ceil(_PLACES_MARGIN * masking.rate * length)), room)
        found = [
            packed(shard.sentence_ends, shard.document_ends, room)
            for shard in cache.shards
        ]
        self.spans = np.concatenate(found)  # (rows, 2), pieces of the shard
        self.shards = np.repeat(np.arange(len(found)), [len(spans) for spans in found])
        if paired:  # of one piece no two segments can be made
            is_long = self.spans[:, 1] - self.spans[:, 0] > 1
            self.spans, self.shards = self.spans[is_long], self.shards[is_long]
        if not len(self.spans):
            raise InputError(
                "The corpus has no text of which a row can be made. Received: "
                f"{cache.counts}"
            )
        self._order = (None, None)

    def __len__(self):
        return len(self.spans)

    def numbered(self, first: int, count: int) -> list[tuple[int, np.ndarray]]:
        """Of an endless row of passes, `count` rows from number `first` on.

        Returns:
            A list of `(pass, rows)`, in the order of that pass.
        """
        parts = []
        while count:
            number, skipped = divmod(first, len(self))
            rows = self._permutation(number)[skipped : skipped + count]
            parts.append((number, rows))
            first, count = first + len(rows), count - len(rows)
        return parts

    def _permutation(self, number):
        if self._order[0] != number:
            rng = np.random.default_rng([self.masking.seed, number])
            self._order = (number, rng.permutation(len(self)))
        return self._order[1]

    def batch(
        self, number: int, rows: Sequence[int]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Inputs and labels of rows in a pass.

        Returns:
            `(inputs, labels)`: of the inputs `input_ids`, `attention_mask` and
            `token_type_ids`, int32 (rows, length), and `masked_positions`, int32 (rows,
            places); of the labels `masked_lm`, int32 (rows, places), −100 at places
            that a row does not use, and `sentence_order`, int32 (rows,), unless the
            rows have one segment.
        """
        rows = np.asarray(rows)
        whole = self._pieces(rows)
        labels = {}
        if self.paired:
            parting, swapped = draws(
                self.masking.seed + _ORDER, number, rows, 1, count=2
            )[..., 0]  # (rows,) each
            segments = self._segments(rows, whole, parting, swapped < 0.5)
            labels["sentence_order"] = (swapped < 0.5).astype("int32")
        else:
            segments = [whole]
        inputs = {
            name: np.pad(array, ((0, 0), (0, self.length - array.shape[1])), **padding)
            for (name, array), padding in zip(
                token_rows(self.tokenizer, *segments).items(),
                [{"constant_values": self.tokenizer.pad_token_id}, {}, {}],
                strict=True,
            )
        }
        ids, guessed = self.masking(inputs["input_ids"], rows, number)
        if self.clean_share:
            seed = self.masking.seed + _CLEAN
            clean = draws(seed, number, rows, 1, count=1)[0, :, 0] < self.clean_share
            guessed[clean] = IGNORED_LABEL
        if self.places:
            self._drop(guessed, inputs["input_ids"], rows, number)
            inputs["masked_positions"], labels["masked_lm"] = _places(
                guessed, self.places
            )
        is_guessed = guessed != IGNORED_LABEL
        inputs["input_ids"] = np.where(is_guessed, ids, inputs["input_ids"])
        return inputs, labels

    def _drop(self, guessed, ids, rows, number):
        """Takes the labels that have no place from rows, by whole words, in place."""
        is_label = guessed != IGNORED_LABEL
        crowded = np.flatnonzero(is_label.sum(axis=-1) > self.places)
        random = draws(
            self.masking.seed + _DROPPED, number, rows[crowded], self.length, count=1
        )[0]
        # All pieces of a word draw the same, and go together.
        words = np.cumsum(~self.masking.bound[ids[crowded]], axis=-1) - 1
        random = np.take_along_axis(random, words, axis=-1)  # (crowded, length)
        random = np.where(is_label[crowded], random, np.inf)
        limits = np.sort(random, axis=-1)[:, self.places, None]
        guessed[crowded] = np.where(random < limits, guessed[crowded], IGNORED_LABEL)

    def _pieces(self, rows):
        """The pieces of rows, as so many texts."""
        parts = [
            self.cache.shards[shard].ids[begin:end]
            for shard, (begin, end) in zip(
                self.shards[rows], self.spans[rows], strict=True
            )
        ]
        counts = np.array([len(part) for part in parts])
        ids = np.concatenate(parts).astype("int32")
        return Pieces(ids, np.cumsum(counts) - counts, counts)

    def _segments(self, rows, whole, parting, swapped):
        """Two segments of each row."""
        counts = np.empty_like(whole.counts)
        for number, row in enumerate(rows):
            begin, end = self.spans[row]
            ends = self.cache.shards[self.shards[row]].sentence_ends
            # Those inside the row, at which it can be parted; or else anywhere.
            first = np.searchsorted(ends, begin, "right")
            last = np.searchsorted(ends, end, "left")
            inside = ends[first:last] if last > first else np.arange(begin + 1, end)
            counts[number] = inside[int(parting[number] * len(inside))] - begin
        first, second = whole.cut(0, counts), whole.cut(counts, whole.counts - counts)
        both = Pieces(
            whole.ids,
            np.concatenate([first.begins, second.begins]),
            np.concatenate([first.counts, second.counts]),
        )
        number = np.arange(len(rows))
        order = np.where(swapped, len(rows), 0)
        return [both.take(number + order), both.take(number + len(rows) - order)]


def packed(
    sentence_ends: np.ndarray, document_ends: np.ndarray, room: int
) -> np.ndarray:
    """Ranges of pieces, of as many sentences of a document as fit in `room` pieces.

    Args:
        sentence_ends: As in a `Shard`.
        document_ends: As there.
        room: Pieces of a range at most.

    Returns:
        Int (ranges, 2): where each begins and ends. Together they are all pieces.

    Example:
        >>> packed(np.array([3, 5, 9, 20]), np.array([2, 4]), room=6).tolist()
        [[0, 5], [5, 9], [9, 15], [15, 20]]
    """
    lengths = np.diff(sentence_ends, prepend=0)
    # Sentences longer than `room` are so many units, the others one each.
    owners, number = numbered(-(-lengths // room))
    starts = np.concatenate([[0], sentence_ends[:-1]]).astype("int64")
    units = np.minimum(starts[owners] + (number + 1) * room, sentence_ends[owners])
    document_limits = np.asarray(sentence_ends)[np.asarray(document_ends) - 1]
    ends, begins, begin = units.tolist(), [0], 0
    for limit in document_limits.tolist():
        while begin < limit:
            unit = bisect_right(ends, min(begin + room, limit)) - 1
            begin = ends[unit]
            begins.append(begin)
    return np.stack([begins[:-1], begins[1:]], axis=-1).astype("int64")


def _places(labels, places):
    """Where the labels of each row are, no more than `places`, and which they are."""
    is_label = labels != IGNORED_LABEL
    positions = np.argsort(~is_label, axis=-1, kind="stable")[:, :places]
    found = np.take_along_axis(labels, positions, axis=-1)
    positions = np.where(found != IGNORED_LABEL, positions, 0)
    return positions.astype("int32"), found.astype("int32")
