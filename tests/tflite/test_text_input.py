"""export_tflite(text_input=True): strings in, by TensorFlow Text's operations."""

import gzip
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from command_line import run as run_command
from tiny import HEADS, ONE_LAYER, make_inputs, make_model, run

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.cli.web import check_model
from keras_squeezebert.data import load_clinc150
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import (
    ExportError,
    LiteRTModel,
    LiteRTTextModel,
    calibrate,
    export_tflite,
    inspect_tflite,
    quantize_aware,
    read_ops,
)
from keras_squeezebert.tflite.op_list import check_ops
from keras_squeezebert.tflite.partitions import DELEGATE, _taken
from keras_squeezebert.tflite.text_input import TEXT_OPS, text_to_ids
from keras_squeezebert.tflite.text_interpreter import takes_text

CLASSIFIER = "SqueezeBertForSequenceClassification"
CONFIG = ONE_LAYER.replace(vocab_size=30522)
GOLDEN = Path(__file__).parents[1] / "portable/golden.jsonl.gz"
LENGTH = 12
TEXTS = [
    "turn on the lights",
    "",
    "Élan, déjà vu — naïve!",
    "日本語 and more " * 20,
    "\U0001f600 \u0000 emoji",
]


@pytest.fixture(scope="module")
def tokenizer():
    return SqueezeBertTokenizerFast()


@pytest.fixture(scope="module")
def model():
    return make_model(CLASSIFIER, CONFIG)


@pytest.fixture(scope="module")
def exported(model, tokenizer, tmp_path_factory):
    """A file of a form, and the model that it is of."""
    folder, made = tmp_path_factory.mktemp("text"), {}

    def export(form="float32", **options):
        key = (form, *options.values())
        if key not in made:
            source = model
            if form in ("mixed", "int8"):
                source = quantize_aware(model, form)
                batches = [make_inputs(4, LENGTH, seed=seed) for seed in range(4)]
                calibrate(source, batches, progress=False)
            path = export_tflite(
                source,
                folder / f"{'-'.join(map(str, key))}.tflite",
                LENGTH,
                quantization=form,
                tokenizer=tokenizer,
                text_input=True,
                **options,
            )
            made[key] = source, path
        return made[key]

    return export


# === Ids


def same_ids(texts, tokenizer, length=64):
    """For each text, whether the graph gives it the tokenizer's ids."""
    to_ids = text_to_ids(tokenizer, length)
    graph = {name: x.numpy() for name, x in to_ids(tf.constant(texts)).items()}
    expected = tokenizer(texts, None, length, "max_length")
    assert list(graph) == list(expected)
    assert all(graph[name].dtype == expected[name].dtype for name in graph)
    equal = [(graph[name] == expected[name]).all(axis=1) for name in graph]
    return np.all(equal, axis=0)


def test_ordinary_text_is_cut_as_by_the_tokenizer(tokenizer):
    assert same_ids(list(load_clinc150("test").texts), tokenizer).all()


def test_rare_characters(tokenizer):
    """The share that the docstring of `export_tflite` and docs/phone.md tell."""
    with gzip.open(GOLDEN, "rt") as lines:
        cases = [json.loads(line) for line in lines][1:]
    texts = [c[key] for c in cases for key in ("text", "text_pair") if key in c]
    texts = list(dict.fromkeys(texts))
    assert len(texts) == 6807
    assert np.mean(same_ids(texts, tokenizer, 512)) == pytest.approx(0.48, abs=0.01)


@pytest.mark.parametrize(
    ("text", "is_same"),
    [
        ("a [MASK] b", False),
        ("½", False),
        ("ﬁ", False),
        ("…", False),
        ("Straße", False),
        ("ＡＢ", False),
        ("и" * 51, False),
        ("и" * 50, True),
        ("CAFÉ café", True),
        ("\U0001f600 hi", True),
        ("x" * 100, True),
        ("x" * 101, True),
        ("日本語", True),
        ("", True),
    ],
)
def test_what_differs(tokenizer, text, is_same):
    assert same_ids([text], tokenizer).tolist() == [is_same]


