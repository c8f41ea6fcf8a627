import json

import numpy as np
import pytest

from keras_squeezebert import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Ab", "##é", "c", "é", "中"]
OPTIONS = {
    "do_lower_case": False,
    "strip_accents": False,
    "tokenize_chinese_chars": False,
    "model_max_length": 7,
}
TEXTS = ["Abé c [MASK]c", "AB 中c", "ab é é é é é é é é é"]


@pytest.mark.parametrize("kind", [SqueezeBertTokenizer, SqueezeBertTokenizerFast])
def test_round_trip(tmp_path, kind):
    tokenizer = kind(VOCABULARY, **OPTIONS)
    (tmp_path / "tokenizer.json").write_text("stale")
    tokenizer.save_pretrained(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "tokenizer_config.json",
        "vocab.txt",
    ]
    loaded = kind.from_pretrained(tmp_path)
    assert loaded.vocabulary == tokenizer.vocabulary == tuple(VOCABULARY)
    assert loaded.options == tokenizer.options
    assert kind.from_pretrained(tmp_path, model_max_length=9).options != loaded.options


@pytest.mark.parametrize("options", [{}, OPTIONS])
def test_transformers_loads_the_same(tmp_path, options):
    transformers = pytest.importorskip("transformers")
    tokenizer = SqueezeBertTokenizerFast(VOCABULARY, **options)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "squeezebert"}')
    wanted = tokenizer(TEXTS, TEXTS)
    for kind in (
        transformers.AutoTokenizer,
        transformers.SqueezeBertTokenizer,
        transformers.SqueezeBertTokenizerFast,
    ):
        theirs = kind.from_pretrained(tmp_path)
        outputs = theirs(TEXTS, TEXTS, padding=True, truncation=True)
        for name, array in wanted.items():
            np.testing.assert_array_equal(outputs[name], array)
        for row in wanted["input_ids"]:
            assert theirs.decode(row) == tokenizer.decode(row, False)


@pytest.mark.parametrize("options", [{}, OPTIONS])
def test_a_folder_that_transformers_wrote(tmp_path, options):
    transformers = pytest.importorskip("transformers")
    SqueezeBertTokenizerFast(VOCABULARY, **options).save_pretrained(tmp_path / "ours")
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    assert not (tmp_path / "theirs" / "vocab.txt").exists()
    loaded = SqueezeBertTokenizerFast.from_pretrained(tmp_path / "theirs")
    assert loaded.vocabulary == tuple(VOCABULARY)
    assert loaded.options == SqueezeBertTokenizerFast(VOCABULARY, **options).options


def write_tokenizer_json(folder, **changes):
    contents = {
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: index for index, token in enumerate(VOCABULARY)},
        },
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": False,
            "strip_accents": True,
            "lowercase": False,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "added_tokens": [{"id": 4, "content": "[MASK]"}],
    }
    for name, value in changes.items():
        if isinstance(contents[name], dict):
            contents[name].update(value)
        else:
            contents[name] = value
    (folder / "tokenizer.json").write_text(json.dumps(contents))


def test_tokenizer_json_alone(tmp_path):
    write_tokenizer_json(tmp_path)
    options = SqueezeBertTokenizerFast.from_pretrained(tmp_path).options
    assert not options.do_lower_case and not options.tokenize_chinese_chars
    assert options.strip_accents is True

    config = {
        "do_lower_case": True,
        "model_max_length": 10**30,
        "mask_token": {"content": "[MASK]", "lstrip": False},
        "clean_up_tokenization_spaces": True,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    options = SqueezeBertTokenizerFast.from_pretrained(tmp_path).options
    assert options.do_lower_case and options.model_max_length == 512


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": {"type": "BPE"}}, "Received: model.type='BPE'"),
        ({"model": {"continuing_subword_prefix": "@@"}}, "prefix='@@'"),
        ({"model": {"max_input_chars_per_word": 9}}, "Received: .*per_word=9"),
        ({"model": {"vocab": {"a": 1}}}, "without a gap"),
        ({"normalizer": {"type": "NFC"}}, "Received: normalizer.type='NFC'"),
        ({"normalizer": {"clean_text": False}}, "clean_text=False"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "Received: pre_tokenizer.type"),
        ({"added_tokens": [{"id": 5, "content": "Ab"}]}, "Received: 'Ab'"),
    ],
)
def test_another_kind_of_tokenizer(tmp_path, changes, message):
    write_tokenizer_json(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        SqueezeBertTokenizerFast.from_pretrained(tmp_path)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="There is neither"):
        SqueezeBertTokenizerFast.from_pretrained(tmp_path)
