"""The same seed and batches give the same losses on TensorFlow, JAX and PyTorch."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from pretraining_runs import loss_curve

SCRIPT = """
    import json, pathlib, sys
    # A machine may have JAX or PyTorch alone.
    for name in {absent!r}:
        sys.modules[name] = None
    sys.path[:0] = {paths!r}
    import pretraining_runs
    print(json.dumps(pretraining_runs.loss_curve(pathlib.Path({folder!r}))))
"""
ABSENT = ("tensorflow", "tensorflow_text", "tensorflow_model_optimization", "tf_keras")
PATHS = [os.path.dirname(__file__), *filter(None, sys.path)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return loss_curve(tmp_path_factory.mktemp("tensorflow"))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_losses_are_the_same(backend, expected, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = textwrap.dedent(SCRIPT).format(
        absent=ABSENT,
        paths=PATHS,
        folder=str(tmp_path),
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    losses = json.loads(result.stdout.splitlines()[-1])
    assert len(losses) == len(expected) == 50
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-3)
    assert np.mean(expected[25:30]) < np.mean(expected[:5]) - 0.1  # it does learn


def test_another_seed_has_other_losses(expected, tmp_path, monkeypatch):
    """By more than the tolerance: it would tell a shuffled batch."""
    import pretraining_runs

    monkeypatch.setattr(
        pretraining_runs,
        "make_text",
        lambda seed, make=pretraining_runs.make_text: make(1),
    )
    losses = loss_curve(tmp_path)
    assert np.abs(np.subtract(losses, expected)).min() < 1
    assert np.abs(np.subtract(losses, expected)).max() > 0.02
