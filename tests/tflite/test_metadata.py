"""The metadata in a .tflite, against bytes that TFLite Support's own code wrote."""

import json
import random
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from command_line import run, succeed
from hypothesis import given
from hypothesis import strategies as st
from tiny import ONE_LAYER, inputs_for, make_model

from keras_squeezebert import InputError, SqueezeBertTokenizerFast
from keras_squeezebert.inference import softmax
from keras_squeezebert.tflite import (
    LiteRTModel,
    Metadata,
    export_tflite,
    inspect_tflite,
)
from keras_squeezebert.tflite.graph_file import read_graph
from keras_squeezebert.tflite.metadata_tables import from_flatbuffer, to_flatbuffer

CLASSIFIER = "SqueezeBertForSequenceClassification"
FEATURE = {"content_properties": {"FeatureProperties": {}}}
# Of the object API of `metadata_schema_py_generated` in tflite-support 0.4.4.
OFFICIAL_FILE = Path(__file__).parent / "data" / "metadata.tflitemeta"
OFFICIAL = {
    "name": "Näme",
    "description": "two\nlines",
    "version": "v1",
    "subgraph_metadata": [
        {
            "input_tensor_metadata": [
                {"name": name, "content": FEATURE}
                for name in ("mask", "ids", "segment_ids")
            ],
            "output_tensor_metadata": [
                {
                    "name": "probability",
                    "content": FEATURE,
                    "stats": {"max": [1.0], "min": [0.0]},
                    "associated_files": [
                        {"name": "labels.txt", "description": "by id", "type": 2}
                    ],
                },
                # Nothing of a text, so of its properties no more than their kind.
                {
                    "name": "image",
                    "content": {"content_properties": {"ImageProperties": {}}},
                },
            ],
            "input_process_units": [
                {
                    "options": {
                        "BertTokenizerOptions": {
                            "vocab_file": [{"name": "vocab.txt", "type": 5}]
                        }
                    }
                }
            ],
        }
    ],
    "author": "Ada",
    "license": "Apache-2.0",
    "min_parser_version": "1.1.0",
}


# === Flatbuffers


def test_the_official_bytes():
    assert from_flatbuffer(OFFICIAL_FILE.read_bytes()) == OFFICIAL


def test_there_and_back():
    assert from_flatbuffer(to_flatbuffer(OFFICIAL)) == OFFICIAL


files = st.fixed_dictionaries(
    {}, optional={"name": st.text(min_size=1), "type": st.integers(1, 6)}
)
tensors = st.fixed_dictionaries(
    {"associated_files": st.lists(files, min_size=1)},
    optional={
        "name": st.text(min_size=1),
        "content": st.just(FEATURE),
        "stats": st.fixed_dictionaries(
            {"max": st.lists(st.floats(width=32, allow_nan=False), min_size=1)}
        ),
    },
)


@given(st.lists(tensors, min_size=1, max_size=5), st.text(min_size=1))
def test_any_tensors_there_and_back(tensors, author):
    graph = {"output_tensor_metadata": tensors}
    metadata = {"subgraph_metadata": [graph], "author": author}
    assert from_flatbuffer(to_flatbuffer(metadata)) == metadata


def test_what_is_empty_is_left_out():
    assert (
        to_flatbuffer({"name": ""})
        == to_flatbuffer({})
        == to_flatbuffer({"name": None, "subgraph_metadata": []})
    )


def test_a_field_that_there_is_not():
    with pytest.raises(KeyError, match="ModelMetadata has no field lisence"):
        to_flatbuffer({"lisence": "Apache-2.0"})


# === In a .tflite


@pytest.fixture(scope="module")
def tokenizer():
    return SqueezeBertTokenizerFast(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])


@pytest.fixture(scope="module")
def described(tmp_path_factory, tokenizer):
    """A classifier's file, with all that can be said of it."""
    path = tmp_path_factory.mktemp("described") / "a.tflite"
    return export_tflite(
        make_model(CLASSIFIER, ONE_LAYER),
        path,
        8,
        tokenizer=tokenizer,
        metadata=Metadata(
            *("Intents", "2", "Ada", "Apache-2.0"),
            *("Tells what a query wants.", "CLINC150", {"accuracy": 0.90531, "f1": 1}),
        ),
    )


