"""LiteRTModel: arrays and texts through a .tflite, and what it refuses."""

import zipfile

import numpy as np
import pytest
from tiny import ONE_LAYER, assert_equal_outputs, make_inputs, make_model, run

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import LiteRTModel, companions, export_tflite

CLASSIFIER = "SqueezeBertForSequenceClassification"


@pytest.fixture(scope="module")
def litert(exported):
    """Takes two rows of eight tokens a call."""
    return LiteRTModel(exported(batch_size=2)[1])


@pytest.fixture(scope="module")
def model(exported):
    return exported(batch_size=2)[0]


# === Arrays


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_any_number_of_rows(litert, model, rows):
    inputs = make_inputs(rows, 8)
    assert_equal_outputs(litert(inputs), run(model, inputs))


def test_no_rows(litert):
    inputs = {name: value[:0] for name, value in make_inputs(1, 8).items()}
    assert litert(inputs)["logits"].shape == (0, 3)


@pytest.mark.parametrize("seq", [1, 5, 8])
def test_short_rows_are_padded(litert, model, seq):
    whole = make_inputs(3, 8)
    inputs = {name: value[:, :seq] for name, value in whole.items()}
    # Keras warns of one token alone; a masked second one changes nothing.
    padded = {name: np.pad(value, [(0, 0), (0, 1)]) for name, value in inputs.items()}
    assert_equal_outputs(litert(inputs), run(model, padded))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
def test_any_integers(litert, dtype):
    inputs = make_inputs(2, 8)
    other = {name: value.astype(dtype) for name, value in inputs.items()}
    assert_equal_outputs(litert(other), litert(inputs), atol=0)
    lists = {name: value.tolist() for name, value in inputs.items()}
    assert_equal_outputs(litert(lists), litert(inputs), atol=0)


def test_threads_change_nothing(exported, litert):
    inputs = make_inputs(3, 8)
    other = LiteRTModel(exported(batch_size=2)[1], num_threads=2)
    assert_equal_outputs(other(inputs), litert(inputs), atol=1e-6)


@pytest.mark.parametrize("architecture", [CLASSIFIER, "SqueezeBertModel"])
def test_int8_outputs_are_given_as_floats(exported, architecture):
    files = [
        exported(architecture, "int8", output_type=output_type)[1]
        for output_type in ("int8", "float32")
    ]
    inputs = make_inputs(3, 8)
    actual, expected = (LiteRTModel(path)(inputs) for path in files)
    assert {value.dtype.name for value in actual.values()} == {"float32"}
    assert_equal_outputs(actual, {name: expected[name] for name in actual}, atol=1e-6)
    assert actual.keys() == expected.keys()
    assert np.abs(actual[next(iter(actual))]).max() > 0.1


def test_no_rows_of_int8_outputs(exported):
    _, path = exported(CLASSIFIER, "int8", output_type="int8")
    inputs = {name: value[:0] for name, value in make_inputs(1, 8).items()}
    logits = LiteRTModel(path)(inputs)["logits"]
    assert (logits.shape, logits.dtype.name) == ((0, 3), "float32")


def test_results_are_not_overwritten_by_the_next_call(litert):
    first = litert(make_inputs(2, 8, seed=1))
    kept = first["logits"].copy()
    litert(make_inputs(2, 8, seed=2))
    np.testing.assert_array_equal(first["logits"], kept)


def ones(*shape, **changes):
    inputs = dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), np.ones(shape, "int32")
    )
    return inputs | changes


