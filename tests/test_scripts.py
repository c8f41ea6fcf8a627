"""The scripts of examples/ and benchmarks/ run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(script, *arguments, cwd):
    command = [sys.executable, str(ROOT / script), *arguments]
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-4000:]
    return finished.stdout


def test_text_in_the_graph(tmp_path):
    printed = run("examples/text_in_the_graph.py", cwd=tmp_path)
    assert printed.count("'will it rain in paris tomorrow' is 'weather'") == 2
    assert (tmp_path / "intents.tflite").stat().st_size > 1e6


def test_grouped_conv_benchmark(tmp_path):
    printed = run(
        "benchmarks/grouped_conv.py", "--layers", "1", "--rounds", "1", cwd=tmp_path
    )
    for form in ("GroupedConv1D", "CONV_2D, float32", "CONV_2D, dynamic_ptq", "BERT"):
        assert form in printed


def test_quantized_benchmark(tmp_path):
    printed = run(
        *("benchmarks/quantized.py", "--layers", "1", "--rounds", "1", "--steps", "1"),
        cwd=tmp_path,
    )
    assert printed.count("mixed, 26.9 MB") == 3
    assert "A training step" in printed


def test_conversion_benchmark(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    printed = run(
        "benchmarks/conversion.py", "--layers", "1", "--rounds", "1", cwd=tmp_path
    )
    assert printed.count("peak above the loaded model, of the file") == 2
