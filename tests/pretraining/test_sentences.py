"""Sentences are the text but for the space between them, found in linear time."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_squeezebert.pretraining.sentences import split_sentences
from keras_squeezebert.tasks.pieces import word_pieces

PARTS = [
    ".",
    "!",
    "?",
    "…",
    '"',
    "'",
    "”",
    "“",
    "(",
    ")",
    "[",
    "]",
    " ",
    "\n",
    "\u00a0",
]
PARTS += ["A", "b", "7", "é", "Mr.", "etc.", "U.S.", " He said ", "it is", ". The"]
texts = st.one_of(st.lists(st.sampled_from(PARTS), max_size=30).map("".join), st.text())


@given(texts)
def test_nothing_is_lost_but_space(text):
    position = 0
    for sentence in split_sentences(text):
        begin = text.index(sentence, position)
        assert not text[position:begin].strip()
        position = begin + len(sentence)
    assert position == len(text)


@given(texts)
def test_the_pieces_are_those_of_the_text(tokenizer, text):
    whole, parts = (
        word_pieces(tokenizer, texts) for texts in ([text], split_sentences(text))
    )
    np.testing.assert_array_equal(whole.ids, parts.ids[parts.indices()])


@pytest.mark.parametrize(
    "sentences",
    [
        ["One.", "Two!", "Three?", "Four…", "5 is a number.", "The end"],
        ['"Who?" he said.', "'Nobody.'", "“I see.”", "(He did not.)", "[Ends.]"],
        ["Dr. A. B. Jones met Mr. and Mrs. Smith vs. Prof. Xu.", "They left."],
        ["It was 3.14 in the U.S. Senate.", "No."],
        ["wait... what? no.", "Yes... perhaps."],
        ["He left etc. But nobody saw it."],
        ["no capital. so no end"],
        [""],
    ],
)
def test_where_sentences_end(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "part",
    # Marks that end something or nothing, closing and opening quotes, and space.
    [". ", ". A", "A. ", "Mr. ", '"', '."', '. "', ".(", " ", ".   ", "Prof.) ", "x"],
)
@pytest.mark.parametrize("begin", ["", ".", ". "])
def test_in_linear_time(begin, part):
    # The short one first: for quadratic time the long one would take hours.
    for size in (2**14, 2**18):
        text = begin + part * (size // len(part))
        start = time.process_time()
        split_sentences(text)
        assert time.process_time() - start < 8