@pytest.mark.parametrize("length", [3, 5, 6, 7])
def test_cut_and_filled(tokenizer, length):
    assert same_ids(["Élan vital", "", "one", "a b c d e f"], tokenizer, length).all()


def test_cased_vocabulary():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "É", "##lan", "elan"]
    tokenizer = SqueezeBertTokenizerFast(vocabulary, do_lower_case=False)
    assert same_ids(["Élan", "elan", "ELAN"], tokenizer).all()


# === Files


@pytest.mark.parametrize(
    ("form", "options", "atol"),
    [
        ("float32", {}, 1e-5),
        ("float32", {"batch_size": 2}, 1e-5),
        ("float16", {}, 5e-3),
        ("dynamic_ptq", {}, 0.15),
        ("mixed", {}, 0.1),
        ("int8", {"output_type": "int8"}, 0.15),
    ],
)
def test_outputs(exported, tokenizer, form, options, atol):
    model, path = exported(form, **options)
    actual = LiteRTTextModel(path).predict(TEXTS)
    expected = run(model, tokenizer(TEXTS, None, LENGTH, "max_length"))
    assert list(actual) == ["logits"]
    np.testing.assert_allclose(actual["logits"], expected["logits"], rtol=0, atol=atol)
    assert np.ptp(expected["logits"], axis=0).min() > 2 * atol


def test_operations(exported):
    ops = Counter(op.name for op in read_ops(exported()[1]))
    assert {name: ops[name] for name in ops if "CUSTOM" in name} == dict.fromkeys(
        TEXT_OPS, 1
    )
    assert not any("Flex" in name for name in ops)
    with pytest.raises(ExportError, match=r"FastBertNormalize, .*RaggedTensor"):
        check_ops(exported()[1], "float32")


def test_xnnpack_takes_the_model(exported):
    litert = LiteRTTextModel(exported()[1])
    litert.predict(TEXTS)
    nodes = litert._signature.interpreter._get_ops_details()
    delegates = [node for node in nodes if node["op_name"] == DELEGATE]
    ops = [node for node in nodes if node["op_name"] != DELEGATE]
    taken = Counter(ops[number]["op_name"] for number in _taken(ops, delegates))
    everywhere = Counter(op["op_name"] for op in ops)
    for name in ("CONV_2D", "BATCH_MATMUL", "SOFTMAX", "GELU"):
        assert 0 < taken[name] == everywhere[name]


def test_what_the_file_says(exported):
    _, path = exported()
    assert takes_text(path)
    assert LiteRTTextModel(path).sequence_length == LENGTH
    assert LiteRTTextModel(path).config == CONFIG
    inspection = inspect_tflite(path)
    assert [port.name for port in inspection.inputs] == ["text"]
    assert "float32, text." in inspection.metadata["description"]


def test_probabilities(exported):
    logits = LiteRTTextModel(exported()[1]).predict(TEXTS)["logits"]
    path = exported(probabilities=True)[1]
    probabilities = LiteRTTextModel(path).predict(TEXTS)["probabilities"]
    expected = tf.nn.softmax(logits).numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


def test_any_string_runs(exported):
    odd = ["\ud800 lone", "\x00", "a" * 100_000, "\u202eright to left", "\n\t "]
    logits = LiteRTTextModel(exported()[1]).predict(odd)["logits"]
    assert logits.shape == (5, 3) and np.isfinite(logits).all()
    assert LiteRTTextModel(exported()[1]).predict([])["logits"].shape == (0, 3)


# === What is refused


