"""KneserNey: the distribution of a piece by counts of its neighbours, on any side."""

from collections.abc import Sequence

import numpy as np

# Of counts of 1, of 2, and of 3 or more, where too few counts tell them: as KenLM's.
_FALLBACK = np.array([0.5, 1.0, 1.5])


class KneserNey:
    """Interpolated modified Kneser–Ney smoothing of n-grams with gaps, or of none.

    The neighbours of a piece are named by their offsets. A piece is told by all of
    them, as far as they were seen together, else by all but the last, and so on to its
    frequency alone: (-1, -2) is the usual trigram, (1, 2) the same from the right, and
    (-1, 1) first looks at both sides and then at the left one.

    Args:
        stream: Int (pieces,), as a circle: the first piece follows the last.
        offsets: Of the neighbours, the nearest first; 3 at most.
        possible: Bool (vocabulary,): the pieces that are told. The others are only
            neighbours.

    Example:
        >>> stream = np.array([0, 1, 2, 0, 1, 2, 0, 1, 3])
        >>> bigram = KneserNey(stream, (-1,), np.array([False, True, True, True]))
        >>> bigram(np.array([[1]])).round(2)  # after a 1
        array([[0.  , 0.15, 0.48, 0.37]], dtype=float32)

    Reference:
        Chen and Goodman 1999, "An empirical study of smoothing techniques for language
        modeling", sections 3 and 4.
    """

    def __init__(
        self, stream: np.ndarray, offsets: Sequence[int], possible: np.ndarray
    ):
        vocabulary = len(possible)
        if vocabulary ** (1 + len(offsets)) >= 2**63:
            raise ValueError(f"Their ids do not fit in 64 bits: {offsets}")
        # An n-gram is a number whose digits are the farthest neighbour, …, the nearest
        # one and the piece: all pieces of a context are one range of the sorted ones.
        grams = stream.astype("int64")
        for place, offset in enumerate(offsets, 1):
            grams += np.roll(stream, -offset).astype("int64") * vocabulary**place
        levels = [_Level(*np.unique(grams[possible[stream]], return_counts=True))]
        for place in range(len(offsets), 0, -1):
            # Not how often a shorter one is, but with how many different neighbours.
            shorter = levels[-1].grams % vocabulary**place
            levels.append(_Level(*np.unique(shorter, return_counts=True)))
        unigram, *self.levels = levels[::-1]
        # What all contexts fall back to: (1, vocabulary).
        self.unigram = (possible / possible.sum()).astype("float32")[None]
        unigram.interpolate(self.unigram, np.zeros(1, "int64"))

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        """The distribution of each piece: float32 (n, vocabulary).

        Args:
            contexts: Int (n, offsets), the pieces at the offsets.
        """
        vocabulary = self.unigram.shape[1]
        found = np.repeat(self.unigram, len(contexts), axis=0)
        context = np.zeros(len(contexts), "int64")
        for place, level in enumerate(self.levels):
            context += contexts[:, place].astype("int64") * vocabulary**place
            level.interpolate(found, context)
        return found


class _Level:
    """N-grams of one length, sorted, and what is taken from the count of each."""

    def __init__(self, grams, counts):
        self.grams = grams
        self.counts = counts.astype("int32")
        self.discounts = _discounts(counts)

    def interpolate(self, found, context):
        """Puts the pieces of each context (n,) into `found` (n, vocabulary)."""
        rows, vocabulary = found.shape
        begins = np.searchsorted(self.grams, context * vocabulary)
        sizes = np.searchsorted(self.grams, (context + 1) * vocabulary) - begins
        row = np.repeat(np.arange(rows), sizes)  # (all pieces of all contexts,)
        first = np.cumsum(sizes) - sizes
        gram = np.arange(sizes.sum()) - np.repeat(first - begins, sizes)
        counts = self.counts[gram]
        taken = self.discounts[np.minimum(counts, 3)]
        totals = np.bincount(row, counts, rows)  # (rows,)
        shares = np.bincount(row, taken, rows)
        # A context that never was says nothing: all is left to the shorter one.
        shares = np.divide(shares, totals, np.ones(rows), where=totals > 0)
        found *= shares[:, None].astype("float32")
        found[row, self.grams[gram] % vocabulary] += (counts - taken) / totals[row]


def _discounts(counts):
    """Of a count of 0, 1, 2, and 3 or more."""
    n1, n2, n3, n4 = (np.count_nonzero(counts == count) for count in (1, 2, 3, 4))
    found = _FALLBACK
    if n1 and n2 and n3:
        shared = n1 / (n1 + 2 * n2)
        exact = np.array(
            [
                1 - 2 * shared * n2 / n1,
                2 - 3 * shared * n3 / n2,
                3 - 4 * shared * n4 / n3,
            ]
        )
        found = np.where((exact > 0) & (exact <= [1, 2, 3]), exact, _FALLBACK)
    return np.append(0.0, found)
