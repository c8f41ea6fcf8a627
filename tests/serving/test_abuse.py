"""The REST server under abuse: nobody is harmed but who is at fault, nothing hangs."""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import uvicorn
from every_head import letters, write_model
from tiny import ONE_LAYER, make_model

from keras_squeezebert.inference import softmax
from keras_squeezebert.serving import signatures, text_head
from keras_squeezebert.serving.rest import Limits, rest_app
from keras_squeezebert.serving.rest.connection import Connection

COMMAND = Path(sys.executable).with_name("squeezebert")
PREDICT = "/v1/models/letters:predict"
TEXTS = [f"{a} {b}{c}" for a in "abcd" for b in "efgh" for c in "ijkl"]
PATIENCE = 300  # seconds, where what is waited for comes at once unless a test fails


def ask(port, body, path=PREDICT):
    """Status, headers and parsed body of an answer, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.load(answer)


def ask_texts(port, texts):
    return ask(port, json.dumps({"instances": texts}))


def assert_unharmed(port):
    status, _, answer = ask_texts(port, ["ab cd"])
    assert status == 200 and len(answer["predictions"]) == 1


# === A server in a thread, with limits that are soon reached


class Hasty(Connection):
    head_seconds = 2.0


LIMITS = Limits(
    body_bytes=100_000,
    held_bytes=150_000,
    waiting=4,
    body_seconds=2.0,
    answer_seconds=PATIENCE,
)


class Gate:
    """Before the model, in its graph: where it is closed, requests wait."""

    def __init__(self):
        self.entered, self.is_open = threading.Event(), threading.Event()
        self.is_open.set()

    def before(self, signature):
        def gated(**inputs):
            passed = tf.numpy_function(self._pass, [], tf.bool)
            with tf.control_dependencies([passed]):
                return signature.function(**tf.nest.map_structure(tf.identity, inputs))

        return dataclasses.replace(signature, function=gated)

    def _pass(self):
        self.entered.set()
        return np.bool_(self.is_open.wait(PATIENCE))

    @contextlib.contextmanager
    def closed(self):
        self.is_open.clear()
        self.entered.clear()
        try:
            yield
        finally:
            self.is_open.set()


@pytest.fixture(scope="module")
def gate():
    return Gate()


@pytest.fixture(scope="module")
def port(gate):
    model = make_model("SqueezeBertForSequenceClassification", ONE_LAYER)
    served = signatures(text_head(model, letters()))
    served["serving_default"] = gate.before(served["serving_default"])
    app = rest_app(served, "letters", limits=LIMITS)
    server = uvicorn.Server(uvicorn.Config(app, http=Hasty, log_level="critical"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    found = listener.getsockname()[1]
    assert_unharmed(found)
    yield found
    server.should_exit = True
    thread.join(PATIENCE)
    assert not thread.is_alive()


@contextlib.contextmanager
def connections(port, beginnings):
    """Open connections, each of which has begun to say something."""
    with contextlib.ExitStack() as stack:
        opened = []
        for beginning in beginnings:
            one = socket.create_connection(("127.0.0.1", port), PATIENCE)
            stack.enter_context(one)
            one.sendall(beginning)
            opened.append(one)
        yield opened


def last_words(connection):
    """All that a server says until it closes the connection."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            said += part
    return said


HEAD = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\n".encode()
HALF_BODY = HEAD + b'Content-Length: 50\r\n\r\n{"instances": '


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (b"", b""),
        (b"POST", b""),
        (HEAD + b"Content-Le", b""),
        (HALF_BODY, b"408"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n", b"408"),
    ],
    ids=["nothing", "a word", "half a head", "half a body", "half a chunk"],
)
def test_who_does_not_go_on_is_cut_off(port, beginning, status):
    with connections(port, [beginning]) as (slow,):
        assert_unharmed(port)
        words = last_words(slow)
    assert words.partition(b" ")[2].startswith(status)
    assert bool(words) == bool(status)


@pytest.mark.parametrize("beginning", [HEAD, HALF_BODY], ids=["head", "body"])
def test_who_drips_is_cut_off(port, beginning):
    drops = b"X-Drop: y\r\n" if beginning == HEAD else b" "
    with connections(port, [beginning]) as (slow,):
        begun = time.monotonic()
        # Each drop comes long before a limit, and there are enough for minutes.
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < PATIENCE:
                slow.sendall(drops[:1])
                drops = drops[1:] + drops[:1]
                time.sleep(0.05)
        assert time.monotonic() - begun < PATIENCE
    assert_unharmed(port)


def test_many_idle_connections_harm_nobody(port):
    beginnings = [b"", HEAD, HALF_BODY] * 100
    with connections(port, beginnings) as idle:
        for _ in range(3):
            assert_unharmed(port)
        said = [last_words(one) for one in idle]
    assert sum(b"408" in words for words in said) == 100


