"""What the page's server gives, to whom, and with what headers."""

import re
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra `serve` is not installed")

from starlette.testclient import TestClient

from keras_squeezebert.web import litert_js
from keras_squeezebert.web.app import PAGE_FILES, PREFIX, web_app

WEB = Path(litert_js.__file__).parent
OUTSIDE = [
    "/squeezebert/app.py",
    "/squeezebert/package.json",
    "/squeezebert/benchmark.js",
    "/squeezebert/test/golden.js",
    "/squeezebert/secret.txt",
    "/squeezebert/litert/secret.txt",
    "/squeezebert/../secret.txt",
    "/squeezebert/litert/../../secret.txt",
    "/squeezebert/%2e%2e/secret.txt",
    "/squeezebert/..%2fsecret.txt",
    "/squeezebert//etc/passwd",
    "/squeezebert/%00",
    "/squeezebert/" + "a" * 5000,
    "/secret.txt",
]


@pytest.fixture
def folder(tmp_path):
    """Stand-ins for a model and for LiteRT.js, and what nobody shall have."""
    for name in litert_js.FILES:
        path = tmp_path / "litert" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "größe 1.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    for path in (tmp_path / "secret.txt", tmp_path / "litert" / "secret.txt"):
        path.write_text("secret")
    return tmp_path


@pytest.fixture
def client(folder):
    app = web_app(folder / "größe 1.tflite", folder / "litert", ["127.0.0.1"])
    return TestClient(app, "http://127.0.0.1:8502")


def test_the_address_alone_leads_to_the_page(client):
    answer = client.get("/")
    assert answer.url.path == f"{PREFIX}/"
    assert answer.text == (WEB / "index.html").read_text(encoding="utf-8")
    assert client.get(f"{PREFIX}/index.html").text == answer.text


def test_all_files_have_their_types_and_headers(client, folder):
    types = {
        "page.js": "text/javascript; charset=utf-8",
        "style.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "code_points.txt": "text/plain; charset=utf-8",
        "model.tflite": "application/octet-stream",
        "litert/index.js": "text/javascript; charset=utf-8",
        "litert/wasm/litert_wasm_internal.wasm": "application/wasm",
    }
    litert = [f"litert/{name}" for name in litert_js.FILES]
    for name in (*types, *PAGE_FILES, *litert):
        answer = client.get(f"{PREFIX}/{name}")
        assert answer.status_code == 200, name
        headers = answer.headers
        assert headers["content-type"] == types.get(name, headers["content-type"])
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
    model = client.get(f"{PREFIX}/model.tflite")
    assert model.content == (folder / "größe 1.tflite").read_bytes()
    assert "gr%C3%B6%C3%9Fe%201.tflite" in model.headers["content-disposition"]


def test_what_has_not_changed_is_not_sent_again(client, folder):
    first = client.get(f"{PREFIX}/model.tflite")
    assert first.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    again = client.get(f"{PREFIX}/model.tflite", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    (folder / "größe 1.tflite").write_bytes(b"\x1c\0\0\0TFL3 another")
    changed = client.get(f"{PREFIX}/model.tflite", headers=known)
    assert changed.content.endswith(b"another")


def test_a_model_that_has_gone(client, folder):
    (folder / "größe 1.tflite").unlink()
    assert client.get(f"{PREFIX}/model.tflite").status_code == 404


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_other_file_is_given(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_only_reading(client):
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, f"{PREFIX}/page.js").status_code == 405
    assert client.head(f"{PREFIX}/page.js").status_code == 200


def test_a_name_that_is_not_the_servers(client):
    """A web site whose name has been made to lead here must not read the model."""
    for host in ("evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil"):
        answer = client.get(f"{PREFIX}/model.tflite", headers={"Host": host})
        assert answer.status_code == 400


def test_every_import_is_served():
    for name in PAGE_FILES:
        code = (WEB / name).read_text(encoding="utf-8")
        for imported in re.findall(r'(?:from |import\(|src=|href=)"(.*?)"', code):
            imported = imported.removeprefix("./").removeprefix("litert/")
            assert imported in {*PAGE_FILES, *litert_js.FILES}, (name, imported)


def test_every_module_is_served():
    modules = {path.name for path in WEB.glob("*.js")} - {"benchmark.js"}
    assert modules == {name for name in PAGE_FILES if name.endswith(".js")}
