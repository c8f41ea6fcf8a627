"""The REST server: TF Serving's messages, the model's answers, and a way out of all."""

import base64
import concurrent.futures
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from every_head import letters, write_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tiny import ONE_LAYER

from keras_squeezebert.cli.serve import listening_socket
from keras_squeezebert.models.inputs import INPUT_NAMES
from keras_squeezebert.serving.rest import Limits, rest_app

NAME = "sequence-classification"
PREDICT = f"/v1/models/{NAME}:predict"
COMMAND = Path(sys.executable).with_name("squeezebert")
LIMITS = Limits(body_bytes=20_000, rows=8)


@pytest.fixture(scope="module")
def client_of(signatures_of):
    """A function from a head to a client of its server."""
    clients = {}

    def client(head):
        if head not in clients:
            app = rest_app(signatures_of(head), head, limits=LIMITS)
            clients[head] = TestClient(app)
            clients[head].__enter__()
        return clients[head]

    yield client
    for one in clients.values():
        one.__exit__(None, None, None)


@pytest.fixture(scope="module")
def client(client_of):
    return client_of(NAME)


def test_rows_and_columns(client_of, served, questions, head):
    import tensorflow as tf

    inputs = questions(head, "serving_default")
    expected = tf.saved_model.load(served[head]).signatures["serving_default"](
        **{name: tf.constant(x) for name, x in inputs.items()}
    )
    expected = {name: tensor.numpy() for name, tensor in expected.items()}
    rows = [
        dict(zip(inputs, row, strict=True))
        for row in zip(*inputs.values(), strict=True)
    ]
    path = f"/v1/models/{head}:predict"
    by_rows = client_of(head).post(path, json={"instances": rows})
    by_columns = client_of(head).post(path, json={"inputs": inputs})
    assert by_rows.status_code == by_columns.status_code == 200
    for name, values in expected.items():
        columns = by_columns.json()["outputs"][name]
        assert [row[name] for row in by_rows.json()["predictions"]] == columns
        if values.dtype == object:
            assert (
                columns == np.vectorize(bytes.decode, otypes=[object])(values).tolist()
            )
        else:
            assert np.array(columns) == pytest.approx(values, abs=1e-5)


def test_a_single_input_needs_no_name(client):
    plain = client.post(PREDICT, json={"instances": ["ab cd", "who"]}).json()
    named = [{"text": "ab cd"}, {"text": "who"}]
    assert client.post(PREDICT, json={"instances": named}).json() == plain
    columns = client.post(PREDICT, json={"inputs": ["ab cd", "who"]}).json()
    assert columns["outputs"]["label"] == [row["label"] for row in plain["predictions"]]
    coded = {"b64": base64.b64encode(b"ab cd").decode()}
    coded = client.post(PREDICT, json={"instances": [coded, "who"]}).json()
    assert coded == plain


def test_classify(client):
    path = f"/v1/models/{NAME}:classify"
    answer = client.post(path, json={"examples": [{"text": "ab cd"}, {"text": "b"}]})
    scores = client.post(PREDICT, json={"inputs": ["ab cd", "b"]}).json()["outputs"]
    for row, of_text in enumerate(answer.json()["results"]):
        labels, given = zip(*of_text, strict=True)
        assert labels == ("O", "B-LOC", "I-LOC")
        assert given == pytest.approx(scores["scores"][row], abs=1e-5)
    shared = {"context": {"text": "b"}, "examples": [{}]}
    (shared,) = client.post(path, json=shared).json()["results"]
    assert dict(shared) == pytest.approx(dict(answer.json()["results"][1]), abs=1e-5)


def test_other_signatures(client):
    embedding = client.post(
        PREDICT, json={"signature_name": "embed", "instances": ["ab cd"]}
    )
    assert np.shape(embedding.json()["predictions"]) == (1, ONE_LAYER.hidden_size)
    tokens = {name: ids.tolist() for name, ids in letters()(["ab cd"]).items()}
    message = {"signature_name": "tokens", "inputs": tokens}
    assert np.shape(client.post(PREDICT, json=message).json()["outputs"]) == (1, 3)


def test_what_is_told_of_the_model(client):
    (state,) = client.get(f"/v1/models/{NAME}").json()["model_version_status"]
    assert (state["version"], state["state"]) == ("1", "AVAILABLE")
    told = client.get(f"/v1/models/{NAME}/versions/1/metadata").json()
    assert told["model_spec"]["name"] == NAME
    definitions = told["metadata"]["signature_def"]["signature_def"]
    assert set(definitions) == {"serving_default", "tokens", "embed", "classify"}
    scores = definitions["serving_default"]["outputs"]["scores"]
    assert scores["dtype"] == "DT_FLOAT"
    sizes = [dimension["size"] for dimension in scores["tensor_shape"]["dim"]]
    assert sizes == ["-1", "3"]
    assert client.get("/health").json() == {"status": "ok"}


def test_metrics(client):
    def counted():
        lines = client.get("/metrics").text.splitlines()
        return {
            line.split()[0]: float(line.split()[1]) for line in lines if line[0] != "#"
        }

    before = counted()
    client.post(PREDICT, json={"instances": ["a"]})
    client.post(PREDICT, content=b"{")
    after = counted()
    for status in (200, 400):
        name = f'squeezebert_requests_total{{method="predict",status="{status}"}}'
        assert after[name] == before.get(name, 0) + 1
    name = "squeezebert_batch_rows_count"
    assert after[name] == before[name] + 1


