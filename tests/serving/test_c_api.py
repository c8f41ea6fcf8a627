"""The SavedModel of every head runs where there is no Python: by TensorFlow's C API."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

C_API = Path(__file__).with_name("c_api.py")
LIBRARY = Path(tf.__file__).with_name("libtensorflow_cc.so.2")
# Those that TF Serving links: the trimmers are not among them.
OPS = [
    Path(tensorflow_text.__file__).parent / f"python/ops/{name}.so"
    for name in ("_fast_wordpiece_tokenizer",)
]


def read_signatures(folder):
    """By name, the names of the tensors of each signature: (inputs, outputs)."""
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return {
        name: tuple(
            {key: tensor.name for key, tensor in side.items()}
            for side in (signature.inputs, signature.outputs)
        )
        for name, signature in saved.meta_graphs[0].signature_def.items()
    }


def run_in_c(folder, signature, inputs):
    of_inputs, of_outputs = read_signatures(folder)[signature]
    request = {
        "folder": str(folder),
        "inputs": {of_inputs[name]: values for name, values in inputs.items()},
        "outputs": of_outputs,
    }
    finished = subprocess.run(
        [sys.executable, "-S", C_API, LIBRARY, *OPS],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(np.__file__).parents[1])},
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads(finished.stdout)


@pytest.mark.parametrize("signature", ["serving_default", "embed", "tokens"])
def test_every_head(served, questions, signature, head):
    folder = served[head]
    loaded = tf.saved_model.load(folder).signatures[signature]
    inputs = questions(head, signature)
    expected = loaded(**{name: tf.constant(x) for name, x in inputs.items()})
    answers = run_in_c(folder, signature, inputs)
    assert set(answers) == set(expected)
    for name, tensor in expected.items():
        values = tensor.numpy()
        if values.dtype == object:
            decode = np.vectorize(bytes.decode, otypes=[object])
            assert answers[name] == decode(values).tolist()
        else:
            assert np.array(answers[name]) == pytest.approx(values, abs=1e-5)
            assert np.shape(answers[name]) == values.shape
