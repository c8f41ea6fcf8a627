"""squeezebert web: from its start to its stop, and what it refuses."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from command_line import run
from packed import repacked

from keras_squeezebert.web import litert_js

COMMAND = Path(sys.executable).with_name("squeezebert")


@pytest.fixture
def has_litert_js(tmp_path, monkeypatch):
    """A stand-in for LiteRT.js, which these tests do not run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "bin"
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(
        "#!/bin/sh\n"
        f"for file in {' '.join(litert_js.FILES.values())}; do\n"
        "  mkdir -p $(dirname $file)\n"
        "  echo 'import \"@litertjs/wasm-utils\";' > $file\n"
        "done\n"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_from_start_to_stop(heads, has_litert_js):
    process = subprocess.Popen(
        [COMMAND, "web", "sequence-classification.tflite", "--port", "0"],
        cwd=heads,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        line = process.stdout.readline()
        try:
            assert line.startswith("Serving http://127.0.0.1:"), process.stderr.read()
            url = line.split()[1]
            with urllib.request.urlopen(url) as answer:
                assert b"<title>SqueezeBERT</title>" in answer.read()
            with urllib.request.urlopen(f"{url}model.tflite") as answer:
                model = heads / "sequence-classification.tflite"
                assert answer.read() == model.read_bytes()
            evil = urllib.request.Request(url, headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="400"):
                urllib.request.urlopen(evil)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()


def test_a_port_in_use(heads, has_litert_js):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run(
            *("web", "sequence-classification.tflite", "--port", port), cwd=heads
        )
    assert finished.returncode == 2
    assert "cannot listen there: Address already in use" in finished.stderr
    assert f"--port={port}" in finished.stderr


def truncated(path, target):
    target.write_bytes(path.read_bytes()[:1000])


# By what is wrong: a function that makes the file, and what is said.
REFUSED = {
    "truncated": (truncated, "bad.tflite"),
    "no .tflite": (
        lambda path, target: target.write_text("no"),
        "bad.tflite: Not a .tflite file",
    ),
    "no vocabulary": (
        lambda path, target: repacked(path, target, without="vocab.txt"),
        "vocab.txt",
    ),
    "of no head": (
        lambda path, target: repacked(path, target, config={"architectures": None}),
        "must name a class with a head",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_the_page_cannot_use(kind, heads, tmp_path):
    write, message = REFUSED[kind]
    write(heads / "sequence-classification.tflite", tmp_path / "bad.tflite")
    finished = run("web", "bad.tflite", cwd=tmp_path)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: ") and finished.stderr.count("\n") == 1
    assert message in finished.stderr


def test_what_lies_beside_the_file_does_not_help(heads, tmp_path):
    path = heads / "sequence-classification.tflite"
    repacked(path, tmp_path / "bare.tflite", without="vocab.txt")
    vocabulary = heads / "sequence-classification" / "vocab.txt"
    (tmp_path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    finished = run("web", "bare.tflite", cwd=tmp_path)
    assert finished.returncode == 2
    assert "must be packed into it" in finished.stderr
    assert finished.stderr.strip().endswith("bare.tflite, without vocab.txt")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("sequence-classification", "which is no file"),
        ("missing.tflite", "missing.tflite, which is no file"),
        ("token-classification.tflite", "for token-classification"),
        ("masked-lm.tflite", "for masked-lm"),
    ],
)
def test_models_of_other_kinds(model, message, heads):
    finished = run("web", model, cwd=heads)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: ")
    assert message in finished.stderr


def test_without_npm(heads, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    finished = run("web", "sequence-classification.tflite", cwd=heads)
    assert finished.returncode == 2
    assert "install Node.js" in finished.stderr
