"""What is hidden is chosen at the rates that were asked for, and always the same."""

import numpy as np
import pytest
from generated import sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.tasks.masking import Masking


@pytest.fixture(scope="module")
def ids(tokenizer):
    """Rows of any pieces but special ones, of which many continue a word."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, tokenizer.vocab_size, (500, 120)).astype("int32")
    ids[:, 0], ids[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    return ids


def share(part, whole):
    return part.sum() / whole.sum()


def near(rate, count):
    """Five standard deviations of a share of so many."""
    return pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / count))


@pytest.mark.parametrize("rate", [0.15, 0.4])
@pytest.mark.parametrize("whole_words", [False, True])
def test_rates(tokenizer, ids, rate, whole_words):
    masking = Masking(tokenizer, rate, whole_words, seed=3)
    masked, labels = masking(ids, range(len(ids)), epoch=1)
    chosen = labels != IGNORED_LABEL
    ordinary = ~np.isin(ids, tokenizer.all_special_ids)
    # Pieces of one word are not independent.
    count = ordinary.sum() / (2 if whole_words else 1)
    assert share(chosen, ordinary) == near(rate, count)
    np.testing.assert_array_equal(labels[chosen], ids[chosen])
    np.testing.assert_array_equal(masked[~chosen], ids[~chosen])
    assert not chosen[~ordinary].any()

    is_mask = chosen & (masked == tokenizer.mask_token_id)
    is_same = chosen & (masked == ids)
    is_other = chosen & ~is_mask & ~is_same
    assert share(is_mask, chosen) == near(0.8, chosen.sum())
    assert share(is_same, chosen) == near(0.1, chosen.sum())
    assert share(is_other, chosen) == near(0.1, chosen.sum())
    others = masked[is_other]
    assert not np.isin(others, tokenizer.all_special_ids).any()
    # Any piece is as probable: in the lower half of the vocabulary are half of them.
    assert share(others < tokenizer.vocab_size // 2, others > 0) == near(
        0.5, len(others)
    )


def test_every_piece_has_its_chance(tokenizer, ids):
    masking = Masking(tokenizer, 0.15)
    counts = sum(
        masking(ids, range(len(ids)), epoch)[1] != IGNORED_LABEL for epoch in range(40)
    )  # (rows, seq)
    inner = counts[:, 1:-1]
    assert inner.mean() / 40 == near(0.15, 40 * inner.size)
    # As often as a binomial does: neither the row nor the position matters.
    for axis in (0, 1):
        means = inner.mean(axis=axis) / 40
        count = 40 * inner.shape[axis]
        assert means.std() == pytest.approx(np.sqrt(0.15 * 0.85 / count), rel=0.35)


@settings(max_examples=40, deadline=None)
@given(words=sentences, seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_words_are_hidden_whole(tokenizer, words, seed, epoch):
    ids = tokenizer(" ".join(words))["input_ids"]
    masking = Masking(tokenizer, 0.5, whole_words=True, seed=seed)
    _, labels = masking(ids, [4], epoch)
    chosen = labels[0] != IGNORED_LABEL
    tokens = tokenizer.convert_ids_to_tokens(ids[0])
    for position, token in enumerate(tokens):
        if token.startswith("##"):
            assert chosen[position] == chosen[position - 1]
        if token in tokenizer.options.special_tokens:
            assert not chosen[position]


def test_the_same_whatever_it_is_hidden_with(tokenizer, ids):
    """By seed, epoch and row; not by the batch, its padding, or what came before."""
    masking = Masking(tokenizer, seed=5)
    whole, labels = masking(ids, range(len(ids)), epoch=2)
    rows = np.array([7, 3, 499])
    part, of_part = Masking(tokenizer, seed=5)(ids[rows, :50], rows, epoch=2)
    np.testing.assert_array_equal(part, whole[rows, :50])
    np.testing.assert_array_equal(of_part, labels[rows, :50])


@pytest.mark.parametrize("other", [{"seed": 6}, {"epoch": 3}, {"first": 1}])
def test_others_by_seed_epoch_and_row(tokenizer, ids, other):
    def hidden(seed=5, epoch=2, first=0):
        masking = Masking(tokenizer, seed=seed)
        row = np.tile(ids[:1], (4, 1))
        return masking(row, range(first, first + 4), epoch)[1] != IGNORED_LABEL

    some, others = hidden(), hidden(**other)
    assert not np.array_equal(some, others)
    # Rows that are alike are hidden differently too.
    assert not np.array_equal(some[0], some[1])


def test_shares(tokenizer, ids):
    masking = Masking(tokenizer, 0.3, mask_share=1.0, random_share=0.0)
    masked, labels = masking(ids, range(len(ids)), 0)
    chosen = labels != IGNORED_LABEL
    assert (masked[chosen] == tokenizer.mask_token_id).all()


@pytest.mark.parametrize(
    "choice",
    [{"rate": -0.1}, {"mask_share": 1.1}, {"random_share": 0.3}, {"seed": -1}],
)
def test_choices_out_of_range(tokenizer, choice):
    with pytest.raises(InputError, match="Received: "):
        Masking(tokenizer, **choice)
