"""Rows made of pieces are those that the tokenizer makes."""

import numpy as np
import pytest
from generated import texts
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import pieces as pieces_module
from keras_squeezebert.tasks.pieces import token_rows, truncated_rows, word_pieces


def assert_equal_rows(actual, expected):
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        np.testing.assert_array_equal(actual[name], array, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(texts, texts), min_size=1, max_size=6), data=st.data())
def test_rows_are_the_tokenizers(tokenizer, pairs, data):
    first, second = map(list, zip(*pairs, strict=True))
    max_length = data.draw(st.integers(3, 40))
    pieces = word_pieces(tokenizer, first)
    rows, cut = truncated_rows(tokenizer, max_length, pieces)
    assert_equal_rows(rows, tokenizer(first, max_length=max_length))
    whole = tokenizer(first, truncation=False)["attention_mask"].sum(-1)
    np.testing.assert_array_equal(cut, whole > max_length)

    rows, cut = truncated_rows(
        tokenizer, max_length, pieces, word_pieces(tokenizer, second)
    )
    assert_equal_rows(rows, tokenizer(first, second, max_length=max_length))
    whole = tokenizer(first, second, truncation=False)["attention_mask"].sum(-1)
    np.testing.assert_array_equal(cut, whole > max_length)


@settings(max_examples=60, deadline=None)
@given(some=st.lists(texts, min_size=1, max_size=6))
def test_pieces_and_offsets_are_the_tokenizers(tokenizer, some):
    """Offsets never go back, which the search for words and answers relies on."""
    pieces = word_pieces(tokenizer, some)
    for number, text in enumerate(some):
        expected = tokenizer(text, truncation=False, return_offsets_mapping=True)
        indices = pieces.take(np.array([number])).indices()
        assert pieces.ids[indices].tolist() == expected["input_ids"][0, 1:-1].tolist()
        offsets = pieces.offsets[indices]
        np.testing.assert_array_equal(offsets, expected["offset_mapping"][0, 1:-1])
        assert (np.diff(offsets, axis=0) >= 0).all()


def test_texts_in_several_parts(tokenizer, monkeypatch):
    some = ["a b c", "", "unaffable " * 9, "a b c", "d", "e f"]
    whole = word_pieces(tokenizer, some)
    monkeypatch.setattr(pieces_module, "_MOST_CHARACTERS", 10)
    parts = word_pieces(tokenizer, some)
    for name, array in vars(whole).items():
        np.testing.assert_array_equal(getattr(parts, name), array, err_msg=name)
    assert len(whole.ids) == whole.counts.sum() - 3  # one of two equal texts


def test_no_texts(tokenizer):
    with pytest.raises(InputError, match="an example at least"):
        token_rows(tokenizer, word_pieces(tokenizer, []))
