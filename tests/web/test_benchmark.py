"""benchmarks/web.py runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.web.litert_js import litert_js_folder

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "web.py"


def test_the_benchmark_runs(tflite, browser, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    try:
        litert_js_folder()
    except InputError as error:
        pytest.skip(str(error))
    _, path = tflite("float32")
    command = [sys.executable, SCRIPT, path, "--json", tmp_path / "web.json"]
    command += ["--rounds", "1", "--queries", "1", "--compare", "20"]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-4000:]
    assert "first answer" in finished.stdout
    ((_, results),) = json.loads((tmp_path / "web.json").read_text())["models"].items()
    assert results["first answer"]["count"] == 1
    typed = results["keystroke to answer"]["count"]
    assert typed > 10
    assert results["equal labels"] == [20, 20]