def without(name):
    return {key: value for key, value in ones(2, 8).items() if key != name}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (without("token_type_ids"), "`token_type_ids` is missing. Received: input_ids"),
        ({}, "is missing"),
        (ones(2, 8, position_ids=np.ones((2, 8), int)), "Received: .*position_ids"),
        (ones(2, 8, input_ids=np.ones((2, 8))), "`input_ids` .*dtype=float64"),
        (ones(2, 8, attention_mask=np.ones((2, 8), bool)), "`attention_mask`.*bool"),
        (ones(2, 9), "longer than the 8 tokens .*Received: 9 tokens"),
        (ones(8), r"\('rows', 8\). Received: .*shape=\(8,\)"),
        (ones(2, 3, 8), r"Received: .*shape=\(2, 3, 8\)"),
        (ones(2, 8, input_ids=np.ones((3, 8), int)), r"\(3, 8\)"),
    ],
)
def test_inputs_that_do_not_fit(litert, inputs, message):
    with pytest.raises(InputError, match=message):
        litert(inputs)


@pytest.mark.parametrize("token", [-1, 101, 30_000])
def test_ids_outside_the_vocabulary_are_an_input_error(exported, token):
    litert = LiteRTModel(exported()[1])
    with pytest.raises(InputError):
        litert(ones(1, 8, input_ids=np.full((1, 8), token)))


@pytest.mark.parametrize("name", ["input_ids", "token_type_ids"])
@pytest.mark.parametrize("token", [-1, 101])
def test_ids_outside_the_table_are_never_answered(exported, name, token):
    model, path = exported()
    litert = LiteRTModel(path)
    with pytest.raises((InputError, RuntimeError)):
        litert(ones(1, 8, **{name: np.full((1, 8), token)}))
    # And the next call is answered right.
    inputs = make_inputs(1, 8)
    assert_equal_outputs(litert(inputs), run(model, inputs))


def test_ids_beyond_int32_are_never_answered(exported):
    litert = LiteRTModel(exported()[1])
    with pytest.raises((InputError, RuntimeError)):
        litert(ones(1, 8, input_ids=np.full((1, 8), 2**32 + 5)))


# === Choices


def test_choices(exported):
    model, path = exported("SqueezeBertForMultipleChoice")
    litert = LiteRTModel(path)
    assert litert.input_shape == (1, 3, 8)
    inputs = make_inputs(3, 3, 6)
    assert_equal_outputs(litert(inputs), run(model, inputs))
    with pytest.raises(InputError, match=r"\('rows', 3, 8\)"):
        litert(make_inputs(3, 2, 8))


# === Files


@pytest.mark.parametrize("content", [b"", b"no model", b"\0" * 1000, b"TFL3" * 100])
def test_other_files(tmp_path, content):
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tflite is not a \.tflite that can run"):
        LiteRTModel(tmp_path / "a.tflite")


@pytest.mark.parametrize("size", [8, 100, 0.5, 0.9])
def test_truncated_files(exported, tmp_path, size):
    content = exported()[1].read_bytes()
    size = size if size > 1 else int(size * len(content))
    (tmp_path / "a.tflite").write_bytes(content[:size])
    with pytest.raises(InputError, match=r"is not a \.tflite that can run"):
        LiteRTModel(tmp_path / "a.tflite")


def test_no_file(tmp_path):
    for path in (tmp_path / "absent.tflite", tmp_path):
        with pytest.raises(InputError, match="No such file"):
            LiteRTModel(path)


# === Companions

TEXTS = ["turn on the light", "what is the time?", "a"]
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("turn", "on", "the", "light", "what", "is", "time", "?", "a", "##s"),
]


@pytest.fixture(scope="module")
def tokenizer():
    return SqueezeBertTokenizerFast(VOCABULARY)


@pytest.fixture(scope="module")
def with_text(tmp_path_factory, tokenizer):
    """A model, and its .tflite with a vocabulary inside."""
    model = make_model(CLASSIFIER, ONE_LAYER)
    path = tmp_path_factory.mktemp("text") / "model.tflite"
    export_tflite(model, path, 8, tokenizer=tokenizer)
    return model, path


def test_the_companions_are_a_zip_archive(with_text):
    with zipfile.ZipFile(with_text[1]) as archive:
        assert archive.testzip() is None
        # Only quantized models have something to say in `quantization.json`.
        expected = {*companions.COMPANION_FILES, "labels.txt"} - {"quantization.json"}
        assert set(archive.namelist()) == expected
        assert archive.read("vocab.txt").decode().split() == VOCABULARY


