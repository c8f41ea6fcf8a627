"""Both tokenizers against Hugging Face's Rust library, on text of every kind."""

import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from tokenizers.implementations import BertWordPieceTokenizer

from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.code_points import MARKS, code_point_table
from keras_squeezebert.tokenizers.vocabulary import BERT_UNCASED_VOCAB
from keras_squeezebert.tokenizers.word_pieces import normalize

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
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


class Texts:
    """Random texts of words, special tokens and characters of every category."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        groups = {}
        for character in CHARACTERS:
            groups.setdefault(unicodedata.category(character), []).append(character)
        marks = [c for c in CHARACTERS if unicodedata.combining(c)]
        # Some of each category, in every run of planes, and all that NFD may move
        # past one another.
        self.groups = [
            self.random.sample(group, min(len(group), 150)) for group in groups.values()
        ]
        self.groups += [
            self.random.sample(marks, 200),
            [c for c in marks if unicodedata.category(c) == "Mc"],
            list("\u302e\u302f\U0001d165\U0001d16d\U0001d15e\u0345\u0334\u0941\u0f73"),
            self.random.sample([chr(c) for c in range(0xAC00, 0xD7A4)], 100),
            [chr(c) for c in (0x1100, 0x1161, 0x11A8, 0x11C2, 0x1175)],
            self.random.sample([chr(c) for c in range(0x4E00, 0xA000)], 100),
            list("\t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u2028\u2029\u202f\u3000 "),
            list("\x00\x7f\u200b\u200c\u200d\u2060\ufe0f\ufeff\ufffd\ufffe\uffff"),
            list("\U0001f469\u200d\U0001f4bb\U0001f3fd\U0001f1e9\U0001f1ea\u20e3"),
            [chr(c) for c in range(0x100000, 0x100006)],
            list("İıẞßΣςσﬁ…½Ａ１ǅK" + "ÅÀÉñçü"),
        ]
        self.characters = sorted({c for group in self.groups for c in group})

    def text(self):
        atoms = (self._atom() for _ in range(self.random.randrange(12)))
        return "".join(a + self.random.choice(["", "", " "]) for a in atoms)

    def noisy_bytes(self):
        data = bytearray(self.text().encode())
        for _ in range(self.random.randrange(4)):
            at = self.random.randrange(len(data) + 1)
            data[at : at + self.random.randrange(2)] = self.random.randbytes(1)
        return bytes(data)

    def _atom(self):
        choose = self.random.choice
        kind = self.random.random()
        if kind < 0.25:
            word = choose(SHIPPED).removeprefix("##")
            return choose([word, word.upper(), word.title()])
        if kind < 0.33:
            token = choose(SPECIAL)
            at = self.random.randrange(len(token))
            broken = token[:at] + choose(self.characters) + token[at:]
            return choose([token, token, token.lower(), token[:-1], token[1:], broken])
        if kind < 0.35:
            length = choose([99, 100, 101, 130])
            return choose("aéÉß字ab") * (length - 1) + choose(["b", "\u0301", "!", "é"])
        group = choose(self.groups)
        return "".join(choose(group) for _ in range(self.random.randrange(1, 5)))


@pytest.fixture(scope="module")
def texts():
    return Texts(seed=20)


@pytest.fixture(scope="module")
def vocabulary(texts):
    """Short pieces of nearly every character, so that few words are unknown."""
    spelt = {
        c
        for character in texts.characters
        for form in (character, character.lower())
        for c in form + unicodedata.normalize("NFD", form)
    }
    spelt |= {chr(c) for c in range(33, 127)}
    spelt -= set(texts.random.sample(sorted(spelt), 50)) | set("\0\r\n")
    words = texts.random.sample([t for t in SHIPPED if t.isalpha()], 3000)
    tokens = [*SPECIAL, *sorted(spelt), *(f"##{c}" for c in sorted(spelt)), *words]
    return list(dict.fromkeys(tokens))


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
    for batch in batches(4000, 2000, texts.noisy_bytes):
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
