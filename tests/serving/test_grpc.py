"""Clients of TF Serving's gRPC API, with its own messages, get the answers.

The server is `tensorflow_model_server` where it is on the PATH; else one of the same
service (`PredictionServiceServicer`) that runs the signatures as the files say: by the
names, types and methods in the SavedModel, and by nothing that is ours.
"""

import shutil
import socket
import subprocess
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from every_head import ARCHITECTURES
from google.protobuf import any_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

TENSORFLOW_SERVING = shutil.which("tensorflow_model_server")
NOT_FOUND = grpc.StatusCode.NOT_FOUND
INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify and GetModelMetadata of the SavedModels in some folders."""

    def __init__(self, folders):
        self.folders = folders
        self.loaded = {
            name: tf.saved_model.load(folder) for name, folder in folders.items()
        }

    def _signature(self, spec, context):
        if spec.name not in self.folders:
            context.abort(NOT_FOUND, f"Servable not found for request: {spec.name}")
        path = self.folders[spec.name] / "saved_model.pb"
        definitions = SavedModel.FromString(path.read_bytes()).meta_graphs[0]
        name = spec.signature_name or "serving_default"
        if name not in definitions.signature_def:
            context.abort(INVALID, f"Serving signature key not found: {name}")
        definition = definitions.signature_def[name]
        return definition, self.loaded[spec.name].signatures[name]

    def _run(self, definition, function, inputs, context):
        if set(inputs) != set(definition.inputs):
            context.abort(INVALID, f"input size does not match signature: {inputs}")
        for name, value in inputs.items():
            if value.dtype != definition.inputs[name].dtype:
                context.abort(INVALID, f"Expects arg[{name}] of another type")
        tensors = {name: tf.constant(tf.make_ndarray(x)) for name, x in inputs.items()}
        try:
            return function(**tensors)
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            context.abort(INVALID, str(error)[:500])

    def Predict(self, request, context):
        definition, function = self._signature(request.model_spec, context)
        outputs = self._run(definition, function, dict(request.inputs), context)
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def Classify(self, request, context):
        definition, function = self._signature(request.model_spec, context)
        if definition.method_name != "tensorflow/serving/classify":
            context.abort(INVALID, "Expected classify signature method_name")
        examples = request.input.example_list.examples
        serialized = [example.SerializeToString() for example in examples]
        inputs = {"inputs": tf.make_tensor_proto(serialized, tf.string)}
        outputs = self._run(definition, function, inputs, context)
        response = classification_pb2.ClassificationResponse()
        # By name: the outputs come in the order of a protobuf's map, which is none.
        classes_and_scores = (np.array(outputs[name]) for name in ("classes", "scores"))
        for names, scores in zip(*classes_and_scores, strict=True):
            classes = response.result.classifications.add().classes
            for name, score in zip(names, scores, strict=True):
                classes.add(label=name, score=score)
        return response

    def GetModelMetadata(self, request, context):
        self._signature(request.model_spec, context)
        path = self.folders[request.model_spec.name] / "saved_model.pb"
        definitions = SavedModel.FromString(path.read_bytes()).meta_graphs[0]
        found = get_model_metadata_pb2.SignatureDefMap(
            signature_def=definitions.signature_def
        )
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        packed = any_pb2.Any()
        packed.Pack(found)
        response.metadata["signature_def"].CopyFrom(packed)
        return response


def _our_server(folders):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(folders), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return port, lambda: server.stop(None)


def _their_server(folders, folder):
    config = "".join(
        f'config {{ name: "{name}" base_path: "{path.parent}" '
        'model_platform: "tensorflow" }\n'
        for name, path in folders.items()
    )
    (folder / "models.config").write_text(f"model_config_list {{ {config} }}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(TENSORFLOW_SERVING, f"--port={port}", "--enable_batching"),
            f"--model_config_file={folder}/models.config",
        ]
    )
    return port, server.terminate


@pytest.fixture(scope="module")
def stub(served, tmp_path_factory):
    if TENSORFLOW_SERVING:
        port, stop = _their_server(served, tmp_path_factory.mktemp("server"))
    else:
        port, stop = _our_server(served)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=120)
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
    stop()


def predict(stub, name, inputs, signature=""):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, values in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
    response = stub.Predict(request, timeout=60)
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


@pytest.mark.parametrize("signature", ["serving_default", "embed", "tokens"])
def test_predict(stub, served, questions, head, signature):
    inputs = questions(head, signature)
    expected = tf.saved_model.load(served[head]).signatures[signature](
        **{name: tf.constant(x) for name, x in inputs.items()}
    )
    answers = predict(stub, head, inputs, signature)
    assert set(answers) == set(expected)
    for name, value in expected.items():
        if value.dtype == tf.string:
            assert answers[name].tolist() == value.numpy().tolist()
        else:
            assert answers[name] == pytest.approx(value.numpy(), abs=1e-5)


def test_requests_at_once_keep_their_answers(stub):
    texts = [f"{a}{b} cd" for a in "abcdefgh" for b in "ijklmnop"]
    together = predict(stub, "sequence-classification", {"text": texts})
    with futures.ThreadPoolExecutor(8) as clients:
        alone = list(
            clients.map(
                lambda text: predict(stub, "sequence-classification", {"text": [text]}),
                texts,
            )
        )
    for row, answer in enumerate(alone):
        assert answer["scores"][0] == pytest.approx(together["scores"][row], abs=1e-5)
    assert np.std(together["scores"], axis=0).min() > 1e-3


def test_classify(stub):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "sequence-classification"
    request.model_spec.signature_name = "classify"
    for text in ("ab cd", "who?"):
        example = request.input.example_list.examples.add()
        example.features.feature["text"].bytes_list.value.append(text.encode())
    response = stub.Classify(request, timeout=60)
    answers = predict(
        stub, "sequence-classification", {"text": ["ab cd", "who?"]}, "serving_default"
    )
    for row, of_text in enumerate(response.result.classifications):
        assert [c.label for c in of_text.classes] == ["O", "B-LOC", "I-LOC"]
        scores = [c.score for c in of_text.classes]
        assert scores == pytest.approx(answers["scores"][row], abs=1e-5)


def test_metadata(stub, head):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = head
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request, timeout=60)
    found = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(found)
    default = found.signature_def["serving_default"]
    assert isinstance(default, SignatureDef)
    assert all(tensor.dtype == tf.string for tensor in default.inputs.values())
    assert ARCHITECTURES[head]


@pytest.mark.parametrize(
    ("inputs", "signature", "status"),
    [
        ({"text": ["a"]}, "no_such_signature", INVALID),
        ({"words": ["a"]}, "", INVALID),
        ({"text": [1]}, "", INVALID),
    ],
    ids=["signature", "name", "type"],
)
def test_what_is_not_a_request(stub, inputs, signature, status):
    with pytest.raises(grpc.RpcError) as error:
        predict(stub, "sequence-classification", inputs, signature)
    assert error.value.code() == status
    # And the next one is served.
    assert len(predict(stub, "sequence-classification", {"text": ["a"]})["score"]) == 1


@pytest.mark.parametrize(
    "texts",
    [[], [b"\xff\xfe bad"], ["a" * 1_000_000], ["\0"], [""]],
    ids=["none", "bytes", "long", "nul", "empty"],
)
def test_texts_of_any_kind(stub, head, texts):
    inputs = {"text": np.array(texts, object)}
    if head in ("question-answering", "multiple-choice"):
        inputs = {"context": inputs["text"]}
        other = "question" if head == "question-answering" else "choices"
        inputs[other] = inputs["context"]
        if other == "choices":
            inputs[other] = np.stack([inputs[other]] * 2, axis=-1)
    answers = predict(stub, head, inputs)
    assert {len(values) for values in answers.values()} == {len(texts)}
