"""Models that are named by an id of the Hugging Face Hub.

A server on this machine stands for the Hub; huggingface_hub itself does the fetching.
"""

import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import warnings
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file
from tiny import ONE_LAYER, make_inputs, make_model, run, weights_of

import keras_squeezebert
from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertModel,
)
from keras_squeezebert.converters import OFFICIAL_CHECKPOINTS
from keras_squeezebert.converters.readers import read_weights
from keras_squeezebert.errors import InputError
from keras_squeezebert.hub import pretrained_folder
from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast

ROOT = Path(__file__).parents[1]
NAME = "owner/tiny-model"
WEIGHTS, BIN = "model.safetensors", "pytorch_model.bin"
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "##s"]


class FakeHub:
    """Repositories by name, and what the Hub answers about them.

    Attributes:
        revisions: Of each repository, the files at each of its revisions.
        requests: What was asked for: "GET config.json", "HEAD config.json", …
        status: Answers everything with this, if not None.
        cut: Names of files; for each, half is sent once before the connection breaks.
    """

    def __init__(self):
        self.revisions, self.requests, self.status, self.cut = {}, [], None, []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hub._answer(self, send=True)

            def do_HEAD(self):
                hub._answer(self, send=False)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        # It looks so often whether it is to stop.
        serve = functools.partial(self.server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()

    def add(self, files, name=NAME, revision="main"):
        self.revisions.setdefault(name, {})[revision] = files

    def commit(self, files):
        """The id of a commit, which tells its files."""
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def fetched(self):
        """The files that were sent since the last call."""
        files = [r.removeprefix("GET ") for r in self.requests if r.startswith("GET ")]
        self.requests.clear()
        return sorted(files)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, request, send):
        path = urllib.parse.urlparse(request.path).path
        if self.status is not None:
            self.requests.append(f"{request.command} {path}")
            return self._send(request, b"", send, self.status)
        for pattern, answer in {
            r"/api/models/(.+)/revision/([^/]+)": self._info,
            r"/api/models/(.+)/tree/([^/]+)": self._tree,
            r"/(.+)/resolve/([^/]+)/(.+)": self._file,
        }.items():
            match = re.fullmatch(pattern, path)
            if match:
                name, revision, *file = map(urllib.parse.unquote, match.groups())
                revisions = self.revisions.get(name)
                if revisions is None:
                    return self._send(request, b"", send, 401, error="RepoNotFound")
                files = revisions.get(revision) or next(
                    (f for f in revisions.values() if self.commit(f) == revision), None
                )
                if files is None:
                    return self._send(request, b"", send, 404, error="RevisionNotFound")
                return answer(request, send, name, files, *file)
        return self._send(request, b"", send, 404)

    def _info(self, request, send, name, files):
        self._send_json(request, send, {"id": name, "sha": self.commit(files)})

    def _tree(self, request, send, name, files):
        entries = [
            {"type": "file", "path": path, "size": len(data), "oid": _etag(data)}
            for path, data in files.items()
        ]
        self._send_json(request, send, entries)

    def _file(self, request, send, name, files, path):
        part = " but its first half" if "Range" in request.headers else ""
        self.requests.append(f"{request.command} {path}{part}")
        etag, commit = f'"{_etag(files[path])}"', self.commit(files)
        cut = send and path in self.cut
        if cut:
            self.cut.remove(path)
        headers = {"ETag": etag, "X-Repo-Commit": commit}
        self._send(request, files[path], send, cut=cut, **headers)

    def _send_json(self, request, send, value):
        self._send(request, json.dumps(value).encode(), send)

    def _send(self, request, data, send, status=200, cut=False, error=None, **headers):
        start = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(start[1]) if start else 0
        request.send_response(206 if start else status)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if error:
            headers["X-Error-Code"] = error
        for key, value in headers.items():
            request.send_header(key.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        if send:
            request.wfile.write(data[start : len(data) // 2 if cut else None])


def _etag(data):
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def hub(cache, monkeypatch):
    """A Hub on this machine, which huggingface_hub takes for the real one."""
    hub = FakeHub()
    # It reads its environment when it is first imported, perhaps before this test.
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    template = hub.url + "/" + template.split("/", 3)[3]
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between its attempts
    huggingface_hub.close_session()
    yield hub
    huggingface_hub.close_session()
    hub.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved folder, to be read only."""
    folder = tmp_path_factory.mktemp("saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        make_model("SqueezeBertModel", ONE_LAYER).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 24}')
    return folder


@pytest.fixture(scope="module")
def files(saved):
    """What a repository holds, of which a model needs only some."""
    others = {"README.md": b"---", "tf_model.h5": b"h5", "onnx/model.onnx": b"onnx"}
    return {path.name: path.read_bytes() for path in saved.iterdir()} | others


def as_bin(files, tmp_path):
    """The same, with the weights as PyTorch writes them."""
    torch = pytest.importorskip("torch", reason="PyTorch writes these files")
    (tmp_path / "t").write_bytes(files[WEIGHTS])
    state = {key: torch.tensor(v) for key, v in load_file(tmp_path / "t").items()}
    torch.save(state, tmp_path / "t")
    others = {name: data for name, data in files.items() if name != WEIGHTS}
    return others | {BIN: (tmp_path / "t").read_bytes()}


def as_shards(files, tmp_path):
    """The same, with the weights in two files and an index."""
    (tmp_path / "t").write_bytes(files[WEIGHTS])
    tensors = list(load_file(tmp_path / "t").items())
    shards = dict(zip(SHARDS, (tensors[:5], tensors[5:]), strict=True))
    others = {name: data for name, data in files.items() if name != WEIGHTS}
    for shard, part in shards.items():
        save_file(dict(part), tmp_path / "t")
        others[shard] = (tmp_path / "t").read_bytes()
    weight_map = {key: shard for shard, part in shards.items() for key, _ in part}
    index = {"weight_map": weight_map}
    return others | {f"{WEIGHTS}.index.json": json.dumps(index).encode()}


def assert_same_weights(model, expected):
    for path, value in weights_of(expected).items():
        np.testing.assert_array_equal(weights_of(model)[path], value)


@pytest.fixture(scope="module")
def original(saved):
    return SqueezeBertModel.from_pretrained(saved)


# === What is fetched


def test_a_model(hub, files, original):
    hub.add(files)
    model = SqueezeBertModel.from_pretrained(NAME)
    assert_same_weights(model, original)
    assert model.config == original.config
    assert model.load_report.source == NAME
    assert hub.fetched() == ["config.json", WEIGHTS]


def test_safetensors_alone_where_there_is_both(hub, files, original):
    hub.add(files | {BIN: b"never fetched", f"{BIN}.index.json": b"nor this"})
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert hub.fetched() == ["config.json", WEIGHTS]


def test_a_model_of_pytorch(hub, files, original, tmp_path):
    hub.add(as_bin(files, tmp_path))
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert hub.fetched() == ["config.json", BIN]


def test_shards(hub, files, original, tmp_path):
    hub.add(as_shards(files, tmp_path) | {BIN: b"never fetched"})
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert hub.fetched() == ["config.json", *SHARDS, f"{WEIGHTS}.index.json"]


def test_a_config(hub, files, original):
    hub.add(files)
    assert SqueezeBertConfig.from_pretrained(NAME) == original.config
    assert hub.fetched() == ["config.json"]


@pytest.mark.parametrize("cls", [SqueezeBertTokenizer, SqueezeBertTokenizerFast])
def test_a_tokenizer(cls, hub, files):
    hub.add(files)
    tokenizer = cls.from_pretrained(NAME)
    assert list(tokenizer.vocabulary) == TOKENS
    assert tokenizer.options.model_max_length == 24
    assert hub.fetched() == ["tokenizer_config.json", "vocab.txt"]


def test_a_name_without_owner(hub, files, original):
    hub.add(files, name="tiny-model")
    assert SqueezeBertConfig.from_pretrained("tiny-model") == original.config


def test_nothing_is_fetched_twice(hub, files, original):
    hub.add(files)
    SqueezeBertModel.from_pretrained(NAME)
    hub.fetched()
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert SqueezeBertConfig.from_pretrained(NAME) == original.config
    assert hub.fetched() == []


def test_a_new_commit_is_fetched(hub, files, tmp_path):
    hub.add(files)
    SqueezeBertConfig.from_pretrained(NAME)
    SqueezeBertConfig(hidden_size=64, num_attention_heads=4).save(tmp_path)
    hub.add(files | {"config.json": (tmp_path / "config.json").read_bytes()})
    assert SqueezeBertConfig.from_pretrained(NAME).hidden_size == 64


def test_revisions(hub, files, original, tmp_path):
    other = make_model("SqueezeBertModel", ONE_LAYER, seed=7)
    other.save_pretrained(tmp_path / "other")
    hub.add(files)
    changed = {WEIGHTS: (tmp_path / "other" / WEIGHTS).read_bytes()}
    hub.add(files | changed, revision="v2")
    for revision, expected in {
        None: original,
        "main": original,
        "v2": other,
        hub.commit(files | changed): other,
        hub.commit(files): original,
    }.items():
        model = SqueezeBertModel.from_pretrained(NAME, revision=revision)
        assert_same_weights(model, expected)


def test_the_revision_of_a_tokenizer(hub, files):
    hub.add(files)
    fewer = "\n".join(TOKENS[:-1]).encode()
    hub.add(files | {"vocab.txt": fewer}, revision="v2")
    assert SqueezeBertTokenizerFast.from_pretrained(NAME).vocab_size == 7
    old = SqueezeBertTokenizerFast.from_pretrained(NAME, revision="v2")
    assert old.vocab_size == 6


# === Without the network


def test_offline_the_cache_is_used(hub, files, original, monkeypatch):
    hub.add(files)
    SqueezeBertModel.from_pretrained(NAME)
    SqueezeBertTokenizerFast.from_pretrained(NAME)
    hub.fetched()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert SqueezeBertTokenizerFast.from_pretrained(NAME).vocab_size == len(TOKENS)
    assert hub.requests == []


def test_offline_a_cached_model_of_pytorch(hub, files, original, tmp_path, monkeypatch):
    hub.add(as_bin(files, tmp_path))
    SqueezeBertModel.from_pretrained(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)


def test_offline_by_the_environment(hub, files, cache):
    hub.add(files)
    SqueezeBertConfig.from_pretrained(NAME)
    hub.fetched()
    script = f"""
from keras_squeezebert import SqueezeBertConfig
print(SqueezeBertConfig.from_pretrained({NAME!r}).hidden_size)
"""
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == [str(ONE_LAYER.hidden_size)]
    assert hub.requests == []


def test_offline_without_a_cache(hub, files, monkeypatch):
    hub.add(files)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for cls in (SqueezeBertConfig, SqueezeBertModel, SqueezeBertTokenizerFast):
        with pytest.raises(InputError, match=f"{NAME}.*HF_HUB_OFFLINE=0"):
            cls.from_pretrained(NAME)
    assert hub.requests == []


def test_offline_with_only_the_tokenizer_in_the_cache(hub, files, monkeypatch):
    hub.add(files)
    SqueezeBertTokenizerFast.from_pretrained(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"config\.json"):
        SqueezeBertModel.from_pretrained(NAME)


def refuse_connections(hub, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", url)


def test_a_hub_that_refuses_connections(hub, files, monkeypatch):
    refuse_connections(hub, monkeypatch)
    with pytest.raises(InputError, match=rf"{NAME}.*failed: .*Connect") as error:
        SqueezeBertModel.from_pretrained(NAME)
    assert "\n" not in str(error.value)


def test_a_hub_that_refuses_connections_later(hub, files, original, monkeypatch):
    hub.add(files)
    SqueezeBertModel.from_pretrained(NAME)
    refuse_connections(hub, monkeypatch)
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)


@pytest.mark.parametrize("status", [403, 418, 429, 500, 503])
def test_a_hub_that_fails(status, hub, files):
    hub.add(files)
    hub.status = status
    with pytest.raises(InputError, match=rf"{NAME}.*failed: .*{status}"):
        SqueezeBertModel.from_pretrained(NAME)


def test_a_hub_that_fails_later(hub, files, original):
    hub.add(files)
    SqueezeBertModel.from_pretrained(NAME)
    hub.status = 500
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)


def whole(folder):
    """The files of a cache that a reader would find."""
    return sorted(path.name for path in folder.glob("**/snapshots/*/*"))


def test_a_file_that_breaks_off(hub, files, cache, original):
    hub.add(files)
    hub.cut = [WEIGHTS] * 100
    with pytest.raises(InputError, match=f"{NAME}.*failed"):
        SqueezeBertModel.from_pretrained(NAME)
    assert whole(cache) == ["config.json"]
    assert not list(cache.rglob("*.incomplete"))
    hub.cut = []
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert whole(cache) == ["config.json", WEIGHTS]


def test_a_connection_that_breaks_once(hub, files, original, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.add(files)
    hub.cut = [WEIGHTS]
    assert_same_weights(SqueezeBertModel.from_pretrained(NAME), original)
    assert hub.fetched() == ["config.json", WEIGHTS, f"{WEIGHTS} but its first half"]


def test_offline_after_a_file_broke_off(hub, files, monkeypatch):
    hub.add(files)
    hub.cut = [WEIGHTS] * 100
    with pytest.raises(InputError):
        SqueezeBertModel.from_pretrained(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=rf"{NAME}.*{WEIGHTS}"):
        SqueezeBertModel.from_pretrained(NAME)


# === What is not there


def test_an_unknown_model(hub, cache):
    for cls in (SqueezeBertConfig, SqueezeBertModel, SqueezeBertTokenizerFast):
        with pytest.raises(InputError, match=r"'owner/absent'.*Repository Not Found"):
            cls.from_pretrained("owner/absent")
    assert whole(cache) == []


def test_an_unknown_revision(hub, files):
    hub.add(files)
    with pytest.raises(InputError, match=rf"{NAME}.*Revision Not Found.*/v9\b"):
        SqueezeBertModel.from_pretrained(NAME, revision="v9")


def test_a_repository_without_weights(hub, files):
    hub.add({"config.json": files["config.json"]})
    with pytest.raises(InputError, match=f"no weights in {NAME}.*{WEIGHTS}.*{BIN}"):
        SqueezeBertModel.from_pretrained(NAME)


def test_a_repository_of_another_kind(hub):
    hub.add({"README.md": b"---"})
    with pytest.raises(InputError, match=r"No such file: .*config\.json"):
        SqueezeBertModel.from_pretrained(NAME)
    with pytest.raises(InputError, match=r"neither a vocab\.txt"):
        SqueezeBertTokenizerFast.from_pretrained(NAME)


@pytest.mark.parametrize(
    "source",
    [
        "/absent/model",
        "./absent",
        "../absent",
        "absent/",
        "~/absent",
        "a/b/c",
        "a b",
        "a\\b",
        "",
        ".",
        "..",
        "owner/two--dashes",
        "owner/model.git",
        "https://huggingface.co/owner/model",
        "x" * 97,
        "nul\0",
        Path("owner/model"),
        Path("absent"),
    ],
    ids=repr,
)
def test_what_is_neither_a_folder_nor_an_id(source, hub, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    if os.path.isdir(source):  # "." and ".." are folders, of no model
        message = "No such file|no weights|neither a vocab"
    else:
        message = f"There is no such folder: {re.escape(str(source))}"
    for cls in (SqueezeBertConfig, SqueezeBertModel, SqueezeBertTokenizerFast):
        with pytest.raises(InputError, match=message):
            cls.from_pretrained(source)
    with pytest.raises(InputError, match=message):
        read_weights(source)
    assert hub.requests == []


# === Folders


def test_a_folder_counts_before_the_hub(hub, files, saved, tmp_path, monkeypatch):
    hub.add(files)
    folder = shutil.copytree(saved, tmp_path / NAME)
    config = ONE_LAYER.replace(hidden_act="relu")
    config.save(folder)
    monkeypatch.chdir(tmp_path)
    assert SqueezeBertConfig.from_pretrained(NAME) == config
    assert SqueezeBertModel.from_pretrained(NAME).config == config
    assert pretrained_folder(NAME, ["*"]) == Path(NAME)
    assert hub.requests == []


def test_folders_have_no_revisions(hub, saved):
    for cls in (SqueezeBertConfig, SqueezeBertModel, SqueezeBertTokenizerFast):
        with pytest.raises(InputError, match=f"revisions.*{saved}.*revision='main'"):
            cls.from_pretrained(saved, revision="main")


# === The authors' checkpoints, from the real Hub

real_hub = pytest.mark.skipif(
    os.environ.get("SQUEEZEBERT_HUB_TESTS") != "1",
    reason="fetches 400 MB; SQUEEZEBERT_HUB_TESTS=1 asks for it",
)


@real_hub
def test_the_logits_of_the_mnli_checkpoint():
    model = SqueezeBertForSequenceClassification.from_pretrained(
        "squeezebert/squeezebert-mnli"
    )
    ids = [[1, 29414, 232, 328, 740, 1140, 12695, 69, 13, 1588, 2]]
    logits = np.asarray(model({"input_ids": np.array(ids, "int32")}))
    np.testing.assert_allclose(logits, [[0.6401, -0.0349, -0.6041]], atol=1e-4)


@real_hub
@pytest.mark.parametrize("name", OFFICIAL_CHECKPOINTS)
def test_what_the_official_checkpoints_hold(name):
    official = OFFICIAL_CHECKPOINTS[name]
    _, tensors = read_weights(name)
    assert {t.dtype for t in tensors.values() if "float" in t.dtype} == {official.dtype}
    model = getattr(keras_squeezebert, official.architecture).from_pretrained(name)
    report = model.load_report
    lacking = {path.split("/")[0] for path in report.initialized}
    assert lacking == set(official.lacks)
    assert official.purpose in str(report)
    assert np.isfinite(next(iter(run(model, make_inputs(1, 8)).values()))).all()
