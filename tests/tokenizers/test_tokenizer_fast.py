import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.inputs import longest_first

WORDS = [t for t in SqueezeBertTokenizerFast().vocabulary if t.isalpha() and len(t) > 1]
lengths = st.integers(0, 20)
sentences = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


def test_it_imports_no_tensorflow():
    code = (
        "import sys, keras_squeezebert as k; k.SqueezeBertTokenizerFast()('a');"
        "print(*{'tensorflow', 'keras'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"


def test_threads_do_not_disturb_one_another(fast):
    texts = ["one two three four five"] * 50
    with ThreadPoolExecutor(4) as pool:
        widths = [3, 5, 4, 6] * 20
        outputs = pool.map(lambda width: fast(texts, max_length=width), widths)
    assert [o["input_ids"].shape[1] for o in outputs] == widths


# === What both tokenizers take


@pytest.mark.parametrize(
    "texts",
    [
        ["Hello", "a b"],
        ("Hello", "a b"),
        [b"Hello", "a b"],
        np.array(["Hello", "a b"]),
        np.array([b"Hello", b"a b"]),
        np.array(["Hello", "a b"], object),
    ],
    ids=str,
)
def test_texts_of_any_container(tokenizer, texts):
    ids = np.asarray(tokenizer(texts)["input_ids"])
    assert ids.tolist() == [[101, 7592, 102, 0], [101, 1037, 1038, 102]]


@pytest.mark.parametrize("text", ["a", b"a", np.str_("a"), np.array("a")])
def test_one_string_is_a_batch_of_one(tokenizer, text):
    assert np.asarray(tokenizer(text)["input_ids"]).tolist() == [[101, 1037, 102]]


def test_empty_batches_and_texts(tokenizer):
    assert tokenizer([])["input_ids"].shape == (0, 0)
    assert tokenizer([], [])["input_ids"].shape == (0, 0)
    padded = tokenizer([], padding="max_length", max_length=7)
    assert padded["attention_mask"].shape == (0, 7)
    ids = np.asarray(tokenizer(["", " "], ["", "\n"])["input_ids"])
    assert ids.tolist() == [[101, 102, 102]] * 2


def test_text_that_is_not_unicode_is_dropped(tokenizer):
    ids = np.asarray(tokenizer(["a\ud800b", b"a\xffb"])["input_ids"])
    assert ids[0].tolist() == ids[1].tolist() == [101, 11113, 102]


def test_padding_to_the_model_length(tokenizer):
    outputs = tokenizer(["a"], padding="max_length")
    assert outputs["input_ids"].shape == (1, 512)
    assert np.asarray(outputs["attention_mask"]).sum() == 3


def test_without_truncation(tokenizer):
    text = "a " * 600
    assert tokenizer(text)["input_ids"].shape == (1, 512)
    assert tokenizer(text, truncation=False)["input_ids"].shape == (1, 602)
    assert tokenizer("a b", max_length=4, truncation=False)["input_ids"].shape == (1, 4)
    with pytest.raises(InputError, match=r"Row 1 has 5 tokens, 1 too many"):
        tokenizer(["a", "a b c"], max_length=4, truncation=False)
    with pytest.raises(InputError, match=r"Row 0 has 602 tokens"):
        tokenizer(text, padding="max_length", truncation=False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((["a", None],), r"Received: texts\[1\]=None"),
        (([float("nan")],), r"Received: texts\[0\]=nan"),
        ((["a"], [3]), r"Received: text_pairs\[0\]=3"),
        (([["a"]],), r"Received: texts\[0\]=\['a'\]"),
        ((np.array([["a"]]),), r"Received: texts\[0\]=\['a'\]"),
        ((None,), "Received: texts=None"),
        (({"text": "a"},), "Received: texts={'text': 'a'}"),
        ((["a"], ["b", "c"]), r"Received: len\(texts\)=1, len\(text_pairs\)=2"),
        ((["a"], None, 1), "Received: max_length=1"),
        ((["a"], ["b"], 2), "Received: max_length=2"),
        ((["a"], None, 8.0), "Received: max_length=8.0"),
        ((["a"], None, True), "Received: max_length=True"),
        ((["a"], None, 8, "left"), "Received: padding='left'"),
    ],
)
def test_bad_arguments(tokenizer, arguments, message):
    with pytest.raises(InputError, match=message):
        tokenizer(*arguments)


