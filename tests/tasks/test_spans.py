"""The best spans are those of a search through all of them."""

import numpy as np
import pytest

from keras_squeezebert.tasks.spans import best_spans


@pytest.mark.parametrize("seq", [1, 2, 7, 30])
@pytest.mark.parametrize("longest", [1, 3, 40])
@pytest.mark.parametrize("count", [1, 5, 200])
def test_every_span_is_looked_at(seq, longest, count):
    rng = np.random.default_rng(seq * longest + count)
    start, end = rng.standard_normal((2, 6, seq))
    start[0, : seq // 2] = -np.inf
    end[1, seq // 2 :] = -np.inf
    firsts, lasts, scores = best_spans(start, end, longest, count)
    for row in range(6):
        expected = sorted(
            (
                (-start[row, i] - end[row, j], i, j)
                for i in range(seq)
                for j in range(i, min(i + longest, seq))
                if np.isfinite(start[row, i] + end[row, j])
            ),
        )[:count]
        found = sorted(
            (-score, first, last)
            for score, first, last in zip(
                scores[row], firsts[row], lasts[row], strict=True
            )
            if np.isfinite(score)
        )
        assert found == expected