# === What is no request


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ([], "must be a JSON object"),
        ({}, "`instances` or `inputs`"),
        ({"instances": ["a"], "inputs": ["a"]}, "`instances` or `inputs`"),
        ({"instances": []}, "an item for each row"),
        ({"instances": "a"}, "an item for each row"),
        ({"instances": [1]}, "must be of strings"),
        ({"instances": [{"b64": "?"}]}, "must be of strings"),
        ({"instances": [{"words": "a"}]}, "The inputs are text. Received: words"),
        ({"instances": [["a"]]}, "must be of strings"),
        ({"inputs": "a"}, "must be lists, 1 deep"),
        ({"instances": ["a"], "signature_name": "no"}, "The signatures are"),
        ({"instances": ["a"], "signature_name": {"a": 1}}, "The signatures are"),
        ({"instances": ["a"] * 9}, "may have 8 rows. Received: 9"),
        (
            {"signature_name": "tokens", "instances": [{"input_ids": [1]}]},
            "The inputs are input_ids",
        ),
        (
            {
                "signature_name": "tokens",
                "inputs": {name: [[1, 2.5]] for name in INPUT_NAMES},
            },
            "must be of int32. Received: 2.5",
        ),
        (
            {
                "signature_name": "tokens",
                "inputs": {name: [[1], [1, 2]] for name in INPUT_NAMES},
            },
            "must be equally long",
        ),
        (
            {
                "signature_name": "tokens",
                "inputs": {
                    "input_ids": [[1]],
                    "attention_mask": [[1]],
                    "token_type_ids": [[1], [1]],
                },
            },
            "as many rows",
        ),
    ],
)
def test_mistakes(client, message, words):
    answer = client.post(PREDICT, json=message)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_ids_beyond_the_vocabulary(client):
    inputs = {name: [[1]] for name in INPUT_NAMES} | {"input_ids": [[5000]]}
    message = {"signature_name": "tokens", "inputs": inputs}
    assert client.post(PREDICT, json=message).status_code == 400
    assert client.post(PREDICT, json={"instances": ["a"]}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/other:predict", 404),
        ("POST", f"/v1/models/{NAME}/versions/2:predict", 404),
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/models/other/metadata", 404),
        ("GET", PREDICT, 405),
        ("POST", f"/v1/models/{NAME}:regress", 405),
        ("GET", "/", 404),
    ],
)
def test_other_addresses(client, method, path, status):
    answer = client.request(method, path, **({"json": {}} if method == "POST" else {}))
    assert answer.status_code in (status, 404)
    assert answer.json()["error"]


def test_a_body_that_is_too_long(client):
    answer = client.post(PREDICT, json={"instances": ["a" * 20_000]})
    assert answer.status_code == 413
    assert "20,000 bytes" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b"null", b"[" * 10_000, b'{"instances": [NaN]}'),
        b'{"instances": [' + b"1" * 9_000 + b"]}",
        rb'{"instances": ["\ud800"]}',
    ],
    ids=range(8),
)
def test_bodies_of_any_kind(client, body):
    answer = client.post(PREDICT, content=body)
    assert answer.status_code == (200 if b"ud800" in body else 400)
    answer.json()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["instances", "inputs", "text", "b64", "input_ids", "signature_name"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(
        st.sampled_from(["instances", "inputs", "signature_name", "examples"]), _VALUES
    ),
    st.sampled_from([PREDICT, f"/v1/models/{NAME}:classify"]),
)
def test_no_message_is_a_fault_of_the_server(client, message, path):
    answer = client.post(path, content=json.dumps(message).encode())
    assert answer.status_code in (200, 400)
    answer.json()


# === A server of its own


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest") / "letters"
    write_model(folder, "SqueezeBertForSequenceClassification")
    process = subprocess.Popen(
        [COMMAND, "serve", folder, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("Serving http://127.0.0.1:"), process.stderr.read()
    with process:
        yield process, line.split()[1]
        process.kill()


def asked(url, texts):
    body = json.dumps({"instances": texts}).encode()
    request = urllib.request.Request(f"{url}:predict", body)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def test_a_server_from_start_to_stop(server):
    process, url = server
    port = int(url.split(":")[2].split("/")[0])
    # One that says nothing holds up nobody.
    silent = socket.create_connection(("127.0.0.1", port))
    silent.sendall(b"POST /v1/models/letters:predict HTTP/1.1\r\nHost: x\r\n")
    texts = [f"{a}{b}" for a in "abcdefgh" for b in "ijklmnop"]
    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        alone = list(clients.map(lambda text: asked(url, [text])[0], texts))
    for text, answer in zip(texts[::9], alone[::9], strict=True):
        (expected,) = asked(url, [text])
        assert answer["scores"] == pytest.approx(expected["scores"], abs=1e-5)
    silent.close()
    # What is in flight when it is told to stop is answered.
    with concurrent.futures.ThreadPoolExecutor(1) as clients:
        last = clients.submit(asked, url, ["ab " * 200] * 200)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert len(last.result()) == 200
    assert process.wait(60) in (0, -signal.SIGTERM)


def test_answers_do_not_wait_for_an_acknowledgement():
    with (
        listening_socket("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken(tmp_path):
    write_model(tmp_path / "m", "SqueezeBertForSequenceClassification")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = subprocess.run(
            [COMMAND, "serve", tmp_path / "m", "--port", str(port)],
            capture_output=True,
            text=True,
        )
    assert finished.returncode == 2
    assert f"--port={port}" in finished.stderr.splitlines()[-1]
