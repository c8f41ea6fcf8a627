"""Features: rows, and rows that are added to them."""

import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import Features


def features(lengths, shape=(), labels=None, **changes):
    """Rows of these lengths, in which the ids count up; shape is that of choices."""
    ids = np.zeros((len(lengths), *shape, max(lengths)), "int32")
    for row, length in enumerate(lengths):
        ids[row, ..., :length] = np.arange(1, length + 1) + 10 * row
    inputs = {"input_ids": ids, "attention_mask": np.sign(ids)}
    rows = np.arange(len(lengths))
    return Features(inputs=inputs, labels=labels, rows=rows, **changes)


@pytest.mark.parametrize("lengths", [(3, 5), (5, 3), (2, 2)])
@pytest.mark.parametrize("shape", [(), (4,)], ids=["texts", "choices"])
def test_unlabelled_rows(lengths, shape):
    first, second = lengths
    labelled = features([first, first - 1], shape, np.array([1, 0], "int32"))
    unlabelled = features([second - 1, second, 1], shape)
    both = labelled.with_unlabelled(unlabelled)
    assert both.labels.tolist() == [1, 0, -100, -100, -100]
    assert both.labels.dtype == np.int32
    assert both.rows.tolist() == [0, 1, 2, 3, 4]
    assert both.lengths.tolist() == [first, first - 1, second - 1, second, 1]
    for row in range(5):
        source, number = (labelled, row) if row < 2 else (unlabelled, row - 2)
        expected, _ = source.batch(np.array([number]))
        received, _ = both.batch(np.array([row]))
        for name, array in expected.items():
            assert (received[name] == array).all()


def test_unlabelled_rows_whose_tokens_have_labels():
    labels = np.array([[1, 2, -100]], "int32")
    labelled = features([3], labels=labels, labels_of_tokens=True)
    both = labelled.with_unlabelled(features([5]))
    assert both.labels.tolist() == [[1, 2] + [-100] * 3, [-100] * 5]
    both = labelled.with_unlabelled(features([2]))
    assert both.labels.tolist() == [[1, 2, -100], [-100] * 3]


@pytest.mark.parametrize(
    "labels",
    [None, np.array([0.5], "float32"), {"start_logits": np.array([1])}],
    ids=["none", "numbers", "positions"],
)
def test_unlabelled_rows_beside_other_labels(labels):
    with pytest.raises(InputError, match="has one of several labels"):
        features([3], labels=labels).with_unlabelled(features([3]))
