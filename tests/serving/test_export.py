"""What TF Serving finds in the folder: versions, configuration, requests, methods."""

import json

import numpy as np
import pytest
import tensorflow as tf
from every_head import ARCHITECTURES, letters
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2
from test_c_api import read_signatures
from tiny import ONE_LAYER, make_model

from keras_squeezebert import SqueezeBertModel
from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import load_model
from keras_squeezebert.serving import export_saved_model
from keras_squeezebert.serving.server_files import BATCHING_FILE, MODELS_FILE

CLASSIFIER = ARCHITECTURES["sequence-classification"]
# TensorFlow Text's ops that its releases in TF Serving's images have, since 2.16.
TEXT_OPS = {"FastWordpieceTokenizeWithOffsets"}


@pytest.fixture(scope="module")
def classifier():
    return make_model(CLASSIFIER, ONE_LAYER)


def saved(folder):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    return SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def test_the_signatures(served, head):
    names = {"serving_default", "tokens", "embed"}
    if head == "sequence-classification":
        names.add("classify")
    signatures = saved(served[head]).meta_graphs[0].signature_def
    assert {name for name in signatures if name[0] != "_"} == names
    for name in names:
        method = "classify" if name == "classify" else "predict"
        assert signatures[name].method_name == f"tensorflow/serving/{method}"
        # A server joins the rows of requests: all have them as their first axis.
        for side in (signatures[name].inputs, signatures[name].outputs):
            for tensor in side.values():
                assert tensor.tensor_shape.dim[0].size == -1


def test_all_ops_are_tf_servings(served, head):
    graph = saved(served[head]).meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    functions = {function.signature.name for function in graph.library.function}
    core = {name for name in dir(tf.raw_ops) if name[0] != "_"}
    others = {node.op for node in nodes} - functions - core
    assert others <= TEXT_OPS | {"_Arg", "_Retval"}
    assert others >= TEXT_OPS
    # XLA, and thus a grouped convolution's gradient, has no place in it.
    assert not {"PyFunc", "EagerPyFunc", "XlaLaunch"} & {node.op for node in nodes}


def test_classify(served, models):
    texts = ["ab cd", "", "who?"]
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "text": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[text.encode()])
                    )
                }
            )
        ).SerializeToString()
        for text in texts
    ]
    signatures = tf.saved_model.load(served["sequence-classification"]).signatures
    answers = signatures["classify"](inputs=tf.constant(examples))
    labels = [b"O", b"B-LOC", b"I-LOC"]
    assert answers["classes"].numpy().tolist() == [labels] * 3
    expected = models["sequence-classification"].predict(letters()(texts), verbose=0)
    scores = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
    assert answers["scores"].numpy() == pytest.approx(scores, abs=1e-5)


def test_embed(served, models, head):
    texts = ["ab cd", "", "who?"]
    answers = tf.saved_model.load(served[head]).signatures["embed"](
        text=tf.constant(texts)
    )
    inputs = letters()(texts)
    hidden = models[head].transformer.predict(inputs, verbose=0)["last_hidden_state"]
    for row, mask in enumerate(inputs["attention_mask"]):
        expected = hidden[row][mask == 1].mean(axis=0)
        assert answers["embedding"][row].numpy() == pytest.approx(expected, abs=1e-5)


def test_what_a_server_reads(served, head):
    folder = served[head].parent
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((folder / MODELS_FILE).read_text(), config)
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == (head, f"/models/{head}")
    # The type of this file is not among tensorflow-serving-api's.
    parameters = dict(
        line.split(maxsplit=1)
        for line in (folder / BATCHING_FILE).read_text().splitlines()
    )
    assert parameters["max_batch_size"] == "{ value: 32 }"
    assert parameters["pad_variable_length_inputs:"] == "true"


def test_it_is_warmed_up(served, head):
    path = served[head] / "assets.extra" / "tf_serving_warmup_requests"
    signatures = tf.saved_model.load(served[head]).signatures
    rows = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == head
        inputs = {name: tf.make_ndarray(x) for name, x in request.inputs.items()}
        assert {x.dtype for x in request.inputs.values()} == {types_pb2.DT_STRING}
        run = signatures[request.model_spec.signature_name]
        answers = run(**{name: tf.constant(x) for name, x in inputs.items()})
        rows += {len(answer) for answer in answers.values()}
    assert rows == [1, 1, 8, 8]


def test_versions(classifier, tmp_path):
    folder = tmp_path / "model"
    numbers = [None, None, 7, None, 0]
    paths = [
        export_saved_model(classifier, folder, letters(), version=number)
        for number in numbers
    ]
    assert [path.name for path in paths] == ["1", "2", "7", "8", "0"]
    before = (paths[0] / "saved_model.pb").read_bytes()
    with pytest.raises(InputError, match=r"nothing yet at .*model/1"):
        export_saved_model(classifier, folder, letters(), version=1)
    assert (paths[0] / "saved_model.pb").read_bytes() == before
    names = {path.name for path in folder.iterdir()}
    assert names == {"0", "1", "2", "7", "8", MODELS_FILE, BATCHING_FILE}


def test_nothing_is_left_of_a_failure(classifier, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.io, "TFRecordWriter", fail)
    with pytest.raises(OSError, match="No space left"):
        export_saved_model(classifier, tmp_path / "model", letters())
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a b", {}, "TF Serving wants of letters"),
        ("m", {"version": -1}, "version=-1"),
        ("m", {"version": 2**63}, r"must be in \[0, 2\*\*63\)"),
        ("m", {"max_length": 25}, "at most 24 tokens fit"),
    ],
)
def test_mistakes(classifier, tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        export_saved_model(classifier, tmp_path / name, letters(), **options)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_a_head(tmp_path):
    with pytest.raises(InputError, match="must have a head"):
        export_saved_model(SqueezeBertModel(ONE_LAYER), tmp_path / "m", letters())


def test_it_is_evaluated_as_any_model(served, models, head):
    loaded = load_model(served[head])
    assert loaded.architecture == ARCHITECTURES[head]
    assert loaded.config == models[head].config
    assert loaded.tokenizer.vocabulary == letters().vocabulary
    assert json.loads((served[head] / "assets.extra/config.json").read_text())
    assert set(read_signatures(served[head])["tokens"][0]) == {
        *("input_ids", "attention_mask", "token_type_ids")
    }
