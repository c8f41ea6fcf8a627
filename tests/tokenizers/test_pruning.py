"""Which pieces are counted and kept, and what that does to words."""

import weakref
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import InputError
from keras_squeezebert.data import load_clinc150
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.pruning import (
    count_pieces,
    kept_ids,
    prune_vocabulary,
)

FULL = SqueezeBertTokenizerFast()
CORPUS = load_clinc150("train").texts[::10]
PRUNED = SqueezeBertTokenizerFast(prune_vocabulary(None, CORPUS))
DROPPED = sorted(set(FULL.vocabulary) - set(PRUNED.vocabulary))

# Words that both know, words of which a part was dropped, and anything at all.
kept_words = st.sampled_from(sorted({word for text in CORPUS for word in text.split()}))
dropped_words = st.sampled_from([piece.removeprefix("##") for piece in DROPPED])
words = st.one_of(kept_words, dropped_words, st.text(max_size=8))
texts = st.lists(words, max_size=6).map(" ".join)


# === Counting


def test_counts_are_those_of_tokenize():
    texts = [*CORPUS, "[MASK] [SEP]", "", "\ud800 ☃ naïve"]
    expected = Counter(piece for text in texts for piece in FULL.tokenize(text))
    counts = count_pieces(FULL, iter(texts))
    assert {FULL.vocabulary[i]: n for i, n in counts.items()} == expected


def test_one_string_is_one_text():
    assert count_pieces(FULL, "no way") == count_pieces(FULL, ["no way"])


def test_texts_are_not_held_in_memory():
    class Text(str):
        pass

    alive, most = weakref.WeakSet(), 0

    def stream():
        nonlocal most
        for number in range(5000):
            text = Text(f"text {number}")
            alive.add(text)
            most = max(most, len(alive))
            yield text

    assert count_pieces(FULL, stream())[FULL.get_vocab()["text"]] == 5000
    assert most < 1000


def test_what_is_no_text():
    with pytest.raises(InputError, match=r"Received: texts\[1\]=7"):
        count_pieces(FULL, ["a", 7])


# === Keeping


@pytest.mark.parametrize("min_count", [1, 2, 5])
def test_what_is_kept(min_count):
    used = Counter(piece for text in CORPUS for piece in FULL.tokenize(text))
    kept = prune_vocabulary(None, CORPUS, min_count)
    always = {*FULL.options.special_tokens}
    always |= {t for t in FULL.vocabulary if len(t) == 1}
    always |= {t for t in FULL.vocabulary if len(t) == 3 and t.startswith("##")}
    often = {piece for piece, count in used.items() if count >= min_count}
    assert set(kept) == always | often
    assert kept == sorted(kept, key=FULL.get_vocab().get)


@pytest.mark.parametrize("min_count", [0, -1])
def test_a_count_that_is_none(min_count):
    with pytest.raises(InputError, match=f"Received: min_count={min_count}"):
        kept_ids(FULL, {}, min_count)


# === Splitting with what is left


@pytest.mark.parametrize("text", CORPUS[::20])
def test_the_corpus_is_split_as_before(text):
    assert PRUNED.tokenize(text) == FULL.tokenize(text)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_any_text(text):
    before, after = FULL.tokenize(text), PRUNED.tokenize(text)
    assert after.count("[UNK]") == before.count("[UNK]")
    assert spelt(after) == spelt(before)
    if set(before) <= set(PRUNED.vocabulary):
        assert after == before


@settings(max_examples=50, deadline=None)
@given(st.lists(kept_words, max_size=6).map(" ".join))
def test_any_text_of_known_words(text):
    assert PRUNED.tokenize(text) == FULL.tokenize(text)


@pytest.mark.parametrize("piece", DROPPED[::1000])
def test_dropped_words_are_still_spelt(piece):
    word = piece.removeprefix("##")
    assert spelt(PRUNED.tokenize(word)) == spelt(FULL.tokenize(word))


def spelt(pieces):
    return "".join(piece.removeprefix("##") for piece in pieces)
