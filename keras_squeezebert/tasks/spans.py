"""best_spans: of all that start and end somewhere, those with the greatest scores."""

import numpy as np


def best_spans(
    start: np.ndarray, end: np.ndarray, longest: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The spans of each row with the greatest sums of a start and an end.

    Args:
        start: Score of each position as the first one, float (rows, seq); −inf where no
            span may start.
        end: The same as the last one.
        longest: Most positions of a span.
        count: How many spans to give.

    Returns:
        First position, last position and score, (rows, spans) each, in no order. The
        score is −inf where a row has fewer spans.

    Example:
        >>> start, end = np.array([[1.0, 0.0, 5.0]]), np.array([[7.0, 1.0, 0.5]])
        >>> [array.tolist() for array in best_spans(start, end, longest=2, count=1)]
        [[[0]], [[0]], [[8.0]]]
    """
    beyond = np.pad(end, [(0, 0), (0, longest - 1)], constant_values=-np.inf)
    # Of the spans that start at each position, the scores of their ends.
    ends = np.lib.stride_tricks.sliding_window_view(beyond, longest, axis=-1)
    # No more starts than spans can be among the best.
    first = _greatest(start + ends.max(axis=-1), count)  # (rows, starts)
    scores = np.take_along_axis(start, first, axis=-1)[..., None]
    scores = scores + np.take_along_axis(ends, first[..., None], axis=1)
    scores = scores.reshape(len(start), -1)  # (rows, starts * lengths)
    best = _greatest(scores, count)  # (rows, spans)
    number, further = np.divmod(best, longest)
    first = np.take_along_axis(first, number, axis=-1)
    return first, first + further, np.take_along_axis(scores, best, axis=-1)


def _greatest(values, count):
    """Where the greatest values of each row are, in no order."""
    count = min(count, values.shape[-1])
    return np.argpartition(values, -count, axis=-1)[:, -count:]
