"""Both tokenizers against Hugging Face's Rust library, on text of every kind."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from random_texts import SPECIAL, RandomTexts
from tokenizers.implementations import BertWordPieceTokenizer

from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.code_points import MARKS, code_point_table
from keras_squeezebert.tokenizers.vocabulary import BERT_UNCASED_VOCAB
from keras_squeezebert.tokenizers.word_pieces import normalize

CHARACTERS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
SHIPPED = BERT_UNCASED_VOCAB.read_text(encoding="utf-8").split("\n")[:-1]

# Options of ours and the reference's names for them.
OPTIONS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
CASES = [
    {},
    {"do_lower_case": False},
    {"do_lower_case": False, "strip_accents": True},
    {"strip_accents": False},
    {"tokenize_chinese_chars": False},
    {"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": False},
]


def reference(vocabulary, options=None):
    names = {OPTIONS[name]: value for name, value in (options or {}).items()}
    ids = {token: index for index, token in enumerate(vocabulary)}
    return BertWordPieceTokenizer(ids, **names)


def noisy_bytes(texts):
    """A text of which some bytes are others, or missing, or new."""
    data = bytearray(texts.text().encode())
    for _ in range(texts.random.randrange(4)):
        at = texts.random.randrange(len(data) + 1)
        data[at : at + texts.random.randrange(2)] = texts.random.randbytes(1)
    return bytes(data)


@pytest.fixture(scope="module")
def texts():
    return RandomTexts(seed=20)


@pytest.fixture(scope="module")
def vocabulary(texts):
    return texts.vocabulary(words=3000)


def expected(rust, texts, pairs=None, max_length=512):
    """Arrays of the reference, padded to its longest row."""
    rust.enable_truncation(max_length, strategy="longest_first")
    rust.enable_padding(pad_id=rust.token_to_id("[PAD]"))
    rows = rust.encode_batch(
        texts if pairs is None else list(zip(texts, pairs, strict=True))
    )
    return {
        "input_ids": np.array([row.ids for row in rows], np.int32),
        "attention_mask": np.array([row.attention_mask for row in rows], np.int32),
        "token_type_ids": np.array([row.type_ids for row in rows], np.int32),
        "offset_mapping": np.array([row.offsets for row in rows], np.int32),
    }


def differences(outputs, wanted, texts):
    """The texts of which any output differs."""
    different = np.zeros(len(texts), bool)
    for name, array in outputs.items():
        assert array.shape == wanted[name].shape
        assert array.dtype == np.int32
        unequal = np.asarray(array) != wanted[name]
        different |= unequal.reshape(len(texts), -1).any(axis=1)
    return [text for text, differs in zip(texts, different, strict=True) if differs]


def batches(count, size, make):
    return ([make() for _ in range(size)] for _ in range(0, count, size))


# === Normalisation and splitting


@pytest.mark.parametrize("options", CASES[::2])
def test_every_code_point_is_normalised_alike(options):
    rust = reference(SPECIAL, options)
    lower = options.get("do_lower_case", True)
    table = code_point_table(
        lower,
        options.get("strip_accents", lower),
        options.get("tokenize_chinese_chars", True),
    )
    # Between letters, so that what is dropped differs from what is split.
    contexts = [f"a{character}b" for character in CHARACTERS if character not in MARKS]
    lines = [" ".join(contexts[i : i + 500]) for i in range(0, len(contexts), 500)]
    codes, _ = normalize(tf.strings.unicode_decode(lines, "UTF-8"), table)
    words = tf.strings.split(tf.strings.unicode_encode(codes, "UTF-8"))
    ours = tf.strings.reduce_join(words, axis=1, separator=" ").numpy()
    for line, our in zip(lines, ours, strict=True):
        normal = rust.normalizer.normalize_str(line)
        their = [word for word, _ in rust.pre_tokenizer.pre_tokenize_str(normal)]
        assert our.decode() == " ".join(their)


# === Whole texts


@pytest.mark.parametrize("options", CASES)
def test_texts_agree(texts, vocabulary, options):
    rust = reference(vocabulary, options)
    fast = SqueezeBertTokenizerFast(vocabulary, **options)
    layer = SqueezeBertTokenizer(vocabulary, **options)
    for batch in batches(6000 if options else 18000, 2000, texts.text):
        wanted = expected(rust, batch)
        for tokenizer in (fast, layer):
            outputs = tokenizer(batch, return_offsets_mapping=True)
            assert differences(outputs, wanted, batch) == []


def test_texts_agree_with_the_shipped_vocabulary(texts, fast, layer):
    rust = reference(SHIPPED)
    for batch in batches(6000, 2000, texts.text):
        wanted = expected(rust, batch)
        assert differences(fast(batch), wanted, batch) == []
        assert differences(layer(batch), wanted, batch) == []


def test_bytes_agree(texts, fast, layer):
    rust = reference(SHIPPED)
    for batch in batches(4000, 2000, partial(noisy_bytes, texts)):
        wanted = expected(rust, [b.decode(errors="replace") for b in batch])
        for outputs in (
            fast(batch, return_offsets_mapping=True),
            layer(tf.constant(batch), return_offsets_mapping=True),
        ):
            assert differences(outputs, wanted, batch) == []


def test_pairs_of_any_length_agree(texts, fast, layer):
    rust = reference(SHIPPED)
    for first in batches(6000, 600, texts.text):
        second = [texts.text() for _ in first]
        for max_length in texts.random.sample(range(3, 60), 2):
            wanted = expected(rust, first, second, max_length)
            for tokenizer in (fast, layer):
                outputs = tokenizer(
                    first, second, max_length, return_offsets_mapping=True
                )
                assert differences(outputs, wanted, first) == []


def test_single_texts_of_any_length_agree(texts, fast, layer):
    rust = reference(SHIPPED)
    for batch in batches(4000, 200, texts.text):
        max_length = texts.random.randrange(2, 40)
        wanted = expected(rust, batch, max_length=max_length)
        for tokenizer in (fast, layer):
            outputs = tokenizer(batch, max_length=max_length)
            assert differences(outputs, wanted, batch) == []


def test_special_tokens_agree(texts, fast):
    rust = reference(SHIPPED)
    rust.enable_truncation(30)
    rust.enable_padding()
    for first in batches(2000, 1000, texts.text):
        second = [texts.text() for _ in first]
        rows = rust.encode_batch(list(zip(first, second, strict=True)))
        outputs = fast(first, second, 30, return_special_tokens_mask=True)
        wanted = [row.special_tokens_mask for row in rows]
        np.testing.assert_array_equal(outputs["special_tokens_mask"], wanted)


@pytest.mark.parametrize("options", CASES[1:])
def test_the_comparison_can_fail(texts, vocabulary, options):
    rust = reference(vocabulary, options)
    batch = [texts.text() for _ in range(1000)]
    fast = SqueezeBertTokenizerFast(vocabulary)
    layer = SqueezeBertTokenizer(vocabulary)
    for tokenizer in (fast, layer):
        theirs = [row.tokens for row in rust.encode_batch(batch)]
        ours = [
            tokenizer.convert_ids_to_tokens(row[mask == 1])
            for row, mask in _rows(tokenizer(batch))
        ]
        assert sum(a != b for a, b in zip(ours, theirs, strict=True)) > 10


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_shifted_offset_is_found(texts, layer, column, shift):
    batch = [f"{texts.text()} end" for _ in range(200)]
    outputs = layer(batch, return_offsets_mapping=True)
    offsets = np.array(outputs["offset_mapping"])
    ends = np.sum(outputs["attention_mask"], axis=1) - 2
    offsets[range(len(batch)), ends, column] += shift
    outputs["offset_mapping"] = offsets
    assert differences(outputs, expected(reference(SHIPPED), batch), batch) == batch


def _rows(outputs):
    ids, mask = (np.asarray(outputs[n]) for n in ("input_ids", "attention_mask"))
    return zip(ids, mask, strict=True)