# === Tokens, ids and text


def test_tokens_and_ids(tokenizer):
    assert tokenizer.vocab_size == len(tokenizer.get_vocab()) == 30522
    assert tokenizer.pad_token_id == 0
    assert tokenizer.unk_token_id == 100
    assert tokenizer.cls_token_id == 101
    assert tokenizer.sep_token_id == 102
    assert tokenizer.mask_token_id == 103
    assert tokenizer.all_special_ids == [100, 102, 0, 101, 103]
    assert tokenizer.convert_tokens_to_ids("hello") == 7592
    assert tokenizer.convert_tokens_to_ids(["hello", "no such"]) == [7592, 100]
    assert tokenizer.convert_ids_to_tokens(7592) == "hello"
    assert tokenizer.convert_ids_to_tokens(np.array([7592, 0])) == ["hello", "[PAD]"]
    for bad in (30522, -1, 1.0, "hello"):
        with pytest.raises(InputError, match="Received: "):
            tokenizer.convert_ids_to_tokens([bad])


def test_decoding(tokenizer):
    ids = tokenizer(["Unaffable, isn't it?", "a"])["input_ids"]
    assert tokenizer.decode(ids[0]) == "unaffable, isn ' t it?"
    assert tokenizer.batch_decode(ids) == ["unaffable, isn ' t it?", "a"]
    full = tokenizer.decode(ids[1][:4], skip_special_tokens=False)
    assert full == "[CLS] a [SEP] [PAD]"


def test_special_tokens_in_the_text(tokenizer, fast):
    ids = np.asarray(tokenizer("a[MASK]b [mask] [SEP")["input_ids"])[0]
    tokens = fast.convert_ids_to_tokens(ids)
    assert tokens[1:4] == ["a", "[MASK]", "b"]
    assert tokens[4:-1] == ["[", "mask", "]", "[", "sep"]


def test_special_tokens_of_another_name(fast):
    names = {"mask_token": "<mask>", "pad_token": "<mask>2"}
    renamed = {"[MASK]": "<mask>", "[PAD]": "<mask>2"}
    vocabulary = [renamed.get(token, token) for token in fast.vocabulary]
    for tokenizer in (
        SqueezeBertTokenizerFast(vocabulary, **names),
        type_of_layer()(vocabulary, **names),
    ):
        ids = np.asarray(tokenizer("<mask>2<mask>")["input_ids"])
        assert ids.tolist() == [[101, 0, 103, 102]]


def type_of_layer():
    from keras_squeezebert import SqueezeBertTokenizer

    return SqueezeBertTokenizer


# === Properties


@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_known_words_survive_decoding(words):
    fast = SHARED
    assert (
        fast.decode(fast(" ".join(words))["input_ids"][0, :511]).split()
        == (words[:510])
    )


@given(sentences)
def test_offsets_cut_out_the_tokens(text):
    outputs = SHARED(text, return_offsets_mapping=True)
    tokens = SHARED.convert_ids_to_tokens(outputs["input_ids"][0])
    for token, (start, end) in zip(
        tokens[1:-1], outputs["offset_mapping"][0, 1:-1], strict=True
    ):
        assert text[start:end] == token.removeprefix("##")


@settings(max_examples=50)
@given(sentences, sentences, st.integers(3, 40))
def test_rows_are_as_long_as_asked(first, second, max_length):
    outputs = SHARED([first], [second], max_length=max_length, padding="max_length")
    whole = SHARED([first], [second])
    assert outputs["input_ids"].shape == (1, max_length)
    count = min(max_length, whole["attention_mask"].sum())
    assert outputs["attention_mask"].sum() == count
    assert (outputs["input_ids"][0, :count] != 0).all()
    assert (outputs["input_ids"][0] == 102).sum() == 2


@given(lengths, lengths, lengths)
def test_truncation_uses_all_the_room(first, second, room):
    a, b = longest_first(np.array(first), np.array(second), room, np)
    assert a + b == min(first + second, room)
    assert 0 <= a <= first and 0 <= b <= second


SHARED = SqueezeBertTokenizerFast()
