"""Any checkpoint as a folder of ours, and what the command line says of it."""

import json
import sys

import numpy as np
import pytest
from command_line import run, succeed
from safetensors.numpy import load_file, save_file
from tiny import ARCHITECTURES, CONFIG, HEADS, make_model

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.cli.convert import TASKS
from keras_squeezebert.converters import convert, verify
from keras_squeezebert.errors import InputError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)


def without_architectures(folder):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values["architectures"]
    path.write_text(json.dumps(values))


def weights(folder):
    return load_file(folder / "model.safetensors")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# === What is written


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_class_as_it_is(architecture, tmp_path):
    make_model(architecture).save_pretrained(tmp_path / "source")
    conversion = convert(tmp_path / "source", tmp_path / "result")
    assert conversion.architecture == architecture
    assert not conversion.has_tokenizer and not conversion.differences
    assert files(tmp_path / "result") == ["config.json", "model.safetensors"]
    for name in ("config.json", "model.safetensors"):
        source, result = (tmp_path / x / name for x in ("source", "result"))
        assert source.read_bytes() == result.read_bytes()


def test_what_told_of_another_model_in_the_folder_is_gone(tmp_path):
    make_model(HEADS[0]).save_pretrained(tmp_path / "source")
    SqueezeBertTokenizerFast().save_pretrained(tmp_path / "source")
    (tmp_path / "result").mkdir()
    for name in ("quantization.json", "tokenizer.json", "notes.txt"):
        (tmp_path / "result" / name).write_text("{}")
    convert(tmp_path / "source", tmp_path / "result")
    expected = {*files(tmp_path / "source"), "notes.txt"}
    assert set(files(tmp_path / "result")) == expected


@pytest.mark.parametrize("architecture", HEADS)
def test_the_base_model_of_every_class(architecture, tmp_path):
    make_model(architecture).save_pretrained(tmp_path / "source")
    convert(tmp_path / "source", tmp_path / "result", architecture="SqueezeBertModel")
    source, result = weights(tmp_path / "source"), weights(tmp_path / "result")
    for key, value in result.items():
        np.testing.assert_array_equal(value, source[f"transformer.{key}"])
    config = json.loads((tmp_path / "result" / "config.json").read_text())
    assert config["architectures"] == ["SqueezeBertModel"]


@pytest.mark.parametrize(
    "architecture",
    ["SqueezeBertModel", "SqueezeBertForMaskedLM", "SqueezeBertForQuestionAnswering"],
)
def test_heads_that_their_names_tell(architecture, tmp_path):
    make_model(architecture).save_pretrained(tmp_path / "source")
    without_architectures(tmp_path / "source")
    conversion = convert(tmp_path / "source", tmp_path / "result")
    assert conversion.architecture == architecture


def test_the_tokenizer_comes_along(tmp_path):
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
    tokenizer = SqueezeBertTokenizerFast(tokens, do_lower_case=False)
    tokenizer.save_pretrained(tmp_path / "source")
    assert convert(tmp_path / "source", tmp_path / "result").has_tokenizer
    loaded = SqueezeBertTokenizerFast.from_pretrained(tmp_path / "result")
    assert list(loaded.vocabulary) == tokens
    assert loaded.options == tokenizer.options