def test_config_and_tokenizer(with_text, tokenizer):
    model, path = with_text
    litert = LiteRTModel(path)
    assert litert.config == model.config
    assert litert.tokenizer.vocabulary == tokenizer.vocabulary


def test_texts(with_text, tokenizer):
    model, path = with_text
    inputs = tokenizer(TEXTS, max_length=8)
    assert_equal_outputs(LiteRTModel(path).predict(TEXTS), run(model, inputs))


def test_pairs(with_text, tokenizer):
    model, path = with_text
    actual = LiteRTModel(path).predict(TEXTS, TEXTS[::-1])
    inputs = tokenizer(TEXTS, TEXTS[::-1], max_length=8)
    assert inputs["token_type_ids"].any()
    assert_equal_outputs(actual, run(model, inputs))
    alone = LiteRTModel(path).predict(TEXTS)
    assert (actual["logits"] != alone["logits"]).any()


def test_long_texts_are_cut(with_text):
    litert = LiteRTModel(with_text[1])
    cut = " ".join(["light"] * 6)
    long = litert.predict([cut + " turn on"])
    np.testing.assert_array_equal(long["logits"], litert.predict([cut])["logits"])


def test_without_a_vocabulary(exported):
    litert = LiteRTModel(exported()[1])
    assert litert.config == ONE_LAYER
    assert litert.tokenizer is None
    with pytest.raises(InputError, match=r"export_tflite\(\.\.\., tokenizer=tokenizer"):
        litert.predict(TEXTS)


def bare(path):
    """The content of a .tflite without what is packed into it."""
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes()[: archive.infolist()[0].header_offset]


def test_the_folder_stands_in_for_an_archive(with_text, tokenizer, tmp_path):
    model, path = with_text
    content = bare(path)
    assert content.endswith(bare(path)[-10:]) and len(content) < path.stat().st_size
    (tmp_path / "model.tflite").write_bytes(content)
    litert = LiteRTModel(tmp_path / "model.tflite")
    assert (litert.config, litert.tokenizer) == (None, None)
    model.config.save(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    litert = LiteRTModel(tmp_path / "model.tflite")
    assert litert.config == model.config
    expected = run(model, tokenizer(TEXTS, max_length=8))
    assert_equal_outputs(litert.predict(TEXTS), expected)


def test_the_archive_goes_before_the_folder(exported, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(exported()[1].read_bytes())
    ONE_LAYER.replace(id2label={0: "x", 1: "y"}).save(tmp_path)
    assert LiteRTModel(path).config == ONE_LAYER


def test_the_folder_has_what_the_archive_lacks(with_text, tokenizer, tmp_path):
    model, path = with_text
    alone = tmp_path / "model.tflite"
    alone.write_bytes(bare(path))
    model.config.save(tmp_path / "packed")
    companions.add_companions(alone, tmp_path / "packed")
    assert LiteRTModel(alone).tokenizer is None
    tokenizer.save_pretrained(tmp_path)
    expected = LiteRTModel(path).predict(TEXTS)
    assert_equal_outputs(LiteRTModel(alone).predict(TEXTS), expected, atol=0)


def test_an_implausibly_large_member(with_text, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(bare(with_text[1]))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vocab.txt", bytes(companions.MAX_COMPANION_BYTES + 1))
    with pytest.raises(InputError, match=r"vocab\.txt is larger than 16777216 bytes"):
        LiteRTModel(path)


def test_members_that_are_no_companions_are_left_alone(with_text, tmp_path):
    path = tmp_path / "a" / "model.tflite"
    path.parent.mkdir()
    path.write_bytes(with_text[1].read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped.txt", "out")
    assert LiteRTModel(path).tokenizer is not None
    assert [file.name for file in tmp_path.rglob("*")] == ["a", "model.tflite"]
