"""Models of every form are loaded alike, and say what they lack."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from every_head import ARCHITECTURES, letters, write_model, write_saved_model
from tiny import CONFIG, HEADS, ONE_LAYER, inputs_for, make_model, run

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import load_keras_model, load_model
from keras_squeezebert.saved_model import SavedModel
from keras_squeezebert.tflite import LiteRTModel, export_tflite


def saved_model(architecture, folder):
    model = make_model(architecture)
    model.export(folder, verbose=False)
    return model


@pytest.mark.parametrize("architecture", HEADS)
def test_a_saved_model_computes_what_keras_does(architecture, tmp_path):
    model = saved_model(architecture, tmp_path)
    loaded = SavedModel(tmp_path)
    for rows, seq in ((4, 7), (1, 12)):
        inputs = inputs_for(architecture, seq=seq)
        inputs = {name: array[:rows] for name, array in inputs.items()}
        expected = run(model, inputs)
        found = loaded(inputs)
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")
    model = write_model(folder / "model", ARCHITECTURES["token-classification"])
    write_saved_model(model, folder / "saved")
    export_tflite(model, folder / "model.tflite", 16, tokenizer=letters())
    shutil.copytree(folder / "saved", folder / "extra")
    (folder / "extra" / "assets.extra").mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (folder / "extra" / name).rename(folder / "extra" / "assets.extra" / name)
    shutil.copytree(folder / "extra", folder / "versions" / "2")
    (folder / "versions" / "10").mkdir()  # still on its way
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "max_length"),
    [
        ("model", keras.Model, 24),
        ("model.tflite", LiteRTModel, 16),
        ("saved", SavedModel, 24),
        ("extra", SavedModel, 24),
        ("versions", SavedModel, 24),
    ],
)
def test_every_form(folders, name, kind, max_length):
    for source in (folders / name, str(folders / name)):
        loaded = load_model(source)
        assert isinstance(loaded.model, kind)
        assert loaded.architecture == "SqueezeBertForTokenClassification"
        assert loaded.config == ONE_LAYER
        assert loaded.tokenizer.vocabulary == letters().vocabulary
        assert loaded.max_length == max_length


def test_the_head_is_told_by_the_weights(tmp_path):
    """Where the config does not name a class, of those that can be told."""
    write_model(tmp_path, "SqueezeBertForQuestionAnswering", CONFIG)
    forget_architectures(tmp_path)
    loaded = load_keras_model(tmp_path)
    assert loaded.architecture == "SqueezeBertForQuestionAnswering"


def forget_architectures(folder):
    values = json.loads((folder / "config.json").read_text())
    del values["architectures"]
    (folder / "config.json").write_text(json.dumps(values))


# === Mistakes


def without(folders, tmp_path, name, file):
    """A copy of a model that lacks a file."""
    shutil.copytree(folders / name, tmp_path / name)
    (tmp_path / name / file).unlink()
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("saved", "config.json", ["assets.extra", "without config.json"]),
        ("saved", "vocab.txt", ["vocab.txt"]),
        ("model", "config.json", ["config.json"]),
        ("model", "vocab.txt", ["vocab.txt"]),
    ],
)
def test_a_file_is_missing(folders, tmp_path, name, file, words):
    folder = without(folders, tmp_path, name, file)
    with pytest.raises(InputError) as error:
        load_model(folder)
    for word in [*words, str(folder)]:
        assert word in str(error.value)


def test_a_tflite_without_companions(folders, tmp_path):
    model = make_model("SqueezeBertForTokenClassification", ONE_LAYER)
    path = export_tflite(model, tmp_path / "a.tflite", 8)
    with pytest.raises(InputError, match=r"vocab\.txt"):
        load_model(path)
    path.write_bytes(path.read_bytes().partition(b"PK\x03\x04")[0])
    with pytest.raises(InputError, match=r"a\.tflite, without config\.json"):
        load_model(path)
    # What is not packed is looked for beside it.
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        shutil.copy(folders / "model" / name, tmp_path)
    assert load_model(path).architecture == "SqueezeBertForTokenClassification"


@pytest.mark.parametrize("name", ["model", "saved"])
def test_a_class_that_cannot_be_told(folders, tmp_path, name):
    shutil.copytree(folders / name, tmp_path / name)
    forget_architectures(tmp_path / name)
    with pytest.raises(InputError, match=r"`architectures` in config\.json"):
        load_model(tmp_path / name)


def test_a_head_that_was_not_trained(tmp_path):
    make_model("SqueezeBertModel", ONE_LAYER).save_pretrained(tmp_path)
    SqueezeBertTokenizerFast().save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    values["architectures"] = ["SqueezeBertForTokenClassification"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="no trained SqueezeBertForTokenClassif"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.tflite", "a/b/c"])
def test_nothing_is_there(tmp_path, name):
    with pytest.raises(InputError, match=r"nowhere|a/b/c"):
        load_model(tmp_path / name)


def test_a_damaged_saved_model(folders, tmp_path):
    shutil.copytree(folders / "saved", tmp_path / "saved")
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a SavedModel that can be loaded"):
        load_model(tmp_path / "saved")


class Foreign(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((2, 8), tf.int32, "input_ids")])
    def call(self, input_ids):
        return {"logits": tf.cast(input_ids, tf.float32)}


def test_a_foreign_saved_model(tmp_path):
    module = Foreign()
    tf.saved_model.save(module, str(tmp_path / "bare"), signatures=module.call)
    with pytest.raises(InputError, match=r"attention_mask.*of any size.*2, 8"):
        SavedModel(tmp_path / "bare")
    signatures = {"other": module.call}
    tf.saved_model.save(module, str(tmp_path / "other"), signatures=signatures)
    with pytest.raises(InputError, match=r"serving_default.*with 'other'"):
        SavedModel(tmp_path / "other")
