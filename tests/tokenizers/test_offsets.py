"""The offsets of both tokenizers' tokens in their texts."""

import random

import numpy as np
import pytest
import tensorflow as tf
from golden import TEXTS

from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast

AWKWARD = [
    *TEXTS,
    "été ÉTÉ e\u0301te\u0301 naïve",
    "q\u0323\u0307 q\u0307\u0323 \u1e69 \u0390 \u0344\u0323",
    "straße STRA\u1e9eE \u0130stanbul \u01c5",
    "中文a字é字 日本ご \ud55c\uad6d\uc5b4",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u0645\u064e\u0631\u062d\u064e\u0628",
    "a\x00b\x07c \x00 d\x7f\x85e\u200bf\ufeffg\ufffdh",
    "a\xa0b\u2003c\u3000d\u2028e\r\nf",
    "[MASK] a[SEP]b[MASK][CLS] é[UNK]é [mask] [SEP [PAD]",
    "\U00100000a\U00100004 \U00100005b",
    "don't e.g., 3.14 (U.S.) $5 €5 --",
]
# Cut short, overlong, lone and out of range, at either end and in the middle.
NOT_UTF8 = [b"\xe4\xb8", b"\xc0\xaf", b"\x80", b"\xff", b"\xed\xa0\x80", b"\xf4\x90"]
NOT_UTF8 = [b"\xc3\xa9 %s a%sb %s" % (bad, bad, bad) for bad in NOT_UTF8]


def offsets_of(tokenizer, *texts, **arguments):
    outputs = tokenizer(*texts, return_offsets_mapping=True, **arguments)
    return np.asarray(outputs["offset_mapping"])


@pytest.mark.parametrize(
    "text, offsets",
    [
        ("Hi, you", [(0, 2), (2, 3), (4, 7)]),
        ("unaffable", [(0, 3), (3, 6), (6, 9)]),
        ("é e\u0301!", [(0, 1), (2, 3), (4, 5)]),
        ("\xa0[MASK]\x00e[SEP]", [(1, 7), (8, 9), (9, 14)]),
        ("中文\U0001f600 a", [(0, 1), (1, 2), (2, 3), (4, 5)]),
        ("y" * 101 + " a", [(0, 101), (102, 103)]),
        (b"a\xff b\xe4\xb8 c", [(0, 1), (3, 4), (6, 7)]),
    ],
)
def test_offsets_by_hand(tokenizer, text, offsets):
    assert offsets_of(tokenizer, text).tolist() == [
        [[0, 0], *map(list, offsets), [0, 0]]
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": False, "strip_accents": True},
        {"strip_accents": False, "tokenize_chinese_chars": False},
        {"mask_token": "<a much longer mask>"},
    ],
)
def test_awkward_texts_agree(fast, options):
    vocabulary = [*fast.vocabulary, "<a much longer mask>"]
    layer = SqueezeBertTokenizer(vocabulary, **options)
    fast = SqueezeBertTokenizerFast(vocabulary, **options)
    texts = [*AWKWARD, " ".join(AWKWARD), "<a much longer mask>É[MASK]"]
    np.testing.assert_array_equal(offsets_of(layer, texts), offsets_of(fast, texts))


@pytest.mark.parametrize("padding", ["longest", "max_length"])
@pytest.mark.parametrize("max_length", [3, 4, 11, 30])
def test_pairs_agree(layer, fast, padding, max_length):
    arguments = {"max_length": max_length, "padding": padding}
    pairs = AWKWARD, AWKWARD[::-1]
    np.testing.assert_array_equal(
        offsets_of(layer, *pairs, **arguments), offsets_of(fast, *pairs, **arguments)
    )


def test_empty_batches(tokenizer):
    assert offsets_of(tokenizer, []).shape == (0, 0, 2)
    assert offsets_of(tokenizer, [], max_length=7, padding="max_length").shape == (
        (0, 7, 2)
    )
    assert not offsets_of(tokenizer, ["", " "], ["", "\n"]).any()


# === Texts cut by them


@tf.function
def substrings(texts, offsets):
    starts, ends = tf.unstack(offsets, axis=2)
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    return tf.strings.substr(texts[:, None], starts, ends - starts, "UTF8_CHAR")


def test_the_graph_cuts_as_python_does(layer):
    data = [text.encode() for text in AWKWARD] + NOT_UTF8
    offsets = offsets_of(layer, tf.constant(data))
    cut = substrings(tf.constant(data), tf.constant(offsets)).numpy()
    for row, text in enumerate(data):
        text = text.decode(errors="replace")
        for column, (start, end) in enumerate(offsets[row]):
            assert cut[row, column].decode() == text[start:end]


def test_bytes_that_are_not_utf8_count_as_in_python(layer, fast):
    choose = random.Random(5)
    data = list(NOT_UTF8)
    for _ in range(2000):
        text = bytearray("aé字\U0001f600 b".encode() * 2)
        for _ in range(choose.randrange(1, 6)):
            at = choose.randrange(len(text))
            text[at : at + choose.randrange(2)] = choose.randbytes(1)
        data.append(bytes(text))
    np.testing.assert_array_equal(
        offsets_of(layer, tf.constant(data)), offsets_of(fast, data)
    )