def test_what_a_file_says(described):
    metadata = read_graph(described).metadata
    (graph,) = metadata.pop("subgraph_metadata")
    assert metadata == {
        "name": "Intents",
        "description": "Tells what a query wants.\n"
        "SqueezeBERT of 1 layers of width 96, float32, 8 tokens.\n"
        "Trained on CLINC150.\nReached accuracy 0.9053, f1 1.",
        "version": "2",
        "author": "Ada",
        "license": "Apache-2.0",
        "min_parser_version": "1.1.0",
    }
    (tokenizer,) = graph["input_process_units"]
    (vocabulary,) = tokenizer["options"]["BertTokenizerOptions"]["vocab_file"]
    assert (vocabulary["name"], vocabulary["type"]) == ("vocab.txt", 5)
    (output,) = graph["output_tensor_metadata"]
    (labels,) = output["associated_files"]
    assert (output["name"], labels["name"], labels["type"]) == (
        *("probability", "labels.txt"),
        2,
    )


def test_inputs_are_named_in_the_order_of_the_interpreter(described):
    interpreter = Interpreter(str(described))
    signature = interpreter.get_signature_runner().get_input_details()
    names = {details["index"]: name for name, details in signature.items()}
    order = [names[details["index"]] for details in interpreter.get_input_details()]
    (graph,) = read_graph(described).metadata["subgraph_metadata"]
    known_as = {
        "input_ids": "ids",
        "attention_mask": "mask",
        "token_type_ids": "segment_ids",
    }
    found = [tensor["name"] for tensor in graph["input_tensor_metadata"]]
    assert found == [known_as[name] for name in order]


def test_labels_and_vocabulary_are_stored(described, tokenizer):
    with zipfile.ZipFile(described) as archive:
        assert archive.read("labels.txt").decode() == "a\nb\nc\n"
        assert archive.read("vocab.txt").decode().split() == list(tokenizer.vocabulary)
        # MediaPipe maps them from the file.
        assert {file.compress_type for file in archive.infolist()} == {
            zipfile.ZIP_STORED
        }


def test_outputs_of_question_answering(exported):
    _, path = exported("SqueezeBertForQuestionAnswering")
    metadata = read_graph(path).metadata
    (graph,) = metadata["subgraph_metadata"]
    names = [tensor["name"] for tensor in graph["output_tensor_metadata"]]
    assert sorted(names) == ["end_logits", "start_logits"]
    assert not any("associated_files" in t for t in graph["output_tensor_metadata"])
    assert "input_process_units" not in graph  # without a vocabulary
    assert metadata["name"] == "SqueezeBertForQuestionAnswering"


def test_quantized_files_say_so(exported):
    for quantization in ("mixed", "int8", "dynamic_ptq"):
        _, path = exported(quantization=quantization)
        assert f", {quantization}, 8 tokens" in read_graph(path).metadata["description"]


def test_regressions_have_no_labels(tmp_path):
    model = make_model(CLASSIFIER, ONE_LAYER.replace(id2label={0: "stars\n"}))
    path = export_tflite(model, tmp_path / "a.tflite", 8)
    assert inspect_tflite(path).packed_files == ["config.json"]
    with pytest.raises(
        InputError, match=r"Received: probabilities=True, .*'regression'"
    ):
        export_tflite(model, tmp_path / "b.tflite", 8, probabilities=True)


@pytest.mark.parametrize("label", ["", "two\nlines", "line\u2028"])
def test_labels_that_are_no_line(tmp_path, label):
    model = make_model(CLASSIFIER, ONE_LAYER.replace(id2label={0: "a", 1: label}))
    with pytest.raises(
        InputError, match=f"each must be one line. Received: .{label[:3]}"
    ):
        export_tflite(model, tmp_path / "a.tflite", 8)
    assert list(tmp_path.iterdir()) == []


def test_damaged_metadata_are_an_input_error(described, tmp_path):
    content = described.read_bytes()
    start = re.search(b"M001", content).start() - 4
    chance, path = random.Random(0), tmp_path / "a.tflite"
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            damaged[start + chance.randrange(700)] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            read_graph(path)
        except InputError:
            refused += 1
    assert refused > 50


def test_tables_that_overlap_are_no_bomb(monkeypatch):
    tables = "keras_squeezebert.tflite.metadata_tables._MAX_TABLES"
    monkeypatch.setattr(tables, 9)
    metadata = {"associated_files": [{"name": "a"}] * 8}
    assert from_flatbuffer(to_flatbuffer(metadata)) == metadata
    metadata["associated_files"].append({})
    with pytest.raises(InputError, match="at most 9 tables"):
        from_flatbuffer(to_flatbuffer(metadata))


# === Probabilities