@pytest.mark.parametrize("architecture", sorted({*HEADS} - {CLASSIFIER}))
def test_other_heads(tmp_path, tokenizer, architecture):
    model = make_model(architecture, CONFIG)
    choices = {"num_choices": 2} if architecture.endswith("MultipleChoice") else {}
    with pytest.raises(InputError, match=f"only.* Received: .*{architecture}"):
        export_tflite(
            model,
            tmp_path / "a.tflite",
            LENGTH,
            tokenizer=tokenizer,
            text_input=True,
            **choices,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": None}, "give the model's tokenizer"),
        ({"sequence_length": 2}, "at least one token .*sequence_length=2"),
        ({"sequence_length": [12, 2]}, "at least one token .*sequence_length=2"),
        ({"runtime": "gpu"}, "GPU delegate has no operations on text"),
    ],
)
def test_options_that_do_not_go_with_it(model, tokenizer, tmp_path, options, message):
    options = {"tokenizer": tokenizer, "sequence_length": 12, **options}
    with pytest.raises(InputError, match=message):
        export_tflite(model, tmp_path / "a.tflite", text_input=True, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"do_lower_case": False, "strip_accents": True}, "strips accents where"),
        ({"tokenize_chinese_chars": False}, "CJK"),
    ],
)
def test_tokenizers_that_tensorflow_text_has_not(model, tmp_path, options, message):
    tokenizer = SqueezeBertTokenizerFast(**options)
    path = tmp_path / "a.tflite"
    with pytest.raises(InputError, match=message):
        export_tflite(model, path, LENGTH, tokenizer=tokenizer, text_input=True)


def test_a_larger_vocabulary_than_the_model_s(tmp_path, tokenizer):
    model, path = make_model(CLASSIFIER, ONE_LAYER), tmp_path / "a.tflite"
    with pytest.raises(InputError, match=r"30522, config\.vocab_size=101"):
        export_tflite(model, path, LENGTH, tokenizer=tokenizer, text_input=True)


def test_the_wrong_class_for_a_file(exported, model, tmp_path):
    path = export_tflite(model, tmp_path / "ids.tflite", LENGTH)
    assert not takes_text(path)
    with pytest.raises(InputError, match=r"LiteRTModel runs those of ids.*input_ids"):
        LiteRTTextModel(path)
    with pytest.raises(InputError, match="LiteRTTextModel"):
        LiteRTModel(exported()[1])
    with pytest.raises(InputError, match="No such file"):
        LiteRTTextModel(tmp_path / "missing.tflite")


def test_the_page_takes_ids(exported):
    with pytest.raises(InputError, match="without --text-input"):
        check_model(exported()[1])


def test_without_tensorflow_text(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(InputError, match="pip install tensorflow-text"):
        LiteRTTextModel(exported()[1])


# === Command line


def test_command_line(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    length = ("--sequence-length", LENGTH)
    for name, more in (("text", ("--text-input",)), ("ids", ())):
        finished = run_command(
            "export", "model", f"{name}.tflite", *length, *more, cwd=tmp_path
        )
        assert finished.returncode == 0, finished.stderr
    predictions = {}
    for name in ("text", "ids"):
        finished = run_command(
            "predict", f"{name}.tflite", "wake me", "Élan", "--json", cwd=tmp_path
        )
        assert finished.returncode == 0, finished.stderr
        predictions[name] = json.loads(finished.stdout)
    for of_text, of_ids in zip(*predictions.values(), strict=True):
        assert of_text["label"] == of_ids["label"]
        assert of_text["scores"] == pytest.approx(of_ids["scores"], abs=1e-5)

    for option, value, message in [
        ("--text-pair", "another", "takes no pairs"),
        ("--max-length", "8", "cuts it at 12 tokens"),
    ]:
        finished = run_command(
            "predict", "text.tflite", "a", option, value, cwd=tmp_path
        )
        assert finished.returncode == 2
        assert message in finished.stderr and "Traceback" not in finished.stderr


def test_command_line_evaluate(exported, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nwake me,a\nlights,b\n")
    finished = run_command(
        "evaluate", exported()[1], "--data", "a.csv", "--json", cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["examples"] == 2