def test_in_place(tmp_path):
    make_model("SqueezeBertForMaskedLM").save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    convert(tmp_path, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


# === What is not


def test_a_classifier_without_a_class(tmp_path):
    make_model("SqueezeBertForTokenClassification").save_pretrained(tmp_path / "source")
    without_architectures(tmp_path / "source")
    with pytest.raises(InputError, match=r"does not tell .* Received: architecture="):
        convert(tmp_path / "source", tmp_path / "result")
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("architecture", HEADS)
def test_random_heads_are_not_written(architecture, tmp_path):
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")
    with pytest.raises(InputError, match=f"no trained head of a {architecture}"):
        convert(tmp_path / "source", tmp_path / "result", architecture=architecture)
    assert not (tmp_path / "result").exists()


def test_a_failed_conversion_leaves_the_folder(tmp_path):
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")
    make_model("SqueezeBertModel", seed=1).save_pretrained(tmp_path / "result")
    tensors = weights(tmp_path / "source")
    tensors["pooler.dense.bias"][3] = np.nan
    save_file(tensors, tmp_path / "source" / "model.safetensors")
    before = (tmp_path / "result" / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"'pooler\.dense\.bias' holds values"):
        convert(tmp_path / "source", tmp_path / "result")
    assert (tmp_path / "result" / "model.safetensors").read_bytes() == before
    assert files(tmp_path / "result") == ["config.json", "model.safetensors"]


# === Beside transformers


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_verification(architecture, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    make_model(architecture).save_pretrained(tmp_path / "source")
    conversion = convert(tmp_path / "source", tmp_path / "result", verify=True)
    outputs = {
        "SqueezeBertModel": {"last_hidden_state", "pooler_output"},
        "SqueezeBertForQuestionAnswering": {"start_logits", "end_logits"},
    }.get(architecture, {"logits"})
    assert set(conversion.differences) == outputs | {"hidden_states", "attentions"}
    for difference in conversion.differences.values():
        assert max(difference.from_source, difference.from_result) < 1e-5
        assert difference.largest_value > 0.1


def test_verification_of_a_bert(tmp_path):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=101,
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
    )
    bert = transformers.BertForTokenClassification(config)
    bert.save_pretrained(tmp_path / "source")
    conversion = convert(tmp_path / "source", tmp_path / "result", verify=True)
    assert conversion.architecture == "SqueezeBertForTokenClassification"
    # BERT's class for this has no pooler, ours must: transformers' expects it.
    assert set(conversion.report.initialized) == {
        "pooler/dense/kernel",
        "pooler/dense/bias",
    }
    for difference in conversion.differences.values():
        assert max(difference.from_source, difference.from_result) < 1e-5


def test_a_swap_is_noticed_and_nothing_written(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")

    theirs = verify._their_outputs

    def swapped(folder, model, inputs):
        tensors = weights(folder)
        first, second = (
            f"encoder.layers.0.{x}.conv1d.weight" for x in ("post_attention", "output")
        )
        tensors[first], tensors[second] = tensors[second], tensors[first]
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return theirs(folder, model, inputs)

    monkeypatch.setattr(verify, "_their_outputs", swapped)
    with pytest.raises(verify.VerificationError, match="is not what transformers"):
        convert(tmp_path / "source", tmp_path / "result", verify=True)
    assert files(tmp_path) == ["source"]


# === The command


def test_every_class_is_a_task():
    assert sorted(TASKS.values()) == sorted(ARCHITECTURES)


def test_command(tmp_path):
    make_model("SqueezeBertForMaskedLM").save_pretrained(tmp_path / "source")
    printed = succeed("convert", "source", "result", "--task", "base", cwd=tmp_path)
    assert printed.startswith("source: 39 weights loaded, 5 ignored\n")
    assert "cls.predictions.bias (the head of another task)" in printed
    assert printed.endswith("Wrote result, a SqueezeBertModel, no tokenizer.\n")


def test_command_that_verifies(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    make_model("SqueezeBertForMultipleChoice").save_pretrained(tmp_path / "source")
    printed = succeed("convert", "source", "result", "--verify", cwd=tmp_path)
    assert "output                of SRC    of DST  largest value" in printed
    assert "attentions" in printed


def test_command_for_programs(tmp_path):
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")
    values = json.loads(succeed("convert", "source", "result", "--json", cwd=tmp_path))
    assert values["architecture"] == "SqueezeBertModel"
    assert len(values["report"]["loaded"]) == 39
    assert values["differences"] == {} and values["has_tokenizer"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("/absent", "result"), "There is no such folder: /absent"),
        (("source/config.json", "result"), "Received the file: source/config.json"),
        (("source", "result", "--task", "masked-lm"), "no trained head"),
        (("source", "result", "--revision", "main"), "revision='main'"),
        (("source", "source/config.json"), "is a file"),
    ],
)
def test_mistakes(tmp_path, arguments, message):
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")
    finished = run("convert", *arguments, cwd=tmp_path)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert files(tmp_path) == ["source"]


def test_verification_without_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    make_model("SqueezeBertModel").save_pretrained(tmp_path / "source")
    finished = run("convert", "source", "result", "--verify", cwd=tmp_path)
    assert finished.returncode == 2
    assert "pip install keras-squeezebert[torch]" in finished.stderr
    assert files(tmp_path) == ["source"]


def test_config_of_conversion_is_the_source(tmp_path):
    config = CONFIG.replace(problem_type="multi_label_classification")
    make_model("SqueezeBertForSequenceClassification", config).save_pretrained(
        tmp_path / "source"
    )
    convert(tmp_path / "source", tmp_path / "result")
    values = json.loads((tmp_path / "result" / "config.json").read_text())
    assert values["problem_type"] == "multi_label_classification"
    assert values["id2label"] == {"0": "a", "1": "b", "2": "c"}