@pytest.mark.parametrize("quantization", ["float32", "dynamic_ptq", "mixed", "int8"])
def test_probabilities(exported, tmp_path, quantization):
    model, path = exported(quantization=quantization)
    with_softmax = export_tflite(
        model,
        tmp_path / "a.tflite",
        8,
        quantization=quantization,
        probabilities=True,
    )
    inputs = inputs_for(CLASSIFIER, 0, seq=8)
    logits, actual = (LiteRTModel(p)(inputs) for p in (path, with_softmax))
    # An int8 softmax has steps of 1/256, and its input those of the logits.
    tolerance = 1 / 256 if quantization == "int8" else 1e-6
    np.testing.assert_allclose(
        actual["probabilities"], softmax(logits["logits"]), rtol=0, atol=tolerance
    )
    assert [*actual] == ["probabilities"]


def test_probabilities_of_any_number_of_labels(tmp_path):
    config = ONE_LAYER.replace(problem_type="multi_label_classification")
    model = make_model(CLASSIFIER, config)
    path = export_tflite(model, tmp_path / "a.tflite", 8, probabilities=True)
    inputs = inputs_for(CLASSIFIER, 0, seq=8)
    expected = 1 / (1 + np.exp(-model.predict(inputs, verbose=0)))
    actual = LiteRTModel(path)(inputs)["probabilities"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_probabilities_of_another_head(tmp_path):
    model = make_model("SqueezeBertForTokenClassification", ONE_LAYER)
    with pytest.raises(InputError, match=r"of a sequence class.*: .*Token"):
        export_tflite(model, tmp_path / "a.tflite", 8, probabilities=True)


# === Ids out of range


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_ids_out_of_range_become_the_nearest(exported, quantization):
    model, path = exported(quantization=quantization)
    runner = Interpreter(str(path)).get_signature_runner()
    config, lowest, highest = model.config, -(2**31), 2**31 - 1
    extremes = np.array([[lowest, -1, 0, 1, 100, 101, 30521, highest]], "int32")
    ones = np.ones((1, 8), "int32")
    found = runner(input_ids=extremes, attention_mask=ones, token_type_ids=extremes)
    expected = runner(
        input_ids=extremes.clip(0, config.vocab_size - 1),
        attention_mask=ones,
        token_type_ids=extremes.clip(0, config.type_vocab_size - 1),
    )
    np.testing.assert_array_equal(found["logits"], expected["logits"])
    assert not np.array_equal(
        runner(input_ids=ones, attention_mask=ones, token_type_ids=ones)["logits"],
        found["logits"],
    )


# === Command line


def test_the_command_line(described, tmp_path, tokenizer):
    make_model(CLASSIFIER, ONE_LAYER).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    succeed(
        *("export", "model", "a.tflite", "--sequence-length", 8, "--name", "Intents"),
        *("--author", "Ada", "--license", "Apache-2.0", "--dataset", "CLINC150"),
        *("--description", "Tells what a query wants."),
        *("--metric", "accuracy=0.90531", "--metric", "f1=1"),
        cwd=tmp_path,
    )
    expected = read_graph(described).metadata
    del expected["version"]
    assert read_graph(tmp_path / "a.tflite").metadata == expected
    shown = succeed("inspect", "a.tflite", cwd=tmp_path)
    assert "\n  author  Ada\n" in shown
    assert "\n  about   Reached accuracy 0.9053, f1 1.\n" in shown
    as_json = json.loads(succeed("inspect", "a.tflite", "--json", cwd=tmp_path))
    assert as_json["metadata"] == expected

    for wrong in ("accuracy", "=1", "accuracy=high"):
        finished = run("export", "model", "b.tflite", "--metric", wrong, cwd=tmp_path)
        assert finished.returncode == 2
        assert f"NAME=NUMBER, as in accuracy=0.905. Received: --metric {wrong}" in (
            " ".join(finished.stderr.split())
        )
    assert not (tmp_path / "b.tflite").exists()


def test_predict_and_evaluate_take_probabilities(tmp_path, tokenizer):
    make_model(CLASSIFIER, ONE_LAYER).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "data.csv").write_text("text,label\na a,a\na,b\n? a,c\n")
    answers, figures = [], []
    for name, flags in (("a.tflite", ()), ("b.tflite", ("--probabilities",))):
        export = ("export", "model", name, "--sequence-length", 8, *flags)
        succeed(*export, cwd=tmp_path)
        printed = succeed("predict", name, "a a", "a", "--json", cwd=tmp_path)
        answers.append([answer["scores"] for answer in json.loads(printed)])
        command = ("evaluate", name, "--data", "data.csv", "--json")
        figures.append(json.loads(succeed(*command, cwd=tmp_path)))
    for with_logits, with_probabilities in zip(*answers, strict=True):
        assert with_probabilities == pytest.approx(with_logits, abs=2e-6)
    notes = [values.pop("notes") for values in figures]
    assert notes[0] == notes[1]
    assert figures[1] == pytest.approx(figures[0], rel=1e-4)