def test_who_asks_one_after_the_other_is_not_cut_off(port):
    """The clock begins anew with each request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.connect()
        sock, begun = connection.sock, time.monotonic()
        while time.monotonic() - begun < 1.5 * Hasty.head_seconds:
            connection.request("POST", PREDICT, '{"instances": ["a"]}')
            assert connection.getresponse().read()
            assert connection.sock is sock


def test_an_answer_may_take_longer_than_a_head(port, gate):
    with concurrent.futures.ThreadPoolExecutor(1) as clients, gate.closed():
        waits = clients.submit(ask_texts, port, ["ab"])
        time.sleep(1.5 * Hasty.head_seconds)
        assert not waits.done()
        gate.is_open.set()
        assert waits.result()[0] == 200


def test_too_many_are_told_to_come_again(port, gate):
    with concurrent.futures.ThreadPoolExecutor(20) as clients, gate.closed():
        runs = clients.submit(ask_texts, port, ["ab"])
        assert gate.entered.wait(PATIENCE)
        asked = [clients.submit(ask_texts, port, [text]) for text in TEXTS[:19]]
        # Four wait. The others are answered while the model stands.
        refused = list(itertools.islice(concurrent.futures.as_completed(asked), 15))
        for one in refused:
            status, headers, answer = one.result()
            assert status == 503 and int(headers["Retry-After"]) >= 1
            assert "4 requests wait already" in answer["error"]
        gate.is_open.set()
        taken = [runs, *(one for one in asked if one not in refused)]
        assert [one.result()[0] for one in taken] == [200] * 5
    assert_unharmed(port)


def test_bodies_together_have_a_limit(port, gate):
    large = ["a" * 90_000]  # of which two are too much
    with concurrent.futures.ThreadPoolExecutor(1) as clients, gate.closed():
        first = clients.submit(ask_texts, port, large)
        assert gate.entered.wait(PATIENCE)
        status, headers, answer = ask_texts(port, large)
        assert status == 503 and int(headers["Retry-After"]) >= 1
        assert "150,000 bytes" in answer["error"]
        gate.is_open.set()
        assert first.result()[0] == 200
    assert ask_texts(port, large)[0] == 200


def test_a_body_of_10_mb(port):
    """Its sender gets to read why, though the server keeps none of it."""
    status, _, answer = ask_texts(port, ["a" * 10_000_000])
    assert status == 413 and "100,000 bytes" in answer["error"]
    assert_unharmed(port)


@pytest.mark.parametrize(
    "begun",
    [
        b"\x00\xff\x16\x03\x01",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        HEAD + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
    ids=["tls", "length", "lengths", "chunk", "address", "head"],
)
def test_what_is_no_http(port, begun):
    with connections(port, [b""]) as (one,):
        with contextlib.suppress(ConnectionError):
            one.sendall(begun + b"\r\n\r\n")
        words = last_words(one)
    assert not words or b" 400 " in words.split(b"\r\n")[0]
    assert_unharmed(port)


def test_messages_that_errors_cannot_repeat(port):
    """Lone surrogates, and lists as deep as JSON's reader just takes."""
    deep = [b'{"instances": ' + b"[" * n + b"]" * n + b"}" for n in range(10, 1200, 9)]
    lone = [rb'{"\ud800": 1}', rb'{"instances": [{"\udc00": 1}]}', rb'["\ud800"]']
    lone += [rb'{"signature_name": "\ud800"}', rb'{"instances": [["\udfff"]]}']
    for body in lone + deep:
        status, _, answer = ask(port, body)
        assert status == 400 and answer["error"], body


@pytest.mark.parametrize(
    "message",
    [
        {"inputs": []},
        {"inputs": {"text": []}},
        {"signature_name": "tokens", "inputs": {}},
        {"signature_name": "classify", "inputs": [{"b64": "jQ=="}]},
        {"instances": [{"b64": "YQ==", "more": 1}]},
        {"instances": ["a"] * 30_000 or None},
    ],
    ids=["rows", "named rows", "no inputs", "no example", "more", "many"],
)
def test_rows_that_are_none(port, message):
    status, _, answer = ask(port, json.dumps(message))
    assert status in (400, 413)
    assert "/" not in answer["error"]  # no place in our files
    assert_unharmed(port)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(port, method):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, PREDICT)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# === A server that is killed


@contextlib.contextmanager
def started(folder, port=0):
    """The port of a server that is killed where the block ends."""
    command = [COMMAND, "serve", folder, "--port", str(port)]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **output) as process:
        try:
            line = process.stdout.readline()
            yield int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])
        finally:
            process.kill()


def test_a_kill_loses_nothing_that_was_answered(tmp_path):
    """What came back is right, all else can be asked again of the next server."""
    model = write_model(tmp_path / "letters", "SqueezeBertForSequenceClassification")
    scores = softmax(np.asarray(model(letters()(TEXTS))))
    scores = dict(zip(TEXTS, scores, strict=True))
    answered, restarted = threading.Semaphore(0), threading.Event()

    def client(texts):
        """Asks until the server at `port` is gone, and all again when it is back."""
        answers = []
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for text in itertools.cycle(texts):
                answers.append((text, ask_texts(port, [text])))
                answered.release()
        restarted.wait()
        return answers + [(text, ask_texts(port, [text])) for text in texts]

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        try:
            with started(tmp_path / "letters") as port:
                running = [clients.submit(client, TEXTS[i::8]) for i in range(8)]
                for _ in range(50):
                    assert answered.acquire(timeout=PATIENCE)
            # At the same address, at once, whatever of the first one is left there.
            with started(tmp_path / "letters", port):
                restarted.set()
                answers = [answer for one in running for answer in one.result()]
        finally:
            restarted.set()
    assert len(answers) >= 50 + len(TEXTS)
    for text, (status, _, answer) in answers:
        assert status == 200
        found = answer["predictions"][0]["scores"]
        assert found == pytest.approx(scores[text], abs=1e-5)
