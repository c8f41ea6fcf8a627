"""The benchmarks of training and loading run, with the peers where they are set up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PEERS_PYTHON = BENCHMARKS / "peers/.venv/bin/python"
SMALL_STEP = ("--width", "64", "--batch", "2", "--seq", "8")


def run(script, folder, *arguments):
    """What a script prints, and the figures that it writes."""
    figures = folder / "figures.json"
    command = [sys.executable, str(BENCHMARKS / script), "--layers", "1"]
    command += ["--rounds", "1", "--json", str(figures), *map(str, arguments)]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-4000:]
    return finished.stdout, json.loads(figures.read_text())


def test_training(tmp_path):
    absent = tmp_path / "python"
    printed, figures = run(
        "training.py", tmp_path, *SMALL_STEP, "--peers-python", absent
    )
    assert f"there is no {absent}" in printed and "benchmarks/peers/setup" in printed
    forms = ["batched matmul", "batched matmul, XLA", "einsum", "split and matmul"]
    assert list(figures["forms"])[:4] == forms
    assert all(form["min_ms"] > 0 for form in figures["forms"].values())


def test_loading(tmp_path):
    absent = tmp_path / "python"
    printed, figures = run("loading.py", tmp_path, "--peers-python", absent)
    assert f"there is no {absent}" in printed and "benchmarks/peers/setup" in printed
    assert "from_pretrained" in figures["seconds_of_a_process"]
    speeds = figures["tokenizers"]["SqueezeBertTokenizerFast"]
    assert speeds["tokens_per_second"] > speeds["texts_per_second"] > 0


@pytest.mark.skipif(not PEERS_PYTHON.exists(), reason="benchmarks/peers/setup not run")
@pytest.mark.parametrize(
    ("script", "arguments", "figures_of", "peer"),
    [
        ("training.py", SMALL_STEP, "forms", "PyTorch"),
        ("loading.py", (), "seconds_of_a_process", "transformers"),
    ],
)
def test_peers(tmp_path, script, arguments, figures_of, peer):
    _, figures = run(script, tmp_path, *arguments)
    assert any(name.startswith(peer) for name in figures[figures_of])
